"""The next step of a subscription: begin it, renew it, or end it, again and again until the service said that it is done.

Before a request to begin is sent its row says so. Where no answer came, the service may have carried it out: then it is
asked once more with the same key, also before ending, so that what is to be ended is known.
"""

import asyncio
import logging
from weakref import WeakValueDictionary

import msgspec

from flowmend.core.connector.trigger_facts import PLAIN_SUBSCRIPTION, FollowingRequest, SubscriptionFacts
from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.run import Call, ConnectorCall, FollowUp
from flowmend.core.run.callbacks import call_with_callback_url, callback_placeholder
from flowmend.core.run.naming import run_name
from flowmend.core.trigger.subscription import (
    filled_request,
    lasts_until,
    read_subscribed,
    renew_at,
    wait_before_retry,
    written_time,
)
from flowmend.store.journal import HoldEvent
from flowmend.store.rows import FlowState, SubscriptionRow, SubscriptionState, TriggerEventRow
from flowmend.use_cases.poll_states import NOTIFIED_TYPES, note_trigger_problem
from flowmend.use_cases.ports import Services
from flowmend.use_cases.subscription_calls import SubscriptionCalls, open_calls, seal_calls
from flowmend.use_cases.trigger_calls import unsubscribing_call
from flowmend.use_cases.trigger_subscriptions import add_subscription

_log = logging.getLogger(__name__)

_GONE = frozenset({"NotFound", "Gone"})
#: Nobody can end it any more: its connection, or the operation, is not there.
_CANNOT_BE_ENDED = frozenset({"ConnectionNotMapped", "ConnectorNotFound", "OperationNotFound"})

#: One step at a time for each subscription, whoever takes it.
_carried: "WeakValueDictionary[str, asyncio.Lock]" = WeakValueDictionary()


async def carry_subscription(services: Services, subscription_id: str) -> SubscriptionRow | None:
    """Take the next step of a subscription; its row after that, None where it is over with. Errors: StoreUnavailable."""
    lock = _carried.get(subscription_id)
    if lock is None:
        lock = _carried[subscription_id] = asyncio.Lock()
    async with lock:
        row = services.store.subscriptions.get(subscription_id)
        if row is None:
            return None
        calls = open_calls(row.sealed_calls, subscription_id, services.vault)
        match SubscriptionState(row.state):
            case SubscriptionState.WANTED:
                await _begin(services, row, calls)
            case SubscriptionState.ACTIVE:
                await _renew(services, row, calls)
            case SubscriptionState.ENDING:
                await _end(services, row, calls)
        return services.store.subscriptions.get(subscription_id)


async def _begin(services: Services, row: SubscriptionRow, calls: SubscriptionCalls) -> None:
    outcome = await _send_begin(services, row, calls)
    if outcome.status is not Status.SUCCEEDED:
        await _failed(services, row, _after_failing(calls, outcome), outcome)
        return
    known = _subscribed(services, row, calls, outcome.outputs)
    expires_at = read_subscribed(_facts(services, calls), outcome.outputs, now=services.clock.now).expires_at
    is_active = _change(
        services,
        row,
        (SubscriptionState.WANTED,),
        known,
        state=SubscriptionState.ACTIVE.value,
        next_at=renew_at(expires_at, services.clock.now),
        expires_at=expires_at,
        attempts=0,
        code="",
        message="",
    )
    if is_active:
        _tell(services, row, None)
    else:  # turned off meanwhile: now it is known what to end
        _change(services, row, (SubscriptionState.ENDING,), known, next_at=services.clock.now, attempts=0)
        services.changes.publish("subscriptions")


async def _send_begin(services: Services, row: SubscriptionRow, calls: SubscriptionCalls) -> Outcome:
    _change(services, row, tuple(SubscriptionState), msgspec.structs.replace(calls, is_uncertain=True))
    return await _call(services, row, calls, calls.begin, row.subscription_id)


def _after_failing(calls: SubscriptionCalls, outcome: Outcome) -> SubscriptionCalls:
    """What is known after a request to begin failed: an earlier doubt is not settled by a later refusal."""
    return msgspec.structs.replace(calls, is_uncertain=calls.is_uncertain or not outcome.was_refused)


