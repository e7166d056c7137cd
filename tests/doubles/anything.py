"""A service of which only one thing is known: whose credentials it takes. So it can stand for any imported connector's."""

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode

from aiohttp import web

from doubles.service import Answer, Asked, Service, error, given


@dataclass(kw_only=True)
class Anything(Service):
    """secret: what a request must carry, in whichever header or query; "" where only tokens are taken.

    is_revoked: no refresh token serves any more.
    """

    secret: str = ""
    client_secret: str = ""
    is_revoked: bool = False
    _grants: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            self.on(method, ".*", self._part)

    def revoke(self) -> None:
        self.is_revoked = True
        self.tokens.clear()

    def refusal(self, asked: Asked) -> Answer | None:
        if "redirect_uri" in asked.query or "grant_type" in self._form(asked):
            return None
        carried = "\n".join([*asked.headers.values(), *asked.query.values(), *_decoded(asked)])
        wanted = [self.secret] if self.secret else list(self.tokens)
        if any(one in carried for one in wanted):
            return None
        return error(401, "Unauthorized", "The credentials are invalid.", challenge="Bearer")

    def _part(self, asked: Asked, found: object) -> Answer:
        if "redirect_uri" in asked.query:
            return self._page(asked, found)
        if "grant_type" in self._form(asked):
            return self._tokens(asked, found)
        return given({"id": 1, "name": "one", "value": [], "items": []})

    def _page(self, asked: Asked, _found: object) -> Answer:
        code = secrets.token_hex(8)
        self._grants.add(code)
        query = urlencode({"code": code, "state": asked.query["state"]})
        return web.Response(status=302, headers={"Location": f"{asked.query['redirect_uri']}?{query}"})

    def _tokens(self, asked: Asked, _found: object) -> Answer:
        form = self._form(asked)
        given_secret = [form.get("client_secret", ""), *_decoded(asked)]
        if not any(self.client_secret in unquote(one) for one in given_secret):
            return given({"error": "invalid_client"}, 401)
        grant = form.get("code") or form.get("refresh_token") or ""
        if grant not in self._grants or self.is_revoked:
            return given({"error": "invalid_grant", "error_description": "The grant was revoked."}, 400)
        self._grants.discard(grant)
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.tokens.add(access)
        self._grants.add(refresh)
        return given({"token_type": "Bearer", "expires_in": 3600, "access_token": access, "refresh_token": refresh})

    @staticmethod
    def _form(asked: Asked) -> dict[str, str]:
        return dict(parse_qsl(asked.body.decode("latin-1"))) if isinstance(asked.body, bytes) else {}


def _decoded(asked: Asked) -> list[str]:
    """What Basic says, in clear."""
    scheme, _, coded = asked.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        return [base64.b64decode(coded).decode()]
    except (binascii.Error, UnicodeDecodeError):
        return []
