"""Calls of signed URLs, as whoever holds one makes them."""

import json
from typing import Any
from urllib.parse import urlsplit

from flowmend.api.invoke import SignedEntrance
from running import Running


async def ask(running: Running, method: str, url: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
    """(status, headers, JSON body) of what the signed entrance answers."""
    parts = urlsplit(url)
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"cookie", b"session=x")] if content else []
    scope = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": headers,
        "state": {},
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await SignedEntrance(running.services)(scope, receive, send)
    answered = b"".join(message.get("body", b"") for message in sent[1:])
    given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], given, json.loads(answered) if answered else None
