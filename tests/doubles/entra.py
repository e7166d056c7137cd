"""The Microsoft identity platform: whoever comes to its page is signed in as Ada, and gets rotating tokens.

Source: learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from doubles.service import Answer, Asked, Service, given

CLIENT, CLIENT_SECRET = "3f1c-flowmend", "the-secret-of-our-app"


@dataclass(kw_only=True)
class Entra(Service):
    """services: that take its tokens. is_revoked: nobody's refresh token serves any more."""

    services: list[Service] = field(default_factory=list)
    is_revoked: bool = False
    _codes: dict[str, str] = field(default_factory=dict)
    _refreshing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.on("GET", r"/[^/]+/oauth2/v2\.0/authorize|/login/oauth/authorize|/oauth/v2/authorize", self._page)
        self.on("POST", r"/[^/]+/oauth2/v2\.0/token|/login/oauth/access_token|/api/oauth\.v2\.access", self._tokens)

    def refusal(self, asked: Asked) -> None:
        return None

    def revoke(self, services: Iterable[Service] | None = None) -> None:
        """End the sign-in at these services, or at all; and nothing renews it."""
        self.is_revoked = True
        for service in self.services if services is None else services:
            service.tokens.clear()

    def _page(self, asked: Asked, _found: object) -> Answer:
        code = secrets.token_hex(8)
        self._codes[code] = asked.query.get("scope", "")
        query = urlencode({"code": code, "state": asked.query["state"]})
        return web.Response(status=302, headers={"Location": f"{asked.query['redirect_uri']}?{query}"})

    def _tokens(self, asked: Asked, _found: object) -> Answer:
        form = dict(parse_qsl(asked.body.decode()))
        if form.get("client_secret") != CLIENT_SECRET:
            return _refused(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        scope = self._codes.pop(form.get("code", ""), None)
        if scope is None:
            scope = self._refreshing.pop(form.get("refresh_token", ""), None)
        if scope is None or self.is_revoked:
            return _refused(
                400, "invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked."
            )
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._refreshing[refresh] = scope
        for service in self.services:
            service.tokens.add(access)
        return given(
            {
                "token_type": "Bearer",
                "scope": scope,
                "expires_in": 3600,
                "access_token": access,
                "refresh_token": refresh,
            }
        )


def _refused(status: int, code: str, description: str) -> Answer:
    return given({"error": code, "error_description": description}, status=status)
