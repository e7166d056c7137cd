"""What the service answers, as a value, and how a value goes out."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A JSON answer. body: anything msgspec encodes."""

    status: int = 200
    body: Any = None
    headers: Headers = ()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it; an answer is an ASGI application, so that a route may return one."""
        body = msgspec.json.encode(self.body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def refusal(status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> Answer:
    """`{"error": {"code", "message"}}` with this status."""
    return Answer(status=status, body={"error": {"code": code, "message": message}}, headers=headers)


_TOO_LARGE = refusal(
    413, "RequestEntityTooLarge", f"The body is over {MAX_BODY_BYTES:,} bytes.", (b"connection", b"close")
)
_CALLER_GONE = refusal(499, "ClientClosedRequest", "The caller left before its body was read.")


async def read_body(receive: Receive) -> bytes | Answer:
    """The whole request body, or the refusal once it is over `MAX_BODY_BYTES` or the caller has gone."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return _CALLER_GONE
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return _TOO_LARGE
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def header(scope: Scope, name: bytes) -> str:
    """The first header of that (lower case) name as text, else "" ."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""
