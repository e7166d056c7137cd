"""A real authorization server beside the tests: Authlib's, over HTTP on a free port, with an API that its tokens open.

PKCE is required, refresh tokens rotate, and one that is used again revokes everything it was ever exchanged for. What is
ours is only the storage and the two pages. Its accounts: ada, ben (password: their name twice).
"""

import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, Response, jsonify, redirect, request
from joserfc.jwk import OctKey, RSAKey
from markupsafe import escape
from werkzeug.serving import WSGIRequestHandler, make_server

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # it speaks to this machine only

CLIENT = "flowmend-test"
CLIENT_SECRET = "first-client-secret-5d1f"
ACCOUNTS = ("ada", "ben")
_PAGE = "<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1><form method=post>{fields}</form>"


@dataclass(kw_only=True)
class Client(ClientMixin):  # type: ignore[misc]  # Authlib is untyped
    """The one app that is registered. public_key_pem: whose assertions are believed too, "" for none."""

    client_id: str
    client_secret: str
    public_key_pem: str = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope or "items"

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.endswith("/oauth/callback")

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.client_secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method != "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass(kw_only=True)
class Token(TokenMixin):  # type: ignore[misc]  # Authlib is untyped
    """family: of all tokens that came of one sign-in. was_used: its refresh token was exchanged already."""

    access_token: str
    refresh_token: str
    client_id: str
    user: str
    scope: str
    family: str
    ends_at: float
    was_used: bool = False
    is_revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return int(self.ends_at - time.time())

    def is_expired(self) -> bool:
        return time.time() >= self.ends_at

    def is_revoked_(self) -> bool:
        return self.is_revoked


