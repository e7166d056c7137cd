import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.sign_in import Consent, authorization_url, code_challenge, exchange_code, read_callback
from flowmend.core.connection.token_endpoint import Answer, SignIn, SignInApp, SignInRefusal
from flowmend.core.connection.token_grants import refresh
from flowmend.core.connector import HttpRequest, HttpResponse, OAuthSettings, TransportFailure
from flowmend.core.outcome import Category, FixableBy

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SETTINGS = OAuthSettings(
    identity_provider="oauth2",
    authorization_url="https://id.{region}.example/authorize?tenant=1",
    token_url="https://id.{region}.example/token",
    refresh_url="https://id.{region}.example/refresh",
    scopes=("read", "write"),
)
PLACES = {"token:region": "eu"}
APP = SignInApp(client_id="app", client_secret="app-s3cret")
CONSENT = Consent(state="st-1", verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", redirect_url="http://x/cb")
OLD = OAuthCredential(
    access_token="old-access", refresh_token="old-refresh", issued_at=NOW, expires_at=NOW, account="ada"
)


def answer(status: int, body: Any) -> HttpResponse:
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=json.dumps(body).encode())


RESET = TransportFailure(code="ConnectionReset", message="Connection reset.", was_sent=True)


def drive(steps: SignIn, *answers: Answer) -> tuple[OAuthCredential | SignInRefusal, list[HttpRequest]]:
    requests = [next(steps)]
    for given in answers:
        try:
            requests.append(steps.send(given))
        except StopIteration as end:
            return end.value, requests
    raise AssertionError("more requests than answers")


def form_of(request: HttpRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}


