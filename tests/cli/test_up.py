"""`flowmend up` as a process: ready, one per folder, down without a trace."""

import http.client
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowmend.cli.local_server import read_local_server, read_local_token

from .conftest import StartedServer, started, stopped


def health(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_is_ready_says_where_and_ends_cleanly(tmp_path: Path) -> None:
    server = started(tmp_path / "data")
    token = read_local_token(server.data)
    assert health(server.local.url) == 200

    output = stopped(server)

    assert server.process.returncode == 0
    assert server.local.url in output
    assert token not in output
    assert "Traceback" not in output
    assert read_local_server(server.data) is None

    again = started(server.data)
    try:
        assert read_local_token(again.data) == token
    finally:
        stopped(again)


def flowmend_up(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flowmend.cli", "up", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_folder_is_served_once(server: StartedServer) -> None:
    result = flowmend_up("--data", str(server.data), "--port", "0")
    assert result.returncode == 2
    assert server.local.url in result.stderr


def test_a_taken_port_is_named(server: StartedServer, tmp_path: Path) -> None:
    port = urlsplit(server.local.url).port
    result = flowmend_up("--data", str(tmp_path), "--port", str(port))
    assert result.returncode == 2
    assert f"127.0.0.1:{port}" in result.stderr
    assert "--port" in result.stderr


@pytest.mark.parametrize("module", ["flowmend", "flowmend.cli"])
def test_both_modules_are_the_command(module: str) -> None:
    result = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("flowmend ")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from flowmend.cli.program import app; "
        "print([name for name in ('sqlalchemy', 'aiohttp', 'starlette', 'uvicorn', 'lxml', 'jinja2') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
