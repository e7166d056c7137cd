"""What an answer to subscribing says, and when what is done next."""

from datetime import UTC, datetime, timedelta

import pytest

from flowmend.core.connector.trigger_facts import FollowingRequest, SubscriptionFacts
from flowmend.core.trigger.subscription import (
    filled_request,
    read_subscribed,
    renew_at,
    wait_before_retry,
    written_time,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_the_location_of_the_answer_is_what_ends_it() -> None:
    told = read_subscribed(SubscriptionFacts(), {"headers": {"location": "/hooks/7"}}, now=NOW)
    assert (told.location, told.subscription_id, told.expires_at) == ("/hooks/7", "", None)


def test_an_id_and_an_end_are_read_where_the_connector_says() -> None:
    facts = SubscriptionFacts(subscription_id=("body", "id"), expires=("body", "until"), lifetime_seconds=60)
    told = read_subscribed(facts, {"body": {"id": 7, "until": "2026-03-02T09:00:00Z"}}, now=NOW)
    assert (told.subscription_id, told.expires_at) == ("7", NOW + timedelta(hours=1))
    assert renew_at(told.expires_at, NOW) == NOW + timedelta(minutes=45)
    untold = read_subscribed(facts, {"body": {}}, now=NOW)
    assert untold.expires_at == NOW + timedelta(seconds=60)
    assert renew_at(None, NOW) is None


@pytest.mark.parametrize("attempts", [1, 5, 12, 10_000])
def test_a_retry_waits_ever_longer_and_never_more_than_an_hour(attempts: int) -> None:
    assert wait_before_retry(attempts, 0.0) <= wait_before_retry(attempts + 1, 0.0) <= timedelta(hours=1)
    assert wait_before_retry(attempts, 0.999) <= timedelta(hours=1)


def test_places_are_filled_at_any_depth() -> None:
    request = FollowingRequest(method="PATCH", path="/s/{id}", queries={"a": "{key}"}, body={"x": ["{expires}", 1]})
    done = filled_request(request, {"id": "7", "key": "k", "expires": written_time(NOW)})
    assert (done.path, done.queries, done.body) == ("/s/7", {"a": "k"}, {"x": ["2026-03-02T08:00:00Z", 1]})
