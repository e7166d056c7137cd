"""Batches: messages that flows leave with a Batch trigger, and the runs that take them together (wdl.md §3).

A message is an entry of the trigger's history that has not fired, so it survives a restart and people see it. Its run
and the marks on its messages are written in one transaction.
"""

import asyncio
from collections.abc import Mapping, Sequence
from weakref import WeakValueDictionary

import msgspec

from flowmend.core.connector import refused_outcome
from flowmend.core.definition.flow import Trigger
from flowmend.core.definition.step_settings import whole_number
from flowmend.core.json_value import Json
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import BatchCall, RunStart
from flowmend.core.run.naming import run_name
from flowmend.store.journal import ChangeEvent, HoldEvent
from flowmend.store.payloads import decode_payload, encode_payload
from flowmend.store.rows import FlowState, TriggerEventRow
from flowmend.use_cases.fire_trigger import accept
from flowmend.use_cases.flow_lookup import flow_named
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import Cause, workflow_headers

#: Messages of one batch at most. Source: learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration
MOST_MESSAGES = 8_000

_GATHERED = "BatchMessageGathered"

#: Two messages at once must not both release the batch they complete. One lock per flow, for as long as it is held.
_releasing: "WeakValueDictionary[str, asyncio.Lock]" = WeakValueDictionary()


class _Message(msgspec.Struct, frozen=True):
    event_name: str
    batch: str
    partition: str
    message_id: str
    content: Json
    size: int


async def send_to_batch(services: Services, call: BatchCall, *, sender: RunStart, client_request_id: str) -> Outcome:
    """Leave a message with a batch, and start its run where the batch is complete with it.

    A call repeated after a restart finds the message it left before.
    """
    loaded = flow_named(services, call.flow)
    if loaded is None:
        return refused_outcome("MissingChildFlow", f"There is no flow '{call.flow}' to send to. Import it first.")
    trigger = _trigger(loaded, call.trigger)
    if trigger is None:
        return refused_outcome("TriggerNotFound", f"The flow {loaded.row.name!r} has no Batch trigger.")
    if loaded.row.state is not FlowState.ON:
        return refused_outcome(
            "WorkflowTriggerIsNotEnabled", f"The flow {loaded.row.name!r} is turned off. Turn it on."
        )
    if _criteria(trigger, call.batch) is None:
        return refused_outcome(
            "BatchNotFound", f"The trigger '{trigger.name}' of {loaded.row.name!r} has no batch '{call.batch}'."
        )
    known = services.store.trigger_events.by_client_request(
        loaded.row.flow_id, trigger.name, client_request_id, sender.started_at
    )
    if known is None:
        event = _event(services, loaded, trigger, call, client_request_id)
        await services.store.journal.write([HoldEvent(event)])
        services.changes.publish("event", flow_id=loaded.row.flow_id, event_name=event.event_name, status=event.status)
    async with _lock(loaded.row.flow_id):
        await _release(services, loaded, trigger, call.batch, call.partition)
    headers = workflow_headers(loaded, sender.run_name, sender.client_tracking_id, client_request_id)
    return Outcome(status=Status.SUCCEEDED, code="Accepted", outputs={"statusCode": 202, "headers": headers})


async def release_batches(services: Services, flow_id: str, trigger_name: str) -> None:
    """The trigger's clock says so: every batch with a message starts its run. Errors: as `fire_trigger.accept`."""
    loaded = services.flows.latest(flow_id)
    trigger = loaded.flow.definition.triggers[trigger_name]
    async with _lock(flow_id):
        places = dict.fromkeys((one.batch, one.partition) for one in _gathered(services, flow_id, trigger_name))
        for batch, partition in places:
            await _release(services, loaded, trigger, batch, partition, is_due=True)


def release_recurrence(trigger: Trigger) -> Mapping[str, Json] | None:
    """The recurrence at which a Batch trigger's batches are released, None for none."""
    for configuration in _configurations(trigger).values():
        criteria = configuration.get("releaseCriteria") if isinstance(configuration, Mapping) else None
        recurrence = criteria.get("recurrence") if isinstance(criteria, Mapping) else None
        if isinstance(recurrence, Mapping) and recurrence:
            return recurrence
    return None


