"""A thousand things of each kind come to real servers: does each start one run, over restarts, and does each run do its work once?

    python bench/built_in.py [--count 1000] [--only files,sftp,rows,mails]

The servers are the tests': folders, an SFTP server, PostgreSQL, Dovecot where it is installed, a mail server. Twice for each
kind: with a server that is killed at random while the things come, and an action that may be repeated; and with a server
that is stopped in between, and an action that may not (a row inserted, a mail sent or moved, a file moved).
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from built_in_sources import PASSWORD, Files, Mails, Rows, Source, call, connected, flow_for
from certificates import Authority
from flowmend.core.outcome import Status
from flowmend.transport import file_operations
from mail_servers import _running_dovecot, dovecot
from password_database import PasswordDatabase, running_password_database
from running import MovableClock, Running, RunningOrderService, open_running
from sftp_server import SftpServer, sftp_server

BATCHES = 4
_LONGEST_SECONDS = 300.0
Check = Callable[[], list[str]]


class Servers(msgspec.Struct, kw_only=True):
    """imap: None where Dovecot is not installed."""

    orders: RunningOrderService
    authority: Authority
    database: PasswordDatabase
    imap: Any


class SftpFiles(Files):
    """New files on a server."""

    connector_id = "sftp"

    def __init__(self, server: SftpServer) -> None:
        super().__init__(server.folder)
        self.values = {"host": "127.0.0.1", "port": str(server.port), "fingerprint": server.fingerprint}
        self.values |= {"user": "ada", "password": PASSWORD}


class Mill(msgspec.Struct, kw_only=True):
    """One flow under test. work: its action; its connection. done: the numbers it was done for, at the server."""

    source: Source
    work: dict[str, Any]
    work_connector: str
    work_values: dict[str, str]
    done: Check
    may_be_repeated: bool


def main() -> None:
    given = _read_arguments()
    warnings.simplefilter("ignore", DeprecationWarning)  # the mail server's, of itself
    file_operations.SETTLES_WITHIN_SECONDS = 0.5
    kinds = [kind for kind in given.only.split(",") if kind != "mails" or dovecot() is not None]
    if "mails" not in kinds:
        print("without mails: Dovecot is not installed")
    with tempfile.TemporaryDirectory(prefix="fm-") as folder, ExitStack() as stack:
        authority = Authority(Path(folder))
        stack.enter_context(_trusting(authority))
        database = stack.enter_context(running_password_database(authority))
        imap = stack.enter_context(_running_dovecot(dovecot() or "", authority)) if "mails" in kinds else None
        service = RunningOrderService()
        service.start()
        stack.callback(service.stop)
        print(
            f"{'comes':8} {'does':12} {'server':8} {'came':>6} {'runs':>6} {'missed':>7} {'doubled':>8} {'seconds':>8}"
        )
        there = Servers(orders=service, authority=authority, database=database, imap=imap)
        bad = asyncio.run(_measured(kinds, Path(folder), given.count, there))
    sys.exit(1 if bad else 0)


async def _measured(kinds: list[str], folder: Path, count: int, there: Servers) -> int:
    bad = 0
    for at, (kind, repeats) in enumerate((kind, repeats) for kind in kinds for repeats in (True, False)):
        place = folder / str(at)
        (place / "data").mkdir(parents=True)
        async with _mill(kind, place, there, repeats=repeats) as mill:
            bad += await _turned(mill, place, count, there.orders)
    return bad


async def _turned(mill: Mill, place: Path, count: int, service: RunningOrderService) -> int:
    """How many were missed or doubled."""
    source, clock, began = mill.source, MovableClock(), time.perf_counter()
    ports = {str(values.get("port")) for values in (source.values, mill.work_values)}
    hosts = frozenset(f"{host}:{port}" for host in ("localhost", "127.0.0.1") for port in ports)

    async def opened() -> Running:
        settings = {"allowed_private_hosts": hosts, "files_roots": (place,)}
        running = open_running(
            place / "data", service, database_url=f"sqlite:///{place / 'data' / 'flowmend.db'}", clock=clock, **settings
        )
        await running.start()
        return running

    running = await opened()
    source.add(5)  # they were there before, and are none of the flow's business
    connections = {
        "shared_source": await connected(running, source.connector_id, source.values),
        "shared_work": await connected(running, mill.work_connector, mill.work_values),
    }
    flow_id = await flow_for(running, source, {"Work": mill.work}, connections)
    await _until(running, lambda: bool(running.events(flow_id)))
    expected = 0
    for _ in range(BATCHES):
        source.add(count // BATCHES)
        expected += count // BATCHES
        if mill.may_be_repeated:
            for _ in range(3):
                running.clock.move(minutes=1)
                await running.settled()
                await asyncio.sleep(random.random() * 0.7)
                await running.crash()
                running = await opened()
        else:
            await _until(running, lambda: _counted(running, flow_id) >= expected)  # noqa: B023  called at once
            await _until(running, lambda: _unfinished(running, flow_id) == 0)  # noqa: B023  the same
            await running.at_rest()
            await running.stop()
            running = await opened()
    await _until(running, lambda: _counted(running, flow_id) >= expected and _unfinished(running, flow_id) == 0)
    for _ in range(2):
        running.clock.move(minutes=1)
        await running.settled()
    runs = _counted(running, flow_id)
    failed = _counted(running, flow_id, without=Status.SUCCEEDED)
    await running.stop()
    done = Counter(mill.done())
    wanted = {str(number) for number in range(6, expected + 6)}
    missed = len(wanted - set(done)) + failed
    doubled = sum(times - 1 for times in done.values()) + len(set(done) - wanted) + max(runs - expected, 0)
    end = "killed" if mill.may_be_repeated else "stopped"
    does = mill.work["inputs"]["host"]["operationId"]
    print(
        f"{source.connector_id:8.8} {does:12} {end:8} {expected:6} {runs:6} {missed:7} {doubled:8} "
        f"{time.perf_counter() - began:8.1f}",
        flush=True,
    )
    return missed + doubled


def _counted(running: Running, flow_id: str, *, without: str = "") -> int:
    query = "SELECT count(*) FROM runs WHERE flow_id = ? AND status <> ?"
    return _asked(running, query, flow_id, without)


def _unfinished(running: Running, flow_id: str) -> int:
    query = "SELECT count(*) FROM runs WHERE flow_id = ? AND status IN ('Running', 'Waiting') AND ? = ''"
    return _asked(running, query, flow_id, "")


def _asked(running: Running, query: str, *values: str) -> int:
    with running.services.store._database.engine.connect() as connection:  # noqa: SLF001  a count of all of them
        return int(connection.exec_driver_sql(query, values).scalar_one())


async def _until(running: Running, holds: Callable[[], bool]) -> None:
    """Let Flowmend's time pass until something holds."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came")
        running.clock.move(minutes=1)
        await running.settled()


