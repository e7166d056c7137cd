"""Make a repair plan: what would go on, from where, and what would happen twice. It is a dry run: nothing begins.

    make_plan(services, person_id=…, incident_id="…")                        what an incident failed or held
    make_plan(services, person_id=…, run_names=[…], mode=ItemMode.RESUBMIT)  runs somebody chose
    make_plan(services, person_id=…, wanted=RunFilter(…), mode=ItemMode.CANCEL)  all runs that a filter shows, however many

Then `start_plan` begins it, `read_plan` shows it.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import msgspec

from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.core.json_value import Json
from flowmend.store.repair_rows import ItemMode, ItemState, PlanKind, PlanState, RepairItemRow, RepairPlanRow
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.callers import callers_of
from flowmend.use_cases.incidents import read_incident_summary, windows_of
from flowmend.use_cases.plan_items import items_of
from flowmend.use_cases.plan_subjects import Subjects, Target, collect, target_of
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import CHANGEABLE, OVER, group_id_of, tell_progress, under_way
from flowmend.use_cases.stop_plan import dismiss_plan

#: {incident id: held while its plan is made}: of two who ask at once the second gets the plan of the first.
_being_made: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
#: Connections of an incident whose earlier plans are looked for.
_MOST_ASKED = 5
NOTHING_TO_REPAIR = "NothingToRepair"
_MODES = (None, ItemMode.RESUME, ItemMode.RESUBMIT, ItemMode.CANCEL)


async def make_plan(
    services: Services,
    *,
    person_id: str,
    incident_id: str = "",
    run_names: Collection[str] = (),
    wanted: RunFilter | None = None,
    mode: ItemMode | None = None,
    plan_id: str = "",
) -> RepairPlanRow:
    """A plan for an incident, or for runs that somebody chose by name or by a filter; exactly one of the three.

    mode: of chosen runs, RESUME, RESUBMIT or CANCEL; None for what repeats the least. plan_id: chosen before, "" for a new one.
    An incident that has a plan under way keeps it: a draft or a stopped one is made anew under its next version, one that goes
    on is answered as it is. Drafts and stopped plans of other incidents over the same flows are taken in and dismissed.
    Errors: NotFound; AskedWrongly `InvalidPlan`; Conflict `NothingToRepair` where nothing is left of an incident: none is made.
    """
    is_one = (bool(incident_id), bool(run_names), wanted is not None).count(True) == 1
    if not is_one or mode not in _MODES or (incident_id and mode is not None):
        raise AskedWrongly("A repair plan is made for an incident or for runs, named or filtered.", code="InvalidPlan")
    if incident_id:
        incident_id = (await read_incident_summary(services, incident_id)).row.incident_id  # of a merged one the whole
        async with _being_made.setdefault(incident_id, asyncio.Lock()):
            return await _for_incident(services, incident_id, person_id=person_id, plan_id=plan_id)
    if wanted is not None:
        chosen = await asyncio.to_thread(services.store.repair_subjects.matching, wanted)
        run_names = [run.run_name for run in chosen]
    target = Target(
        plan_id=plan_id or str(services.clock.guid()), kind=PlanKind.SELECTION, names=tuple(run_names), mode=mode
    )
    return await _make(services, target, person_id)


async def remake_plan(services: Services, plan: RepairPlanRow) -> RepairPlanRow:
    """The plan under its next version, from the world as it is now; what a person left out stays left out.

    Errors: Conflict `PlanUnderWay` where somebody started or changed it meanwhile.
    """
    await services.store.journal.write(())  # how items ended rides along with that
    target = await asyncio.to_thread(target_of, services, plan)
    chosen = await asyncio.to_thread(services.store.repair_plans.chosen_modes, plan.plan_id)
    subjects, made = await _subjects_and_items(services, target, chosen)
    made = await asyncio.to_thread(_with_choices, services, plan, made)
    until = waits_until(services) if plan.state is PlanState.DRAFT else plan.keeps_back_until
    remade = await asyncio.to_thread(
        services.store.repair_plans.remake,
        plan,
        made,
        world=subjects.world,
        at=services.clock.now,
        keeps_back_until=until,
    )
    if remade is None:
        raise under_way(plan.plan_id)
    await _take_the_place_of(services, subjects, remade)
    return remade


def waits_until(services: Services) -> datetime:
    """Until when a draft that nobody starts keeps events back."""
    return services.clock.now + timedelta(minutes=services.settings.repair_waits_minutes)


async def _for_incident(services: Services, incident_id: str, *, person_id: str, plan_id: str) -> RepairPlanRow:
    before = services.store.repair_plans.of_incidents([incident_id]).get(incident_id)
    if before is not None and before.state not in OVER:
        if before.state not in CHANGEABLE:
            return before
        remade = await remake_plan(services, before)
        if not services.store.repair_plans.counts(remade.plan_id):
            await dismiss_plan(services, remade.plan_id, person_id=person_id)
            raise _nothing_left(incident_id)
        return remade
    target = Target(plan_id=plan_id or str(services.clock.guid()), kind=PlanKind.INCIDENT, incident_id=incident_id)
    return await _make(services, target, person_id)


async def _make(services: Services, target: Target, person_id: str) -> RepairPlanRow:
    subjects, made = await _subjects_and_items(services, target, {})
    if target.kind is PlanKind.INCIDENT and not made:
        raise _nothing_left(target.incident_id)
    now = services.clock.now
    plan = RepairPlanRow(
        plan_id=target.plan_id,
        kind=target.kind,
        incident_id=target.incident_id,
        world=subjects.world,
        settings=_settings_before(services, target, subjects),
        created_by=person_id,
        created_at=now,
        changed_at=now,
        keeps_back_until=waits_until(services),
    )
    await asyncio.to_thread(services.store.repair_plans.make, plan, made)
    await _take_the_place_of(services, subjects, plan)
    return plan


def _nothing_left(incident_id: str) -> Conflict:
    return Conflict(
        "Nothing is left to repair: no failed run, and no held event.", code=NOTHING_TO_REPAIR, target=incident_id
    )


def _settings_before(services: Services, target: Target, subjects: Subjects) -> Json:
    """How the plan ran that this one goes on with: one it takes the place of, else the last of its connections; None where
    there is none.
    """
    if target.kind is not PlanKind.INCIDENT:
        return None
    store = services.store
    absorbed = [row for plan_id in subjects.absorbed if (row := store.repair_plans.get(plan_id)) is not None]
    connections = [window.connection_id for window in windows_of(services, target.incident_id)][:_MOST_ASKED]
    incidents = {row.incident_id for one in connections for row in store.incidents.list(connection_id=one)[0]}
    last = max(
        (row for row in (*absorbed, *store.repair_plans.of_incidents(incidents).values()) if row.settings),
        key=lambda row: row.changed_at,
        default=None,
    )
    return last.settings if last is not None else None


async def _subjects_and_items(
    services: Services, target: Target, chosen: Mapping[str, ItemMode]
) -> tuple[Subjects, list[RepairItemRow]]:
    """What a plan is about and what it would do. A run that another one called is put right by that one, so it comes in as well."""
    subjects = await asyncio.to_thread(collect, services, target)
    made = await _items(services, target, subjects, chosen)
    called = [one.subject for one in made if one.reason == "ChildRun"]
    if target.kind is not PlanKind.INCIDENT or not called:
        return subjects, made
    callers = await asyncio.to_thread(callers_of, services, called)
    target = replace(target, names=(*target.names, *callers.difference(one.subject for one in made)))
    subjects = await asyncio.to_thread(collect, services, target)
    return subjects, await _items(services, target, subjects, chosen)


async def _items(
    services: Services, target: Target, subjects: Subjects, chosen: Mapping[str, ItemMode]
) -> list[RepairItemRow]:
    mended = [window.connection_id for window in windows_of(services, target.incident_id)] if target.incident_id else ()
    return await items_of(services, target.plan_id, subjects.inline, mode=target.mode, mended=mended, chosen=chosen)


async def _take_the_place_of(services: Services, subjects: Subjects, plan: RepairPlanRow) -> None:
    """The plan is there: plans it took in are given up, and what its flows hold waits for it."""
    if plan.kind is PlanKind.INCIDENT:
        services.held.keep_back({one.flow_id for one in subjects.inline}, plan.plan_id, plan.keeps_back_until)
    for absorbed in subjects.absorbed:
        with suppress(Conflict):  # started in this very moment: this plan finds that out when it is started itself
            await dismiss_plan(services, absorbed, person_id=plan.created_by)
    tell_progress(services, plan.plan_id)


def _with_choices(services: Services, plan: RepairPlanRow, made: list[RepairItemRow]) -> list[RepairItemRow]:
    """A group that a person left out whole stays left out."""
    store = services.store.repair_plans
    groups: dict[str, set[ItemState]] = {}
    for group in store.groups(plan.plan_id):
        groups.setdefault(group_id_of(group), set()).add(group.state)
    left_out = {group_id for group_id, states in groups.items() if states == {ItemState.LEFT_OUT}}
    return [
        msgspec.structs.replace(one, state=ItemState.LEFT_OUT) if group_id_of(one) in left_out else one for one in made
    ]
