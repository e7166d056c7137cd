"""Events that waited for a connection go on once it works again."""

import msgspec

from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import Status
from flowmend.core.run import ConnectionRepaired
from flowmend.store.journal import ChangeEvent
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import broken_connection, start_held_event


async def release_held(services: Services, connection_id: str) -> int:
    """Start the held events of every flow that uses this connection, in order of arrival, and wake held runs.

    Answers how many were released. An event whose flow still has another broken connection, or is turned off,
    stays held. An event that cannot start keeps its place in the history as Failed, with the reason.
    """
    released = 0
    for flow in services.store.flows.using(connection_id):
        loaded = services.flows.latest(flow.flow_id)
        if broken_connection(services, loaded):
            continue
        for event in services.store.trigger_events.held(flow.flow_id):
            try:
                begun = start_held_event(services, event)
            except FlowmendError as error:
                failed = {"status": Status.FAILED.value, "error_code": error.code, "error_message": error.message}
                await services.store.journal.write([ChangeEvent(event.event_name, failed)])
                continue
            if begun.durable is not None:
                await begun.durable
            released += 1
    for name in services.store.runs.held_by(connection_id):
        released += await services.dispatch.send(name, ConnectionRepaired(connection_id))
    return released


async def discard_event(services: Services, event_name: str, person_id: str) -> None:
    """Let a held event go; its record stays, with who did it."""
    event = services.store.trigger_events.get(event_name)
    if event is None or event.status != Status.WAITING:
        return
    discarded = msgspec.structs.replace(event, status=Status.CANCELLED)
    await services.store.journal.write([ChangeEvent(event_name, {"status": discarded.status, "outputs": b""})])
    services.store.audit.note(person_id, "discard_event", event_name, {"flow": event.flow_id}, at=services.clock.now)