async def _release(
    services: Services, loaded: LoadedFlow, trigger: Trigger, batch: str, partition: str, *, is_due: bool = False
) -> None:
    gathered = _gathered(services, loaded.row.flow_id, trigger.name)
    messages = [one for one in gathered if (one.batch.lower(), one.partition) == (batch.lower(), partition)]
    criteria = _criteria(trigger, batch) or {}
    while messages and (count := len(messages) if is_due else _complete(criteria, messages)):
        taken, messages = messages[: min(count, MOST_MESSAGES)], messages[min(count, MOST_MESSAGES) :]
        items = [{"messageId": one.message_id, "content": one.content} for one in taken]
        fired = {"status": Status.SUCCEEDED.value, "code": "", "outputs": b""}
        marks = tuple(ChangeEvent(one.event_name, fired) for one in taken)
        outputs = {"body": {"batchName": batch, "partitionName": partition, "items": items}}
        await accept(services, loaded, trigger, outputs, "", cause=Cause(together_with=marks, may_queue=True))


def _complete(criteria: Mapping[str, Json], messages: Sequence[_Message]) -> int:
    """How many of the messages are a batch to release; 0 where more are waited for."""
    count, size = whole_number(criteria.get("messageCount")), whole_number(criteria.get("batchSize"))
    if count is not None and len(messages) >= count:
        return count
    if len(messages) >= MOST_MESSAGES or (size is not None and sum(one.size for one in messages) >= size):
        return len(messages)
    return 0


def _gathered(services: Services, flow_id: str, trigger_name: str) -> list[_Message]:
    """The messages no run has taken, in the order in which they came."""
    messages = []
    for row in services.store.trigger_events.with_status(flow_id, trigger_name, Status.PAUSED):
        place = decode_payload(row.inputs, dict[str, str])
        content: Json = decode_payload(row.outputs, dict[str, Json])["content"]
        messages.append(
            _Message(row.event_name, place["batch"], place["partition"], place["id"], content, len(row.outputs))
        )
    return messages


def _event(
    services: Services, loaded: LoadedFlow, trigger: Trigger, call: BatchCall, client_request_id: str
) -> TriggerEventRow:
    name = run_name(services.clock.ticks(), services.clock.draw())
    message_id = call.message_id or str(services.clock.guid())
    return TriggerEventRow(
        event_name=name,
        flow_id=loaded.row.flow_id,
        trigger_name=trigger.name,
        status=Status.PAUSED,
        code=_GATHERED,
        fired=False,
        started_at=services.clock.now,
        tracking_id=str(services.clock.guid()),
        client_tracking_id=name,
        client_request_id=client_request_id,
        inputs=encode_payload({"batch": call.batch, "partition": call.partition, "id": message_id}),
        outputs=encode_payload({"content": call.content}),
    )


def _trigger(loaded: LoadedFlow, name: str) -> Trigger | None:
    batches = [one for one in loaded.flow.definition.triggers.values() if one.type == "Batch"]
    return next((one for one in batches if one.name.lower() == name.lower()), next(iter(batches), None))


def _criteria(trigger: Trigger, batch: str) -> Mapping[str, Json] | None:
    """The release criteria of a batch, None where the trigger has no batch of that name."""
    for name, configuration in _configurations(trigger).items():
        if name.lower() == batch.lower() and isinstance(configuration, Mapping):
            criteria = configuration.get("releaseCriteria")
            return criteria if isinstance(criteria, Mapping) else {}
    return None


def _configurations(trigger: Trigger) -> Mapping[str, Json]:
    configurations = trigger.inputs.get("configurations") if isinstance(trigger.inputs, Mapping) else None
    return configurations if isinstance(configurations, Mapping) else {}


def _lock(flow_id: str) -> asyncio.Lock:
    lock = _releasing.get(flow_id)
    if lock is None:
        lock = _releasing[flow_id] = asyncio.Lock()
    return lock
