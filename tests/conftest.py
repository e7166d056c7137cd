"""What every floor's tests share: the async backend, real local HTTP servers, and the databases."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from certificates import authority, trusted_authority
from databases import empty_database, postgresql_url, sqlite_template
from mail_servers import imap_server
from password_database import password_database
from running import Handler, LocalServer, MovableClock, Open, Running, RunningOrderService, open_running

__all__ = [
    "authority",
    "imap_server",
    "password_database",
    "postgresql_url",
    "sqlite_template",
    "trusted_authority",
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def local_server(anyio_backend: str) -> AsyncIterator[LocalServer]:
    """A function that starts a real HTTP server on a free loopback port and gives its origin."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture(scope="session")
def order_service() -> Iterator[RunningOrderService]:
    service = RunningOrderService()
    service.start()
    yield service
    service.stop()


@pytest.fixture
def service(order_service: RunningOrderService) -> RunningOrderService:
    """The order service as at the start."""
    order_service.change("reset")
    return order_service


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with all tables and no rows: SQLite's, or the kind a test is parametrized with."""
    if getattr(request, "param", "sqlite") == "sqlite":
        path = tmp_path / "flowmend.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    url = request.getfixturevalue("postgresql_url")
    yield url
    empty_database(url)


@pytest.fixture
async def open_flowmend(
    tmp_path: Path, database: str, service: RunningOrderService, anyio_backend: str
) -> AsyncIterator[Open]:
    """A function that starts a Flowmend on the test's folder and database; what still runs is stopped at the end."""
    started: list[Running] = []

    async def start(*, clock: MovableClock | None = None, **settings: Any) -> Running:
        running = open_running(tmp_path, service, database_url=database, clock=clock, **settings)
        started.append(running)
        await running.start()
        return running

    yield start
    for running in started:
        await running.stop()


@pytest.fixture
async def running(open_flowmend: Open) -> Running:
    return await open_flowmend()
