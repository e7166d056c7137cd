import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.redaction import Redactor
from flowmend.core.connector import HttpResponse, SignInKind, TransportFailure
from flowmend.core.outcome import Category, Status
from flowmend.use_cases.judged_answer import JudgedAnswer, judge

NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
SECRET = "s3cr3t-Kq9x!7"


def judged(status: int, body: Any, **headers: str) -> JudgedAnswer:
    named = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = HttpResponse(status=status, headers=named, body=json.dumps(body).encode())
    return judge(answer, Redactor([SECRET]), now=NOW, kind=SignInKind.OAUTH2, connection_id="c1")


HIDDEN = {
    "Slack": {"ok": False, "error": "token_revoked"},
    "a success that is none": {"success": False, "errors": [{"message": "That key was revoked"}]},
    "GraphQL": {"data": None, "errors": [{"message": "Please log in", "extensions": {"code": "UNAUTHENTICATED"}}]},
    "an error alone": {"error": {"code": 498, "message": "Invalid token."}},
    "a code of its own": {"errcode": 42001, "errmsg": "access_token expired"},
}


@pytest.mark.parametrize("body", HIDDEN.values(), ids=HIDDEN)
def test_a_refusal_within_a_good_answer_is_found(body: Any) -> None:
    found = judged(200, body)
    assert found.diagnosis is not None
    assert found.diagnosis.connection_broken
    assert (found.outcome.status, found.outcome.code) == (Status.FAILED, "Unauthorized")


PAYLOADS = {
    "a ticket about a refusal": {"id": 7, "title": "Login", "error": "unauthorized", "rows": [1]},
    "a record with a revoked token": {"items": [{"token": "revoked", "ok": False}]},
    "a partial answer": {"data": {"orders": [1]}, "errors": [{"message": "expired token of a courier"}]},
    "no error": {"error": None, "ok": True},
}


@pytest.mark.parametrize("body", PAYLOADS.values(), ids=PAYLOADS)
def test_a_word_within_a_payload_is_no_failure(body: Any) -> None:
    found = judged(200, body)
    assert found.diagnosis is None
    assert found.outcome.status is Status.SUCCEEDED


@given(
    status=st.sampled_from([200, 400, 401, 403, 429, 500]),
    body=st.recursive(
        st.just(SECRET) | st.text(max_size=20) | st.text(max_size=5).map(lambda text: f"{text}{SECRET}{text}"),
        lambda one: (
            st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(["error", "message", "code", "x"]), one)
        ),
        max_leaves=6,
    ),
    header=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=10).map(
        lambda text: text + SECRET
    ),
)
def test_a_secret_that_comes_back_is_in_no_diagnosis(status: int, body: Any, header: str) -> None:
    found = judged(status, body, www_authenticate=f'Bearer error="{header}"', x_error_code=header)
    if found.diagnosis is not None:
        assert SECRET not in found.diagnosis.message + found.diagnosis.code + found.diagnosis.rule


def test_no_answer_at_all_is_nobodys_refusal() -> None:
    failure = TransportFailure(code="ConnectionFailed", message=f"reset while {SECRET} was sent", was_sent=True)
    found = judge(failure, Redactor([SECRET]), now=NOW, kind=SignInKind.BASIC)
    assert found.diagnosis is not None
    assert (found.diagnosis.category, found.diagnosis.connection_broken) == (Category.UNKNOWN, False)
    assert SECRET not in found.diagnosis.message


def test_what_a_service_alone_means_by_a_word_counts_where_it_is_known() -> None:
    answer = HttpResponse(
        status=401, headers={"content-type": "application/json"}, body=b'{"description": "Unauthorized"}'
    )
    found = judge(answer, Redactor([]), now=NOW, kind=SignInKind.OAUTH2, connection_id="c1", provider="Telegram Bot")
    assert found.diagnosis is not None
    assert found.diagnosis.rule == "telegram.refused"
