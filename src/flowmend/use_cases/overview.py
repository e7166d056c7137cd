"""What needs attention, for Home."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Status
from flowmend.store.connection_list import ConnectionFilter
from flowmend.store.rows import ConnectionRow, FlowRow, FlowState, RunRow
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.forecasts import count_ending
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.ports import Services
from flowmend.use_cases.runs import headlines

_DAY = timedelta(hours=24)
_RECENT = 8
#: More stand on the page of connections.
_MOST_BROKEN = 50
_MOST_WORKING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Home's facts. broken: connections that need repair; connected: some of the others. What broke them is an incident's.

    connection_count: of all. ending: sign-ins that end within a month unless somebody acts. waited_for: connections of flows
    that are on, or hold events or runs.
    """

    broken: tuple[ConnectionRow, ...]
    connected: tuple[ConnectionRow, ...]
    failed_runs_24h: int
    succeeded_24h: int
    running: int
    held: int
    in_doubt: tuple[RunRow, ...]
    recent: tuple[RunRow, ...]
    headlines: dict[str, str]
    flow_names: dict[str, str]
    flows_on: int
    flows_off: int
    connection_count: int = 0
    ending: int = 0
    waited_for: frozenset[str] = frozenset()


async def read_overview(services: Services) -> Overview:
    """One look at everything that needs somebody."""
    in_need = tuple(state for state in HealthState if needs_repair(state))
    works = tuple(state for state in HealthState if not needs_repair(state))
    connections, now = services.store.connection_list, services.clock.now
    broken, _ = connections.page(ConnectionFilter(states=in_need), limit=_MOST_BROKEN)
    working, _ = connections.page(ConnectionFilter(states=works), limit=_MOST_WORKING)
    day = services.store.runs.count_by_status(None, now - _DAY)
    under_way = services.store.runs.count_by_status(None, now)
    flows = services.store.flows.list()
    in_doubt, _ = services.store.runs.list(RunFilter(in_doubt=True))
    recent, _ = services.store.runs.list(limit=_RECENT)
    held_by = services.store.trigger_events.held_of_each_flow()
    return Overview(
        broken=tuple(broken),
        connected=tuple(working),
        failed_runs_24h=day.get(Status.FAILED, 0) + day.get(Status.TIMED_OUT, 0),
        succeeded_24h=day.get(Status.SUCCEEDED, 0),
        running=under_way.get(Status.RUNNING, 0),
        held=sum(held_by.values()) + under_way.get(Status.WAITING, 0) - len(in_doubt),
        in_doubt=tuple(in_doubt),
        recent=tuple(recent),
        headlines=headlines(services, recent),
        flow_names={row.flow_id: row.name for row in flows},
        flows_on=sum(row.state is FlowState.ON for row in flows),
        flows_off=sum(row.state is not FlowState.ON for row in flows),
        connection_count=sum(connections.count_by_health().values()),
        ending=count_ending(services),
        waited_for=_waited_for(services, flows, held_by),
    )


def _waited_for(services: Services, flows: Sequence[FlowRow], held_by: Mapping[str, int]) -> frozenset[str]:
    under_way = services.store.runs.counts_of_each_flow(services.clock.now)
    active = {
        row.flow_id
        for row in flows
        if row.state is FlowState.ON or row.flow_id in held_by or under_way.get(row.flow_id, {}).get(Status.WAITING)
    }
    return frozenset(one.connection_id for one in services.store.flows.mappings() if one.flow_id in active)
