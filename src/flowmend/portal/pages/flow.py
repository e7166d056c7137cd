"""One flow: state, callback URL, connections, checker, run history; on, off and which connection it uses."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.times import Gettext
from flowmend.portal.trigger_words import begins_in_words, can_be_run_by_hand, starts_in_words
from flowmend.store.rows import FlowRow, FlowState, RunRow, TriggerEventRow
from flowmend.store.tables import UNFINISHED
from flowmend.use_cases.cancel_runs import Cancelling, read_cancelling
from flowmend.use_cases.connection_views import ConnectionView, views_of
from flowmend.use_cases.flow_references import ReferenceState
from flowmend.use_cases.flow_settings import FlowSettings, read_settings
from flowmend.use_cases.flows import (
    FlowDetail,
    delete_flow,
    flow_row,
    map_connection,
    read_flow_detail,
    turn_off,
    turn_on,
)
from flowmend.use_cases.held_events import discard_event, list_held_events
from flowmend.use_cases.poll_states import POLLED_TYPES
from flowmend.use_cases.ports import Services
from flowmend.use_cases.rotate_callback_url import rotate_callback_url
from flowmend.use_cases.run_choices import RunChoice, list_chosen
from flowmend.use_cases.subscription_types import SUBSCRIBED_TYPES
from flowmend.use_cases.trigger_histories import list_trigger_histories

_SHOWN_RUNS = 10
_SHOWN_CHECKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A connection reference with the connections it could mean, (id, name). is_installed: its connector is."""

    state: ReferenceState
    candidates: tuple[tuple[str, str], ...]
    is_installed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPage:
    """begins, starts: the trigger in words. broken: its connections that need repair. held_events: the first of held_count, oldest first.

    trigger_events: what a trigger that asks a service, or is called by one, did last; of others, whose runs tell it, only
    what to mind.
    unfinished: how many runs are under way or wait.
    """

    detail: FlowDetail
    begins: str
    starts: str
    can_run: bool
    action_count: int
    runs: tuple[RunRow, ...]
    held_events: tuple[TriggerEventRow, ...]
    held_count: int
    settings: FlowSettings
    trigger_events: tuple[TriggerEventRow, ...] = ()
    broken: tuple[ConnectionView, ...]
    references: tuple[Reference, ...]
    unfinished: int = 0
    cancelling: Cancelling | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePage:
    """address: of the thing to delete. is_wrong: another name than its own was entered. obstacle: why it cannot be now."""

    name: str
    address: str
    crumbs: tuple[tuple[str, str], ...]
    consequence: str
    is_wrong: bool = False
    obstacle: str = ""


async def show_flow(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}"""
    services, flow_id = portal.services, request.path_params["flow_id"]
    detail = await read_flow_detail(services, flow_id)
    runs = await list_chosen(services, RunChoice(flow_id=flow_id), limit=_SHOWN_RUNS)
    held: list[TriggerEventRow] = []
    if detail.summary.held:
        held = await list_held_events(services, flow_id, limit=_SHOWN_RUNS)
    checks: list[TriggerEventRow] = []
    if detail.summary.trigger_type in POLLED_TYPES | SUBSCRIBED_TYPES:
        checks, _ = await list_trigger_histories(services, flow_id, limit=_SHOWN_CHECKS)
    elif detail.callback is not None:  # its runs tell what fired; only what to mind stands here
        histories, _ = await list_trigger_histories(services, flow_id, limit=_SHOWN_CHECKS)
        checks = [event for event in histories if event.fired and event.error_code]
    gettext = portal.rendering.gettext(language_of(request))
    broken = await views_of(services, [connection_id for connection_id, _ in detail.summary.broken_connections])
    installed = services.connectors.ids()
    page = FlowPage(
        detail=detail,
        begins=begins_in_words(detail.flow, gettext),
        starts=starts_in_words(detail.flow, gettext),
        can_run=can_be_run_by_hand(detail.summary.trigger_type),
        action_count=sum(1 for _ in detail.flow.definition.walk()),
        runs=tuple(runs.rows),
        unfinished=sum(detail.summary.runs_24h.get(status, 0) for status in UNFINISHED),
        cancelling=read_cancelling(services, flow_id),
        held_events=tuple(held),
        held_count=services.store.trigger_events.count_held(flow_id) if held else 0,
        settings=read_settings(services, flow_id),
        trigger_events=tuple(checks),
        broken=tuple(broken),
        references=tuple(
            Reference(
                state=one,
                candidates=_candidates(services, one),
                is_installed=one.connector in installed,
            )
            for one in detail.references
        ),
    )
    return portal.answer(request, "flow.html", place="flows", page=page)


async def switch_on(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/on"""
    await turn_on(portal.services, request.path_params["flow_id"], person_id(request))
    return see(f"{_address(request)}?done=on")


async def switch_off(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/off"""
    await turn_off(portal.services, request.path_params["flow_id"], person_id(request))
    return see(f"{_address(request)}?done=off")


async def rotate_address(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/callback_url/rotate"""
    await rotate_callback_url(portal.services, request.path_params["flow_id"], person_id(request))
    return see(f"{_address(request)}?done=rotated")


async def choose_connection(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/connections: which connection a reference means."""
    form = await request.form()
    reference, connection_id = form_text(form, "reference"), form_text(form, "connection_id")
    await map_connection(portal.services, request.path_params["flow_id"], reference, connection_id, person_id(request))
    return see(f"{_address(request)}?done=mapped")


async def discard_held_event(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/held_events/{event_name}/discard"""
    flow_id, event_name = request.path_params["flow_id"], request.path_params["event_name"]
    await discard_event(portal.services, flow_id, event_name, person_id(request))
    return see(f"{_address(request)}?done=discarded#held")


async def ask_delete_flow(portal: Portal, request: Request, *, is_wrong: bool = False) -> Response:
    """GET /flows/{flow_id}/delete"""
    row = flow_row(portal.services, request.path_params["flow_id"])
    held = portal.services.store.trigger_events.count_held(row.flow_id)
    gettext = portal.rendering.gettext(language_of(request))
    address = _address(request)
    page = DeletePage(
        name=row.name,
        address=address,
        crumbs=(("/flows", gettext("My flows")), (address, row.name)),
        consequence=gettext("Its versions and its run history go with it, for good."),
        is_wrong=is_wrong,
        obstacle=_obstacle(row, held, gettext),
    )
    return portal.answer(request, "delete.html", place="flows", status_code=400 if is_wrong else 200, page=page)


async def take_delete_flow(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/delete"""
    flow_id = request.path_params["flow_id"]
    row = flow_row(portal.services, flow_id)
    if form_text(await request.form(), "name").strip() != row.name.strip():
        return await ask_delete_flow(portal, request, is_wrong=True)
    await delete_flow(portal.services, flow_id, person_id(request))
    return see("/flows?done=deleted")


def _obstacle(row: FlowRow, held: int, gettext: Gettext) -> str:
    if row.state is FlowState.ON:
        return gettext("This flow is on. Turn it off first.")
    if held:
        return gettext("Events held by it, which never ran: {count}. Let them run, or discard them first.").format(
            count=held
        )
    return ""


def _address(request: Request) -> str:
    return f"/flows/{segment(request.path_params['flow_id'])}"


def _candidates(services: Services, reference: ReferenceState) -> tuple[tuple[str, str], ...]:
    fitting = services.store.connections.list(connector_id=reference.connector)
    return tuple((row.connection_id, row.display_name) for row in fitting)
