"""Serving: from settings to a listening server, and down again without losing anything."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import typer
import uvicorn

from flowmend.api.security.access_log import SecretFilter
from flowmend.assembly import make_data_folder, open_services
from flowmend.cli.local_server import (
    LocalServer,
    forget_local_server,
    held_alone,
    read_local_server,
    read_local_token,
    write_local_server,
    write_local_token,
)
from flowmend.core.errors import StoreUnavailable
from flowmend.settings import Settings
from flowmend.use_cases.access import issue_login_link, issue_token, person_of_token

if TYPE_CHECKING:
    from flowmend.assembly import Application

#: How long open event streams and requests get to finish after Ctrl+C.
_GRACE_SECONDS = 3

WhenReady = Callable[["Application"], Awaitable[None]]


def serve(settings: Settings, *, when_ready: WhenReady | None = None) -> None:
    """Serve until interrupted. when_ready: what to do once the server answers.

    Errors: typer.Exit(2) where the port is taken or the data folder is served already; AskedWrongly, StoreUnavailable.
    """
    _write_log()
    with _alone(settings):
        listener = _listen(settings)
        chosen = replace(settings, port=listener.getsockname()[1])
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(chosen, listener, when_ready))


async def _serve(settings: Settings, listener: socket.socket, when_ready: WhenReady | None) -> None:
    application = open_services(settings)
    try:
        await application.start()
        config = uvicorn.Config(
            application.asgi(),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        _settle_memory()
        server = _Server(config, lambda: _announce(application, when_ready))
        with _interruptible(server):
            await server.serve(sockets=[listener])
    finally:
        forget_local_server(settings.data, os.getpid())
        await application.stop()


def _settle_memory() -> None:
    """What is loaded now stays: the collector need not walk it again, and looks less often.

    Thousands of runs in flight hold tens of thousands of live objects; at the default threshold the collector walks
    them every 700 allocations, a tenth of all CPU time. The middle generation stays small, since a look at all of it holds
    up everybody: 100,000 objects take some twenty milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 5, 200)


class _Server(uvicorn.Server):
    """Says when it is ready, and leaves signals to us: uvicorn raises them again after a clean stop."""

    def __init__(self, config: uvicorn.Config, when_started: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._when_started = when_started
        self._announcement: asyncio.Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announcement = asyncio.ensure_future(self._when_started())
        self._announcement.add_done_callback(self._stop_on_failure)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def _stop_on_failure(self, announcement: "asyncio.Future[None]") -> None:
        if not announcement.cancelled() and (error := announcement.exception()) is not None:
            logging.getLogger("flowmend").error("Could not finish starting.", exc_info=error)
            self.should_exit = True


async def _announce(application: "Application", when_ready: WhenReady | None) -> None:
    services = application.services
    settings = services.settings
    token = read_local_token(settings.data)
    if not token or await person_of_token(services, token) is None:
        write_local_token(settings.data, await issue_token(services, "commands on this computer"))
    write_local_server(settings.data, LocalServer(url=_own_url(settings), pid=os.getpid()))
    typer.echo(f"Flowmend answers at {settings.base_url}  (data in {settings.data}; Ctrl+C stops it)")
    if sys.stdout.isatty():
        link, ends_at = await issue_login_link(services)
        typer.echo(f"Sign in until {ends_at.astimezone():%H:%M}: {link}")
    else:
        typer.echo("`flowmend login` prints a sign-in link.")
    if when_ready is not None:
        await when_ready(application)


def _own_url(settings: Settings) -> str:
    """Where commands of this machine reach the server, also behind a public name."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104  # compared with
    return f"http://{host}:{settings.port}"


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Two servers on one folder would fire every schedule twice and take each other's runs."""
    make_data_folder(settings)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(held_alone(settings.data))
        except BlockingIOError:
            known = read_local_server(settings.data)
            who = f"a Flowmend (process {known.pid}) at {known.url}" if known is not None else "a Flowmend"
            typer.echo(
                f"Error: {settings.data} is served already, by {who}. Stop it first, or choose another --data.",
                err=True,
            )
            raise typer.Exit(2) from None
        except OSError as error:
            raise StoreUnavailable(f"The data folder {settings.data} cannot be used: {error.strerror}.") from error
        yield


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        typer.echo(
            f"Error: cannot listen on {settings.host}:{settings.port} ({reason}). Choose another with --host or --port.",
            err=True,
        )
        raise typer.Exit(2) from error


@contextlib.contextmanager
def _interruptible(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM stop the server; a second one does not wait for open requests."""

    def stop(*_: object) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    chosen = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in chosen}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop


def _write_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(SecretFilter())
    level = os.environ.get("FLOWMEND_LOG", "WARNING").upper()
    known = logging.getLevelNamesMapping()
    logging.basicConfig(level=known.get(level, logging.WARNING), handlers=[handler])
