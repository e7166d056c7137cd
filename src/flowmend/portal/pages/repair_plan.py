"""A repair plan: before it starts what would happen, then what happens, at last what happened."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from msgspec.structs import replace
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.core.repair.first_ones import Canary
from flowmend.portal.forms import form_text
from flowmend.portal.incident_words import Cure, cure_of
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.plan_words import stop_in_words
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.repair_rows import ItemKind, ItemMode, PlanState
from flowmend.use_cases.choose_in_plan import choose_groups, choose_mode
from flowmend.use_cases.flow_versions import VersionDifference, compare_versions
from flowmend.use_cases.incidents import IncidentSummary, open_incidents, read_incident_summary
from flowmend.use_cases.make_plan import NOTHING_TO_REPAIR, make_plan
from flowmend.use_cases.plan_view import PlanView
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.repair_plan import PlanSettings, plan_row, read_plan_settings
from flowmend.use_cases.runs import read_run
from flowmend.use_cases.start_plan import go_on_with_plan, start_plan
from flowmend.use_cases.stop_plan import dismiss_plan, pause_plan, stop_plan

#: Runs that begin in a minute at most; "" for as many as go.
RATES = ("", "10", "50", "200", "1000")
_MOST_COMPARED = 5
_MOST_LATER = 50
_MOVES = ("pause", "stop", "go_on", "dismiss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is another since the plan was shown. before, now: how many."""

    flow_name: str
    is_run: bool
    before: int
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """asked: how it is to start, as chosen on the page before it changed. changes: what the plan made anew has otherwise, None where nothing
    was asked for in vain. successor: the id of the plan that was made after a dismissed one. broken: the incident that is open for its connections now, with what cures it. stop: (why, what to do).
    came_from: the run that led here, (its name, what people call it). differences: {group id: what the latest definition changed since the one that its runs would go on with}.
    """

    view: PlanView
    asked: PlanSettings | None = None
    changes: tuple[Change, ...] | None = None
    error: str = ""
    broken: tuple[IncidentSummary, Cure] | None = None
    stop: tuple[str, str] | None = None
    differences: Mapping[str, VersionDifference] = field(default_factory=dict)
    successor: str = ""
    came_from: tuple[str, str] | None = None

    @property
    def rates(self) -> tuple[str, ...]:
        """What can be chosen, with the rate the plan has from elsewhere."""
        chosen = str(self.settings.per_minute or "")
        return RATES if chosen in RATES else (*RATES, chosen)

    @property
    def address(self) -> str:
        return f"/repair_plans/{segment(self.view.row.plan_id)}"

    @property
    def settings(self) -> PlanSettings:
        return self.asked or self.view.settings

    @property
    def is_shown_as_plan(self) -> bool:
        """Whether it says what would happen: it never ran."""
        return self.view.row.started_at is None and self.view.row.state in (PlanState.DRAFT, PlanState.STOPPED)

    @property
    def first_name(self) -> str:
        """What people call the one that goes first."""
        return self.view.first[0].headline or self.view.first[0].flow_name if self.view.first else ""

    @property
    def goes_on(self) -> bool:
        return self.view.row.state in (PlanState.CANARY, PlanState.RUNNING)


async def show_plan(portal: Portal, request: Request) -> Response:
    """GET /repair_plans/{plan_id}?run="""
    return await _answer(portal, request, await read_plan(portal.services, request.path_params["plan_id"]))


async def make_incident_plan(portal: Portal, request: Request) -> Response:
    """POST /incidents/{incident_id}/plan: what it failed and held, as a plan; nothing begins."""
    incident_id = request.path_params["incident_id"]
    try:
        plan = await make_plan(portal.services, person_id=person_id(request), incident_id=incident_id)
    except Conflict as wrong:
        if wrong.code != NOTHING_TO_REPAIR:
            raise
        return see(f"/incidents/{segment(incident_id)}?done=nothing-left")
    return see(f"/repair_plans/{segment(plan.plan_id)}")


