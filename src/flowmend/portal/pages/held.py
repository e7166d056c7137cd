"""Held events: what waits in which flow, and letting it go, which asks first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, number_asked, person_id, see
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.held_events import MOST_DISCARDED, discard_all_events, discard_events
from flowmend.use_cases.held_lists import HeldPage, list_held

_SHOWN = 50
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEventsPage:
    """flow_id, flow_name: of the flow asked for, "" for all. older: address of the next page, "" at the end. discarded: how
    many were let go just now. plans: {flow id: the repair plan that keeps back what it holds, and until when}.
    """

    held: HeldPage
    flow_id: str
    flow_name: str
    address: str
    later: str
    is_later_page: bool
    discarded: int
    plans: Mapping[str, tuple[str, datetime | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardPage:
    """The question before events are let go. events: those chosen, or the first of all. before: what came later stays, when
    all of a flow are let go.
    """

    flow_id: str
    flow_name: str
    count: int
    events: tuple[TriggerEventRow, ...]
    back: str
    names: tuple[str, ...] = ()
    before: str = ""


async def show_held(portal: Portal, request: Request) -> Response:
    """GET /held?flow=&cursor="""
    flow_id, cursor = request.query_params.get("flow", ""), request.query_params.get("cursor", "")
    held = await list_held(portal.services, flow_id=flow_id, limit=_SHOWN, cursor=cursor)
    kept = {
        one.flow_id: portal.services.held.kept_back_by(one.flow_id, portal.services.clock.now) for one in held.flows
    }
    page = HeldEventsPage(
        held=held,
        plans={flow: by for flow, by in kept.items() if by is not None},
        flow_id=flow_id,
        flow_name=flow_row(portal.services, flow_id).name if flow_id else "",
        address=_address(flow_id),
        later=_address(flow_id, cursor=held.cursor) if held.cursor else "",
        is_later_page=bool(cursor),
        discarded=number_asked(request, "count"),
    )
    return portal.answer(request, "held.html", place="flows", page=page)


async def ask_discard(portal: Portal, request: Request) -> Response:
    """GET /held/discard?flow=: the question about everything that a flow holds."""
    services = portal.services
    row = flow_row(services, request.query_params.get("flow", ""))
    before = services.clock.now
    rows, _ = services.store.held.list_events([row.flow_id], _MOST_NAMED, arrived_before=before)
    page = DiscardPage(
        flow_id=row.flow_id,
        flow_name=row.name,
        count=services.store.trigger_events.count_held(row.flow_id),
        events=tuple(rows),
        before=before.isoformat(),
        back=_address(row.flow_id),
    )
    return portal.answer(request, "held_discard.html", place="flows", page=page)


async def take_discard(portal: Portal, request: Request) -> Response:
    """POST /held/discard: those chosen are asked about first; what was asked about is done."""
    form = await request.form(max_fields=MOST_DISCARDED + 10)
    flow_id, before = form_text(form, "flow"), form_text(form, "before")
    names = [name for name in form.getlist("event") if isinstance(name, str)][:MOST_DISCARDED]
    person = person_id(request)
    if not form_text(form, "confirmed"):
        return _ask_about(portal, request, flow_id, names) if names else see(_address(flow_id))
    if before and flow_id:
        gone = await discard_all_events(portal.services, flow_id, person, arrived_before=_moment(before))
    else:
        gone = await discard_events(portal.services, names, person)
    return see(_address(flow_id, done="discarded", count=str(gone)))


def _ask_about(portal: Portal, request: Request, flow_id: str, names: list[str]) -> Response:
    found = [portal.services.store.trigger_events.get(name) for name in names[:_MOST_NAMED]]
    page = DiscardPage(
        flow_id=flow_id,
        flow_name=flow_row(portal.services, flow_id).name if flow_id else "",
        count=len(names),
        events=tuple(one for one in found if one is not None),
        names=tuple(names),
        back=_address(flow_id),
    )
    return portal.answer(request, "held_discard.html", place="flows", page=page)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AskedWrongly("The form holds no time.", code="InvalidForm", target="before") from error


def _address(flow_id: str, **query: str) -> str:
    chosen = {"flow": flow_id, **query}
    text = urlencode({name: value for name, value in chosen.items() if value})
    return f"/held?{text}" if text else "/held"
