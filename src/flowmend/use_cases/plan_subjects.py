"""What a repair plan is about, read from the store: which runs and held events, in order of arrival, and what keeps one out.

Synchronous, and no journal is read but of what a plan itself began and failed: meant for a thread, for there may be tens of
thousands.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Status
from flowmend.core.repair.world import world_of
from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, PlanKind, RepairPlanRow
from flowmend.store.repair_subjects import SubjectRun, attempts_by_family, is_in_hand
from flowmend.store.rows import FlowRow, FlowState
from flowmend.use_cases.business_keys import BUSINESS_KEY
from flowmend.use_cases.failed_runs import failure_of
from flowmend.use_cases.incidents import windows_of
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import CHANGEABLE
from flowmend.use_cases.run_limits import WAITS_FOR_TURN
from flowmend.use_cases.start_run import NEEDS_REPAIR

_HELD_FOR = (NEEDS_REPAIR, WAITS_FOR_TURN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a plan is to be about. plan_id: of the plan itself, which does not stand in its own way.

    incident_id: "" of a selection. names: of runs somebody chose, or that an absorbed plan had not begun. mode: what somebody
    wants done with the chosen runs, None for what repeats the least. failed_otherwise: runs that the plan itself began and that
    failed for another reason than a credential: whoever lets it go on does not mean these.
    """

    plan_id: str
    kind: PlanKind
    incident_id: str = ""
    names: tuple[str, ...] = ()
    mode: ItemMode | None = None
    failed_otherwise: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A run or held event a plan is about. arrived_at: when the event came that it or its first attempt began with.

    reason: a code of `REASONS` where nothing may be done with it, else "".
    """

    name: str
    kind: ItemKind
    flow_id: str
    version: str
    key: str
    arrived_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """In order of arrival. flows: those that there are, by id. world: of what they were made from.

    absorbed: other plans, drafts or stopped, that this one takes the place of.
    """

    inline: tuple[Subject, ...]
    flows: Mapping[str, FlowRow]
    world: str
    absorbed: tuple[str, ...] = ()


def collect(services: Services, target: Target) -> Subjects:
    """What this plan would be about now. Errors: NotFound where there is no such incident; StoreUnavailable."""
    if target.kind is PlanKind.SELECTION:
        return _finished(services, target, _chosen(services, target), ())
    store = services.store
    windows = windows_of(services, target.incident_id)
    connections = [window.connection_id for window in windows]
    using = store.blast_radius.flows_using(connections)
    flow_ids = {flow_id for flows in using.values() for flow_id in flows}
    absorbed = _absorbed(services, target, flow_ids)
    names = {*target.names, *(name for plan in absorbed for name in _unbegun(services, plan))}
    failed = {
        run.run_name: run for run in [*store.repair_subjects.failed(windows), *store.repair_subjects.named(names)]
    }
    last = _to_put_right(services, list(failed.values()))
    runs = [run for run in last if run.run_name not in target.failed_otherwise]
    flow_ids |= {run.flow_id for run in runs}
    held = [one for one in store.repair_subjects.held(flow_ids) if one.code in _HELD_FOR]
    events = [
        Subject(
            name=one.event_name,
            kind=ItemKind.EVENT,
            flow_id=one.flow_id,
            version="",
            key=one.business_key,
            arrived_at=one.started_at,
        )
        for one in held
    ]
    subjects = [*_of_runs(services, runs), *events]
    return _finished(services, target, subjects, [plan.plan_id for plan in absorbed])


def world_now(services: Services, plan: RepairPlanRow) -> str:
    """What a draft's world is now: of its events those that are still held, as more that arrive only queue behind it."""
    target = target_of(services, plan)
    found = collect(services, target)
    planned = _names(services, plan.plan_id, ItemKind.EVENT)
    return _world(services, target, [one for one in found.inline if one.kind is ItemKind.RUN or one.name in planned])


def target_of(services: Services, plan: RepairPlanRow) -> Target:
    """What an existing plan is about, to make it anew. Runs that it began and that failed for a credential are taken in again."""
    store, mode = services.store.repair_plans, None
    names = _names(services, plan.plan_id, ItemKind.RUN)  # of an incident too: it may have taken another plan in
    if plan.kind is PlanKind.SELECTION:
        mode = ItemMode.CANCEL if store.has_mode(plan.plan_id, ItemMode.CANCEL) else None
        return Target(plan_id=plan.plan_id, kind=plan.kind, names=tuple(names), mode=mode)
    failed = frozenset(store.new_runs(plan.plan_id, ItemState.FAILED))
    refused = _failed_by_credential(services, plan.plan_id)
    return Target(
        plan_id=plan.plan_id,
        kind=plan.kind,
        incident_id=plan.incident_id,
        names=tuple(names | refused),
        failed_otherwise=failed - refused,
    )


def _absorbed(services: Services, target: Target, flow_ids: Collection[str]) -> list[RepairPlanRow]:
    return [
        plan
        for plan in services.store.repair_plans.under_way()
        if plan.plan_id != target.plan_id
        and plan.kind is PlanKind.INCIDENT
        and plan.state in CHANGEABLE
        and not set(services.store.repair_plans.flows_of(plan.plan_id)).isdisjoint(flow_ids)
    ]


def _unbegun(services: Services, plan: RepairPlanRow) -> set[str]:
    return _names(services, plan.plan_id, ItemKind.RUN) | _failed_by_credential(services, plan.plan_id)


