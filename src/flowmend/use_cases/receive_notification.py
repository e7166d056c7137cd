"""What a subscribed service sends: a question whether we are there, news that start a run, or a hint that there is news."""

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import NotFound
from flowmend.core.json_value import Json
from flowmend.core.run import SendResponse
from flowmend.core.trigger.handshakes import answer_handshake
from flowmend.store.rows import SubscriptionState
from flowmend.use_cases.fire_trigger import Accepted, accept
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.poll_states import NOTIFIED_TYPES
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repeated_events import accept_once
from flowmend.use_cases.start_run import Cause
from flowmend.use_cases.subscription_types import SUBSCRIBED_TYPES
from flowmend.use_cases.trigger_subscriptions import SUBSCRIPTION_QUERY

#: Of a call for a subscription that is over: its service may forget it (REST hooks, 410 Gone).
SUBSCRIPTION_ENDED = "SubscriptionEnded"
_NOT_RECORDED = frozenset({"authorization", "cookie", "x-hook-secret"})


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a service sent. has_body: False tells an empty body from null."""

    method: str
    headers: dict[str, str]
    queries: dict[str, str]
    body: Json
    has_body: bool
    client_tracking_id: str = ""


def is_notified(trigger: Trigger) -> bool:
    """Whether a service calls this trigger's URL, rather than anybody who has it."""
    return trigger.type in SUBSCRIBED_TYPES or trigger.type in NOTIFIED_TYPES


async def receive_notification(
    services: Services, loaded: LoadedFlow, trigger: Trigger, notification: Notification
) -> Accepted:
    """Take what the service of a subscription sends; answered once it is durable.

    Errors: NotFound `SubscriptionEnded` for one that is over or was never ours; as `fire_trigger.accept`.
    """
    queries = dict(notification.queries)
    subscription_id = queries.pop(SUBSCRIPTION_QUERY, "")
    row = services.store.subscriptions.get(subscription_id) if subscription_id else None
    is_ours = row is not None and (row.flow_id, row.trigger_name) == (loaded.row.flow_id, trigger.name)
    if row is None or not is_ours or row.state == SubscriptionState.ENDING.value:
        raise NotFound("Nobody waits for this any more.", code=SUBSCRIPTION_ENDED, target=trigger.name)
    shaken = answer_handshake(notification.method, queries, notification.headers, notification.body)
    if shaken is not None:
        return _answered(SendResponse(status_code=200, headers=shaken.headers, body=shaken.body))
    if trigger.type in NOTIFIED_TYPES:
        services.store.triggers.poll_sooner(loaded.row.flow_id, trigger.name, services.clock.now)
        services.changes.publish("poke", flow_id=loaded.row.flow_id, trigger_name=trigger.name)
        return _answered(None)
    outputs: dict[str, Json] = {
        "headers": {name: text for name, text in notification.headers.items() if name.lower() not in _NOT_RECORDED}
    }
    if queries:
        outputs["queries"] = queries
    if notification.has_body:
        outputs["body"] = notification.body

    async def take(cause: Cause) -> Accepted:
        return await accept(services, loaded, trigger, outputs, notification.client_tracking_id, cause=cause)

    return await accept_once(
        services,
        loaded,
        trigger,
        take,
        headers=notification.headers,
        body=notification.body,
        method=notification.method,
        queries=notification.queries,
    )


def _answered(response: SendResponse | None) -> Accepted:
    return Accepted(run_name="", event_name="", client_tracking_id="", workflow_headers={}, response=response)
