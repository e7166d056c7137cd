"""Tokens without anybody at the screen, driven by hand."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.device_sign_in import DeviceSignIn, begin_device_sign_in, poll_device_sign_in
from flowmend.core.connection.sign_in import Consent, authorization_url, read_callback
from flowmend.core.connection.token_endpoint import SignInApp, SignInRefusal
from flowmend.core.connection.token_grants import can_renew, client_credentials, refresh, renew, revoke
from flowmend.core.connector import (
    HttpRequest,
    HttpResponse,
    OAuthSettings,
    SignInKind,
    SignInMethod,
    TokenEndpointAuth,
    TransportFailure,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SETTINGS = OAuthSettings(
    identity_provider="oauth2",
    authorization_url="https://id.example/{tenantid}/authorize",
    token_url="https://id.example/{tenantid}/token",
    refresh_url="https://id.example/{tenantid}/token",
    scopes=("{clientid}/.default",),
    tenant="common",
    device_authorization_url="https://id.example/device",
    revocation_url="https://id.example/revoke",
)
APP = SignInApp(client_id="app", client_secret="app s3cret", tenant="contoso")
OLD = OAuthCredential(
    access_token="old-access", refresh_token="old-refresh", issued_at=NOW, refresh_expires_at=NOW + timedelta(days=9)
)
RESET = TransportFailure(code="ConnectionReset", message="Connection reset.", was_sent=True)


def answer(status: int, body: Any) -> HttpResponse:
    return HttpResponse(status=status, headers={}, body=json.dumps(body).encode())


def drive(steps: Any, *answers: Any) -> tuple[Any, list[HttpRequest]]:
    requests = [next(steps)]
    for one in answers:
        try:
            requests.append(steps.send(one))
        except StopIteration as end:
            return end.value, requests
    raise AssertionError("more requests than answers")


def form_of(request: HttpRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs((request.body or b"").decode()).items()}


def test_an_app_gets_a_token_for_itself() -> None:
    tokens, (request,) = drive(
        client_credentials(SETTINGS, APP, now=NOW), answer(200, {"access_token": "t", "expires_in": 600})
    )
    assert (tokens.access_token, tokens.refresh_token) == ("t", "")
    assert request.url == "https://id.example/contoso/token"
    assert form_of(request) == {
        "grant_type": "client_credentials", "scope": "app/.default", "client_id": "app", "client_secret": "app s3cret",
    }  # fmt: skip


def test_the_connections_own_tenant_comes_before_the_apps() -> None:
    _, (request,) = drive(
        client_credentials(SETTINGS, APP, now=NOW, parameters={"token:TenantId": "fabrikam"}), answer(400, {})
    )
    assert request.url == "https://id.example/fabrikam/token"


def test_a_secret_goes_into_the_header_where_the_provider_wants_it_there() -> None:
    settings = OAuthSettings(
        identity_provider="oauth2", authorization_url="", token_url="https://id.example/t",
        refresh_url="https://id.example/t", token_endpoint_auth=TokenEndpointAuth.BASIC,
    )  # fmt: skip
    _, (request,) = drive(client_credentials(settings, APP, now=NOW), answer(400, {}))
    pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == "app:app%20s3cret"
    assert form_of(request) == {"grant_type": "client_credentials"}


def test_each_try_proves_the_app_anew() -> None:
    made: list[str] = []

    def assertion(audience: str) -> str:
        made.append(audience)
        return f"jwt-{len(made)}"

    app = SignInApp(client_id="app", assertion=assertion)
    tokens, requests = drive(refresh(SETTINGS, app, OLD, now=NOW), RESET, answer(200, {"access_token": "n"}))
    assert isinstance(tokens, OAuthCredential)
    assert [form_of(one)["client_assertion"] for one in requests] == ["jwt-1", "jwt-2"]
    assert made == ["https://id.example/common/token"] * 2
    assert not any("client_secret" in form_of(one) for one in requests)


def test_an_assertion_names_the_token_endpoint_wherever_it_is_sent() -> None:
    made: list[str] = []
    app = SignInApp(client_id="app", assertion=lambda audience: made.append(audience) or "jwt")
    drive(begin_device_sign_in(SETTINGS, app, now=NOW), answer(400, {"error": "invalid_client"}))
    drive(revoke(SETTINGS, app, OLD), answer(200, {}))
    assert made == ["https://id.example/common/token"] * 2


@pytest.mark.parametrize("status", [408, 409, 423, 425, 429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client", "temporarily_unavailable"])
def test_no_credential_dies_of_a_passing_answer(status: int, error: str) -> None:
    refusal, _ = drive(refresh(SETTINGS, APP, OLD, now=NOW), answer(status, {"error": error}))
    assert isinstance(refusal, SignInRefusal)
    assert not refusal.was_judged


def test_a_grant_that_is_refused_is_dead() -> None:
    refusal, _ = drive(refresh(SETTINGS, APP, OLD, now=NOW), answer(400, {"error": "invalid_grant"}))
    assert refusal.was_judged


@pytest.mark.parametrize(
    ("case", "fields", "expected"),
    [
        ("rotated, with a life", {"refresh_token": "r2", "refresh_token_expires_in": 60}, NOW + timedelta(seconds=60)),
        ("as Keycloak says it", {"refresh_token": "r2", "refresh_expires_in": 60}, NOW + timedelta(seconds=60)),
        ("0 is for ever", {"refresh_token": "r2", "refresh_expires_in": 0}, None),
        ("rotated, nothing said", {"refresh_token": "r2"}, None),
        ("kept", {}, NOW + timedelta(days=9)),
    ],
)
def test_how_long_the_refresh_token_lasts_is_kept(case: str, fields: dict[str, Any], expected: datetime | None) -> None:
    tokens, _ = drive(refresh(SETTINGS, APP, OLD, now=NOW), answer(200, {"access_token": "n", **fields}))
    assert tokens.refresh_expires_at == expected, case


def test_facebook_exchanges_a_token_that_still_serves() -> None:
    settings = OAuthSettings(
        identity_provider="facebook", authorization_url="", token_url="https://f/t", refresh_url=""
    )
    method = SignInMethod(kind=SignInKind.OAUTH2, oauth=settings)
    short = OAuthCredential(access_token="short", issued_at=NOW)
    assert can_renew(method, short)
    tokens, (request,) = drive(renew(method, APP, short, now=NOW), answer(200, {"access_token": "long"}))
    assert tokens.access_token == "long"
    assert form_of(request)["fb_exchange_token"] == "short"


def test_a_services_own_word_for_a_dead_grant_is_known_by_the_service() -> None:
    refused = answer(400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"})
    acting = SignInApp(client_id="app", client_secret="app s3cret", service="HubSpot CRM")
    refusal, _ = drive(refresh(SETTINGS, acting, OLD, now=NOW), refused)
    assert isinstance(refusal, SignInRefusal)
    assert (refusal.diagnosis.rule, refusal.was_judged) == ("hubspot.refresh_token", True)


def test_tokens_are_given_back() -> None:
    result, (request,) = drive(revoke(SETTINGS, APP, OLD), answer(200, {}))
    assert result is None
    assert form_of(request)["token"] == "old-refresh"
    refusal, _ = drive(revoke(SETTINGS, APP, OLD), answer(503, {"echo": "old-refresh"}))
    assert isinstance(refusal, SignInRefusal)
    assert "old-refresh" not in refusal.message


BEGUN = {"device_code": "dc", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/go", "expires_in": 600}


def begun(**more: Any) -> DeviceSignIn:
    found, _ = drive(begin_device_sign_in(SETTINGS, APP, now=NOW), answer(200, BEGUN | more))
    assert isinstance(found, DeviceSignIn)
    return found


def test_a_code_for_another_device_is_shown_and_its_device_code_is_not() -> None:
    found = begun(verification_uri_complete="https://id.example/go?c=W")
    assert (found.user_code, found.verification_url) == ("WDJB-MJHT", "https://id.example/go")
    assert (found.interval, found.expires_at) == (timedelta(seconds=5), NOW + timedelta(seconds=600))
    assert "dc" not in repr(found)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "", "file:///x"])
def test_a_place_that_is_no_page_is_refused(link: str) -> None:
    refusal, _ = drive(begin_device_sign_in(SETTINGS, APP, now=NOW), answer(200, BEGUN | {"verification_uri": link}))
    assert isinstance(refusal, SignInRefusal)


@pytest.mark.parametrize(
    ("case", "given_answer", "wait"),
    [
        ("nobody has signed in yet", answer(400, {"error": "authorization_pending"}), 5),
        ("too fast", answer(400, {"error": "slow_down"}), 10),
        ("throttled", answer(429, {}), 10),
        ("the provider fails", answer(503, {}), 10),
        ("no answer", RESET, 10),
    ],
)
def test_polling_goes_on(case: str, given_answer: Any, wait: int) -> None:
    found, _ = drive(poll_device_sign_in(SETTINGS, APP, begun(), now=NOW), given_answer)
    assert isinstance(found, DeviceSignIn), case
    assert found.interval == timedelta(seconds=wait)


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_grant"])
def test_polling_ends_with_a_refusal(error: str) -> None:
    refusal, _ = drive(poll_device_sign_in(SETTINGS, APP, begun(), now=NOW), answer(400, {"error": error}))
    assert isinstance(refusal, SignInRefusal)
    assert refusal.code == error


def test_a_code_that_ran_out_is_not_asked_for() -> None:
    steps = poll_device_sign_in(SETTINGS, APP, begun(), now=NOW + timedelta(seconds=600))
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value.code == "expired_token"


def test_somebody_signed_in() -> None:
    tokens, (request,) = drive(
        poll_device_sign_in(SETTINGS, APP, begun(), now=NOW), answer(200, {"access_token": "t", "refresh_token": "r"})
    )
    assert tokens.refresh_token == "r"
    assert form_of(request)["device_code"] == "dc"


@given(st.lists(st.sampled_from(["slow", "fail", "pending"]), max_size=60))
def test_the_wait_between_polls_stays_within_bounds(answers: list[str]) -> None:
    by_name = {
        "slow": answer(400, {"error": "slow_down"}),
        "fail": RESET,
        "pending": answer(400, {"error": "authorization_pending"}),
    }
    current = begun()
    for name in answers:
        current, _ = drive(poll_device_sign_in(SETTINGS, APP, current, now=NOW), by_name[name])
        assert timedelta(seconds=1) <= current.interval <= timedelta(minutes=2)


def consent(**more: Any) -> Consent:
    return Consent(state="s", verifier="v" * 43, redirect_url="http://x/cb", **more)


@pytest.mark.parametrize(
    ("case", "issuer", "said", "passes"),
    [
        (
            "any tenant of the provider",
            "https://login.example/{tenantid}/v2.0",
            "https://login.example/9188-0a/v2.0",
            True,
        ),
        ("a path too many", "https://login.example/{tenantid}/v2.0", "https://login.example/a/b/v2.0", False),
        ("another host", "https://login.example/{tenantid}/v2.0", "https://evil.example/a/v2.0", False),
        ("a dot is a dot", "https://login.example/{tenantid}/v2.0", "https://loginXexample/a/v2.0", False),
        ("unknown, of the same origin", "", "https://id.example/realm", True),
        ("unknown, of another origin", "", "https://evil.example/realm", False),
    ],
)
def test_the_issuer_is_the_one_that_was_asked(case: str, issuer: str, said: str, passes: bool) -> None:
    asked = consent(issuer=issuer, authorization_url="https://id.example/authorize")
    result = read_callback({"state": "s", "code": "c", "iss": said}, asked)
    assert (result == "c") is passes, case


def test_a_provider_that_always_names_itself_must() -> None:
    refusal = read_callback({"state": "s", "code": "c"}, consent(issuer="https://id.example", issuer_is_required=True))
    assert isinstance(refusal, SignInRefusal)
    assert refusal.code == "InvalidIssuer"


def test_a_claims_challenge_goes_into_the_next_address() -> None:
    url = authorization_url(SETTINGS, APP, consent(claims='{"access_token":{"acrs":{"value":"c1"}}}'))
    assert parse_qs(url.partition("?")[2])["claims"] == ['{"access_token":{"acrs":{"value":"c1"}}}']
