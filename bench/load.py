"""A closed-loop load generator in a process of its own: N callers, each sending its next request when answered.

    python bench/load.py URL --concurrency 16 --seconds 5 --max-requests 20000 [--body JSON]

Prints one JSON object: runs, seconds, statuses, and latencies as p50, p95, p99 in milliseconds. It speaks HTTP/1.1
over raw keep-alive sockets, because a client library would cost more than what it measures. `{n}` in the body is
replaced by the request's number, so that every run has a key of its own.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit

ANSWER_TIMEOUT_SECONDS = 30.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(slots=True, kw_only=True)
class Tally:
    """What all callers of one round share."""

    deadline: float
    left: int
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


class Caller(asyncio.Protocol):
    """One keep-alive connection that sends its next request as soon as the last is answered."""

    def __init__(self, requests: "Requests", tally: Tally, finished: asyncio.Future[None]) -> None:
        self._requests = requests
        self._tally = tally
        self._finished = finished
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = _split(self._received)
        if answer is None:
            return
        status, length = answer
        self._received = self._received[length:]
        self._tally.latencies.append(time.perf_counter() - self._sent_at)
        self._tally.statuses[status] += 1
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(error or ConnectionError("The server closed the connection."))

    def _send(self) -> None:
        if self._tally.left <= 0 or time.perf_counter() >= self._tally.deadline:
            self._finished.set_result(None)
            self._transport.close()
            return
        self._tally.left -= 1
        self._sent_at = time.perf_counter()
        self._transport.write(self._requests.next())


class Requests:
    """The bytes of one request after another."""

    def __init__(self, url: str, body: str | None) -> None:
        parts = urlsplit(url)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        method = "GET" if body is None else "POST"
        self._head = f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        self._body = body or ""
        # Two generators, or two rounds of one, never send the same number.
        self._number = random.SystemRandom().randrange(10**6) * 10**9

    def next(self) -> bytes:
        self._number += 1
        body = self._body.replace("{n}", str(self._number)).encode()
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _split(received: bytes) -> tuple[int, int] | None:
    """Status and whole length of the first answer, or None while it is incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = received[:end].lower()
    status = int(head[9:12])
    start = head.find(b"\r\ncontent-length:")
    if start >= 0:
        stop = head.find(b"\r\n", start + 2)
        length = end + 4 + int(head[start + 17 : stop if stop >= 0 else None])
        return (status, length) if len(received) >= length else None
    if b"\r\ntransfer-encoding: chunked" in head:
        stop = received.find(b"0\r\n\r\n", end)
        return (status, stop + 5) if stop >= 0 else None
    return status, end + 4


async def run_round(
    url: str, body: str | None, *, concurrency: int, seconds: float, max_requests: int
) -> dict[str, object]:
    """Drive one round; a caller that waits longer than `ANSWER_TIMEOUT_SECONDS` after the end fails the round."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK or parts.port is None:
        sys.exit("The load generator calls ports of loopback addresses only.")
    loop = asyncio.get_running_loop()
    requests = Requests(url, body)
    started_at = time.perf_counter()
    tally = Tally(deadline=started_at + seconds, left=max_requests)
    finished = [loop.create_future() for _ in range(concurrency)]
    for future in finished:
        await loop.create_connection(partial(Caller, requests, tally, future), parts.hostname, parts.port)
    async with asyncio.timeout(seconds + ANSWER_TIMEOUT_SECONDS):
        await asyncio.gather(*finished)
    elapsed = time.perf_counter() - started_at
    ordered = sorted(tally.latencies)
    return {
        "runs": len(ordered),
        "seconds": elapsed,
        "statuses": {str(status): count for status, count in tally.statuses.items()},
        **{
            f"p{share}_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 95, 99)
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Closed-loop load on a loopback address.")
    parser.add_argument("url")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--max-requests", type=int, default=20_000)
    parser.add_argument("--body", help="JSON to post; without it the requests are GET")
    given = parser.parse_args()
    if sys.platform != "win32":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    result = asyncio.run(
        run_round(
            given.url,
            given.body,
            concurrency=given.concurrency,
            seconds=given.seconds,
            max_requests=given.max_requests,
        )
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
