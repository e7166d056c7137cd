"""How an event that arrives a second time is known: by the name its sender gave it.

Services send an event again whose answer they did not get; each names it so that the receiver can tell. A caller's own
request id names a request, so the same id with something else in it is another event.

GitHub's `X-GitHub-Delivery` is left out: GitHub repeats nothing by itself, and who presses *Redeliver* wants it to run again.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from flowmend.core.json_value import Json

CLIENT_REQUEST_ID = "x-ms-client-request-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventIdentity:
    """key: a digest of who names it, and how. names_request: whether only the same content under it is the same event."""

    key: str
    names_request: bool = False


def event_identity(headers: Mapping[str, str], body: Json) -> EventIdentity | None:
    """The identity of what arrived, None where its sender gave none. headers: names in any case."""
    lower = {name.lower(): text.strip() for name, text in headers.items()}
    for kind, find in _NAMED.items():
        named = find(lower, body if isinstance(body, dict) else {})
        if all(isinstance(part, str) and part for part in named):
            return EventIdentity(key=_digest([kind, *named]))
    own = lower.get(CLIENT_REQUEST_ID, "")
    return EventIdentity(key=_digest(["caller", own]), names_request=True) if own else None


def content_digest(method: str, relative_path: str, queries: Mapping[str, str], body: Json) -> str:
    """What tells two requests of one id apart."""
    return _digest([method, relative_path, sorted(queries.items()), body])


_Find = Callable[[Mapping[str, str], Mapping[str, Json]], tuple[Json, ...]]

#: {who names its events: where the name stands}
_NAMED: Mapping[str, _Find] = {
    # CloudEvents: source and id together are unique for each distinct event; in headers or, structured, in the body.
    # Source: github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#id
    "cloudevents": lambda headers, _: (headers.get("ce-source"), headers.get("ce-id")),
    "cloudevents structured": lambda _, body: (body.get("specversion"), body.get("source"), body.get("id")),
    # The id stays when a message is sent again. Source: github.com/standard-webhooks/standard-webhooks
    "standard webhooks": lambda headers, _: (headers.get("webhook-id"),),
    # The id stays when a webhook is tried again. Source: shopify.dev/docs/apps/build/webhooks/best-practices
    "shopify": lambda headers, _: (headers.get("x-shopify-webhook-id"),),
    # The id stays when an event is tried again. Source: docs.slack.dev/apis/events-api
    "slack": lambda _, body: (body.get("event_id") if body.get("type") == "event_callback" else None,),
    # An endpoint may get an event more than once. Source: docs.stripe.com/webhooks
    "stripe": lambda _, body: (body.get("id") if body.get("object") == "event" else None,),
}


def _digest(parts: Json) -> str:
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
