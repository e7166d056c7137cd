import json
import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose, remedy_of
from flowmend.core.connector import SignInKind
from flowmend.core.outcome import Category, Diagnosis, FixableBy

C, F = Category, FixableBy


def judged(status: int, body: Any = "", phase: Phase = Phase.API_CALL, **headers: str) -> Diagnosis:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return diagnose(ReceivedAnswer(status=status, headers=named, body=text, phase=phase), had_credential=True)


TOKEN = Phase.TOKEN_ENDPOINT
LOGIN = '<html><form><input type="password"></form></html>'
#: what it is: (answer, category, who can fix it, broken, silent refresh first)
CASES: dict[str, tuple[Diagnosis, C, F, bool, bool]] = {
    "401 bare": (judged(401), C.UNKNOWN, F.REVERIFY, True, True),
    "401 Basic": (judged(401, www_authenticate='Basic realm="x"'), C.WRONG_PASSWORD, F.REVERIFY, True, False),
    "401 invalid_token": (
        judged(401, www_authenticate='Bearer error="invalid_token"'),
        C.EXPIRED,
        F.REVERIFY,
        True,
        True,
    ),
    "401 token revoked": (judged(401, {"error": "token_revoked"}), C.REVOKED, F.REVERIFY, True, False),
    "401 bad key": (judged(401, {"message": "Invalid API key"}), C.WRONG_PASSWORD, F.REVERIFY, True, False),
    "401 claims": (
        judged(401, www_authenticate='Bearer error="insufficient_claims"'),
        C.MFA,
        F.REVERIFY,
        True,
        False,
    ),
    "401 scope": (
        judged(401, {"message": "scope does not match"}),
        C.INSUFFICIENT_PERMISSION,
        F.RECONSENT,
        False,
        False,
    ),
    "401 digest stale": (judged(401, www_authenticate="Digest stale=true"), C.UNKNOWN, F.NONE, False, False),
    "403 bare": (judged(403), C.INSUFFICIENT_PERMISSION, F.GRANT_PERMISSION, False, False),
    "403 words of sign-in": (
        judged(403, {"message": "You may not read this."}),
        C.INSUFFICIENT_PERMISSION,
        F.GRANT_PERMISSION,
        False,
        False,
    ),
    "403 scope": (judged(403, {"error": "insufficient_scope"}), C.INSUFFICIENT_PERMISSION, F.RECONSENT, False, False),
    "403 rate": (judged(403, {"message": "API rate limit exceeded"}), C.RATE_LIMITED_NOT_AUTH, F.WAIT, False, False),
    "403 address": (
        judged(403, {"message": "Your IP address is not permitted"}),
        C.POLICY_BLOCKED,
        F.ADMIN,
        True,
        False,
    ),
    "403 feature off": (judged(403, {"error": {"code": "SERVICE_DISABLED"}}), C.POLICY_BLOCKED, F.ADMIN, False, False),
    "403 csrf": (judged(403, "CSRF token missing"), C.UNKNOWN, F.NONE, False, False),
    "403 deactivated": (judged(403, {"code": "user_deactivated"}), C.DISABLED_ACCOUNT, F.ADMIN, True, False),
    "404": (judged(404, {"message": "no such order"}), C.UNKNOWN, F.NONE, False, False),
    "400": (judged(400, {"message": "name is missing"}), C.UNKNOWN, F.NONE, False, False),
    "400 expired token": (judged(400, {"error": {"code": "ExpiredToken"}}), C.EXPIRED, F.REVERIFY, True, True),
    "407": (judged(407), C.POLICY_BLOCKED, F.ADMIN, False, False),
    "429": (judged(429), C.RATE_LIMITED_NOT_AUTH, F.WAIT, False, False),
    "500": (judged(500, {"message": "Unexpected token <"}), C.UNKNOWN, F.NONE, False, False),
    "500 claiming to be expired": (judged(500, {"error": "invalid_token"}), C.UNKNOWN, F.NONE, False, False),
    "503": (judged(503), C.UNKNOWN, F.WAIT, False, False),
    "200": (judged(200, {"error": "none", "items": [{"error": "unauthorized"}]}), C.UNKNOWN, F.NONE, False, False),
    "200 ok false": (judged(200, {"ok": False, "error": "token_expired"}), C.EXPIRED, F.REVERIFY, True, True),
    "200 sign-in page": (judged(200, LOGIN), C.EXPIRED, F.REVERIFY, True, False),
    "302 to the provider": (
        judged(302, location="https://id.example/oauth2/authorize?x"),
        C.EXPIRED,
        F.REVERIFY,
        True,
        True,
    ),
    "302 elsewhere": (judged(302, location="/orders/2"), C.UNKNOWN, F.NONE, False, False),
    "token: invalid_grant": (judged(400, {"error": "invalid_grant"}, TOKEN), C.REVOKED, F.REVERIFY, True, False),
    "token: invalid_client": (
        judged(401, {"error": "invalid_client"}, TOKEN),
        C.CLIENT_SECRET_EXPIRED,
        F.ADMIN,
        True,
        False,
    ),
    "token: outage": (judged(503, {"error": "invalid_grant"}, TOKEN), C.UNKNOWN, F.WAIT, False, False),
    "token: no permission": (judged(403, "", TOKEN), C.INSUFFICIENT_PERMISSION, F.GRANT_PERMISSION, True, False),
}


