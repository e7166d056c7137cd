"""What a service says when it is subscribed to, and when to do what next about it.

Source: wdl.md §3; learn.microsoft.com/connectors/custom-connectors/create-webhook-trigger (the `Location` of the answer is
what is deleted in the end)
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from flowmend.core.connector.trigger_facts import FollowingRequest, SubscriptionFacts
from flowmend.core.json_value import Json
from flowmend.core.trigger.polled_items import at

_FIRST_RETRY = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(hours=1)
#: A subscription is renewed when so much of its time is over.
_RENEWED_AFTER = 0.75


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer to subscribing says. location: what ends it by DELETE, "" for none. expires_at: None for never."""

    subscription_id: str
    location: str
    expires_at: datetime | None


def read_subscribed(facts: SubscriptionFacts, outputs: Json, *, now: datetime) -> Subscribed:
    """outputs: of the subscribing call, `{statusCode, headers, body}`."""
    headers = outputs.get("headers") if isinstance(outputs, Mapping) else None
    folded = {name.lower(): str(text) for name, text in (headers or {}).items()}
    named = at(outputs, facts.subscription_id) if facts.subscription_id else None
    ends = at(outputs, facts.expires) if facts.expires else None
    return Subscribed(
        subscription_id="" if named is None else str(named),
        location=folded.get("location", ""),
        expires_at=_moment(ends) or lasts_until(facts, now),
    )


def lasts_until(facts: SubscriptionFacts, now: datetime) -> datetime | None:
    """How long a subscription made or renewed now is asked to last; None for no end."""
    return None if facts.lifetime_seconds is None else now + timedelta(seconds=facts.lifetime_seconds)


def renew_at(expires_at: datetime | None, now: datetime) -> datetime | None:
    """When to renew what expires then; None for what does not."""
    return None if expires_at is None else now + max(expires_at - now, timedelta()) * _RENEWED_AFTER


def wait_before_retry(attempts: int, draw: float) -> timedelta:
    """How long to wait after so many failures in a row: ever longer, to an hour, and never given up. draw: in [0, 1)."""
    doublings = min(max(attempts - 1, 0), 16)
    return min(_FIRST_RETRY * (1 << doublings), _LONGEST_WAIT) * (0.5 + draw / 2)


def filled(value: Json, places: Mapping[str, str]) -> Json:
    """A value with `{name}` replaced in its texts, at any depth."""
    if isinstance(value, str):
        for name, text in places.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {key: filled(inner, places) for key, inner in value.items()}
    return [filled(inner, places) for inner in value] if isinstance(value, list) else value


def filled_request(request: FollowingRequest, places: Mapping[str, str]) -> FollowingRequest:
    """A following request with its places filled."""
    return FollowingRequest(
        method=request.method,
        path=filled(request.path, places),
        queries=filled(request.queries, places),
        body=filled(request.body, places),
    )


def written_time(moment: datetime | None) -> str:
    """A time as services read it, to the second; "" for none."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(value: Json) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
