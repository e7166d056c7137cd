"""Large content in pieces, to and from a real server that speaks the platform's protocol: resumed, never sent whole."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from running import LocalServer, Open, Running, after, compose, http, until
from worker.test_webhook_actions import opened

pytestmark = pytest.mark.anyio

CONTENT = "The quick brown fox jumps over the lazy dog."
CHUNKED: dict[str, Any] = {"runtimeConfiguration": {"contentTransfer": {"transferMode": "Chunked"}}}


class Files:
    """Takes files in pieces. size: of a piece. before: called with each request that comes, and may answer it."""

    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.seen: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self.received = b""
        self.announced = ""
        self.authorized: list[bool] = []
        self.before: Callable[[web.Request], web.Response | None] = lambda _: None
        self.location = "/files/7?sig=x"
        self.last_status = 200

    async def answer(self, request: web.Request) -> web.Response:
        content = await request.read()
        self.seen.append((request.method, request.headers.get("Content-Range", "")))
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        self.authorized.append("Authorization" in request.headers)
        if (refusal := self.before(request)) is not None:
            return refusal
        if request.method != "PATCH":
            assert (request.headers["x-ms-transfer-mode"], content) == ("chunked", b"")
            self.announced = request.headers["x-ms-content-length"]
            return web.Response(headers={"Location": self.location, "x-ms-chunk-size": str(self.size)})
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers["Content-Range"])
        assert found is not None
        start, end = int(found[1]), int(found[2])
        assert (found[3], len(content), start) == (self.announced, end - start + 1, min(start, len(self.received)))
        assert request.headers["Content-Type"] == "text/plain; charset=utf-8"
        self.received = self.received[:start] + content
        is_whole = len(self.received) == int(self.announced)
        headers = {"Range": f"bytes=0-{len(self.received) - 1}"}
        return web.json_response({"whole": is_whole}, headers=headers, status=self.last_status if is_whole else 206)

    @property
    def text(self) -> str:
        return self.received.decode()


def upload(origin: str, method: str = "POST", **inputs: Any) -> dict[str, Any]:
    return {**http(method, f"{origin}/files", body=CONTENT, **inputs), **CHUNKED}


async def uploaded(running: Running, action: dict[str, Any]) -> tuple[str, Any]:
    flow_id = await running.add_flow({"U": action, "Z": after(compose("@body('U')"), "U", when="Succeeded")})
    run = (await running.call(flow_id)).run_name
    await running.ended(run)
    return run, (await running.records(run))["U"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_content_goes_in_pieces_and_the_last_answer_is_the_outcome(
    open_flowmend: Open, local_server: LocalServer, method: str
) -> None:
    files = Files()
    running = await opened(open_flowmend, origin := await local_server(files.answer))
    _, record = await uploaded(running, upload(origin, method))
    assert (record.status, record.outputs["body"], files.text) == ("Succeeded", {"whole": True}, CONTENT)
    ranges = [f"bytes {start}-{min(start + 9, 43)}/44" for start in range(0, 44, 10)]
    assert files.seen == [(method, ""), *(("PATCH", one) for one in ranges)]
    assert files.announced == "44"
    assert len(set(files.keys)) == len(files.keys)


async def test_without_a_body_or_without_the_setting_nothing_is_announced(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    bodies: list[bytes] = []

    async def plain(request: web.Request) -> web.Response:
        assert "x-ms-transfer-mode" not in request.headers
        bodies.append(await request.read())
        return web.Response()

    running = await opened(open_flowmend, origin := await local_server(plain))
    await uploaded(running, {**http("POST", origin), **CHUNKED})
    flow = await running.add_flow({"U": http("POST", origin, body=CONTENT)}, name="plain")
    await running.ended((await running.call(flow)).run_name)
    assert bodies == [b"", CONTENT.encode()]


async def test_a_server_that_does_not_know_the_protocol_is_refused(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    async def other(_request: web.Request) -> web.Response:
        return web.json_response({"taken": True})

    running = await opened(open_flowmend, origin := await local_server(other))
    _, record = await uploaded(running, upload(origin))
    assert (record.status, record.code) == ("Failed", "ChunkedTransferNotSupported")
    assert "Allow chunking" in record.error.message
    assert record.outputs["statusCode"] == 200


@pytest.mark.parametrize("status", [400, 413])
async def test_a_refusal_is_the_outcome(open_flowmend: Open, local_server: LocalServer, status: int) -> None:
    files = Files()
    files.before = lambda request: web.Response(status=status) if request.method == "PATCH" else None
    running = await opened(open_flowmend, origin := await local_server(files.answer))
    _, record = await uploaded(running, upload(origin))
    assert (record.status, record.outputs["statusCode"], len(files.seen)) == ("Failed", status, 2)


async def test_a_piece_that_failed_is_sent_again_and_no_other(open_flowmend: Open, local_server: LocalServer) -> None:
    files, failures = Files(), [503, 503]

    def fail(request: web.Request) -> web.Response | None:
        is_second = request.headers.get("Content-Range", "").startswith("bytes 10-")
        return web.Response(status=failures.pop()) if is_second and failures else None

    files.before = fail
    running = await opened(open_flowmend, origin := await local_server(files.answer))
    policy = {"type": "fixed", "count": 3, "interval": "PT5S"}
    flow_id = await running.add_flow({"U": upload(origin, retryPolicy=policy)})
    run = (await running.call(flow_id)).run_name
    for _ in range(2):
        await running.recorded(run, "U", "Running")
        await until(lambda: bool(files.seen) and files.seen[-1][1].startswith("bytes 10-"), lambda: f"{files.seen}")
        await asyncio.sleep(0.1)
        running.clock.move(seconds=6)
        await running.application.run_loop.wake(run)
    assert (await running.ended(run)).status == "Succeeded"
    assert (files.text, [one for _, one in files.seen].count("bytes 10-19/44")) == (CONTENT, 3)
    seconds = [key for key, (_, one) in zip(files.keys, files.seen, strict=True) if one == "bytes 10-19/44"]
    assert len(set(seconds)) == 1


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_after_a_crash_it_goes_on_with_the_piece_that_was_under_way(
    open_flowmend: Open, local_server: LocalServer, database: str
) -> None:
    files, arrived, is_slow = Files(), asyncio.Event(), [True]
    inner = files.answer

    async def slow(request: web.Request) -> web.Response:
        if is_slow[0] and request.headers.get("Content-Range", "").startswith("bytes 20-"):
            arrived.set()
            await asyncio.sleep(60)
        return await inner(request)

    origin = await local_server(slow)
    first = await opened(open_flowmend, origin)
    run = (await first.call(await first.add_flow({"U": upload(origin)}))).run_name
    await arrived.wait()
    await first.crash()
    is_slow[0] = False
    second = await opened(open_flowmend, origin)
    assert (await second.ended(run)).status == "Succeeded"
    assert files.text == CONTENT
    assert [one for _, one in files.seen] == ["", *(f"bytes {at}-{min(at + 9, 43)}/44" for at in range(0, 44, 10))]


async def test_another_origin_gets_the_content_without_the_sign_in(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    files, storage = Files(), Files()
    other = await local_server(storage.answer)
    files.location, storage.announced = f"{other}/upload", "44"
    origin = await local_server(files.answer)
    hosts = frozenset(one.removeprefix("http://") for one in (origin, other))
    running = await open_flowmend(allowed_private_hosts=hosts)
    sign_in = {"type": "Basic", "username": "ada", "password": "secret"}
    _, record = await uploaded(running, upload(origin, authentication=sign_in))
    assert (record.status, storage.text, files.authorized, set(storage.authorized)) == (
        "Succeeded",
        CONTENT,
        [True],
        {False},
    )


async def test_an_upload_that_is_accepted_is_asked_about(open_flowmend: Open, local_server: LocalServer) -> None:
    files = Files(size=100)
    files.last_status = 202
    inner = files.answer

    async def polled(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"done": True})
        answered = await inner(request)
        if answered.status == 202:
            answered.headers.update({"Location": "/jobs/1", "Retry-After": "0"})
        return answered

    running = await opened(open_flowmend, origin := await local_server(polled))
    _, record = await uploaded(running, upload(origin))
    assert (record.status, record.outputs["body"], files.text) == ("Succeeded", {"done": True}, CONTENT)


# -- downloads ------------------------------------------------------------------------------------------------------


class Download:
    """Gives its content in pieces of at most `size` bytes, whatever is asked for."""

    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.content = CONTENT
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[int], web.Response | None] = lambda _: None

    async def answer(self, request: web.Request) -> web.Response:
        asked = request.headers.get("Range", "")
        self.asked.append((asked, request.headers.get("If-Range", "")))
        if (refusal := self.before(len(self.asked))) is not None:
            return refusal
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        start = int(found[1]) if found else 0
        piece = self.content.encode()[start : start + self.size]
        headers = {
            "Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(self.content)}",
            "ETag": '"one"',
            "Content-Type": "text/plain",
        }
        return web.Response(status=206, body=piece, headers=headers)


async def downloaded(running: Running, origin: str, **inputs: Any) -> Any:
    return (await uploaded(running, http("GET", f"{origin}/file", **inputs)))[1]


async def test_the_pieces_of_a_download_are_one_body(open_flowmend: Open, local_server: LocalServer) -> None:
    service = Download()
    running = await opened(open_flowmend, origin := await local_server(service.answer))
    record = await downloaded(running, origin, headers={"Range": "bytes=0-9"})
    outputs = record.outputs
    assert (record.status, record.code, outputs["statusCode"], outputs["body"]) == ("Succeeded", "OK", 200, CONTENT)
    assert outputs["headers"]["Content-Length"] == "44"
    assert "Content-Range" not in outputs["headers"]
    assert service.asked == [
        ("bytes=0-9", ""),
        *((f"bytes={at}-{min(at + 9, 43)}", '"one"') for at in range(10, 44, 10)),
    ]


async def test_content_that_changed_meanwhile_is_taken_anew(open_flowmend: Open, local_server: LocalServer) -> None:
    service = Download()
    service.before = lambda count: web.Response(text="new content") if count == 3 else None
    running = await opened(open_flowmend, origin := await local_server(service.answer))
    record = await downloaded(running, origin)
    assert (record.status, record.outputs["body"]) == ("Succeeded", "new content")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Range": "bytes 5-9/44"}, "later", 206),
        ({"Content-Range": "bytes 0-4/*"}, "first", 206),
        ({"Content-Range": "bytes 0-9/44"}, "short", 206),
        ({}, "no word", 206),
        ({"Content-Range": "bytes 0-4/5"}, "whole", 200),
    ],
    ids=["from elsewhere", "of unknown length", "not what it says", "without a range", "all at once"],
)
async def test_only_what_begins_at_the_beginning_is_gone_on_with(
    open_flowmend: Open, local_server: LocalServer, headers: dict[str, str], body: str, status: int
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=206, text=body, headers=headers)

    running = await opened(open_flowmend, origin := await local_server(answer))
    record = await downloaded(running, origin)
    assert (record.status, record.outputs["statusCode"], record.outputs["body"]) == ("Succeeded", status, body)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (web.Response(status=416), "RequestedRangeNotSatisfiable"),
        (web.Response(status=206, text="x", headers={"Content-Range": "bytes 0-0/44"}), "InvalidResponse"),
        (web.Response(status=206, text="x", headers={"Content-Range": "bytes 10-10/45"}), "InvalidResponse"),
    ],
    ids=["refused", "another piece", "of something else"],
)
async def test_a_piece_that_does_not_fit_fails_the_call(
    open_flowmend: Open, local_server: LocalServer, second: web.Response, code: str
) -> None:
    service = Download()
    service.before = lambda count: second if count == 2 else None
    running = await opened(open_flowmend, origin := await local_server(service.answer))
    record = await downloaded(running, origin)
    assert (record.status, record.code) == ("Failed", code)


async def test_a_download_larger_than_any_answer_may_be_is_refused(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=206, text="x", headers={"Content-Range": f"bytes 0-0/{2 * 10**9}"})

    running = await opened(open_flowmend, origin := await local_server(answer))
    assert (await downloaded(running, origin)).code == "ResponseTooLarge"
