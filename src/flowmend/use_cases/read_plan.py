"""A repair plan as its page shows it: before it starts what would happen, then what happens, at last what happened.

`read_plan(services, plan_id) -> PlanView`; `list_plans(services, …) -> PlanList`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from flowmend.core.errors import NotFound
from flowmend.core.outcome import Status
from flowmend.core.repair.first_ones import Lined, first_ones
from flowmend.core.repair.pace import time_left
from flowmend.core.repair.stopping import StopCode
from flowmend.store.repair_plans import GROUPED
from flowmend.store.repair_rows import (
    EndedItem,
    GroupRow,
    ItemKind,
    ItemMode,
    ItemState,
    PlanKind,
    PlanState,
    RepairItemRow,
    RepairPlanRow,
)
from flowmend.store.repair_statements import end_items
from flowmend.store.rows import FlowRow
from flowmend.use_cases.incidents import IncidentSummary, incident_names, read_incident_summary
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.plan_view import (
    FlowProgress,
    PlanGroup,
    PlanList,
    PlanSummary,
    PlanView,
    Repeat,
    ShownItem,
    added_up,
)
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import (
    CAN_BE_RESUBMITTED,
    CHANGEABLE,
    ENDED,
    OVER,
    REASONS,
    PlanSettings,
    group_id_of,
    plan_row,
    read_plan_settings,
)

_MOST_RECENT = 20
_MOST_FIRST = 20
_MOST_LOOKED_AT = 500
_STOP_WORDS: Mapping[str, str] = {
    StopCode.AUTHENTICATION: "A credential was refused again. What has not begun waits; repair the connection, then go on.",
    StopCode.FAILURES: "Runs failed for another reason. Look at them, then go on or stop for good.",
    StopCode.UNDECIDED: "The first ones wait for long, or somebody ended them or did them otherwise, so they do not show yet that "
    "the repair holds. The rest goes on once they have gone well, or when somebody lets it.",
    StopCode.CANARY: "The first ones went well. The rest waits until somebody lets it go on.",
}


async def list_plans(services: Services, *, incident_id: str = "", limit: int = 50, cursor: str = "") -> PlanList:
    """Plans, the newest first. incident_id: "" for all."""
    rows, next_cursor = services.store.repair_plans.list(limit, cursor, incident_id)
    return PlanList(plans=_summaries(services, rows), next_cursor=next_cursor)


def plans_under_way(services: Services, limit: int) -> tuple[PlanSummary, ...]:
    """Plans that somebody has started and that are not over, and drafts for chosen runs; the first made first."""
    rows = [
        row
        for row in services.store.repair_plans.under_way()
        if row.started_at is not None or row.kind is PlanKind.SELECTION
    ]
    return _summaries(services, rows[:limit])


async def read_plan(services: Services, plan_id: str) -> PlanView:
    """A plan as it stands now. Errors: NotFound `RepairPlanNotFound`."""
    row = plan_row(services, plan_id)
    store = services.store.repair_plans
    if row.state in OVER:
        await _note_what_ended_since(services, plan_id)
    settings = read_plan_settings(row.settings)
    # On a thread: of a hundred thousand items it takes a while, and an open page asks again and again.
    alike = await asyncio.to_thread(store.groups, plan_id)
    by_flow: dict[str, Counter[ItemState]] = {}
    for one in alike:
        by_flow.setdefault(one.flow_id, Counter())[one.state] += one.count
    counts = sum(by_flow.values(), Counter[ItemState]())
    flows = services.store.flows.named(by_flow)
    groups = _groups(alike, flows)
    begun = store.begun(plan_id)
    waiting = sum(one.status in ("", Status.WAITING) or one.wake_at is not None for one in begun)
    done = sum(counts.get(state, 0) for state in ENDED)
    cannot = sum(group.count for group in groups if not group.can_be_done)
    to_go = counts.get(ItemState.PLANNED, 0)
    now = services.clock.now
    incident = await read_incident_summary(services, row.incident_id) if row.incident_id else None
    reason = _cannot_start_reason(row, incident, to_go)
    first = await asyncio.to_thread(store.canaries, plan_id) or _would_be_first(services, plan_id, settings)
    people = _people(services)
    return PlanView(
        row=row,
        settings=settings,
        incident=incident,
        created_by=people.get(row.created_by, ""),
        started_by=people.get(row.started_by, ""),
        can_start=row.state in CHANGEABLE and not reason,
        cannot_start_reason=reason,
        groups=groups,
        failed_runs=sum(group.count for group in groups if group.kind is ItemKind.RUN),
        held_events=sum(group.count for group in groups if group.kind is ItemKind.EVENT),
        cannot=cannot,
        total=sum(counts.values()) - counts.get(ItemState.LEFT_OUT, 0),
        done=done,
        succeeded=counts.get(ItemState.SUCCEEDED, 0),
        failed=counts.get(ItemState.FAILED, 0),
        refused=counts.get(ItemState.REFUSED, 0),
        running=len(begun) - waiting,
        waiting=waiting,
        to_go=to_go,
        left_out=counts.get(ItemState.LEFT_OUT, 0) - cannot,
        first=_shown(services, first[:_MOST_FIRST], flows, now),
        recent=_shown(services, store.recent(plan_id, _MOST_RECENT), flows, now),
        by_flow=tuple(_progress(flow_id, _flow_name(flow_id, flows), of_flow) for flow_id, of_flow in by_flow.items()),
        left=time_left(
            to_go=to_go + len(begun) - waiting,
            done=done,
            began_at=row.started_at,
            now=now,
            per_minute=settings.per_minute,
        ),
        stop_words=_STOP_WORDS.get(row.stop_code, "") if row.state in (PlanState.STOPPED, PlanState.PAUSED) else "",
        now=now,
    )


def _would_be_first(services: Services, plan_id: str, settings: PlanSettings) -> Sequence[RepairItemRow]:
    """Who goes first where the plan starts now; of those that arrived first, where there are very many."""
    store = services.store.repair_plans
    line = store.lanes(plan_id, _MOST_LOOKED_AT)
    lined = (
        Lined(position=one.position, flow_id=one.flow_id, key=one.business_key, is_run=one.kind is ItemKind.RUN)
        for one in line
    )
    return store.at(plan_id, first_ones(lined, settings.canary) or [one.position for one in line[:1]])


async def _note_what_ended_since(services: Services, plan_id: str) -> None:
    """A plan is done while some of its runs wait for long; how they end is noted when somebody looks."""
    ended = [
        EndedItem(
            position=one.position,
            state=ItemState.SUCCEEDED if one.status == Status.SUCCEEDED else ItemState.FAILED,
            ended_at=one.ended_at,
            error_code="" if one.status == Status.SUCCEEDED else one.error_code or one.code or one.status,
        )
        for one in services.store.repair_plans.begun(plan_id)
        if one.ended_at is not None
    ]
    if ended:
        await services.store.journal.write([end_items(plan_id, ended)])


async def list_items(
    services: Services,
    plan_id: str,
    *,
    after: int = -1,
    limit: int = 50,
    group_id: str = "",
    kind: ItemKind | None = None,
) -> tuple[tuple[ShownItem, ...], int | None]:
    """Items in order of arrival behind a position, and the position the next page begins behind, None at the end.

    group_id: "" for all groups. kind: None for runs and events.
    Errors: NotFound `RepairPlanNotFound`, `GroupNotFound` where the plan was made anew without it.
    """
    plan_row(services, plan_id)
    alike: dict[str, object] = {} if kind is None else {"kind": kind}
    if group_id:
        groups = await asyncio.to_thread(services.store.repair_plans.groups, plan_id)
        group = next((one for one in groups if group_id_of(one) == group_id), None)
        if group is None:
            raise NotFound(f"The repair plan has no group {group_id}.", code="GroupNotFound", target=group_id)
        alike |= {name: getattr(group, name) for name in GROUPED}
    found = services.store.repair_plans.items(plan_id, after=after, limit=limit + 1, alike=alike)
    page = found[:limit]
    flows = services.store.flows.named({one.flow_id for one in page})
    last = page[-1].position if len(found) > limit else None
    return _shown(services, page, flows, services.clock.now), last


def _groups(rows: Sequence[GroupRow], flows: Mapping[str, FlowRow]) -> tuple[PlanGroup, ...]:
    together: dict[str, list[GroupRow]] = {}
    for row in rows:
        together.setdefault(group_id_of(row), []).append(row)
    return tuple(_group(group_id, alike, flows.get(alike[0].flow_id)) for group_id, alike in together.items())


def _group(group_id: str, alike: Sequence[GroupRow], flow: FlowRow | None) -> PlanGroup:
    one = alike[0]
    counts: dict[ItemState, int] = {}
    for row in alike:
        counts[row.state] = counts.get(row.state, 0) + row.count
    return PlanGroup(
        group_id=group_id,
        flow_id=one.flow_id,
        flow_name=flow.name if flow is not None else one.flow_id,
        kind=one.kind,
        mode=one.mode,
        from_action=one.from_action,
        version=one.flow_version,
        version_is_latest=flow is not None and one.flow_version == flow.version,
        reason=one.reason,
        reason_words=reason_words(one.reason),
        modes=_modes(one),
        repeats=added_up(repeat for row in alike for repeat in _repeats(row)),
        count=sum(counts.values()),
        planned=counts.get(ItemState.PLANNED, 0),
        left_out=counts.get(ItemState.LEFT_OUT, 0),
        begun=counts.get(ItemState.BEGUN, 0),
        succeeded=counts.get(ItemState.SUCCEEDED, 0),
        failed=counts.get(ItemState.FAILED, 0),
        refused=counts.get(ItemState.REFUSED, 0),
    )


def _modes(one: GroupRow) -> tuple[ItemMode, ...]:
    if one.kind is not ItemKind.RUN:
        return ()
    if one.mode is ItemMode.RESUME:
        return (ItemMode.RESUBMIT,)
    if one.mode is ItemMode.RESUBMIT:
        return () if one.reason else (ItemMode.RESUME,)
    return (ItemMode.RESUBMIT,) if one.mode is ItemMode.NONE and one.reason in CAN_BE_RESUBMITTED else ()


def _repeats(row: GroupRow) -> Iterable[Repeat]:
    for one in msgspec.convert(row.repeats or [], list[_KeptRepeat]):
        yield Repeat(
            action=one.action,
            operation=one.operation,
            count=one.count * row.count,
            key_is_honoured=one.key_is_honoured,
            is_certain=one.is_certain,
            starts_flow=one.starts_flow,
        )


class _KeptRepeat(msgspec.Struct, frozen=True, kw_only=True):
    """As an item keeps it, counted for one run."""

    action: str
    operation: str
    count: int
    key_is_honoured: bool = False
    is_certain: bool = True
    starts_flow: bool = False


def _shown(
    services: Services, items: Sequence[RepairItemRow], flows: Mapping[str, FlowRow], now: datetime
) -> tuple[ShownItem, ...]:
    headlines = services.store.tracked_values.of_runs([one.subject for one in items if not one.business_key])
    return tuple(
        ShownItem(
            position=one.position,
            subject=one.subject,
            kind=one.kind,
            flow_id=one.flow_id,
            flow_name=_flow_name(one.flow_id, flows),
            headline=one.business_key or next((each.value for each in headlines.get(one.subject, ())), ""),
            mode=one.mode,
            state=one.state,
            is_first=one.is_canary,
            new_run=one.new_run,
            begun_at=one.begun_at,
            ended_at=one.ended_at,
            took=(one.ended_at or now) - one.begun_at if one.begun_at is not None else None,
            error_code=one.error_code,
            from_action=one.from_action,
        )
        for one in items
    )


def _flow_name(flow_id: str, flows: Mapping[str, FlowRow]) -> str:
    flow = flows.get(flow_id)
    return flow.name if flow is not None else flow_id


def _progress(flow_id: str, flow_name: str, counts: Mapping[ItemState, int]) -> FlowProgress:
    return FlowProgress(
        flow_id=flow_id,
        flow_name=flow_name,
        done=sum(counts.get(state, 0) for state in ENDED),
        total=sum(counts.values()) - counts.get(ItemState.LEFT_OUT, 0),
        failed=counts.get(ItemState.FAILED, 0) + counts.get(ItemState.REFUSED, 0),
    )


def _cannot_start_reason(row: RepairPlanRow, incident: IncidentSummary | None, to_go: int) -> str:
    if row.state not in CHANGEABLE:
        return ""
    members = incident.members if incident is not None else ()
    if incident is not None and any(one.health is not None and needs_repair(one.health) for one in members):
        return f"{incident.name} is not proven yet. Verify it first."
    return "" if to_go else "Nothing in this plan can be done."


def reason_words(reason: str) -> str:
    """Why an item is done this way, or not at all, in English; "" where nothing is to be said."""
    return REASONS.get(reason, reason)


def _summaries(services: Services, rows: Sequence[RepairPlanRow]) -> tuple[PlanSummary, ...]:
    people = _people(services) if rows else {}
    names = incident_names(services, {row.incident_id for row in rows if row.incident_id})
    return tuple(_summary(services, row, names.get(row.incident_id, ""), people) for row in rows)


def _summary(services: Services, row: RepairPlanRow, name: str, people: Mapping[str, str]) -> PlanSummary:
    counts = services.store.repair_plans.counts(row.plan_id)
    return PlanSummary(
        row=row,
        name=name,
        created_by=people.get(row.created_by, ""),
        done=sum(counts.get(state, 0) for state in ENDED),
        total=sum(counts.values()) - counts.get(ItemState.LEFT_OUT, 0),
        failed=counts.get(ItemState.FAILED, 0) + counts.get(ItemState.REFUSED, 0),
    )


def _people(services: Services) -> dict[str, str]:
    return {one.person_id: one.name for one in services.store.access.people()}