def test_the_browser_is_sent_with_state_scopes_and_a_challenge() -> None:
    parts = urlsplit(authorization_url(SETTINGS, APP, CONSENT, PLACES))
    assert parts.netloc == "id.eu.example"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": "http://x/cb",
        "scope": "read write",
        "state": "st-1",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    assert code_challenge(CONSENT.verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_code_comes_back_with_the_right_state_only() -> None:
    assert read_callback({"state": "st-1", "code": "c"}, CONSENT) == "c"
    for query in ({"code": "c"}, {"state": "other", "code": "c"}, {"state": "ÿ", "code": "c"}):
        refusal = read_callback(query, CONSENT)
        assert isinstance(refusal, SignInRefusal)
        assert refusal.code == "InvalidState"


def test_an_answer_of_another_issuer_is_refused() -> None:
    consent = Consent(state="s", verifier="v", redirect_url="r", issuer="https://id.example")
    assert read_callback({"state": "s", "code": "c", "iss": "https://id.example"}, consent) == "c"
    refusal = read_callback({"state": "s", "code": "c", "iss": "https://evil.example"}, consent)
    assert isinstance(refusal, SignInRefusal)
    assert refusal.code == "InvalidIssuer"


def test_a_refusal_at_the_provider_is_told_as_received() -> None:
    refusal = read_callback({"state": "st-1", "error": "access_denied", "error_description": "No."}, CONSENT)
    assert isinstance(refusal, SignInRefusal)
    assert (refusal.code, refusal.message) == ("access_denied", "No.")
    assert refusal.diagnosis.category is Category.CONSENT_REQUIRED
    missing = read_callback({"state": "st-1"}, CONSENT)
    assert isinstance(missing, SignInRefusal)
    assert missing.code == "MissingCode"


def test_a_code_becomes_tokens_with_its_verifier() -> None:
    tokens, requests = drive(
        exchange_code(SETTINGS, APP, CONSENT, "the-code", now=NOW, parameters=PLACES),
        answer(200, {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "scope": "read"}),
    )
    assert isinstance(tokens, OAuthCredential)
    assert (tokens.access_token, tokens.refresh_token, tokens.scopes) == ("a", "r", ("read",))
    assert tokens.expires_at == NOW + timedelta(hours=1)
    (request,) = requests
    assert request.url == "https://id.eu.example/token"
    assert form_of(request) == {
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": "http://x/cb",
        "code_verifier": CONSENT.verifier,
        "client_id": "app",
        "client_secret": "app-s3cret",
    }
    assert "the-code" not in repr(request) + repr(CONSENT) + repr(APP)


def test_a_form_encoded_answer_is_read_too() -> None:
    body = HttpResponse(status=200, headers={}, body=b"access_token=a&scope=x%2Cy&token_type=bearer")
    tokens, _ = drive(exchange_code(SETTINGS, APP, CONSENT, "c", now=NOW), body)
    assert isinstance(tokens, OAuthCredential)
    assert tokens.scopes == ("x", "y")


def test_a_refresh_sends_the_refresh_token_to_its_own_endpoint() -> None:
    tokens, requests = drive(
        refresh(SETTINGS, SignInApp(client_id="public"), OLD, now=NOW, parameters=PLACES),
        answer(200, {"access_token": "new", "refresh_token": "rotated"}),
    )
    assert isinstance(tokens, OAuthCredential)
    assert (tokens.access_token, tokens.refresh_token, tokens.account) == ("new", "rotated", "ada")
    assert requests[0].url == "https://id.eu.example/refresh"
    assert form_of(requests[0]) == {
        "grant_type": "refresh_token",
        "refresh_token": "old-refresh",
        "client_id": "public",
    }


def test_a_reset_during_refresh_is_tried_once_more() -> None:
    tokens, requests = drive(refresh(SETTINGS, APP, OLD, now=NOW), RESET, answer(200, {"access_token": "new"}))
    assert isinstance(tokens, OAuthCredential)
    assert len(requests) == 2
    refusal, _ = drive(refresh(SETTINGS, APP, OLD, now=NOW), RESET, RESET)
    assert isinstance(refusal, SignInRefusal)
    assert not refusal.was_judged


def test_without_a_refresh_token_nothing_is_sent() -> None:
    steps = refresh(SETTINGS, APP, OAuthCredential(access_token="a", issued_at=NOW), now=NOW)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value.code == "MissingRefreshToken"


REFUSALS = {
    "an expired or revoked refresh token": (
        400,
        {"error": "invalid_grant"},
        Category.REVOKED,
        FixableBy.REVERIFY,
        True,
    ),
    "an expired one, said so": (
        400,
        {"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired"},
        Category.EXPIRED,
        FixableBy.REVERIFY,
        True,
    ),
    "a client secret that ran out": (
        401,
        {"error": "invalid_client"},
        Category.CLIENT_SECRET_EXPIRED,
        FixableBy.ADMIN,
        True,
    ),
    "a second factor": (400, {"error": "interaction_required"}, Category.MFA, FixableBy.REVERIFY, True),
    "an error in a good status": (200, {"error": "bad_refresh_token"}, Category.EXPIRED, FixableBy.REVERIFY, True),
    "an outage": (503, {"error": "temporarily_unavailable"}, Category.UNKNOWN, FixableBy.WAIT, False),
    "throttling": (429, {"error": "x"}, Category.RATE_LIMITED_NOT_AUTH, FixableBy.WAIT, False),
    "an outage with a harsh word": (500, {"error": "invalid_grant"}, Category.UNKNOWN, FixableBy.NONE, False),
}


@pytest.mark.parametrize(("status", "body", "category", "fixable_by", "was_judged"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_refresh_says_why(
    status: int, body: Any, category: Category, fixable_by: FixableBy, was_judged: bool
) -> None:
    refusal, _ = drive(refresh(SETTINGS, APP, OLD, now=NOW), answer(status, body))
    assert isinstance(refusal, SignInRefusal)
    assert (refusal.diagnosis.category, refusal.diagnosis.fixable_by) == (category, fixable_by)
    assert refusal.was_judged is was_judged
    assert refusal.status == status


def test_a_provider_that_echoes_our_secrets_does_not_get_them_told() -> None:
    echo = {"error": "invalid_client", "error_description": "got old-refresh with app-s3cret"}
    refusal, _ = drive(refresh(SETTINGS, APP, OLD, now=NOW), answer(401, echo))
    assert isinstance(refusal, SignInRefusal)
    assert "old-refresh" not in refusal.message
    assert "app-s3cret" not in refusal.message
    assert base64.b64encode(b"app-s3cret").decode() not in refusal.message
