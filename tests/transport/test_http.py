import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from flowmend.core.connector.request import HttpRequest
from flowmend.core.connector.response import HttpResponse, TransportFailure
from flowmend.transport import HttpTransport

pytestmark = pytest.mark.anyio
SOON = timedelta(seconds=5)


@pytest.fixture
async def transports(anyio_backend: str) -> AsyncIterator[Any]:
    opened: list[HttpTransport] = []

    async def open_for(*origins: str, **options: Any) -> HttpTransport:
        transport = HttpTransport([origin.removeprefix("http://") for origin in origins], **options)
        await transport.start()
        opened.append(transport)
        return transport

    yield open_for
    for transport in opened:
        await transport.close()


async def raw_server(answer: bytes | None, *, is_silent: bool = False) -> tuple[asyncio.Server, str]:
    """A server that reads a request and writes these very bytes, resets for None, or waits for the client to leave."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        if answer is None:
            writer.transport.abort()
        elif is_silent:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_request_arrives_as_it_was_made_and_its_answer_comes_back(local_server: Any, transports: Any) -> None:
    seen: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.Response:
        seen.update(path=request.raw_path, body=await request.read(), headers=dict(request.headers))
        return web.Response(status=201, text="made", headers={"x-order": "4711"})

    origin = await local_server(handler)
    transport = await transports(origin)
    answer = await transport.send(
        HttpRequest(method="POST", url=f"{origin}/a%2Fb?q=%20x", headers={"X-A": "1"}, body=b"hello"), timeout=SOON
    )
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.body, answer.header("X-ORDER")) == (201, b"made", "4711")
    assert seen["path"] == "/a%2Fb?q=%20x"
    assert seen["body"] == b"hello"
    assert seen["headers"]["X-A"] == "1"
    assert "Content-Type" not in seen["headers"]
    assert "User-Agent" not in seen["headers"]


async def test_redirects_are_answers_and_cookies_are_not_kept(local_server: Any, transports: Any) -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "a=1"})

    origin = await local_server(handler)
    transport = await transports(origin)
    for _ in range(2):
        answer = await transport.send(HttpRequest(method="GET", url=origin), timeout=SOON)
        assert isinstance(answer, HttpResponse)
        assert answer.status == 302
    assert cookies == [None, None]


async def test_a_compressed_answer_arrives_plain_with_truthful_headers(local_server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"x" * 5000), headers={"Content-Encoding": "gzip"})

    origin = await local_server(handler)
    transport = await transports(origin)
    answer = await transport.send(HttpRequest(method="GET", url=origin), timeout=SOON)
    assert isinstance(answer, HttpResponse)
    assert answer.body == b"x" * 5000
    assert answer.header("content-encoding") == ""
    assert answer.header("content-length") == "5000"


async def test_several_headers_of_one_name_are_joined(local_server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response()
        response.headers.add("Link", "<a>")
        response.headers.add("Link", "<b>")
        return response

    origin = await local_server(handler)
    answer = await (await transports(origin)).send(HttpRequest(method="GET", url=origin), timeout=SOON)
    assert isinstance(answer, HttpResponse)
    assert answer.header("link") == "<a>, <b>"


async def test_a_large_body_is_sent_whole(local_server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    origin = await local_server(handler)
    body = b"y" * 3_000_000
    answer = await (await transports(origin)).send(HttpRequest(method="POST", url=origin, body=body), timeout=SOON)
    assert isinstance(answer, HttpResponse)
    assert answer.body == b"3000000"


@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "with length"])
async def test_an_answer_over_the_limit_is_refused(local_server: Any, transports: Any, is_chunked: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if not is_chunked:
            return web.Response(body=b"z" * 300_000)
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(30):
            await response.write(b"z" * 10_000)
        return response

    origin = await local_server(handler)
    transport = await transports(origin)
    failure = await transport.send(HttpRequest(method="GET", url=origin), timeout=SOON, max_response_bytes=100_000)
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent, failure.is_retryable) == ("ResponseTooLarge", True, False)


async def test_a_gzip_bomb_is_stopped_at_the_limit(local_server: Any, transports: Any) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    origin = await local_server(handler)
    transport = await transports(origin)
    failure = await transport.send(HttpRequest(method="GET", url=origin), timeout=SOON, max_response_bytes=100_000)
    assert isinstance(failure, TransportFailure)
    assert failure.code == "ResponseTooLarge"


async def test_a_connection_refused_says_that_nothing_was_sent(transports: Any) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    failure = await (await transports(origin)).send(HttpRequest(method="GET", url=origin), timeout=SOON)
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent, failure.is_retryable) == ("ConnectionRefused", False, True)


BROKEN_ANSWERS = {
    "reset": (None, "ConnectionReset"),
    "closed without a word": (b"", "ConnectionReset"),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc", "ConnectionReset"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "InvalidResponse"),
}


@pytest.mark.parametrize(("answer", "code"), BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS)
async def test_a_broken_answer_leaves_it_open_whether_the_request_took_effect(
    transports: Any, answer: bytes | None, code: str
) -> None:
    server, origin = await raw_server(answer)
    async with server:
        failure = await (await transports(origin)).send(
            HttpRequest(method="POST", url=origin, body=b"order"), timeout=SOON
        )
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == (code, True)


async def test_a_silent_service_times_out(transports: Any) -> None:
    server, origin = await raw_server(b"", is_silent=True)
    async with server:
        failure = await (await transports(origin)).send(
            HttpRequest(method="GET", url=origin), timeout=timedelta(milliseconds=100)
        )
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == ("RequestTimeout", True)


class _Rebinding(AbstractResolver):
    """Knows one public-looking name, and answers it with loopback."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != "rebind.example":
            raise OSError(socket.EAI_NONAME, "unknown")
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


