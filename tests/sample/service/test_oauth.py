"""OAuth 2 as a provider demands it: consent, PKCE, rotation, expiry and revocation."""

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:9999/oauth/callback"
CLIENT = {"client_id": "flowmend-sample", "client_secret": "sample-application-secret"}
REQUEST = {
    "response_type": "code",
    "client_id": "flowmend-sample",
    "redirect_uri": REDIRECT,
    "state": "st&te",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
ALLOW = {"decision": "allow", "user": "ada", "password": "sunny-harbour"}


def sent_back(reply: Any) -> dict[str, str]:
    assert reply.status == 303
    assert reply.headers["Location"].startswith(f"{REDIRECT}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(reply.headers["Location"]).query).items()}


def consent(caller: Any, **changes: str) -> str:
    return sent_back(caller.post(f"/oauth/authorize?{urlencode(REQUEST | changes)}", form=ALLOW))["code"]


def redeem(caller: Any, code: str, **changes: str) -> Any:
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    return caller.post("/oauth/token", form=CLIENT | fields | changes)


def refresh(caller: Any, token: str, **changes: str) -> Any:
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    return caller.post("/oauth/token", form=CLIENT | fields | changes)


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def test_consent_gives_a_code_the_state_and_the_issuer(caller: Any) -> None:
    shown = caller.get(f"/oauth/authorize?{urlencode(REQUEST)}")
    assert shown.status == 200
    assert "Read customers" in shown.text
    assert "form-action 'self' http://127.0.0.1:9999" in shown.headers["Content-Security-Policy"]
    answer = sent_back(caller.post(f"/oauth/authorize?{urlencode(REQUEST)}", form=ALLOW))
    assert answer["state"] == "st&te"
    assert answer["iss"] == f"http://localhost:{caller.port}"
    tokens = redeem(caller, answer["code"])
    assert tokens.status == 200
    assert tokens.headers["Cache-Control"] == "no-store"
    assert tokens.json["token_type"] == "Bearer"
    assert tokens.json["expires_in"] == 3600
    assert len(caller.get("/oauth2/customers", headers=bearer(tokens.json)).json["value"]) == 4
    assert caller.get("/oauth2/me", headers=bearer(tokens.json)).json["user"] == "ada"


def test_a_wrong_password_shows_the_page_again_and_gives_no_code(caller: Any) -> None:
    reply = caller.post(f"/oauth/authorize?{urlencode(REQUEST)}", form=ALLOW | {"password": "wrong"})
    assert reply.status == 401
    assert "Invalid user name or password." in reply.text
    assert caller.counts()["refused_sign_ins"]["consent"] == 1


def test_declining_is_sent_back_as_access_denied(caller: Any) -> None:
    answer = sent_back(caller.post(f"/oauth/authorize?{urlencode(REQUEST)}", form={"decision": "deny"}))
    assert (answer["error"], answer["state"]) == ("access_denied", "st&te")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"code_challenge": ""}, "invalid_request", id="no PKCE"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain PKCE"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"scope": "orders.read everything"}, "invalid_scope", id="unknown scope"),
    ],
)
def test_a_bad_request_for_consent_is_sent_back_with_its_error(
    caller: Any, changes: dict[str, str], error: str
) -> None:
    address = f"/oauth/authorize?{urlencode(REQUEST | changes)}"
    assert sent_back(caller.get(address))["error"] == error
    assert sent_back(caller.post(address, form=ALLOW))["error"] == error


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_id": "stranger"}, id="unknown application"),
        pytest.param({"redirect_uri": "https://evil.example/oauth/callback"}, id="foreign host"),
        pytest.param({"redirect_uri": "http://127.0.0.1:9999/other"}, id="other path"),
        pytest.param({"redirect_uri": "http://me@127.0.0.1:9999/oauth/callback"}, id="user in address"),
        pytest.param({"redirect_uri": "http://[::1/oauth/callback"}, id="no address"),
    ],
)
def test_nothing_is_sent_to_an_unregistered_place(caller: Any, changes: dict[str, str]) -> None:
    reply = caller.get(f"/oauth/authorize?{urlencode(REQUEST | changes)}")
    assert reply.status == 400
    assert reply.headers["Location"] is None


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        pytest.param({"code_verifier": "w" * 64}, 400, "invalid_grant", id="wrong verifier"),
        pytest.param({"code_verifier": ""}, 400, "invalid_grant", id="no verifier"),
        pytest.param({"redirect_uri": "http://127.0.0.1:1/oauth/callback"}, 400, "invalid_grant", id="other redirect"),
        pytest.param({"code": "made-up"}, 400, "invalid_grant", id="unknown code"),
        pytest.param({"client_secret": "wrong"}, 401, "invalid_client", id="wrong secret"),
        pytest.param({"grant_type": "password"}, 400, "unsupported_grant_type", id="grant type"),
    ],
)
def test_a_code_is_refused_without_everything_it_is_bound_to(
    caller: Any, changes: dict[str, str], status: int, error: str
) -> None:
    code = consent(caller)
    reply = redeem(caller, **({"code": code} | changes))
    assert (reply.status, reply.json["error"]) == (status, error)
    assert (reply.headers["WWW-Authenticate"] is not None) == (status == 401)


