"""Flows whose references mean no connection yet, and one connection chosen for many of them in one go."""

from collections.abc import Collection
from dataclasses import dataclass

from flowmend.core.errors import NotFound
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow, FlowState
from flowmend.use_cases.begin_subscriptions import follow_connection
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconnectedReference:
    """A flow's connection reference that means no connection yet."""

    flow_id: str
    flow_name: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedFlows:
    """The references that a connection is chosen for, or would be."""

    connection: ConnectionRow
    references: tuple[UnconnectedReference, ...]

    @property
    def flow_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.flow_id for one in self.references))


async def plan_connecting(
    services: Services, connection_id: str, flow_ids: Collection[str] | None = None
) -> ConnectedFlows:
    """The references without a connection that this one fits, by the flows' names. flow_ids: only of these flows.

    Errors: NotFound for the connection, or for a flow that lacks none of its connector.
    """
    connection = connection_row(services, connection_id)
    references = _unconnected(services, connection.connector_id)
    if flow_ids is not None:
        missing = next((one for one in flow_ids if one not in {known.flow_id for known in references}), None)
        if missing is not None:
            message = f"The flow {missing} lacks no connection to {connection.connector_id}."
            raise NotFound(message, code="FlowNotFound", target=missing)
        references = [one for one in references if one.flow_id in flow_ids]
    return ConnectedFlows(connection=connection, references=tuple(references))


async def connect_flows(
    services: Services, connection_id: str, person_id: str, flow_ids: Collection[str] | None = None
) -> ConnectedFlows:
    """Choose the connection wherever flows lack one of its connector; none that is chosen is changed, no flow is edited or
    turned on. flow_ids: only for these flows.

    Errors: as `plan_connecting`; Conflict where somebody chose or removed one meanwhile.
    """
    plan = await plan_connecting(services, connection_id, flow_ids)
    services.store.flows.add_mappings([
        ConnectionMappingRow(flow_id=one.flow_id, reference=one.reference, connection_id=connection_id)
        for one in plan.references
    ])  # fmt: skip
    details = {"references": [[one.flow_id, one.reference] for one in plan.references]}
    services.store.audit.note(person_id, "connect_flows", connection_id, details, at=services.clock.now)
    for flow_id in plan.flow_ids:
        flow = services.store.flows.get(flow_id)
        services.changes.publish("flow", flow_id=flow_id, state=flow.state.value if flow is not None else "Off")
        await follow_connection(services, flow_id)
        services.held.wake(flow_id)
    services.changes.publish("connection", connection_id=connection_id, health=plan.connection.health.value)
    return plan


def _unconnected(services: Services, connector_id: str) -> list[UnconnectedReference]:
    found: list[UnconnectedReference] = []
    for row in services.store.flows.list():
        if row.state is FlowState.ON:  # then it lacks none
            continue
        try:
            loaded = services.flows.latest(row.flow_id)
        except CANNOT_BE_READ:
            continue
        found += [
            UnconnectedReference(flow_id=row.flow_id, flow_name=row.name, reference=key)
            for key, reference in loaded.flow.connection_references.items()
            if reference.connector == connector_id and key not in loaded.mappings
        ]
    return found