async def take_start(portal: Portal, request: Request) -> Response:
    """POST /repair_plans/{plan_id}/start: begin what was shown and chosen; where the world changed, what changed."""
    services, form = portal.services, await request.form()
    plan_id = request.path_params["plan_id"]
    groups = {value for value in form.getlist("group") if isinstance(value, str)}
    if form_text(form, "only") == "events":
        view = await read_plan(services, plan_id)
        groups = {one.group_id for one in view.groups if one.kind is ItemKind.EVENT and one.can_be_done}
    try:
        await start_plan(
            services,
            plan_id,
            _number(form, "version"),
            person_id=person_id(request),
            settings=_settings(form, read_plan_settings(plan_row(services, plan_id).settings)),
            groups=groups,
        )
    except Conflict as wrong:
        view = await read_plan(services, plan_id)
        if wrong.code == "PlanUnderWay":  # somebody was quicker: see how it goes
            return see(f"/repair_plans/{segment(plan_id)}")
        changes = _changes(form, view) if wrong.code == "PlanChanged" else None
        error = "" if changes is not None else wrong.message
        return await _answer(portal, request, view, changes=changes, error=error, asked=form, status_code=409)
    return see(f"/repair_plans/{segment(plan_id)}")


async def take_mode(portal: Portal, request: Request) -> Response:
    """POST /repair_plans/{plan_id}/mode: do a group another way; what else was chosen on the page stays chosen."""
    form, plan_id = await request.form(), request.path_params["plan_id"]
    group_id, mode, latest = (*form_text(form, "change").split(":"), "", "")[:3]
    try:
        version = await _with_groups(portal, form, plan_id, person_id=person_id(request))
        await choose_mode(
            portal.services,
            plan_id,
            version,
            group_id,
            _mode(mode),
            person_id=person_id(request),
            latest=True if latest else None,
        )
    except Conflict as wrong:
        view = await read_plan(portal.services, plan_id)
        return await _answer(portal, request, view, changes=(), error=wrong.message, status_code=409)
    chosen = urlencode(
        {name: form_text(form, name) for name in ("canary", "per_minute", "run") if form_text(form, name)}
    )
    return see(f"/repair_plans/{segment(plan_id)}?done=mode&{chosen}#g-{segment(group_id)}")


async def _with_groups(portal: Portal, form: FormData, plan_id: str, *, person_id: str) -> int:
    """The plan's version once the groups that are ticked on the page are those it would do."""
    version, shown = _number(form, "version"), [one for one in form.getlist("was") if isinstance(one, str)]
    view = await read_plan(portal.services, plan_id)
    ticked = {value for value in form.getlist("group") if isinstance(value, str)}
    if not shown or view.row.version != version:
        return version
    if ticked == {one.group_id for one in view.groups if one.can_be_done and not one.is_left_out}:
        return version
    return (await choose_groups(portal.services, plan_id, version, begun=ticked, person_id=person_id)).row.version


async def take_move(portal: Portal, request: Request) -> Response:
    """POST /repair_plans/{plan_id}/move: pause, stop, go on, or give up what has not begun."""
    services, plan_id, by = portal.services, request.path_params["plan_id"], person_id(request)
    move = form_text(await request.form(), "move")
    if move not in _MOVES:
        raise AskedWrongly("Choose what is to be done with the plan.", code="InvalidRequestContent", target="move")
    try:
        match move:
            case "pause":
                await pause_plan(services, plan_id, person_id=by)
            case "stop":
                await stop_plan(services, plan_id, person_id=by)
            case "dismiss":
                await dismiss_plan(services, plan_id, person_id=by)
            case _:
                await go_on_with_plan(services, plan_id, person_id=by)
    except Conflict as wrong:
        view = await read_plan(services, plan_id)
        changes = () if wrong.code == "PlanChanged" else None
        return await _answer(portal, request, view, changes=changes, error=wrong.message, status_code=409)
    return see(f"/repair_plans/{segment(plan_id)}")


async def _answer(
    portal: Portal,
    request: Request,
    view: PlanView,
    *,
    changes: tuple[Change, ...] | None = None,
    error: str = "",
    asked: FormData | None = None,
    status_code: int = 200,
) -> Response:
    row = view.row
    has_stopped = row.state in (PlanState.PAUSED, PlanState.STOPPED)
    page = PlanPage(
        view=view,
        asked=_asked_settings(asked or request.query_params, view.settings),
        successor=_successor(portal, view) if row.state is PlanState.DISMISSED else "",
        differences=await _differences_to_latest(portal, view) if view.row.started_at is None else {},
        changes=changes,
        error=error,
        broken=await _broken_again(portal, view) if not view.can_start else None,
        stop=stop_in_words(row.state, row.stop_code) if has_stopped else None,
        came_from=await _came_from(portal, asked or request.query_params),
    )
    template = "repair_plan.html" if page.is_shown_as_plan else "repair_progress.html"
    return portal.answer(request, template, place="incidents", status_code=status_code, page=page)