@pytest.mark.parametrize(("diagnosis", "category", "fixable_by", "is_broken", "is_silent"), CASES.values(), ids=CASES)
def test_an_answer_is_judged_by_what_it_says(
    diagnosis: Diagnosis, category: C, fixable_by: F, is_broken: bool, is_silent: bool
) -> None:
    assert (diagnosis.category, diagnosis.fixable_by) == (category, fixable_by)
    assert diagnosis.connection_broken is is_broken
    assert diagnosis.try_silent_refresh_first is is_silent
    assert diagnosis.rule


def test_what_a_service_said_is_kept_as_it_said_it() -> None:
    diagnosis = judged(403, {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}})
    assert (diagnosis.code, diagnosis.message) == ("Authorization_RequestDenied", "Insufficient privileges.")


TRANSPORT = {
    "UnresolvableHostName": F.WAIT,
    "ConnectionReset": F.WAIT,
    "RequestTimeout": F.WAIT,
    "TlsFailed": F.ADMIN,
    "AddressNotAllowed": F.NONE,
}


@pytest.mark.parametrize("code", TRANSPORT)
def test_no_answer_never_breaks_a_connection(code: str) -> None:
    diagnosis = diagnose(ReceivedAnswer(failure_code=code, body="no answer"), had_credential=True)
    assert not diagnosis.connection_broken
    assert not diagnosis.is_auth_failure
    assert diagnosis.fixable_by is TRANSPORT[code]
    assert diagnosis.code == code


@pytest.mark.parametrize("kind", [SignInKind.BASIC, SignInKind.API_KEY])
def test_where_nothing_can_be_refreshed_no_refresh_is_tried(kind: SignInKind) -> None:
    diagnosis = diagnose(ReceivedAnswer(status=401), had_credential=True, kind=kind)
    assert not diagnosis.try_silent_refresh_first
    assert diagnosis.connection_broken


REMEDIES = [
    (F.REVERIFY, SignInKind.BASIC, "verify_password"),
    (F.REVERIFY, SignInKind.API_KEY, "replace_key"),
    (F.REVERIFY, SignInKind.OAUTH2, "sign_in_again"),
    (F.RECONSENT, SignInKind.OAUTH2, "sign_in_again"),
    (F.GRANT_PERMISSION, SignInKind.OAUTH2, "ask_for_permission"),
    (F.ADMIN, SignInKind.BASIC, "ask_admin"),
    (F.WAIT, SignInKind.BASIC, "wait"),
    (F.NONE, SignInKind.BASIC, "edit_flow"),
]


@pytest.mark.parametrize(("fixable_by", "kind", "remedy"), REMEDIES)
def test_the_remedy_fits_who_can_fix_it_and_how_one_signs_in(
    fixable_by: FixableBy, kind: SignInKind, remedy: str
) -> None:
    assert remedy_of(fixable_by, kind) == remedy


@given(
    status=st.integers(100, 599),
    body=st.text() | st.recursive(st.none() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)),
    phase=st.sampled_from(Phase),
    header=st.text(),
)
def test_every_answer_gets_a_diagnosis_that_holds_together(status: int, body: Any, phase: Phase, header: str) -> None:
    diagnosis = judged(status, body, phase, www_authenticate=header, location=header)
    assert diagnosis.is_auth_failure or not diagnosis.connection_broken
    assert not diagnosis.try_silent_refresh_first or phase is Phase.API_CALL
    assert status < 500 or not diagnosis.connection_broken or "faultcode" in json.dumps(body)


@pytest.mark.parametrize("opening", ["<!--", "<script>", "<style ", "<a ", '{"a":', "<input"])
def test_a_page_of_openings_that_nothing_closes_is_read_at_once(opening: str) -> None:
    page = opening * (20_000 // len(opening))
    assert min(timeit.repeat(lambda: judged(401, page), number=1, repeat=5)) < 0.1


def test_what_a_service_repeats_of_anybodys_secret_is_not_in_the_message() -> None:
    said = judged(401, {"message": "GET /a?api_key=k3y-of-another&x=1 with Bearer eyJhbGciOi.J9 was refused"})
    assert said.message == "GET /a?api_key=*sanitized*&x=1 with Bearer *sanitized* was refused"
    words = "Basic authentication is disabled. Use a Bearer token instead."
    assert judged(401, {"message": words}).message == words
