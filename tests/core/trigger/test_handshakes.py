"""What services ask before they call, each as it asks."""

from typing import Any

import pytest

from flowmend.core.trigger.handshakes import answer_handshake

VALIDATION = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c-1"}}]
CASES: list[tuple[str, str, dict[str, str], dict[str, str], Any, Any]] = [
    ("Microsoft Graph", "POST", {"validationToken": "a b"}, {}, None, "a b"),
    ("Slack", "POST", {}, {}, {"type": "url_verification", "challenge": "c"}, "c"),
    ("Asana", "POST", {}, {"x-hook-secret": "s"}, None, {"X-Hook-Secret": "s"}),
    ("Event Grid", "POST", {}, {}, VALIDATION, {"validationResponse": "c-1"}),
    ("CloudEvents", "OPTIONS", {}, {"WebHook-Request-Origin": "h"}, None, {"WebHook-Allowed-Origin": "h"}),
    ("WebSub", "GET", {"hub.challenge": "w"}, {}, None, "w"),
    ("Dropbox", "GET", {"challenge": "d"}, {}, None, "d"),
]


@pytest.mark.parametrize(
    ("method", "queries", "headers", "body", "told"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_handshake_is_answered_with_what_was_sent(
    method: str, queries: dict[str, str], headers: dict[str, str], body: Any, told: Any
) -> None:
    answer = answer_handshake(method, queries, headers, body)
    assert answer is not None
    assert told in (answer.body, answer.headers)


@pytest.mark.parametrize(
    ("method", "queries", "body"),
    [
        ("POST", {}, {"order": 7}),
        ("POST", {"challenge": "x"}, {"order": 7}),
        ("POST", {"validationToken": "x" * 5_000}, None),
        ("POST", {}, [{"eventType": "Order.Created", "data": {"validationCode": "c"}}]),
    ],
)
def test_news_are_no_handshake(method: str, queries: dict[str, str], body: Any) -> None:
    assert answer_handshake(method, queries, {}, body) is None


def test_an_echo_is_plain_text_that_no_browser_takes_for_a_page() -> None:
    answer = answer_handshake("POST", {"validationToken": "<script>"}, {}, None)
    assert answer is not None
    assert answer.headers == {"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"}
