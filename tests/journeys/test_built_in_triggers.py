"""Flows that need no cloud: what comes to a real server starts one run each, over restarts, and what the runs do happens once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from built_in_sources import Files, Mails, Rows, Source, call, connected, flow_for
from certificates import Authority
from flowmend.core.outcome import Status
from flowmend.transport import file_operations
from mail_servers import ImapServer
from password_database import PasswordDatabase
from running import Open, Running

pytestmark = pytest.mark.anyio
MANY = 60


@pytest.fixture(params=["files", "rows", "mails"])
async def source(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    trusted_authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    anyio_backend: str,
) -> AsyncIterator[Source]:
    made: Source
    if request.param == "files":
        monkeypatch.setattr(file_operations, "SETTLES_WITHIN_SECONDS", 0.0)
        made = Files(tmp_path / "source")
    elif request.param == "rows":
        database: PasswordDatabase = request.getfixturevalue("password_database")
        made = Rows(database)
    else:
        server: ImapServer = request.getfixturevalue("imap_server")
        made = Mails(server, trusted_authority)
    yield made
    made.close()
    await asyncio.sleep(0.05)  # a TLS session ends in the loop's next rounds


async def look(running: Running, holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        running.clock.move(minutes=1)
        await running.settled()
    raise AssertionError("it never came")


async def test_everything_that_comes_starts_one_run_over_restarts(
    source: Source, open_flowmend: Open, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    done.mkdir()
    settings = {
        "allowed_private_hosts": frozenset({f"localhost:{source.values.get('port')}"}),
        "files_roots": (tmp_path / "source", done),
    }
    running = await open_flowmend(**settings)
    source.add(3)  # they were there before
    connections = {
        "shared_source": await connected(running, source.connector_id, source.values),
        "shared_done": await connected(running, "files", {"folder": str(done)}),
    }
    write = call("files", "WriteFile", "shared_done", path=f"/{source.number}", content=source.number)
    flow_id = await flow_for(running, source, {"Write": write}, connections)
    await look(running, lambda: bool(running.events(flow_id)))
    for crash in range(3):
        source.add(MANY // 3)
        running.clock.move(minutes=1)
        await running.settled()
        await asyncio.sleep(0.05 * crash)
        await running.crash()
        running = await open_flowmend(clock=running.clock, **settings)
    await look(running, lambda: len(running.runs(flow_id)) >= MANY)
    for run in running.runs(flow_id):
        assert (await running.ended(run.run_name)).status == Status.SUCCEEDED
    running.clock.move(minutes=1)
    await running.settled()
    names = [(await running.records(run.run_name))["Write"].outputs["body"]["name"] for run in running.runs(flow_id)]
    assert Counter(names) == Counter(str(number) for number in range(4, MANY + 4))
    assert len(list_of(done)) == MANY


def list_of(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())
