"""Start a repair plan as somebody saw it, or let one that was paused or stopped go on."""

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from flowmend.core.errors import Conflict
from flowmend.core.repair.first_ones import Lined, first_ones
from flowmend.store.repair_rows import ItemKind, LaneItem, PlanKind, PlanState, RepairPlanRow
from flowmend.use_cases.choose_in_plan import left_out
from flowmend.use_cases.make_plan import remake_plan, waits_until
from flowmend.use_cases.plan_subjects import world_now
from flowmend.use_cases.ports import Services
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.repair_plan import CHANGEABLE, PlanSettings, plan_changed, plan_row, tell_progress, under_way


async def start_plan(
    services: Services,
    plan_id: str,
    version: int,
    *,
    person_id: str,
    settings: PlanSettings | None = None,
    groups: Collection[str] | None = None,
) -> RepairPlanRow:
    """Begin what this version of the plan shows, or go on with one that stopped.

    settings: None for those it has. groups: the ids of the groups to begin, the others are left out; None for all that are
    not left out.
    Errors: NotFound; AskedWrongly `GroupNotFound`; Conflict `PlanChanged` where the version is old, or the world changed
    meanwhile, whereupon the plan was made anew; `PlanUnderWay` where somebody else was quicker; `PlanCannotStart` with the reason.
    """
    row = plan_row(services, plan_id)
    if row.state not in CHANGEABLE:
        raise under_way(plan_id)
    if row.version != version:
        raise plan_changed(plan_id)
    now = (
        services.clock.now
    )  # before anybody looks at the world: whoever tries a run again from now on is seen when it begins
    if row.kind is PlanKind.INCIDENT and row.keeps_back_until is not None and now < row.keeps_back_until:
        flow_ids = services.store.repair_plans.flows_of(plan_id)
        services.held.keep_back(flow_ids, plan_id, max(row.keeps_back_until, waits_until(services)))
    row = await _as_the_world_is(services, row)
    view = await read_plan(services, plan_id)
    if view.cannot_start_reason:
        raise Conflict(view.cannot_start_reason, code="PlanCannotStart", target=plan_id)
    chosen = settings if settings is not None else view.settings
    has_started = await asyncio.to_thread(
        services.store.repair_plans.start,
        row,
        None if groups is None else left_out(view, groups),
        lambda line: _first_ones(line, chosen),
        settings=msgspec.to_builtins(chosen),
        started_by=person_id,
        started_at=now,
        changed_at=now,
        canary_ended_at=None,
        keeps_back_until=None,
        stop_code="",
        stop_message="",
    )
    if not has_started:
        raise under_way(plan_id)
    if row.kind is PlanKind.INCIDENT:
        services.held.keep_back(services.store.repair_plans.flows_of(plan_id), plan_id, None)
    details = {"version": row.version, "items": view.to_go}
    services.store.audit.note(person_id, "start_plan", plan_id, details, at=now)
    tell_progress(services, plan_id)
    return plan_row(services, plan_id)


async def go_on_with_plan(services: Services, plan_id: str, *, person_id: str) -> RepairPlanRow:
    """Let a paused plan go on where it was; start a stopped one again as it is shown now.

    Errors: NotFound; Conflict `PlanNotPaused`; for a stopped one as `start_plan`.
    """
    row = plan_row(services, plan_id)
    if row.state is PlanState.STOPPED:
        return await start_plan(services, plan_id, row.version, person_id=person_id)
    now = services.clock.now
    state = (
        PlanState.CANARY if row.canary_ended_at is None and _has_first_ones(services, plan_id) else PlanState.RUNNING
    )
    goes_on = services.store.repair_plans.change(
        plan_id, (PlanState.PAUSED,), state=state, changed_at=now, stop_code="", stop_message=""
    )
    if not goes_on:
        raise Conflict("The repair plan is not paused.", code="PlanNotPaused", target=plan_id)
    services.store.audit.note(person_id, "go_on_with_plan", plan_id, None, at=now)
    tell_progress(services, plan_id)
    return plan_row(services, plan_id)


async def _as_the_world_is(services: Services, row: RepairPlanRow) -> RepairPlanRow:
    """The plan where the world is as it was made from; else it is made anew, and whoever saw the old one looks again.

    A plan that stopped is always made anew: what it had begun is no longer its world. Where the rest is to be done as before,
    there is nothing new to look at.
    """
    if row.world and row.world == await asyncio.to_thread(world_now, services, row):
        return row
    outline = services.store.repair_plans.outline
    before = await asyncio.to_thread(outline, row.plan_id)
    remade = await remake_plan(services, row)
    if await asyncio.to_thread(outline, row.plan_id) != before:
        raise plan_changed(row.plan_id)
    return remade


def _has_first_ones(services: Services, plan_id: str) -> bool:
    return bool(services.store.repair_plans.canaries(plan_id))


def _first_ones(line: Sequence[LaneItem], settings: PlanSettings) -> tuple[int, ...]:
    lined = (
        Lined(position=one.position, flow_id=one.flow_id, key=one.business_key, is_run=one.kind is ItemKind.RUN)
        for one in line
    )
    return first_ones(lined, settings.canary)
