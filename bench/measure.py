"""What a running process costs, read from outside and without its help (Linux).

Commits are read from SQLite's WAL index: the `-shm` file beside a database counts every transaction in its header
(`iChange`, 4 bytes at offset 8; sqlite.org/walformat.html §2.1). With synchronous=FULL each commit is one fsync of the
WAL, and a checkpoint adds a few each thousand pages; checked with strace: 2,000 requests of the bare app gave 2,000 in
the header and about as many calls of fdatasync. Where strace can be used, run_bench.py counts the calls themselves.
"""

import os
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_WAL_INDEX_VERSION = 3007000


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and all its threads, in steps of a tick (10 ms as a rule)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_megabytes(pid: int) -> float:
    """Resident memory now (VmRSS)."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def peak_megabytes(pid: int) -> float:
    """The most memory that was resident since the process began (VmHWM)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def written_bytes(pid: int) -> int:
    """Bytes the process handed to write calls for files and sockets so far (wchar of proc(5))."""
    found = re.search(r"^wchar: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def busy_share(seconds: float) -> float:
    """Waits, and says which share of the machine's CPU time other work took meanwhile: 0 idle, 1 all of it."""
    busy_before, total_before = _cpu_ticks()
    time.sleep(seconds)
    busy, total = _cpu_ticks()
    return (busy - busy_before) / max(1, total - total_before)


def commits(folder: Path) -> int:
    """Transactions committed to all SQLite databases in the folder since they were opened."""
    total = 0
    for index in folder.rglob("*-shm"):
        with index.open("rb") as opened:
            header = opened.read(48)
        version, _, changes = struct.unpack_from("=III", header)
        if version != _WAL_INDEX_VERSION:
            raise ValueError(f"{index} is no WAL index of the known version.")
        total += changes
    return total


@contextmanager
def counted_fsyncs(pid: int, report: Path) -> Iterator[None]:
    """Count fsync and fdatasync calls of the process and its threads into `report`; slows it down manyfold."""
    strace = shutil.which("strace")
    if strace is None:
        raise FileNotFoundError("strace is not installed; give --no-strace.")
    command = [strace, "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", str(report), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        tracer.stderr.readline()  # "Process N attached"
        try:
            yield
        finally:
            tracer.terminate()
            tracer.wait(timeout=10)


def fsync_calls(report: Path) -> int:
    """The calls in a summary of `strace -c`: the fourth column of each named row; 0 where strace could not attach."""
    rows = report.read_text().splitlines() if report.exists() else []
    return sum(int(row.split()[3]) for row in rows if row.endswith(("fsync", "fdatasync")))


def _cpu_ticks() -> tuple[int, int]:
    """Busy and all ticks since boot: user, nice, system, idle, iowait, irq, softirq, steal (proc(5))."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
