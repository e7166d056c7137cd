"""A Flowmend started as people start it: by the command, in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowmend.cli.local_server import LocalServer, read_local_server


@dataclass(frozen=True)
class StartedServer:
    """data: its folder. process: to be ended by whoever started it."""

    data: Path
    local: LocalServer
    process: "subprocess.Popen[str]"


def started(data: Path, *arguments: str) -> StartedServer:
    """`flowmend up` on a free port, once it answers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWMEND_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "flowmend", "up", "--data", str(data), "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        local = read_local_server(data)
        if local is not None and local.pid == process.pid:
            return StartedServer(data=data, local=local, process=process)
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate()[0])


def stopped(server: StartedServer) -> str:
    """What the server printed until it ended; it is asked to end first."""
    server.process.terminate()
    output, _ = server.process.communicate(timeout=60)
    return output


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedServer]:
    found = started(tmp_path_factory.mktemp("cli-data"))
    yield found
    stopped(found)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FLOWMEND_")]:
        monkeypatch.delenv(name)
