"""A service on loopback that remembers every request it got, and does what it is asked once per key where it says so.

It speaks what the sample's order connector speaks (`/basic/me`, `/basic/orders`, `/basic/notes`), so that flows sign in to it
as to the sample: orders honour their `Idempotency-Key`, notes do not. `/plain` takes what anybody tells. How it answers may be
bent by a `Manner`.
"""

import asyncio
import socket
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import web

from flowmend.sample.demo import FIRST_PASSWORD

USER = "ada"
ORDER, NOTE, TOLD = "order", "note", "told"
#: Where a request says which event it belongs to.
_NUMBERED_BY = {ORDER: "number", NOTE: "subject", TOLD: "subject"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request as it came. place: how many came before it. text: of a note."""

    place: int
    kind: str
    number: str
    key: str
    text: str = ""


#: (the request, what was heard, how many of this number and kind came, doing what is asked) → its answer.
Manner: TypeAlias = Callable[[web.Request, Heard, int, Callable[[], dict[str, Any]]], Awaitable[web.StreamResponse]]


class CountingService:
    """heard: every request for an order, a note or to be told. done: {(kind, key or number): how often that was really done}."""

    def __init__(self, *, latency_seconds: float = 0.0, manner: Manner | None = None) -> None:
        self.heard: list[Heard] = []
        self.done: Counter[tuple[str, str]] = Counter()
        self.signed_in = 0
        self.latency_seconds = latency_seconds
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._count: Counter[tuple[str, str]] = Counter()
        self._orders: dict[str, dict[str, Any]] = {}
        self._manner = manner or self._honest
        self._runner: web.AppRunner | None = None
        self._expected = "Basic " + b64encode(f"{USER}:{FIRST_PASSWORD}".encode()).decode()

    async def start(self) -> None:
        routes = web.Application()
        routes.router.add_get("/basic/me", self._me)
        routes.router.add_post("/basic/orders", self._take(ORDER))
        routes.router.add_post("/basic/notes", self._take(NOTE))
        routes.router.add_post("/plain", self._take(TOLD))
        self._runner = web.AppRunner(routes, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", self.port, backlog=1024).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def by_number(self, kind: str) -> dict[str, list[Heard]]:
        """{number: its requests of this kind, as they came}."""
        found: dict[str, list[Heard]] = defaultdict(list)
        for one in self.heard:
            if one.kind == kind:
                found[one.number].append(one)
        return found

    async def _me(self, request: web.Request) -> web.Response:
        self.signed_in += 1
        if request.headers.get("Authorization") != self._expected:
            return unauthorized()
        return web.json_response({"user": USER, "displayName": "Ada", "email": "ada@shop.example"})

    def _take(self, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def take(request: web.Request) -> web.StreamResponse:
            if kind != TOLD and request.headers.get("Authorization") != self._expected:
                return unauthorized()
            body = await request.json()
            number, key = str(body[_NUMBERED_BY[kind]]), request.headers.get("Idempotency-Key", "")
            heard = Heard(place=len(self.heard), kind=kind, number=number, key=key, text=str(body.get("text", "")))
            self.heard.append(heard)
            self._count[kind, number] += 1
            return await self._manner(request, heard, self._count[kind, number], lambda: self._do(heard))

        return take

    def _do(self, heard: Heard) -> dict[str, Any]:
        if heard.kind != ORDER:
            self.done[heard.kind, heard.number] += 1
            return {"id": f"N-{heard.place}", "subject": heard.number, "text": heard.text}
        if heard.key not in self._orders:
            self.done[ORDER, heard.key] += 1
            self._orders[heard.key] = {"id": str(heard.place), "number": heard.number, "status": "open"}
        return self._orders[heard.key]

    async def _honest(
        self, _request: web.Request, _heard: Heard, _times: int, do: Callable[[], dict[str, Any]]
    ) -> web.StreamResponse:
        answer = do()
        await asyncio.sleep(self.latency_seconds)  # whoever gives up meanwhile cannot know whether it happened
        return web.json_response(answer, status=201)


def unauthorized() -> web.Response:
    error = {"error": {"code": "Unauthorized", "message": "The user name or password is not right."}}
    return web.json_response(error, status=401, headers={"WWW-Authenticate": 'Basic realm="orders"'})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