def test_a_code_used_twice_ends_the_grant(caller: Any) -> None:
    code = consent(caller)
    tokens = redeem(caller, code).json
    assert redeem(caller, code).json["error"] == "invalid_grant"
    assert caller.get("/oauth2/me", headers=bearer(tokens)).status == 401
    assert refresh(caller, tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_the_application_may_prove_itself_in_the_header(caller: Any) -> None:
    header = b64encode(b"flowmend%2Dsample:sample-application-secret").decode()
    fields = {
        "grant_type": "authorization_code",
        "code": consent(caller),
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    assert caller.post("/oauth/token", form=fields, headers={"Authorization": f"Basic {header}"}).status == 200


def test_an_expired_access_token_is_renewed_by_refresh(caller: Any) -> None:
    tokens = redeem(caller, consent(caller)).json
    assert caller.post("/admin/expire").json == {"done": "Access tokens expired: 1."}
    refused = caller.get("/oauth2/me", headers=bearer(tokens))
    assert refused.status == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert refused.json["error"]["message"] == "The access token has expired."
    renewed = refresh(caller, tokens["refresh_token"]).json
    assert renewed["refresh_token"] != tokens["refresh_token"]
    assert caller.get("/oauth2/me", headers=bearer(renewed)).status == 200
    assert caller.counts()["token_requests"] == {"authorization_code": 1, "refresh_token": 1}


def test_a_spent_refresh_token_ends_the_grant(caller: Any) -> None:
    tokens = redeem(caller, consent(caller)).json
    renewed = refresh(caller, tokens["refresh_token"]).json
    again = refresh(caller, tokens["refresh_token"])
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    assert refresh(caller, renewed["refresh_token"]).json["error"] == "invalid_grant"
    assert caller.get("/oauth2/me", headers=bearer(renewed)).status == 401


def test_a_revoked_grant_needs_a_new_consent(caller: Any) -> None:
    tokens = redeem(caller, consent(caller)).json
    assert caller.post("/admin/revoke").json == {"done": "Grants revoked: 1."}
    assert caller.get("/oauth2/me", headers=bearer(tokens)).status == 401
    assert refresh(caller, tokens["refresh_token"]).json == {
        "error": "invalid_grant",
        "error_description": "The refresh token has been revoked.",
    }
    assert redeem(caller, consent(caller)).status == 200


def test_the_revocation_endpoint_ends_the_grant_and_bears_unknown_tokens(caller: Any) -> None:
    tokens = redeem(caller, consent(caller)).json
    assert caller.post("/oauth/revoke", form=CLIENT | {"token": "unknown"}).status == 200
    assert caller.post("/oauth/revoke", form={"token": tokens["refresh_token"]}).status == 401
    assert caller.post("/oauth/revoke", form=CLIENT | {"token": tokens["refresh_token"]}).status == 200
    assert refresh(caller, tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_a_token_without_the_scope_gets_403(caller: Any) -> None:
    tokens = redeem(caller, consent(caller, scope="profile orders.read")).json
    refused = caller.get("/oauth2/customers", headers=bearer(tokens))
    assert refused.status == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert 'scope="customers.read"' in refused.headers["WWW-Authenticate"]
    assert refresh(caller, tokens["refresh_token"], scope="customers.read").json["error"] == "invalid_scope"


def test_a_field_that_comes_twice_is_refused(caller: Any) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = caller.send("POST", "/oauth/token", headers=headers, body=f"{urlencode(CLIENT)}&client_id=other")
    assert reply.status == 400


def test_the_server_describes_itself(caller: Any) -> None:
    described = caller.get("/.well-known/oauth-authorization-server").json
    assert described["token_endpoint"] == f"http://localhost:{caller.port}/oauth/token"
    assert described["code_challenge_methods_supported"] == ["S256"]