async def _failed(services: Services, row: SubscriptionRow, calls: SubscriptionCalls, outcome: Outcome) -> None:
    attempts = row.attempts + 1
    error = outcome.error or ErrorDetail(outcome.code, f"The service answered {outcome.code}.")
    message = (
        outcome.diagnosis.message if outcome.diagnosis is not None and outcome.diagnosis.message else error.message
    )
    _change(
        services,
        row,
        tuple(SubscriptionState),
        calls,
        attempts=attempts,
        next_at=services.clock.now + wait_before_retry(attempts, services.clock.draw()),
        code=outcome.code,
        message=message,
    )
    if row.state != SubscriptionState.ENDING.value:
        _tell(services, row, ErrorDetail(outcome.code, message))
        if row.code != outcome.code:  # one entry for each reason, however often it is tried
            await services.store.journal.write([HoldEvent(_failed_check(services, row, outcome.code, message))])


async def _renew(services: Services, row: SubscriptionRow, calls: SubscriptionCalls) -> None:
    now = services.clock.now
    if calls.renew is None:
        _replace(services, row)
        return
    outcome = await _call(services, row, calls, _renewal(services, calls), f"{row.subscription_id}-{now:%Y%m%d%H%M%S}")
    if outcome.status is Status.SUCCEEDED:
        facts = _facts(services, calls)
        expires_at = read_subscribed(facts, outcome.outputs, now=now).expires_at
        next_at = renew_at(expires_at, now)
        changes = {"expires_at": expires_at, "next_at": next_at, "attempts": 0, "code": "", "message": ""}
        services.store.subscriptions.change(row.subscription_id, (SubscriptionState.ACTIVE,), **changes)
        _tell(services, row, None)
    elif outcome.code in _GONE or (row.expires_at is not None and row.expires_at <= now):
        _replace(services, row)
    else:
        await _failed(services, row, calls, outcome)


def _replace(services: Services, row: SubscriptionRow) -> None:
    """A new subscription in the place of one that is or will be over; the new one first, so that nothing is missed."""
    loaded = services.flows.latest(row.flow_id)
    trigger = loaded.flow.definition.triggers.get(row.trigger_name)
    if trigger is not None and loaded.row.state is FlowState.ON:
        fresh = add_subscription(services, loaded, trigger)
        services.store.subscriptions.change(fresh, next_at=services.clock.now)
    services.store.subscriptions.change(
        row.subscription_id, state=SubscriptionState.ENDING.value, next_at=services.clock.now, attempts=0
    )
    services.changes.publish("subscriptions")


async def _end(services: Services, row: SubscriptionRow, calls: SubscriptionCalls) -> None:
    if calls.is_uncertain:
        begun = await _send_begin(services, row, calls)
        if begun.status is not Status.SUCCEEDED:
            is_shut_out = begun.diagnosis is not None and begun.diagnosis.is_auth_failure
            if begun.was_refused and not is_shut_out:
                services.store.subscriptions.remove(row.subscription_id)  # refused for certain: nothing is there
            else:
                await _failed(services, row, calls, begun)
            return
        calls = _subscribed(services, row, calls, begun.outputs)
        _change(services, row, (SubscriptionState.ENDING,), calls)
    if calls.end is None:
        services.store.subscriptions.remove(row.subscription_id)
        return
    outcome = await _call(services, row, calls, calls.end, f"{row.subscription_id}-end")
    if outcome.status is Status.SUCCEEDED or outcome.code in _GONE:
        services.store.subscriptions.remove(row.subscription_id)
    elif outcome.code in _CANNOT_BE_ENDED:
        _log.warning("The subscription of trigger %s stays with its service: %s", row.trigger_name, outcome.code)
        services.store.subscriptions.remove(row.subscription_id)
    else:
        await _failed(services, row, calls, outcome)


def _subscribed(services: Services, row: SubscriptionRow, calls: SubscriptionCalls, outputs: Json) -> SubscriptionCalls:
    """The calls once it is known what the service calls the subscription."""
    facts, now = _facts(services, calls), services.clock.now
    told = read_subscribed(facts, outputs, now=now)
    places = {"id": told.subscription_id, "key": row.subscription_id, "callback": calls.callback}
    end: Call | None = None
    if facts.unsubscribe is not None and isinstance(calls.begin, ConnectorCall):
        end = _following(calls.begin, filled_request(facts.unsubscribe, places))
    elif isinstance(calls.begin, ConnectorCall):
        end = FollowUp(call=calls.begin, method="DELETE", location=told.location) if told.location else None
    else:
        end = _written_out(services, row, calls, outputs)
    renew = None
    if facts.renew is not None and isinstance(calls.begin, ConnectorCall):
        renew = _following(calls.begin, filled_request(facts.renew, places))
    return msgspec.structs.replace(calls, end=end, renew=renew, is_uncertain=False)


