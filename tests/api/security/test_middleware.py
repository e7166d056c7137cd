"""The gate before a small application, driven as a server would drive it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from flowmend.api.security import secure_app
from flowmend.assembly import open_services
from flowmend.core.errors import TooLarge
from flowmend.settings import Settings
from flowmend.use_cases.access import issue_login_link, issue_token, use_login_link

pytestmark = pytest.mark.anyio


async def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def stream(_request: Request) -> StreamingResponse:
    async def parts() -> Any:
        for number in range(3):
            yield f"{number}"

    return StreamingResponse(parts())


async def form(request: Request) -> HTMLResponse:
    try:
        return HTMLResponse(str(len(await request.body())))
    except TooLarge:
        return HTMLResponse("<p>Too large</p>", 413)


class Gate:
    """The gate of one set of settings."""

    def __init__(self, **settings: Any) -> None:
        self.services = open_services(Settings(**settings)).services
        routes = [
            Route("/api/read", read, methods=["POST"]),
            Route("/login", stream),
            Route("/form", form, methods=["POST"]),
            Route("/page", stream, methods=["GET", "POST"]),
        ]
        self._app = secure_app(self.services, Starlette(routes=routes))

    async def ask(
        self, method: str, path: str, *parts: bytes, peer: str = "127.0.0.1", **headers: str
    ) -> tuple[int, dict[str, str], list[bytes]]:
        """(status, headers, body messages)."""
        sent: list[dict[str, Any]] = []
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        waiting.append({"type": "http.request", "body": b"", "more_body": False})
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "scheme": "http",
            "headers": given,
            "client": (peer, 1),
            "server": ("127.0.0.1", 8080),
        }

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        head = sent[0]
        return (
            head["status"],
            {name.decode(): value.decode() for name, value in head["headers"]},
            [one["body"] for one in sent[1:] if one.get("body")],
        )


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Any]:
    made: list[Gate] = []

    def make(**settings: Any) -> Gate:
        made.append(Gate(data=tmp_path, **settings))
        return made[-1]

    yield make
    for gate in made:
        gate.services.store.close()


async def test_a_trusted_proxy_names_host_and_scheme(gates: Any) -> None:
    gate = gates(public_url="https://flows.example.org", trusted_proxies=("10.0.0.1",))
    link, _ = await issue_login_link(gate.services)
    cookie, _ = await use_login_link(gate.services, link.partition("link=")[2])
    told = {
        "host": "10.0.0.9:8080",
        "x_forwarded_host": "flows.example.org",
        "x_forwarded_proto": "https",
        "origin": "https://flows.example.org",
        "cookie": f"flowmend_session={cookie}",
    }

    assert (await gate.ask("POST", "/page", peer="10.0.0.1", **told))[0] == 200
    assert (await gate.ask("POST", "/page", peer="10.0.0.2", **told))[0] == 421


async def test_a_body_is_counted_while_it_arrives(gates: Any) -> None:
    gate = gates(max_body_bytes=10)
    token = {"authorization": f"Bearer {await issue_token(gate.services, 'tests')}", "host": "localhost"}

    assert (await gate.ask("POST", "/api/read", b"12345", b"12345", **token))[::2] == (200, [b"10"])
    status, headers, body = await gate.ask("POST", "/api/read", b"12345", b"123456", **token)
    assert status == 413
    assert headers["connection"] == "close"
    assert b"RequestEntityTooLarge" in body[0]


async def test_a_false_length_does_not_help(gates: Any) -> None:
    gate = gates(max_body_bytes=10)
    token = {"authorization": f"Bearer {await issue_token(gate.services, 'tests')}", "host": "localhost"}

    assert (await gate.ask("POST", "/api/read", b"1" * 11, content_length="1", **token))[0] == 413
    assert (await gate.ask("POST", "/api/read", b"1", content_length="nonsense", **token))[0] == 200


async def test_a_page_says_itself_that_its_form_was_too_large(gates: Any) -> None:
    gate = gates(max_body_bytes=10)
    link, _ = await issue_login_link(gate.services)
    cookie, _ = await use_login_link(gate.services, link.partition("link=")[2])
    browser = {
        "host": "127.0.0.1:8080",
        "origin": "http://127.0.0.1:8080",
        "cookie": f"flowmend_session={cookie}",
        "accept": "text/html",
    }

    for length in ("11", "1"):
        status, _, answer = await gate.ask("POST", "/form", b"1" * 11, content_length=length, **browser)
        assert (status, answer) == (413, [b"<p>Too large</p>"])
    assert (await gate.ask("POST", "/form", b"1", content_length="1", **browser))[2] == [b"1"]


async def test_a_form_sent_after_the_session_ended_leads_to_the_sign_in(gates: Any) -> None:
    browser = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}

    status, headers, _ = await gates().ask("POST", "/form", b"1", accept="text/html", **browser)
    assert (status, headers["location"]) == (303, "/login")
    assert (await gates().ask("POST", "/form", b"1", **browser))[0] == 401


async def test_a_stream_passes_part_by_part(gates: Any) -> None:
    assert (await gates().ask("GET", "/login", host="localhost"))[2] == [b"0", b"1", b"2"]


async def test_without_a_host_header_there_is_no_answer(gates: Any) -> None:
    assert (await gates().ask("GET", "/login"))[0] == 421


async def test_signing_in_from_a_foreign_page_is_refused(gates: Any) -> None:
    assert (await gates().ask("POST", "/login", host="localhost", origin="https://evil.example"))[0] == 403


async def test_sockets_are_closed(gates: Any) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await gates()._app({"type": "websocket", "path": "/events"}, None, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]
