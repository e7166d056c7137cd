"""Events that waited for a connection go on once it works again."""

import logging
from contextlib import suppress

from flowmend.core.errors import Conflict, FlowmendError, NotFound
from flowmend.core.outcome import Status
from flowmend.core.run import ConnectionRepaired
from flowmend.store.rows import FlowState, TriggerEventRow
from flowmend.store.trigger_events import change_held
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.loaded_flows import HOLD_EVENTS
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_limits import has_room
from flowmend.use_cases.start_run import NEEDS_REPAIR, broken_connection, start_held_event
from flowmend.use_cases.unreadable import CANNOT_BE_READ

_log = logging.getLogger(__name__)


async def release_held(services: Services, connection_id: str) -> int:
    """Start the held events of every flow that uses this connection, as `release_events`, and wake held runs.

    Answers how many were released.
    """
    released = 0
    for flow in services.store.flows.using(connection_id):
        released += await _release_if_it_reads(services, flow.flow_id)
    return released + await _wake_runs(services, connection_id)


async def release_runs(services: Services, flow_id: str, connection_id: str) -> None:
    """Wake a flow's runs that wait for this connection, because the flow uses another one now."""
    await _wake_runs(services, connection_id, flow_id)


async def release_events(services: Services, flow_id: str) -> int:
    """Start the held events of a flow in order of arrival; how many there were.

    They stay held while the flow is off or a connection it surely needs is broken. An event that cannot start keeps
    its place in the history as Failed, with the reason.
    """
    events = services.store.trigger_events.held(flow_id)
    if not events:
        return 0
    loaded = services.flows.latest(flow_id)
    is_broken = bool(broken_connection(services, loaded))
    if loaded.row.state is not FlowState.ON or (is_broken and loaded.on_broken_connection == HOLD_EVENTS):
        return 0
    released = 0
    for held in events:
        if is_broken and held.code == NEEDS_REPAIR:
            continue
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
            with suppress(Conflict):
                await services.store.journal.write([change_held(event.event_name, **failed)])
            continue
        with suppress(Conflict):  # settled by somebody else in this very moment
            if begun.durable is not None:
                await begun.durable
            released += 1
    return released


async def release_what_works(services: Services) -> None:
    """Go on with what waits though its connection works: a release was cut off, or a call came back after it."""
    for flow_id in services.store.trigger_events.held_of_each_flow():
        await _release_if_it_reads(services, flow_id)
    for connection in services.store.connections.list():
        if not needs_repair(connection.health):
            await _wake_runs(services, connection.connection_id)


async def list_held_events(services: Services, flow_id: str, *, limit: int = 50) -> list[TriggerEventRow]:
    """The first held events of a flow in the order in which they arrived, without what they hold. Errors: NotFound."""
    if services.store.flows.get(flow_id) is None:
        raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
    return list(services.store.trigger_events.held_heads(flow_id, limit))


async def discard_event(services: Services, flow_id: str, event_name: str, person_id: str) -> None:
    """Let a held event go for good; its record stays, with who did it.

    Errors: NotFound; Conflict `EventNotHeld` where it was started or discarded already.
    """
    event = services.store.trigger_events.get(event_name)
    if event is None or event.flow_id != flow_id:
        raise NotFound(f"The flow has no event {event_name}.", code="TriggerEventNotFound", target=event_name)
    now = services.clock.now
    discarded = change_held(event_name, status=Status.CANCELLED.value, code="Discarded", ended_at=now, outputs=b"")
    await services.store.journal.write([discarded])
    services.store.audit.note(person_id, "discard_event", event_name, {"flow": flow_id}, at=now)
    services.changes.publish("event", flow_id=flow_id, event_name=event_name, status=Status.CANCELLED.value)


async def _release_if_it_reads(services: Services, flow_id: str) -> int:
    """As `release_events`; a flow that no longer reads keeps its events and keeps no other flow waiting."""
    try:
        return await release_events(services, flow_id)
    except CANNOT_BE_READ as error:
        _log.error("The held events of flow %s stay held: %s", flow_id, error)
        return 0


async def _wake_runs(services: Services, connection_id: str, flow_id: str = "") -> int:
    """How many runs that wait for this connection go on. flow_id: only those of this flow."""
    woken = 0
    for name in services.store.runs.held_by(connection_id):
        run = services.store.runs.get(name) if flow_id else None
        if run is None or run.flow_id == flow_id:
            woken += await services.dispatch.send(name, ConnectionRepaired(connection_id))
    return woken
