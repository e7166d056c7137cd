from datetime import UTC, datetime

import pytest

from flowmend.core.connector import HttpResponse, TransportFailure, outcome_of, status_name
from flowmend.core.outcome import ErrorDetail, Status

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    return HttpResponse(
        status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=body
    )


STATUSES = {
    200: ("OK", Status.SUCCEEDED, False, False),
    202: ("Accepted", Status.SUCCEEDED, False, False),
    226: ("226", Status.SUCCEEDED, False, False),
    302: ("Found", Status.FAILED, False, False),
    401: ("Unauthorized", Status.FAILED, False, True),
    408: ("RequestTimeout", Status.FAILED, True, False),
    422: ("422", Status.FAILED, False, True),
    429: ("429", Status.FAILED, True, False),
    500: ("InternalServerError", Status.FAILED, True, False),
    503: ("ServiceUnavailable", Status.FAILED, True, False),
    599: ("599", Status.FAILED, True, False),
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_says_how_the_call_ended(status: int) -> None:
    code, expected, is_retryable, was_refused = STATUSES[status]
    outcome = outcome_of(answer(status, b'{"a":1}', content_type="application/json"), now=NOW, connection_id="c")
    assert (outcome.code, outcome.status, outcome.is_retryable, outcome.was_refused) == (
        code,
        expected,
        is_retryable,
        was_refused,
    )
    assert outcome.outputs == {"statusCode": status, "headers": {"content-type": "application/json"}, "body": {"a": 1}}
    assert outcome.error is None
    assert outcome.connection_id == "c"
    assert status_name(status) == code


def test_an_empty_answer_has_no_body() -> None:
    assert outcome_of(answer(204), now=NOW).outputs == {"statusCode": 204, "headers": {}}


def test_json_that_does_not_read_fails_without_outputs() -> None:
    outcome = outcome_of(answer(200, b"{", content_type="application/json"), now=NOW)
    assert (outcome.status, outcome.code, outcome.outputs) == (Status.FAILED, "InvalidJSON", None)
    refused = outcome_of(answer(401, b"{", content_type="application/json"), now=NOW)
    assert refused.code == "Unauthorized"


RETRY_AFTER = {"5": 5.0, "0": 0.0, "Mon, 02 Mar 2026 08:01:00 GMT": 60.0, "Mon, 02 Mar 2026 07:00:00 GMT": 0.0}


@pytest.mark.parametrize("text", RETRY_AFTER)
def test_retry_after_is_seconds_or_a_date(text: str) -> None:
    assert outcome_of(answer(429, retry_after=text), now=NOW).retry_after_seconds == RETRY_AFTER[text]


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "²"])
def test_a_retry_after_that_does_not_read_is_none(text: str) -> None:
    assert outcome_of(answer(503, retry_after=text), now=NOW).retry_after_seconds is None


def test_a_transport_failure_has_no_outputs_and_keeps_its_code() -> None:
    failure = TransportFailure(code="UnresolvableHostName", message="No such name.", was_sent=False)
    outcome = outcome_of(failure, now=NOW)
    assert (outcome.status, outcome.code, outcome.outputs) == (Status.FAILED, "UnresolvableHostName", None)
    assert outcome.error == ErrorDetail("UnresolvableHostName", "No such name.")
    assert outcome.is_retryable
    assert not outcome.was_refused


def test_the_services_own_request_id_is_kept() -> None:
    assert outcome_of(answer(200, x_ms_request_id="abc"), now=NOW).service_request_id == "abc"
