"""Repair plans: our own resource, snake_case. Nothing here holds what a run worked on, but its business key."""

from datetime import datetime

import msgspec

from flowmend.core.repair.first_ones import Canary
from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, PlanKind, PlanState
from flowmend.use_cases.plan_view import FlowProgress, PlanGroup, PlanSummary, PlanView, Repeat, ShownItem


class PlanSettingsShape(msgspec.Struct, frozen=True, kw_only=True):
    """How it runs. canary: who goes first, alone. ask_before_rest: pause after them. per_minute: runs that begin in a minute at
    most, null for any number. at_once: runs under way at most. calls_at_once: calls of these.
    """

    canary: Canary
    ask_before_rest: bool
    per_minute: int | None
    at_once: int
    calls_at_once: int


class PlanCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Items. total: done or to be done. done: ended, well or not. waiting: begun, and wait for a person, a time or a repair.

    to_go: not begun. left_out: by a person. cannot: nothing can be done with them.
    """

    failed_runs: int
    held_events: int
    total: int
    done: int
    succeeded: int
    failed: int
    refused: int
    running: int
    waiting: int
    to_go: int
    left_out: int
    cannot: int


class RepeatShape(msgspec.Struct, frozen=True, kw_only=True):
    """An effect that would happen twice. count: over the whole group. is_certain: it is known to have happened before.

    key_is_honoured: its service knows a repeat and does nothing the second time. starts_flow: it starts another flow.
    """

    action: str
    operation: str
    count: int
    is_certain: bool
    key_is_honoured: bool
    starts_flow: bool


class PlanGroupShape(msgspec.Struct, frozen=True, kw_only=True):
    """Items of a flow that are done alike. id: by which it is chosen. mode: resume, resubmit, start, cancel or none.

    from_action: where a resumed run goes on. version: of the definition it runs. reason, reason_text: why it can only be done
    so, or not at all. modes: what may be chosen instead.
    """

    id: str
    flow: str
    flow_name: str
    kind: ItemKind
    mode: ItemMode
    from_action: str
    version: str
    version_is_latest: bool
    reason: str
    reason_text: str
    modes: list[ItemMode]
    repeats: list[RepeatShape]
    is_left_out: bool
    count: int
    to_go: int
    running: int
    succeeded: int
    failed: int
    refused: int


class PlanItemShape(msgspec.Struct, frozen=True, kw_only=True):
    """A run or held event. subject: its name. new_run: what it became, "" before. headline: what people call it."""

    subject: str
    kind: ItemKind
    flow: str
    flow_name: str
    headline: str
    mode: ItemMode
    state: ItemState
    is_first: bool
    new_run: str
    begun_at: datetime | None
    ended_at: datetime | None
    error_code: str


class FlowProgressShape(msgspec.Struct, frozen=True, kw_only=True):
    """How far a flow is."""

    flow: str
    flow_name: str
    done: int
    total: int
    failed: int


class RepairPlanShape(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in a list. version: whoever starts it names the one they saw. incident: "" of chosen runs."""

    id: str
    kind: PlanKind
    state: PlanState
    version: int
    incident: str
    name: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    done: int
    total: int
    failed: int


class RepairPlanDetailShape(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it stands. keeps_back_until: until then held events of its flows wait for it; null of one that was started, or
    is over. stop_code, stop_text: why it stopped or paused by itself. seconds_left: about, null where nobody can tell.
    """

    id: str
    kind: PlanKind
    state: PlanState
    version: int
    incident: str
    name: str
    settings: PlanSettingsShape
    can_start: bool
    cannot_start_reason: str
    created_by: str
    created_at: datetime
    keeps_back_until: datetime | None
    started_by: str
    started_at: datetime | None
    first_ones_ended_at: datetime | None
    ended_at: datetime | None
    stop_code: str
    stop_text: str
    counts: PlanCounts
    seconds_left: int | None
    groups: list[PlanGroupShape]
    first: list[PlanItemShape]
    recent: list[PlanItemShape]
    flows: list[FlowProgressShape]


def plan_shape(summary: PlanSummary) -> RepairPlanShape:
    row = summary.row
    return RepairPlanShape(
        id=row.plan_id,
        kind=row.kind,
        state=row.state,
        version=row.version,
        incident=row.incident_id,
        name=summary.name,
        created_by=summary.created_by,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        done=summary.done,
        total=summary.total,
        failed=summary.failed,
    )


def plan_detail_shape(view: PlanView) -> RepairPlanDetailShape:
    row, settings = view.row, view.settings
    return RepairPlanDetailShape(
        id=row.plan_id,
        kind=row.kind,
        state=row.state,
        version=row.version,
        incident=row.incident_id,
        name=view.incident.name if view.incident is not None else "",
        settings=PlanSettingsShape(
            canary=settings.canary,
            ask_before_rest=settings.ask_before_rest,
            per_minute=settings.per_minute,
            at_once=settings.at_once,
            calls_at_once=settings.calls_at_once,
        ),
        can_start=view.can_start,
        cannot_start_reason=view.cannot_start_reason,
        created_by=view.created_by,
        created_at=row.created_at,
        keeps_back_until=row.keeps_back_until,
        started_by=view.started_by,
        started_at=row.started_at,
        first_ones_ended_at=row.canary_ended_at,
        ended_at=row.ended_at,
        stop_code=row.stop_code,
        stop_text=view.stop_words,
        counts=PlanCounts(
            failed_runs=view.failed_runs,
            held_events=view.held_events,
            total=view.total,
            done=view.done,
            succeeded=view.succeeded,
            failed=view.failed,
            refused=view.refused,
            running=view.running,
            waiting=view.waiting,
            to_go=view.to_go,
            left_out=view.left_out,
            cannot=view.cannot,
        ),
        seconds_left=None if view.left is None else int(view.left.total_seconds()),
        groups=[_group(one) for one in view.groups],
        first=[item_shape(one) for one in view.first],
        recent=[item_shape(one) for one in view.recent],
        flows=[_progress(one) for one in view.by_flow],
    )


def item_shape(one: ShownItem) -> PlanItemShape:
    return PlanItemShape(
        subject=one.subject,
        kind=one.kind,
        flow=one.flow_id,
        flow_name=one.flow_name,
        headline=one.headline,
        mode=one.mode,
        state=one.state,
        is_first=one.is_first,
        new_run=one.new_run,
        begun_at=one.begun_at,
        ended_at=one.ended_at,
        error_code=one.error_code,
    )


def _group(group: PlanGroup) -> PlanGroupShape:
    return PlanGroupShape(
        id=group.group_id,
        flow=group.flow_id,
        flow_name=group.flow_name,
        kind=group.kind,
        mode=group.mode,
        from_action=group.from_action,
        version=group.version,
        version_is_latest=group.version_is_latest,
        reason=group.reason,
        reason_text=group.reason_words,
        modes=list(group.modes),
        repeats=[_repeat(one) for one in group.repeats],
        is_left_out=group.is_left_out,
        count=group.count,
        to_go=group.planned,
        running=group.begun,
        succeeded=group.succeeded,
        failed=group.failed,
        refused=group.refused,
    )


def _repeat(one: Repeat) -> RepeatShape:
    return RepeatShape(
        action=one.action,
        operation=one.operation,
        count=one.count,
        is_certain=one.is_certain,
        key_is_honoured=one.key_is_honoured,
        starts_flow=one.starts_flow,
    )


def _progress(one: FlowProgress) -> FlowProgressShape:
    return FlowProgressShape(
        flow=one.flow_id, flow_name=one.flow_name, done=one.done, total=one.total, failed=one.failed
    )
