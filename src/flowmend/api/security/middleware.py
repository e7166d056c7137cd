"""The gate itself: one pass over a request's headers, then the application, its answer headed and logged."""

import logging
import time
from urllib.parse import quote

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowmend.api.answers import error_answer
from flowmend.api.security.access_log import log_request, logger
from flowmend.api.security.body_limit import BoundedBody, body_too_large, declared_length
from flowmend.api.security.entrances import Audience, Entrance, entrance_of
from flowmend.api.security.hosts import KnownHosts, came_from_own_page, forwarded_address, is_unsafe
from flowmend.api.security.identity import Identity, identify
from flowmend.api.security.response_headers import protected_headers
from flowmend.core.errors import FlowmendError, NotAllowed
from flowmend.use_cases.ports import Services


def secure_app(services: Services, app: ASGIApp) -> ASGIApp:
    """The application behind the gate. Puts `person`, `entrance` and the caller's `address` into the request's state."""
    return SecureApp(services, app)


class _Caller(msgspec.Struct, frozen=True, kw_only=True):
    """What the request's head says, forwarded values believed only from a trusted proxy."""

    host: str
    scheme: str
    address: str


class SecureApp:
    """See `secure_app`."""

    def __init__(self, services: Services, app: ASGIApp) -> None:
        self._services = services
        self._settings = services.settings
        self._known = KnownHosts(services.settings)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        began = time.perf_counter()
        entrance = entrance_of(scope["path"], self._settings)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        caller = self._caller(scope, headers)
        request_id = str(self._services.clock.guid())
        head = _Head(entrance.audience, request_id.encode(), send)
        state = scope.setdefault("state", {})
        state["request_id"], state["address"] = request_id, caller.address
        try:
            refusal = await self._refusal(scope, headers, entrance, caller)
            if refusal is not None:
                await refusal(scope, receive, head.send)
            else:
                await self._pass_on(scope, receive, head, entrance, declared_length(headers.get(b"content-length")))
        finally:
            if logger.isEnabledFor(logging.INFO):
                log_request(
                    method=scope["method"],
                    path=scope["path"],
                    status=head.status,
                    milliseconds=(time.perf_counter() - began) * 1000,
                    caller=caller.address,
                    request_id=request_id,
                )

    def _caller(self, scope: Scope, headers: dict[bytes, bytes]) -> _Caller:
        peer = scope["client"][0] if scope.get("client") else ""
        host = headers.get(b"host", b"").decode("latin-1")
        if peer not in self._settings.trusted_proxies:
            return _Caller(host=host, scheme=scope["scheme"], address=peer)
        chain = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        forwarded_host = headers.get(b"x-forwarded-host", b"").decode("latin-1").partition(",")[0].strip()
        forwarded_scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1").partition(",")[0].strip().lower()
        return _Caller(
            host=forwarded_host or host,
            scheme=forwarded_scheme if forwarded_scheme in {"http", "https"} else scope["scheme"],
            address=forwarded_address(chain, peer, self._settings.trusted_proxies),
        )

    async def _refusal(
        self, scope: Scope, headers: dict[bytes, bytes], entrance: Entrance, caller: _Caller
    ) -> ASGIApp | None:
        """The answer to a request that goes no further, None for one that does."""
        if not self._known.knows(caller.host):
            return error_answer(_unknown_host(), status=421)
        length = declared_length(headers.get(b"content-length"))
        if length is not None and length > entrance.max_body_bytes and not _is_for_page(scope, entrance):
            return error_answer(body_too_large(entrance.max_body_bytes), closes=True)
        if entrance.audience in {Audience.SIGNED, Audience.ASSET}:
            scope["state"]["person"] = scope["state"]["entrance"] = None
            return None
        identity = await identify(self._services, headers, accepts_token=entrance.audience is Audience.API)
        scope["state"]["person"], scope["state"]["entrance"] = identity.person, identity.entrance
        if is_unsafe(scope["method"]) and identity.entrance != "token" and not self._is_own(headers, caller):
            return error_answer(_foreign_origin(), status=403)
        if identity.person is None and not entrance.is_open:
            return _ask_to_sign_in(scope, entrance, identity)
        return None

    def _is_own(self, headers: dict[bytes, bytes], caller: _Caller) -> bool:
        return came_from_own_page(
            self._known,
            origin=_text(headers.get(b"origin")),
            fetch_site=_text(headers.get(b"sec-fetch-site")),
            scheme=caller.scheme,
            host=caller.host,
        )

    async def _pass_on(
        self, scope: Scope, receive: Receive, head: "_Head", entrance: Entrance, length: int | None
    ) -> None:
        body = BoundedBody(
            receive,
            head.send,
            entrance.max_body_bytes,
            declared=length,
            lets_app_answer=_is_for_page(scope, entrance),
        )
        try:
            await self._app(scope, body.receive, body.send)
        except FlowmendError:
            if not body.was_exceeded:
                raise
        if body.was_exceeded and body.may_still_answer:
            await error_answer(body_too_large(entrance.max_body_bytes), closes=True)(scope, receive, head.send)


class _Head:
    """Adds our headers to the answer's head and remembers its status."""

    def __init__(self, audience: Audience, request_id: bytes, send: Send) -> None:
        self._audience = audience
        self._request_id = request_id
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = protected_headers(self._audience, list(message.get("headers", ())), self._request_id)
            message = {**message, "headers": headers}
        await self._send(message)


def _ask_to_sign_in(scope: Scope, entrance: Entrance, identity: Identity) -> ASGIApp:
    if _is_for_page(scope, entrance):
        if is_unsafe(scope["method"]):
            return _see_other("/login")  # nothing stands at a form's address to come back to
        return _see_other(f"/login?return_to={quote(_address(scope), safe='')}")
    message = "The token is not known or has ended." if identity.was_refused else "Sign in, or send a bearer token."
    return error_answer(
        NotAllowed(f"{message} `flowmend login` prints a sign-in link, `flowmend token` an API token."),
        extra_headers={"www-authenticate": "Bearer"} if entrance.audience is Audience.API else None,
    )


def _see_other(location: str) -> ASGIApp:
    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"location", location.encode("ascii")), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return answer


def _is_for_page(scope: Scope, entrance: Entrance) -> bool:
    """Whether a person looks at the answer in a browser."""
    if entrance.audience is not Audience.PAGE:
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _address(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _unknown_host() -> NotAllowed:
    return NotAllowed(
        "This server does not answer to that host name. Set FLOWMEND_PUBLIC_URL to the address people use for it.",
        code="MisdirectedRequest",
    )


def _foreign_origin() -> NotAllowed:
    return NotAllowed(
        "The request does not come from one of this server's own pages. Open the portal and try again there.",
        code="ForeignOrigin",
    )