async def test_a_name_without_address_is_unresolvable(transports: Any) -> None:
    transport = await transports(resolver=_Rebinding())
    failure = await transport.send(HttpRequest(method="GET", url="http://nowhere.example/"), timeout=SOON)
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == ("UnresolvableHostName", False)


async def test_a_name_that_points_inside_is_refused_and_never_reached(local_server: Any, transports: Any) -> None:
    reached: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    origin = await local_server(handler)
    port = origin.rsplit(":", 1)[1]
    transport = await transports(resolver=_Rebinding())
    failure = await transport.send(HttpRequest(method="GET", url=f"http://rebind.example:{port}/"), timeout=SOON)
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent, failure.is_retryable) == ("AddressNotAllowed", False, False)
    assert f"rebind.example:{port}" in failure.message
    assert reached == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "public@127.0.0.1"]
)
async def test_an_address_inside_is_refused_in_every_spelling(transports: Any, host: str) -> None:
    failure = await (await transports()).send(HttpRequest(method="GET", url=f"http://{host}:9/"), timeout=SOON)
    assert isinstance(failure, TransportFailure)
    assert failure.code == "AddressNotAllowed"


async def test_a_service_without_tls_behind_an_https_address_fails_before_anything_is_sent(transports: Any) -> None:
    server, origin = await raw_server(b"this is not TLS")
    async with server:
        failure = await (await transports(origin)).send(
            HttpRequest(method="GET", url=origin.replace("http:", "https:")), timeout=timedelta(seconds=1)
        )
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == ("TlsFailed", False)


@pytest.mark.parametrize("url", ["ftp://example.com/", "/relative", "http://", "http://[bad/", "http://x:99999999/"])
async def test_what_is_no_http_address_is_refused(transports: Any, url: str) -> None:
    failure = await (await transports()).send(HttpRequest(method="GET", url=url), timeout=SOON)
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == ("InvalidRequest", False)


async def test_a_line_break_in_a_header_sends_nothing(local_server: Any, transports: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    origin = await local_server(handler)
    failure = await (await transports(origin)).send(
        HttpRequest(method="GET", url=origin, headers={"X-A": "1\r\nX-Evil: 2"}), timeout=SOON
    )
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == ("InvalidRequest", False)


async def test_sending_before_start_is_a_mistake_of_assembly() -> None:
    with pytest.raises(RuntimeError):
        await HttpTransport([]).send(HttpRequest(method="GET", url="http://example.com"), timeout=SOON)