async def _came_from(portal: Portal, asked: FormData | QueryParams) -> tuple[str, str] | None:
    run_name = asked.get("run", "")
    if not run_name or not isinstance(run_name, str):
        return None
    with suppress(NotFound):
        return run_name, run_title(await read_run(portal.services, run_name))
    return None


def _asked_settings(asked: FormData | QueryParams, before: PlanSettings) -> PlanSettings | None:
    try:
        return _settings(asked, before)
    except AskedWrongly:
        return None


def _successor(portal: Portal, view: PlanView) -> str:
    """The plan that was made next for a connection of this one's incident, "" where there is none."""
    incidents = portal.services.store.incidents
    members = view.incident.members if view.incident is not None else ()
    ids = {row.incident_id for one in members[:1] for row in incidents.list(connection_id=one.connection_id)[0]}
    plans = [plan for one in ids for plan in portal.services.store.repair_plans.list(_MOST_LATER, "", one)[0]]
    later = [plan for plan in plans if plan.created_at > view.row.created_at]
    return min(later, key=lambda plan: plan.created_at).plan_id if later else ""


async def _differences_to_latest(portal: Portal, view: PlanView) -> dict[str, VersionDifference]:
    """Of the first few groups that would not run with the latest version; a version no longer kept has none."""
    services, found = portal.services, dict[str, VersionDifference]()
    for group in view.groups:
        flow = services.store.flows.get(group.flow_id)
        if flow is None or group.version_is_latest or not group.version or len(found) >= _MOST_COMPARED:
            continue
        with suppress(NotFound):
            found[group.group_id] = await compare_versions(services, group.flow_id, group.version, flow.version)
    return found


async def _broken_again(portal: Portal, view: PlanView) -> tuple[IncidentSummary, Cure] | None:
    """The incident that is open for one of its connections, and what cures it."""
    if view.incident is None:
        return None
    opened = open_incidents(portal.services, [one.connection_id for one in view.incident.members])
    if not opened:
        return None
    summary = await read_incident_summary(portal.services, next(iter(opened.values())))
    return summary, cure_of(summary, then_plan=True)


def _changes(form: FormData, view: PlanView) -> tuple[Change, ...]:
    """What was shown against what is: `was` fields hold group, count, kind and flow."""
    was: dict[str, tuple[int, str, str]] = {}
    for text in form.getlist("was"):
        if isinstance(text, str) and text.count("|") >= 3:
            group_id, count, kind, flow_name = text.split("|", 3)
            was[group_id] = (int(count) if count.isdecimal() else 0, kind, flow_name)
    now = {one.group_id: (one.count, one.kind.value, one.flow_name) for one in view.groups}
    return tuple(_differences(was, now))


def _differences(was: Mapping[str, tuple[int, str, str]], now: Mapping[str, tuple[int, str, str]]) -> list[Change]:
    found = []
    for group_id in dict.fromkeys((*was, *now)):
        before, after = was.get(group_id, (0, "", ""))[0], now.get(group_id, (0, "", ""))[0]
        _, kind, flow_name = now.get(group_id) or was[group_id]
        if before != after:
            found.append(Change(flow_name=flow_name, is_run=kind == ItemKind.RUN, before=before, now=after))
    return found


def _settings(form: FormData | QueryParams, before: PlanSettings) -> PlanSettings:
    """before: what the plan has already; what the page does not ask for stays so."""
    canary, rate = (text if isinstance(text := form.get(name, ""), str) else "" for name in ("canary", "per_minute"))
    if canary not in set(Canary) or rate not in (*RATES, str(before.per_minute)):
        raise AskedWrongly("Choose how it starts.", code="InvalidPlanSettings", target="canary")
    return replace(before, canary=Canary(canary), per_minute=int(rate) if rate else None)


def _mode(text: str) -> ItemMode:
    if text not in set(ItemMode):
        raise AskedWrongly("Choose how it is done.", code="ModeNotOffered", target="change")
    return ItemMode(text)


def _number(form: FormData, name: str) -> int:
    text = form_text(form, name)
    return int(text) if text.isdecimal() and len(text) < 10 else 0
