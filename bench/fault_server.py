"""`flowmend up`, or a script that serves like it, as a process to be killed."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flowmend.settings import Settings

START_SECONDS = 120.0
_UP = ("-m", "flowmend", "up")
#: Between two kills, from the moment the server listens.
SOONEST_KILL, LATEST_KILL = 0.2, 2.6
#: Of the kills, so many hit the server while it starts.
DURING_START = 0.15
#: A server takes about so long to start.
START_TAKES = 1.5
#: How long a kill and the start after it take on average.
KILL_TAKES = (SOONEST_KILL + LATEST_KILL) / 2 + START_TAKES


class Server:
    """Started, killed and started again on one data folder. command: what Python is given. log_file: in the folder by default."""

    def __init__(self, settings: Settings, command: Sequence[str] = _UP, log_file: Path | None = None) -> None:
        self._settings = settings
        self._log_file = log_file or settings.data / "server.log"
        self._command = command
        self._environment = {
            **os.environ,
            "FLOWMEND_DATA": str(settings.data),
            "FLOWMEND_PORT": str(settings.port),
            "FLOWMEND_ALLOWED_PRIVATE_HOSTS": ",".join(settings.allowed_private_hosts),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        if self._process is None:
            raise SystemExit("the server was not started")
        return self._process.pid

    def begin(self) -> None:
        """Start the process and wait for nothing."""
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command], env=self._environment, stdout=log, stderr=log
            )

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        self.begin()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and (self._process is None or self._process.poll() is None):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._settings.port), 0.2).close()
                return
            await asyncio.sleep(0.05)
        raise SystemExit(f"the server did not start within {START_SECONDS:g} s; it said:\n{self.said()[-3000:]}")

    def said(self) -> str:
        """Its log, of all its processes."""
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    def memory_mb(self) -> float:
        """What it holds in memory now. Linux only; 0 elsewhere."""
        statm = Path(f"/proc/{self.pid}/statm")
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if statm.exists() else 0.0

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


async def kill_at_random(server: Server, draws: random.Random, kills: int) -> None:
    """Start the server and end it with SIGKILL, so often; after the last time it listens again."""
    for count in range(kills):
        if draws.random() < DURING_START:
            server.begin()
            await asyncio.sleep(draws.uniform(0.0, START_TAKES))
        else:
            await server.start()
            await asyncio.sleep(draws.uniform(SOONEST_KILL, LATEST_KILL))
        server.kill()
        if (count + 1) % max(1, kills // 10) == 0:
            print(f"kill {count + 1} of {kills}", flush=True)
    await server.start()