@asynccontextmanager
async def _mill(kind: str, place: Path, there: Servers, *, repeats: bool) -> AsyncIterator[Mill]:
    database = there.database
    done = place / "done"
    done.mkdir()
    if kind == "sftp":
        (place / "there").mkdir()
        async with sftp_server(place / "there") as server:
            yield _of_source(SftpFiles(server), done, repeats, database)
        return
    source: Source
    if kind == "files":
        source = Files(place / "source")
    elif kind == "rows":
        source = Rows(database)
    else:
        source = Mails(there.imap, there.authority)
    if kind == "rows" and not repeats:
        async with _postbox() as (port, subjects):
            mail = call("smtp", "SendEmail", "shared_work", **{
                "emailMessage/To": "bob@shop.example",
                "emailMessage/From": "ada@home.example",
                "emailMessage/Subject": source.number,
                "emailMessage/Body": "Number",
            })  # fmt: skip
            values = {"host": "127.0.0.1", "port": str(port), "security": "none", "user": "ada", "password": PASSWORD}
            yield Mill(
                source=source,
                work=mail,
                work_connector="smtp",
                work_values=values,
                done=lambda: list(subjects),
                may_be_repeated=False,
            )
    else:
        yield _of_source(source, done, repeats, database)
    source.close()


def _of_source(source: Source, done: Path, repeats: bool, database: PasswordDatabase) -> Mill:
    """The flow's work: a file written for each where it may be repeated, else what fits the source."""
    work_connector, work_values = source.connector_id, source.values
    if repeats:
        work = call("files", "WriteFile", "shared_work", path=f"/{source.number}", content=source.number)
        work_connector, work_values = "files", {"folder": str(done)}
        found: Check = lambda: _names(done)  # noqa: E731  one of several
    elif isinstance(source, SftpFiles):
        path = "@{triggerOutputs()?['body/path']}"
        work = call("sftp", "MoveFile", "shared_work", path=path, to=f"/done/{source.number}")
        found = lambda: _names(source.folder.parent / "done")  # noqa: E731
    elif isinstance(source, Mails):
        mail = "@{triggerOutputs()?['body/id']}"
        source.client.delete("Done")
        source.client.create("Done")
        work = call("imap", "MoveEmail", "shared_work", id=mail, folder="Numbered", toFolder="Done")
        found = lambda: _subjects(source)  # noqa: E731
    else:
        other = Rows(database)
        database.tell("CREATE TABLE source.done (at serial PRIMARY KEY, number text)")
        database.tell("ALTER TABLE source.done OWNER TO ada")
        row = {"row/number": source.number}
        work = call("postgresql", "InsertRow", "shared_work", table="source.done", **row)
        work_connector, work_values = "postgresql", other.values
        found = lambda: _numbers(database)  # noqa: E731
    return Mill(
        source=source,
        work=work,
        work_connector=work_connector,
        work_values=work_values,
        done=found,
        may_be_repeated=repeats,
    )


def _names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def _numbers(database: PasswordDatabase) -> list[str]:
    return [str(row[0]) for row in database.told("SELECT number FROM source.done")]


def _subjects(source: Mails) -> list[str]:
    source.client.select("Done", readonly=True)
    _, told = source.client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [one[1].decode().partition(":")[2].strip() for one in told if isinstance(one, tuple)]


@asynccontextmanager
async def _postbox() -> AsyncIterator[tuple[int, list[str]]]:
    """A mail server: its port, and the subjects of what it took."""
    from aiosmtpd.smtp import SMTP, AuthResult

    subjects: list[str] = []

    class Keeper:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
            head = envelope.content.decode().partition("Subject: ")[2]
            subjects.append(head.partition("\r\n")[0])
            return "250 taken"

    def session() -> SMTP:
        return SMTP(
            Keeper(), hostname="localhost", auth_require_tls=False, authenticator=lambda *_: AuthResult(success=True)
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], subjects
    server.close()


@contextmanager
def _trusting(authority: Authority) -> Iterator[None]:
    import os

    os.environ["SSL_CERT_FILE"] = str(authority.root)
    yield


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--only", default="files,sftp,rows,mails")
    return parser.parse_args()


if __name__ == "__main__":
    main()
