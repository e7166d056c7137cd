"""What else needs somebody, for Home, beside open incidents: what a mended one left undone, plans that wait, calls in doubt,
and runs that keep failing for another reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import Category, Status
from flowmend.core.run import ActionKey
from flowmend.core.run.calls import IN_DOUBT
from flowmend.core.run.history import latest_records
from flowmend.store.repair_rows import PlanState
from flowmend.store.rows import RunRow
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.after_restore import backup_state
from flowmend.use_cases.incidents import IncidentSummary, list_incidents, windows_of
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.plan_view import PlanSummary
from flowmend.use_cases.ports import Services
from flowmend.use_cases.read_plan import plans_under_way
from flowmend.use_cases.runs import run_entries

_DAY = timedelta(hours=24)
_WEEK = timedelta(days=7)
_MOST_MENDED = 5
_MOST_PLANS = 5
_MOST_FAULTS = 5
_MOST_ASKED = 5
_LATEST_FAILED = 50
#: Codes of failures that pass by themselves: the service was busy, at fault itself, or out of reach.
_PASSING = frozenset({
    "TooManyRequests", "RequestTimeout", "InternalServerError", "BadGateway", "ServiceUnavailable", "GatewayTimeout",
    "ActionTimedOut", "UnresolvableHostName", "ServiceUnreachable", "ConnectionFailure",
})  # fmt: skip


class FaultKind(StrEnum):
    """Who ends it."""

    FLOW = "flow"  # the flow's own fault: edit it
    PASSING = "passing"  # it passes by itself
    PERMISSION = "permission"  # the sign-in was accepted, the right is missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A flow that fails for a reason of its own, and has not succeeded since. count: in the last day. run: its latest failure.

    service, account: whose permission is missing, "" where that is not known.
    """

    kind: FaultKind
    flow_id: str
    flow_name: str
    run: RunRow
    code: str
    count: int
    service: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A mended incident with failed runs that nobody has put right."""

    incident: IncidentSummary
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A call whose answer was never seen; the run waits for a person to say what became of it."""

    run: RunRow
    key: ActionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeNeeds:
    """stands_still: flows and runs that wait since a restore."""

    undone: tuple[Undone, ...]
    plans: tuple[PlanSummary, ...]
    doubts: tuple[Doubt, ...]
    faults: tuple[Fault, ...]
    stands_still: int


async def read_home_needs(services: Services, in_doubt: Sequence[RunRow]) -> HomeNeeds:
    """in_doubt: the runs that wait for an answer. Errors: StoreUnavailable."""
    still = backup_state(services)
    return HomeNeeds(
        undone=await _undone(services),
        plans=plans_under_way(services, _MOST_PLANS),  # a draft of an incident shows with what it leaves undone
        doubts=await _doubts(services, in_doubt),
        faults=_faults(services),
        stands_still=len(still.flows) + still.runs,
    )


async def _undone(services: Services) -> tuple[Undone, ...]:
    """A plan that was started, or dismissed, was somebody's decision about these runs."""
    found = await list_incidents(services, state="closed", limit=_MOST_MENDED)
    since = services.clock.now - _WEEK
    undone: list[Undone] = []
    for one in found.incidents:
        if one.row.closed_at is None or one.row.closed_at < since or not one.failed_runs:
            continue
        if any(member.health is not None and needs_repair(member.health) for member in one.members):
            continue  # it broke again: that comes first
        if one.plan is not None and (one.plan.started_at is not None or one.plan.state is PlanState.DISMISSED):
            continue
        runs = services.store.repair_subjects.count_not_put_right(windows_of(services, one.row.incident_id))
        if runs:
            undone.append(Undone(incident=one, runs=runs))
    return tuple(undone)


async def _doubts(services: Services, in_doubt: Sequence[RunRow]) -> tuple[Doubt, ...]:
    found: list[Doubt] = []
    for run in in_doubt[:_MOST_ASKED]:
        try:
            records = latest_records(await run_entries(services, run.run_name))
        except FlowmendError:  # its history does not read; the run's own page says so
            continue
        found += [
            Doubt(run=run, key=key)
            for key, record in records.items()
            if record.code == IN_DOUBT and record.status is Status.WAITING
        ]
    return tuple(found)


def _faults(services: Services) -> tuple[Fault, ...]:
    now = services.clock.now
    counted = services.store.blast_radius.failed_for_other_reasons(now - _DAY, now)
    most = sorted(counted, key=lambda one: -one[2])[: _MOST_FAULTS * 2]
    flows = {flow_id: services.store.flows.get(flow_id) for flow_id, _, _ in most}
    last_good = {flow_id: _last_good(services, flow_id) for flow_id in flows}
    latest = {flow_id: _latest_failed(services, flow_id) for flow_id in flows}
    faults: list[Fault] = []
    for flow_id, code, count in most:
        flow, run = flows[flow_id], latest[flow_id].get(code)
        if flow is None or run is None or run.failed_action == "" or last_good[flow_id] < run.run_name:
            continue  # names count down with time: it has done well since
        faults.append(_fault(services, run, flow.name, code=code, count=count))
    return tuple(faults[:_MOST_FAULTS])


def _fault(services: Services, run: RunRow, flow_name: str, *, code: str, count: int) -> Fault:
    kind = FaultKind.FLOW
    service = account = ""
    if run.diagnosis_category == Category.INSUFFICIENT_PERMISSION or code == "Forbidden":
        kind = FaultKind.PERMISSION
        connection = services.store.connections.get(run.connection_id) if run.connection_id else None
        if connection is not None:
            service, account = connection.display_name, connection.account_name
    elif code in _PASSING or run.diagnosis_category == Category.RATE_LIMITED_NOT_AUTH:
        kind = FaultKind.PASSING
    return Fault(
        kind=kind,
        flow_id=run.flow_id,
        flow_name=flow_name,
        run=run,
        code=code,
        count=count,
        service=service,
        account=account,
    )


def _last_good(services: Services, flow_id: str) -> str:
    """The name of the flow's latest run that did well, or what comes after all names."""
    found, _ = services.store.runs.list(RunFilter(flow_id=flow_id, statuses=(Status.SUCCEEDED.value,)), limit=1)
    return found[0].run_name if found else "Z"


def _latest_failed(services: Services, flow_id: str) -> Mapping[str, RunRow]:
    """{error code: the latest run that failed with it}"""
    wanted = RunFilter(flow_id=flow_id, statuses=(Status.FAILED.value, Status.TIMED_OUT.value))
    found, _ = services.store.runs.list(wanted, limit=_LATEST_FAILED)
    return {run.error_code: run for run in reversed(found)}
