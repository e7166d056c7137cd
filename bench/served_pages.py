"""A Flowmend on a thread of this process, and how long its answers take over loopback."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

import uvicorn

from flowmend.assembly import Application
from flowmend.use_cases.access import SESSION_COOKIE, issue_login_link, use_login_link


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A Flowmend on a thread of its own. cookie: of somebody signed in."""

    application: Application
    loop: asyncio.AbstractEventLoop
    port: int
    cookie: str


@contextmanager
def serving(application: Application) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    configured = uvicorn.Config(
        application.asgi(), port=0, access_log=False, log_level="warning", lifespan="off", ws="none"
    )
    server = uvicorn.Server(configured)

    async def serve() -> None:
        await application.start()
        try:
            await server.serve()
        finally:
            await application.stop()

    async def sign_in() -> str:
        link, _ = await issue_login_link(application.services)
        cookie, _ = await use_login_link(application.services, link.partition("link=")[2])
        return cookie

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        cookie = asyncio.run_coroutine_threadsafe(sign_in(), loop).result()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(application=application, loop=loop, port=port, cookie=cookie)
    finally:
        server.should_exit = True
        thread.join()


def ask(served: Served, path: str) -> float:
    """Milliseconds until the answer is read whole."""
    connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": f"{SESSION_COOKIE}={served.cookie}"})
    answer = connection.getresponse()
    content = answer.read()
    taken = (time.perf_counter() - began) * 1000
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}: {content[:300]!r}")
    return taken
