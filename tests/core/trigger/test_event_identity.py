"""By which name an event that arrives again is known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.json_value import Json
from flowmend.core.trigger.event_identity import content_digest, event_identity

STRIPE = {"object": "event", "id": "evt_1", "type": "charge.succeeded"}
SLACK = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}}
CLOUD = {"specversion": "1.0", "source": "/shop", "id": "7", "type": "order"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"ce-id": "7", "ce-source": "/shop"}, None),
        ({}, CLOUD),
        ({"Webhook-Id": "msg_1"}, {"a": 1}),
        ({"X-Shopify-Webhook-Id": "b54557e4"}, []),
        ({}, SLACK),
        ({}, STRIPE),
    ],
)
def test_what_a_service_named_is_the_same_event_whatever_else_changes(headers: dict[str, str], body: Json) -> None:
    first = event_identity({**headers, "webhook-timestamp": "1"}, body)
    changed = {**body, "api_version": "2"} if isinstance(body, dict) else body
    again = event_identity({**headers, "webhook-timestamp": "2", "x-ms-client-request-id": "other"}, changed)
    assert first == again
    assert first is not None
    assert not first.names_request


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, None),
        ({}, {"id": "evt_1"}),
        ({"ce-id": "7"}, None),
        ({}, {"type": "url_verification", "event_id": "Ev1"}),
        ({}, {"object": "event", "id": 5}),
        ({"X-GitHub-Delivery": "72d3162e"}, {"action": "opened"}),
        ({"x-ms-client-request-id": " "}, None),
    ],
)
def test_what_nobody_named_has_no_identity(headers: dict[str, str], body: Any) -> None:
    assert event_identity(headers, body) is None


def test_a_callers_request_id_names_a_request() -> None:
    named = event_identity({"X-MS-Client-Request-Id": "r1"}, {"n": 1})
    assert named is not None
    assert named.names_request
    assert named == event_identity({"x-ms-client-request-id": "r1"}, {"n": 2})
    assert named != event_identity({"x-ms-client-request-id": "r2"}, {"n": 1})


def test_one_name_of_two_senders_is_not_one_event() -> None:
    assert event_identity({"webhook-id": "7"}, None) != event_identity({"x-shopify-webhook-id": "7"}, None)


def test_the_order_of_keys_changes_no_content_but_a_value_does() -> None:
    one = content_digest("POST", "a", {"x": "1", "y": "2"}, {"a": 1, "b": [1, 2]})
    assert one == content_digest("POST", "a", {"y": "2", "x": "1"}, {"b": [1, 2], "a": 1})
    for other in (
        content_digest("PUT", "a", {"x": "1", "y": "2"}, {"a": 1, "b": [1, 2]}),
        content_digest("POST", "b", {"x": "1", "y": "2"}, {"a": 1, "b": [1, 2]}),
        content_digest("POST", "a", {"x": "1"}, {"a": 1, "b": [1, 2]}),
        content_digest("POST", "a", {"x": "1", "y": "2"}, {"a": 1, "b": [2, 1]}),
    ):
        assert one != other


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(headers=st.dictionaries(st.text(), st.text(), max_size=4), body=json_values)
def test_anything_may_arrive(headers: dict[str, str], body: Json) -> None:
    event_identity(headers, body)
    assert content_digest("POST", "", {}, body) == content_digest("POST", "", {}, body)
