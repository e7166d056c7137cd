"""Events that waited for a connection go on once it works again, by the drain (`worker/held_release`)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.store.audit import note_together
from flowmend.store.held import let_go
from flowmend.store.rows import AuditRow, FlowState, TriggerEventRow
from flowmend.store.trigger_events import change_held
from flowmend.use_cases.loaded_flows import HOLD_EVENTS, LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import broken_connection
from flowmend.use_cases.unreadable import CANNOT_BE_READ

#: The code of an event that a person let go.
DISCARDED = "Discarded"
#: In one request by their names, and in one transaction.
MOST_DISCARDED = 500


class GoesOn(StrEnum):
    """What of a flow's held events may begin now."""

    NOTHING = "nothing"  # it is off, kept back by a repair plan, or a connection it surely needs is broken
    TURNS = "turns"  # a connection is broken that does not stop it: what waits for the repair stays
    ALL = "all"


def what_goes_on(services: Services, loaded: LoadedFlow) -> GoesOn:
    """What of a flow's held events may begin now, were there room."""
    is_broken = bool(broken_connection(services, loaded))
    if loaded.row.state is not FlowState.ON or services.held.is_kept_back(loaded.row.flow_id, services.clock.now):
        return GoesOn.NOTHING
    if not is_broken:
        return GoesOn.ALL
    return GoesOn.NOTHING if loaded.on_broken_connection == HOLD_EVENTS else GoesOn.TURNS


def waits_for_nothing(services: Services, loaded: LoadedFlow, connection_id: str) -> bool:
    """Whether a run that waits for this connection may go on: it works, or the flow uses another one now."""
    return not services.health.first_broken((connection_id,)) or connection_id not in loaded.mappings.values()


async def release_held(services: Services, connection_id: str) -> int:
    """Let go on, in order of arrival, what waits for this connection, which works now.

    Answers how many held events and runs go on; they do so by themselves from here.
    """
    runs = services.store.held.flows_with_runs(connection_id)
    events = services.store.held.counts()
    flow_ids = {flow.flow_id for flow in services.store.flows.using(connection_id)}
    services.held.wake(*flow_ids, *runs)
    return sum(runs.values()) + sum(
        events[flow_id] for flow_id in flow_ids if flow_id in events and may_all_go_on(services, flow_id)
    )


def may_all_go_on(services: Services, flow_id: str) -> bool:
    """Whether everything a flow holds only waits for its turn. Errors: NotFound."""
    try:
        return what_goes_on(services, services.flows.latest(flow_id)) is GoesOn.ALL
    except CANNOT_BE_READ:
        return False


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
    discarded = change_held(event_name, status=Status.CANCELLED.value, code=DISCARDED, ended_at=now, outputs=b"")
    note = AuditRow(at=now, person_id=person_id, verb="discard_event", target=event_name, details={"flow": flow_id})
    await services.store.journal.write([discarded, note_together(note)])
    services.held.taken_out(flow_id)
    services.changes.publish("event", flow_id=flow_id, event_name=event_name, status=Status.CANCELLED.value)


async def discard_events(services: Services, event_names: Collection[str], person_id: str) -> int:
    """Let these held events go for good; how many were still held. Their records stay, and who did it is noted by flow.

    Errors: AskedWrongly where they are too many for one request.
    """
    if len(event_names) > MOST_DISCARDED:
        message = f"At most {MOST_DISCARDED} events can be discarded by their names at once, not {len(event_names)}."
        raise AskedWrongly(message, code="TooManyEvents")
    by_flow: dict[str, list[str]] = {}
    for name, flow_id in services.store.held.flows_of(event_names).items():
        by_flow.setdefault(flow_id, []).append(name)
    gone = 0
    for flow_id, names in by_flow.items():
        gone += await _discard(services, flow_id, names, person_id, {"events": sorted(names)})
    return gone


async def discard_all_events(
    services: Services, flow_id: str, person_id: str, *, arrived_before: datetime | None = None
) -> int:
    """Let everything go that a flow holds; how many there were. arrived_before: what came later stays, so that nobody
    discards what they did not see. Errors: NotFound.
    """
    if services.store.flows.get(flow_id) is None:
        raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
    before = arrived_before or services.clock.now
    details: dict[str, Json] = {"all": True, "arrived_before": before.isoformat()}
    gone = 0
    while True:
        rows, _ = services.store.held.list_events([flow_id], MOST_DISCARDED, arrived_before=before)
        names = [row.event_name for row in rows]
        count = await _discard(services, flow_id, names, person_id, details) if names else 0
        gone += count
        if not count:  # the last few may be beginning in this very moment
            return gone


async def _discard(
    services: Services, flow_id: str, names: Collection[str], person_id: str, details: Mapping[str, Json]
) -> int:
    """Let them go, and note who did it in the same transaction; how many were still held."""
    now = services.clock.now
    counts: list[int] = []
    note = AuditRow(at=now, person_id=person_id, verb="discard_events", target=flow_id, details=dict(details))
    await services.store.journal.write([let_go(names, code=DISCARDED, at=now, told=counts.append, note=note)])
    services.held.taken_out(flow_id)
    services.changes.publish("event", flow_id=flow_id, event_name="", status=Status.CANCELLED.value)
    return counts[-1]