@dataclass(kw_only=True)
class Code:
    """An authorization code under way."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass(kw_only=True)
class Device:
    """A sign-in on another device. answer: (user, whether they allowed it), None while nobody answered."""

    client_id: str
    scope: str
    device_code: str
    user_code: str
    ends_at: float
    polled_at: float = 0.0
    answer: tuple[str, bool] | None = None

    def get_client_id(self) -> str:
        return self.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_user_code(self) -> str:
        return self.user_code

    def is_expired(self) -> bool:
        return time.time() >= self.ends_at


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the library names it so
        pass


class Provider:
    """The server with what it stores. url: its origin and issuer. token_seconds: how long an access token lives.

    burnt: how often a refresh token was used again. refreshes: how many were granted. slow_seconds: how long each answer of
    the token endpoint takes. thinks_about: how many came that had to wait for it.
    """

    def __init__(self) -> None:
        self.client = Client(client_id=CLIENT, client_secret=CLIENT_SECRET)
        self.token_seconds = 3600
        self.refresh_seconds = 0
        self.slow_seconds = 0.0
        self.thinks_about = 0
        self.device_interval = 1
        self.burnt = 0
        self.refreshes = 0
        self._tokens: list[Token] = []
        self._codes: dict[str, Code] = {}
        self._devices: list[Device] = []
        self._lock = threading.RLock()
        self._seen: set[str] = set()
        self._http = make_server("127.0.0.1", 0, self._application(), threaded=True, request_handler=_Quiet)
        self.url = f"http://localhost:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    def start(self) -> None:
        self._thread.start()

    def start_again(self) -> None:
        """After `stop`, at the same address."""
        self._http = make_server(
            "127.0.0.1", self._http.server_port, self._http.app, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join(10)
        self._http.server_close()

    # -- what happens at a provider --

    def expire_access_tokens(self) -> None:
        with self._lock:
            for token in self._tokens:
                token.ends_at = 0

    def revoke(self, user: str) -> None:
        """The user withdraws what was allowed."""
        with self._lock:
            for token in self._tokens:
                token.is_revoked = token.is_revoked or token.user == user

    def replace_secret(self, secret: str) -> None:
        """The old secret ran out; the owner of the app makes a new one."""
        self.client.client_secret = secret

    def live_tokens(self, user: str) -> int:
        with self._lock:
            return sum(token.user == user and not token.is_revoked for token in self._tokens)

    def answer_device(self, user_code: str, user: str, *, allowed: bool = True) -> None:
        with self._lock:
            next(one for one in self._devices if one.user_code == user_code).answer = (user, allowed)

    # -- the server --

    def _application(self) -> Flask:
        app = Flask("authorization server")
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        server = AuthorizationServer(app, self._client, self._save)
        self._register(server)

        @app.get("/.well-known/openid-configuration")
        def metadata() -> Response:
            return jsonify(
                issuer=self.url,
                authorization_endpoint=f"{self.url}/authorize",
                token_endpoint=f"{self.url}/token",
                revocation_endpoint=f"{self.url}/revoke",
                device_authorization_endpoint=f"{self.url}/device_authorization",
                authorization_response_iss_parameter_supported=True,
                token_endpoint_auth_methods_supported=["client_secret_post", "client_secret_basic", "private_key_jwt"],
            )

        @app.get("/authorize")
        def ask() -> Response | str:
            try:
                server.get_consent_grant(end_user="somebody")
            except OAuth2Error as error:
                return Response(f"{error.error}: {error.description}", status=400)
            return _page("Sign in", f"Allow <b>{escape(request.args['client_id'])}</b>?")

        @app.post("/authorize")
        def decide() -> Response:
            user = request.form.get("user", "")
            is_known = user in ACCOUNTS and request.form.get("password") == user * 2
            if request.form.get("decision") == "allow" and not is_known:
                return Response("Wrong user name or password", status=403)
            grant = server.get_consent_grant(end_user=user)
            allowed = user if request.form.get("decision") == "allow" else None
            response: Response = server.create_authorization_response(grant=grant, grant_user=allowed)
            return response

        @app.post("/token")
        def token() -> Response:
            if self.slow_seconds:
                self.thinks_about += 1
                time.sleep(self.slow_seconds)
            with self._lock:
                response: Response = server.create_token_response()
            return response

        @app.post("/revoke")
        def revoke() -> Response:
            with self._lock:
                response: Response = server.create_endpoint_response("revocation")
            return response

        @app.post("/device_authorization")
        def device_authorization() -> Response:
            response: Response = server.create_endpoint_response("device_authorization")
            return response

        @app.get("/device")
        def device() -> str:
            value = escape(request.args.get("user_code", ""))
            return _page("Enter the code", f'<label>Code <input name=user_code value="{value}"></label>')

        @app.post("/device")
        def device_answer() -> Response:
            user = request.form.get("user", "")
            if user not in ACCOUNTS or request.form.get("password") != user * 2:
                return Response("Wrong user name or password", status=403)
            self.answer_device(request.form.get("user_code", ""), user, allowed=request.form.get("decision") == "allow")
            return Response("<title>Done</title><h1>You can close this page</h1>", mimetype="text/html")

        @app.get("/api/me")
        def me() -> Response:
            owner = self._bearer()
            return jsonify(login=owner.user) if owner else _challenge()

        @app.get("/api/items")
        def items() -> Response:
            return jsonify(value=["a", "b"]) if self._bearer() else _challenge()

        @app.get("/")
        def home() -> Response:
            return redirect("/device")  # type: ignore[return-value]  # werkzeug's response, which is one of Flask's

        return app

    def _register(self, server: Any) -> None:
        provider = self

        class IdToken(OpenIDCode):  # type: ignore[misc]
            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return False

            def resolve_client_private_key(self, client: Client) -> OctKey:
                return OctKey.import_key(b"a key of thirty-two bytes or more")

            def get_client_algorithm(self, client: Client) -> str:
                return "HS256"

            def get_client_claims(self, client: Client) -> dict[str, Any]:
                return {"iss": provider.url}

            def generate_user_info(self, user: str, scope: str) -> UserInfo:
                return UserInfo(sub=f"id-of-{user}", preferred_username=user)

        class AuthorizationCode(grants.AuthorizationCodeGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

            def save_authorization_code(self, code: str, request: Any) -> None:
                data = request.payload.data
                provider._codes[code] = Code(
                    code=code,
                    client_id=request.client.client_id,
                    redirect_uri=request.payload.redirect_uri,
                    scope=request.payload.scope,
                    user=request.user,
                    nonce=data.get("nonce", ""),
                    code_challenge=data.get("code_challenge", ""),
                    code_challenge_method=data.get("code_challenge_method", ""),
                )

            def query_authorization_code(self, code: str, client: Client) -> Code | None:
                found = provider._codes.get(code)
                return found if found is not None and found.client_id == client.client_id else None

            def delete_authorization_code(self, authorization_code: Code) -> None:
                del provider._codes[authorization_code.code]

            def authenticate_user(self, authorization_code: Code) -> str:
                return authorization_code.user

        class Refresh(grants.RefreshTokenGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = _METHODS
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
                found = next((one for one in provider._tokens if one.refresh_token == refresh_token), None)
                if found is not None and found.was_used:
                    provider.burnt += 1
                    for one in provider._tokens:
                        one.is_revoked = one.is_revoked or one.family == found.family
                return found if found is not None and not found.is_revoked else None

            def authenticate_user(self, refresh_token: Token) -> str:
                return refresh_token.user

            def revoke_old_credential(self, refresh_token: Token) -> None:
                refresh_token.was_used = True
                provider.refreshes += 1

        class AsItself(grants.ClientCredentialsGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

        class OtherDevice(DeviceCodeGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

            def query_device_credential(self, device_code: str) -> Device | None:
                return next((one for one in provider._devices if one.device_code == device_code), None)

            def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
                return next(one.answer for one in provider._devices if one.user_code == user_code)

            def should_slow_down(self, credential: Device) -> bool:
                last, credential.polled_at = credential.polled_at, time.time()
                return credential.polled_at - last < provider.device_interval * 0.5

        class Devices(DeviceAuthorizationEndpoint):  # type: ignore[misc]
            CLIENT_AUTH_METHODS = _METHODS

            @property
            def INTERVAL(self) -> int:  # noqa: N802  Authlib's name for it
                return provider.device_interval

            def get_verification_uri(self) -> str:
                return f"{provider.url}/device"

            def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
                provider._devices.append(
                    Device(
                        client_id=client_id,
                        scope=scope or "",
                        device_code=data["device_code"],
                        user_code=data["user_code"],
                        ends_at=time.time() + data["expires_in"],
                    )
                )

        class Revocation(RevocationEndpoint):  # type: ignore[misc]
            CLIENT_AUTH_METHODS = _METHODS

            def query_token(self, token_string: str, token_type_hint: str) -> Token | None:
                return next(
                    (one for one in provider._tokens if token_string in {one.access_token, one.refresh_token}), None
                )

            def revoke_token(self, token: Token, request: Any) -> None:
                for one in provider._tokens:
                    one.is_revoked = one.is_revoked or one.family == token.family

        class Assertion(JWTBearerClientAssertion):  # type: ignore[misc]
            def get_audiences(self) -> list[str]:
                return [f"{provider.url}/token"]

            def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
                is_new = jti not in provider._seen
                provider._seen.add(jti)
                return is_new

            def resolve_client_public_key(self, client: Client) -> RSAKey:
                return RSAKey.import_key(client.public_key_pem)

        class Issuer(IssuerParameter):  # type: ignore[misc]
            def get_issuer(self) -> str:
                return provider.url

        server.register_grant(AuthorizationCode, [CodeChallenge(required=True), IdToken()])
        for grant in (Refresh, AsItself, OtherDevice):
            server.register_grant(grant)
        server.register_endpoint(Revocation)
        server.register_endpoint(Devices)
        server.register_extension(Issuer())
        server.register_client_auth_method(Assertion.CLIENT_AUTH_METHOD, Assertion())

    def _client(self, client_id: str) -> Client | None:
        return self.client if client_id == self.client.client_id else None

    def _save(self, token: dict[str, Any], made: Any) -> None:
        old = getattr(made, "refresh_token", None)
        token["expires_in"] = self.token_seconds
        if self.refresh_seconds and token.get("refresh_token"):
            token["refresh_token_expires_in"] = self.refresh_seconds
        self._tokens.append(
            Token(
                access_token=token["access_token"],
                refresh_token=token.get("refresh_token", ""),
                client_id=made.client.client_id,
                user=made.user or made.client.client_id,
                scope=token.get("scope", ""),
                family=old.family if isinstance(old, Token) else secrets.token_hex(8),
                ends_at=time.time() + self.token_seconds,
            )
        )

    def _bearer(self) -> Token | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        with self._lock:
            found = next((one for one in self._tokens if one.access_token == given), None)
            return found if found is not None and not found.is_revoked and not found.is_expired() else None


_METHODS = ["client_secret_basic", "client_secret_post", JWTBearerClientAssertion.CLIENT_AUTH_METHOD]


def _page(title: str, first: str) -> str:
    fields = (
        f"<p>{first}</p><p><label>User name <input name=user></label> <label>Password <input name=password type=password>"
        "</label></p><button name=decision value=allow>Allow</button> <button name=decision value=deny>Cancel</button>"
    )
    return _PAGE.format(title=title, fields=fields)


def _challenge() -> Response:
    return Response(
        '{"error":"invalid_token"}',
        status=401,
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        mimetype="application/json",
    )


def connector_documents(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A connector to the server's API: (definition, properties). It has two ways to sign in: a person, and the app."""
    host = url.partition("//")[2]
    answers = {"200": {"description": "OK"}}
    definition = {
        "swagger": "2.0",
        "info": {"title": "Provider's API", "version": "1"},
        "host": host,
        "basePath": "/api",
        "schemes": ["http"],
        "paths": {
            "/me": {"get": {"operationId": "WhoAmI", "summary": "Who am I", "responses": answers}},
            "/items": {"get": {"operationId": "ListItems", "summary": "List items", "responses": answers}},
        },
        "x-ms-capabilities": {"testConnection": {"operationId": "WhoAmI"}},
    }

    def way(name: str, title: str, **more: str) -> dict[str, Any]:
        custom = {"authorizationUrl": f"{url}/authorize", "tokenUrl": f"{url}/token", **more}
        settings = {
            "identityProvider": "oauth2",
            "scopes": ["openid", "items"],
            "customParameters": {key: {"value": value} for key, value in custom.items()},
        }
        return {
            "name": name,
            "uiDefinition": {"displayName": title},
            "parameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}},
        }

    ways = [way("person", "A person signs in"), way("app", "The app signs in", grantType="client_credentials")]
    return definition, {"properties": {"connectionParameterSets": {"values": ways}}}
