"""Which subscriptions a flow wants: begun when it is turned on, ended when it is turned off, deleted or asks for another.

Only rows change here; whatever is sent is sent by `carry_subscription`, from these rows and until it is done.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from flowmend.core.connector.trigger_facts import SubscriptionFacts
from flowmend.core.definition.flow import Flow, Trigger
from flowmend.core.errors import FlowmendError
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail
from flowmend.core.problem import Problem, Severity
from flowmend.core.run import Call, ConnectorCall
from flowmend.core.run.callbacks import call_with_callback_url, callback_placeholder
from flowmend.core.trigger.callback_url import sign_callback
from flowmend.core.trigger.subscription import filled, lasts_until, written_time
from flowmend.store.rows import SubscriptionRow, SubscriptionState
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.poll_states import NOTIFIED_TYPES, asks_at_intervals, note_trigger_problem
from flowmend.use_cases.ports import Services
from flowmend.use_cases.subscription_calls import SubscriptionCalls, seal_calls
from flowmend.use_cases.subscription_types import SUBSCRIBED_TYPES
from flowmend.use_cases.trigger_calls import SUBSCRIBE, subscribing_call

#: The name in a callback URL's query that tells which subscription calls.
SUBSCRIPTION_QUERY = "subscription"
#: Whoever turns a flow on subscribes at once and hears of it; after this long the row is anybody's.
_ADOPTED_AFTER = timedelta(seconds=60)
_HERE_ONLY = ("127.", "localhost", "0.0.0.0", "[::1]", "::1")  # noqa: S104  # names to compare with, not to bind


def plan_subscriptions(services: Services, loaded: LoadedFlow) -> tuple[str, ...]:
    """Have the subscriptions of a flow that is on begun where they are missing, and others of it ended.

    Answers with the ids of those to be begun.
    """
    flow_id, now = loaded.row.flow_id, services.clock.now
    there = [
        one for one in services.store.subscriptions.of_flow(flow_id) if one.state != SubscriptionState.ENDING.value
    ]
    fresh: list[str] = []
    for trigger in loaded.flow.definition.triggers.values():
        if not _is_subscribed(services, loaded, trigger):
            continue
        fingerprint = _fingerprint(services, loaded, trigger)
        kept = next((one for one in there if one.trigger_name == trigger.name and one.fingerprint == fingerprint), None)
        if kept is not None:
            there.remove(kept)
            continue
        try:
            fresh.append(add_subscription(services, loaded, trigger))
        except FlowmendError as error:
            note_trigger_problem(services, flow_id, trigger.name, ErrorDetail(error.code, error.message))
    for one in there:
        services.store.subscriptions.change(
            one.subscription_id, state=SubscriptionState.ENDING.value, next_at=now, attempts=0
        )
    if there:
        services.changes.publish("subscriptions")
    return tuple(fresh)


def add_subscription(services: Services, loaded: LoadedFlow, trigger: Trigger) -> str:
    """A new subscription of a trigger, not sent yet; its id. Errors: ExpressionError; AskedWrongly."""
    now, subscription_id = services.clock.now, services.clock.guid().hex
    stand_in = callback_placeholder(subscription_id, trigger.name, ())
    callback = f"{_callback(services, loaded, trigger)}&{SUBSCRIPTION_QUERY}={subscription_id}"
    call = subscribing_call(services, loaded, trigger, stand_in)
    known = services.operations.facts(call, loaded.mappings)
    if known.operation is not None:
        call = _with_arguments(call, known.operation.subscription, subscription_id, now=now)
    calls = SubscriptionCalls(
        callback=callback, mappings=dict(loaded.mappings), begin=call_with_callback_url(call, stand_in, callback)
    )
    services.store.subscriptions.add(
        SubscriptionRow(
            subscription_id=subscription_id,
            flow_id=loaded.row.flow_id,
            trigger_name=trigger.name,
            state=SubscriptionState.WANTED.value,
            connection_id=known.connection_id,
            fingerprint=_fingerprint(services, loaded, trigger),
            sealed_calls=seal_calls(calls, subscription_id, services.vault),
            next_at=now + _ADOPTED_AFTER,
            created_at=now,
        )
    )
    return subscription_id


def end_subscriptions(services: Services, flow_id: str) -> int:
    """Have every subscription of a flow ended, until that is done; how many there are."""
    count = services.store.subscriptions.end_all(flow_id, services.clock.now)
    if count:
        services.changes.publish("subscriptions")
    return count


def needs_public_address(flow: Flow) -> bool:
    """Whether a service must reach this Flowmend before the flow can start."""
    return any(trigger.type in SUBSCRIBED_TYPES for trigger in flow.definition.triggers.values())


def address_problems(services: Services, flow: Flow) -> tuple[Problem, ...]:
    """A warning where a service is to call an address that only this machine knows."""
    address = services.settings.base_url
    host = urlsplit(address).hostname or ""
    if not needs_public_address(flow) or not host.startswith(_HERE_ONLY):
        return ()
    pointer = next(one.pointer for one in flow.definition.triggers.values() if one.type in SUBSCRIBED_TYPES)
    return (
        Problem(
            severity=Severity.WARNING,
            code="NoPublicAddress",
            pointer=pointer,
            message=f"The trigger's service is to call {address}, which only this machine can reach.",
            hint="Set FLOWMEND_PUBLIC_URL to the address at which Flowmend is reached from outside.",
        ),
    )


def _with_arguments(call: Call, facts: SubscriptionFacts, row_id: str, *, now: datetime) -> Call:
    places = {"expires": written_time(lasts_until(facts, now)), "key": row_id}
    added: dict[str, Json] = filled(dict(facts.arguments), places)
    if not isinstance(call, ConnectorCall) or not added:
        return call
    if call.operation_id:
        return msgspec.structs.replace(call, parameters={**(call.parameters or {}), **added})
    body = dict(call.body) if isinstance(call.body, Mapping) else {}
    body |= {name.removeprefix("body/"): text for name, text in added.items()}
    return msgspec.structs.replace(call, body=body)


def _is_subscribed(services: Services, loaded: LoadedFlow, trigger: Trigger) -> bool:
    """A notified trigger polls anyway, so it subscribes only where a service can reach us; another that polls never does."""
    if trigger.type in NOTIFIED_TYPES:
        wants = isinstance(trigger.inputs, Mapping) and isinstance(trigger.inputs.get(SUBSCRIBE), Mapping)
        return wants and bool(services.settings.public_url)
    return trigger.type in SUBSCRIBED_TYPES and not asks_at_intervals(services, loaded, trigger)


def _callback(services: Services, loaded: LoadedFlow, trigger: Trigger) -> str:
    flow_id = loaded.row.flow_id
    return sign_callback(services.settings.base_url, flow_id, trigger.name, key=loaded.access_key).value


def _fingerprint(services: Services, loaded: LoadedFlow, trigger: Trigger) -> str:
    """A digest of all that a subscription depends on: what is asked for, of whom, and where it is to call."""
    asked = [trigger.type, trigger.inputs, _callback(services, loaded, trigger), loaded.mappings]
    values = {name: value for name, value in loaded.parameters.items() if not name.startswith("$")}
    return hashlib.sha256(msgspec.json.encode([asked, values], order="deterministic")).hexdigest()[:24]