def _renewal(services: Services, calls: SubscriptionCalls) -> Call:
    """The renewing request with the time it is to last until from now."""
    if not isinstance(calls.renew, ConnectorCall):
        return calls.begin
    expires = written_time(lasts_until(_facts(services, calls), services.clock.now))
    request = FollowingRequest(
        method=calls.renew.method, path=calls.renew.path, queries=calls.renew.queries or {}, body=calls.renew.body
    )
    return _following(calls.renew, filled_request(request, {"expires": expires}))


def _following(begin: ConnectorCall, request: FollowingRequest) -> ConnectorCall:
    return ConnectorCall(
        reference=begin.reference,
        connector=begin.connector,
        method=request.method,
        path=request.path,
        queries=dict(request.queries),
        body=request.body,
    )


def _written_out(services: Services, row: SubscriptionRow, calls: SubscriptionCalls, outputs: Json) -> Call | None:
    """The request by which an HttpWebhook trigger says it is to be ended, its expressions evaluated now."""
    stand_in = callback_placeholder(row.subscription_id, row.trigger_name, ())
    try:
        loaded = services.flows.latest(row.flow_id)
        trigger = loaded.flow.definition.triggers.get(row.trigger_name)
        call = None if trigger is None else unsubscribing_call(services, loaded, trigger, stand_in, outputs)
    except FlowmendError as error:
        _log.warning("How to end the subscription of trigger %s cannot be said: %s", row.trigger_name, error)
        return calls.end
    return calls.end if call is None else call_with_callback_url(call, stand_in, calls.callback)


def _facts(services: Services, calls: SubscriptionCalls) -> SubscriptionFacts:
    operation = services.operations.facts(calls.begin, calls.mappings).operation
    return PLAIN_SUBSCRIPTION if operation is None else operation.subscription


async def _call(services: Services, row: SubscriptionRow, calls: SubscriptionCalls, call: Call, key: str) -> Outcome:
    try:
        return await services.operations.call(
            call, flow_id=row.flow_id, mappings=calls.mappings, client_request_id=key, trace_headers={}, attempt=1
        )
    except StoreUnavailable:
        raise
    except FlowmendError as error:
        return Outcome(status=Status.FAILED, code=error.code, error=ErrorDetail(error.code, error.message))


def _change(
    services: Services,
    row: SubscriptionRow,
    states: tuple[SubscriptionState, ...],
    calls: SubscriptionCalls,
    **changes: object,
) -> bool:
    sealed = seal_calls(calls, row.subscription_id, services.vault)
    return services.store.subscriptions.change(row.subscription_id, states, sealed_calls=sealed, **changes)


def _tell(services: Services, row: SubscriptionRow, error: ErrorDetail | None) -> None:
    """What is wrong with the trigger, on its flow. One that polls besides says so itself."""
    try:
        trigger = services.flows.latest(row.flow_id).flow.definition.triggers.get(row.trigger_name)
    except FlowmendError:
        return
    if trigger is None or trigger.type in NOTIFIED_TYPES:
        return
    note_trigger_problem(services, row.flow_id, row.trigger_name, error, connection_id=row.connection_id)
    services.changes.publish("event", flow_id=row.flow_id, event_name="", status=error.code if error else "")


def _failed_check(services: Services, row: SubscriptionRow, code: str, message: str) -> TriggerEventRow:
    name, now = run_name(services.clock.ticks(), services.clock.draw()), services.clock.now
    return TriggerEventRow(
        event_name=name,
        flow_id=row.flow_id,
        trigger_name=row.trigger_name,
        status=Status.FAILED,
        code=code,
        fired=False,
        started_at=now,
        ended_at=now,
        tracking_id=str(services.clock.guid()),
        client_tracking_id=name,
        error_code=code,
        error_message=message,
    )
