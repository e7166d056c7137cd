"""Events that waited for a connection go on once it works again."""

import msgspec

from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import Status
from flowmend.core.run import ConnectionRepaired
from flowmend.store.journal import ChangeEvent
from flowmend.store.rows import FlowState
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_limits import has_room
from flowmend.use_cases.start_run import broken_connection, start_held_event


async def release_held(services: Services, connection_id: str) -> int:
    """Start the held events of every flow that uses this connection, as `release_events`, and wake held runs.

    Answers how many were released.
    """
    released = 0
    for flow in services.store.flows.using(connection_id):
        released += await release_events(services, flow.flow_id)
    for name in services.store.runs.held_by(connection_id):
        released += await services.dispatch.send(name, ConnectionRepaired(connection_id))
    return released


async def release_runs(services: Services, flow_id: str, connection_id: str) -> None:
    """Wake a flow's runs that wait for this connection, because the flow uses another one now."""
    for name in services.store.runs.held_by(connection_id):
        run = services.store.runs.get(name)
        if run is not None and run.flow_id == flow_id:
            await services.dispatch.send(name, ConnectionRepaired(connection_id))


async def release_events(services: Services, flow_id: str) -> int:
    """Start the held events of a flow in order of arrival; how many there were.

    They stay held while the flow is off or a connection it surely needs is broken. An event that cannot start keeps
    its place in the history as Failed, with the reason.
    """
    events = services.store.trigger_events.held(flow_id)
    if not events:
        return 0
    loaded = services.flows.latest(flow_id)
    if loaded.row.state is not FlowState.ON or broken_connection(services, loaded):
        return 0
    released = 0
    for held in events:
        # Somebody else may have released or discarded it since it was listed.
        if not has_room(services, loaded):
            break
        event = services.store.trigger_events.get(held.event_name)
        if event is None or event.status != Status.WAITING or services.dispatch.is_active(event.event_name):
            continue
        try:
            begun = start_held_event(services, event)
        except FlowmendError as error:
            failed = {"status": Status.FAILED.value, "error_code": error.code, "error_message": error.message}
            await services.store.journal.write([ChangeEvent(event.event_name, failed)])
            continue
        if begun.durable is not None:
            await begun.durable
        released += 1
    return released


async def release_what_works(services: Services) -> None:
    """Go on with what waits though nothing keeps it any more: a release was cut off, or its news got lost."""
    for flow_id in services.store.trigger_events.held_of_each_flow():
        await release_events(services, flow_id)
    for connection in services.store.connections.list():
        if not needs_repair(connection.health):
            await release_held(services, connection.connection_id)


async def discard_event(services: Services, event_name: str, person_id: str) -> None:
    """Let a held event go; its record stays, with who did it."""
    event = services.store.trigger_events.get(event_name)
    if event is None or event.status != Status.WAITING:
        return
    discarded = msgspec.structs.replace(event, status=Status.CANCELLED)
    await services.store.journal.write([ChangeEvent(event_name, {"status": discarded.status, "outputs": b""})])
    services.store.audit.note(person_id, "discard_event", event_name, {"flow": event.flow_id}, at=services.clock.now)