def _failed_by_credential(services: Services, plan_id: str) -> set[str]:
    failed = services.store.repair_plans.new_runs(plan_id, ItemState.FAILED)
    return {name for name in failed if failure_of(services, name)[1]}


def _names(services: Services, plan_id: str, kind: ItemKind) -> set[str]:
    return set(services.store.repair_plans.unbegun(plan_id, kind))


def _to_put_right(services: Services, failed: Sequence[SubjectRun]) -> list[SubjectRun]:
    """Of each family the latest attempt that failed; none where an attempt goes on, went well, or is held."""
    subjects = services.store.repair_subjects
    later = subjects.attempts_after([run.run_name for run in failed])
    families = attempts_by_family(failed, later)
    names = {run.run_name for run in (*failed, *later)}
    held = subjects.resubmissions_held(names)
    latest: dict[str, SubjectRun] = {}
    for run in failed:
        family = [run, *families[run.run_name]]
        if is_in_hand(run.status) or any(is_in_hand(one.status) for one in family[1:]):
            continue
        if any(one.run_name in held for one in family):
            continue
        last = min(family, key=lambda one: one.run_name)  # names decrease over time
        latest[last.run_name] = last
    return list(latest.values())


def _chosen(services: Services, target: Target) -> list[Subject]:
    """What a person chose, with what keeps one out that is in hand already."""
    subjects = services.store.repair_subjects
    runs = subjects.named(target.names)
    later = subjects.attempts_after([run.run_name for run in runs])
    families = attempts_by_family(runs, later)
    held = subjects.resubmissions_held([run.run_name for run in runs])
    reasons: dict[str, str] = {}
    for run in runs:
        is_over = Status(run.status).is_terminal
        if target.mode is ItemMode.CANCEL:
            reason = "WorkflowRunFinished" if is_over else ""
        elif not is_over:
            reason = "WorkflowRunInProgress"
        elif run.run_name in held:
            reason = "ResubmissionHeld"
        elif any(is_in_hand(one.status) for one in families[run.run_name]):
            reason = "AlreadyTriedAgain"
        else:
            reason = ""
        reasons[run.run_name] = reason
    return [replace(one, reason=reasons[one.name]) for one in _of_runs(services, runs)]


def _of_runs(services: Services, runs: Sequence[SubjectRun]) -> list[Subject]:
    subjects = services.store.repair_subjects
    arrived = subjects.first_arrivals(runs)
    keys = subjects.values_tracked([run.run_name for run in runs], BUSINESS_KEY)
    return [
        Subject(
            name=run.run_name,
            kind=ItemKind.RUN,
            flow_id=run.flow_id,
            version=run.version,
            key=keys.get(run.run_name, ""),
            arrived_at=arrived[run.run_name],
        )
        for run in runs
    ]


def _finished(services: Services, target: Target, subjects: Sequence[Subject], absorbed: Sequence[str]) -> Subjects:
    # Names decrease over time, so among those of one microsecond the larger name came first.
    inline = sorted(sorted(subjects, key=lambda one: one.name, reverse=True), key=lambda one: one.arrived_at)
    flow_ids = {one.flow_id for one in inline}
    flows = services.store.flows.named(flow_ids)
    taken = services.store.repair_plans.taken(
        [one.name for one in inline], besides=[one for one in (target.plan_id, *absorbed) if one]
    )
    busy = _busy_flows(services, target, absorbed) if target.kind is PlanKind.INCIDENT else frozenset()
    is_cancelling = target.mode is ItemMode.CANCEL

    def reason_of(one: Subject) -> str:
        if one.reason:
            return one.reason
        if is_cancelling:
            return ""
        if one.name in taken or one.flow_id in busy:
            return "InAnotherPlan"
        row = flows.get(one.flow_id)
        if row is None:
            return "FlowGone"
        return "FlowOff" if row.state is not FlowState.ON else ""

    judged = tuple(replace(one, reason=reason_of(one)) for one in inline)
    return Subjects(inline=judged, flows=flows, world=_world(services, target, judged), absorbed=tuple(absorbed))


def _busy_flows(services: Services, target: Target, absorbed: Sequence[str]) -> frozenset[str]:
    """The flows that another plan is putting right just now."""
    return frozenset(
        flow_id
        for plan in services.store.repair_plans.under_way()
        if plan.kind is PlanKind.INCIDENT
        and plan.plan_id != target.plan_id
        and plan.plan_id not in absorbed
        and plan.state not in CHANGEABLE
        for flow_id in services.store.repair_plans.flows_of(plan.plan_id)
    )


def _world(services: Services, target: Target, subjects: Sequence[Subject]) -> str:
    flow_ids = {one.flow_id for one in subjects}
    rows = services.store.flows.named(flow_ids)
    health = {
        one.connection_id: one.health or HealthState.UNTESTED
        for one in services.store.incidents.members_of([target.incident_id] if target.incident_id else [])
    }
    return world_of(
        runs=[f"{one.name} {one.reason}" for one in subjects if one.kind is ItemKind.RUN],
        events=[f"{one.name} {one.reason}" for one in subjects if one.kind is ItemKind.EVENT],
        flows={flow_id: (row.version, row.state.value) for flow_id, row in rows.items()},
        connections={connection_id: not needs_repair(state) for connection_id, state in health.items()},
    )
