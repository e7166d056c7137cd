"""The service as a process of its own."""

import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from flowmend.sample.service.__main__ import listen

COMMAND = [sys.executable, "-m", "flowmend.sample.service"]


def test_the_process_says_where_it_listens_and_answers_there() -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().rpartition(" ")[2].strip()
            assert address.startswith("http://localhost:")
            with urlopen(f"{address}health", timeout=60) as answer:
                assert answer.status == 200
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a single process")
def test_ctrl_c_ends_it_quietly() -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().rpartition(" ")[2].strip()
            with urlopen(f"{address}health", timeout=60):
                process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(["--host", "0.0.0.0"], id="all addresses"), pytest.param(["--host", "192.0.2.1"], id="another one")],  # noqa: S104
)
def test_it_listens_on_loopback_only(arguments: list[str]) -> None:
    finished = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert finished.returncode == 2
    assert "invalid choice" in finished.stderr


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        finished = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=20, check=False)
    assert finished.returncode == 1
    assert f"localhost:{port}" in finished.stderr
    assert "--port" in finished.stderr


def test_localhost_listens_on_both_families_where_there_are_two() -> None:
    sockets = listen("localhost", 0)
    try:
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
        assert sockets[0].family is socket.AF_INET
    finally:
        for listener in sockets:
            listener.close()
