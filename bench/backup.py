"""Measures a backup beside a writer: how long it takes, its memory, and what the writer notices of it.

`python bench/backup.py --megabytes 1000` (SQLite in a folder of its own; `--url` for another database that may be filled).
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flowmend.store import Store, open_store
from flowmend.store.backup import check_backup, make_backup, restore_backup
from flowmend.store.journal import AppendPage, StartRun
from flowmend.store.rows import RunRow, TriggerEventRow

_PAGE_BYTES = 8000
_PAGES = 10
_KILO, _MEGA = 1024, 1024 * 1024


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--megabytes", type=int, default=200)
    asked.add_argument("--url", default="")
    asked.add_argument("--step", choices=["make", "restore"])
    asked.add_argument("--path", type=Path)
    chosen = asked.parse_args()
    if chosen.step:  # in a process of its own, whose memory is only what the step takes
        _step(chosen.step, chosen.url, chosen.path)
        return
    folder = Path(tempfile.mkdtemp(prefix="flowmend-backup-"))
    try:
        _measure(chosen.url or f"sqlite:///{folder / 'flowmend.db'}", folder, chosen.megabytes)
    finally:
        shutil.rmtree(folder)


def _measure(url: str, folder: Path, megabytes: int) -> None:
    store = open_store(url)
    runs = megabytes * _MEGA // (_PAGE_BYTES * _PAGES)
    began = time.monotonic()
    for first in range(0, runs, 50):
        _write(store, list(range(first, min(first + 50, runs))))
    print(f"filled with {runs} runs, {megabytes} MB of pages, in {time.monotonic() - began:.1f} s")
    print(f"writer alone:         {_latencies(store, runs, lambda: time.sleep(5))}")
    results: list[str] = []
    place = folder / "a.backup"
    print(f"writer during backup: {_latencies(store, runs * 2, lambda: results.append(_run('make', url, place)))}")
    print(f"backup:  {results[0]}")
    other = f"sqlite:///{folder / 'restored.db'}"
    print(f"restore: {_run('restore', other, place)}")
    store.close()


def _write(store: Store, numbers: list[int]) -> None:
    done = threading.Semaphore(0)
    for number in numbers:
        name = f"{10**29 - 1 - number:029d}CU00"
        now = datetime.now(UTC)
        run = RunRow(run_name=name, flow_id="f", version="v", trigger_name="t", status="Succeeded", started_at=now,
                     client_tracking_id=name, start=b"start")  # fmt: skip
        event = TriggerEventRow(event_name=name, flow_id="f", trigger_name="t", status="Succeeded", fired=True,
                                started_at=now, tracking_id=name, client_tracking_id=name, run_name=name)  # fmt: skip
        pages = [
            AppendPage(name, run.epoch, place + 1, os.urandom(_PAGE_BYTES // 2).hex().encode())
            for place in range(_PAGES)
        ]
        store.journal.submit([StartRun(run, event), *pages], lambda _: done.release())
    for _ in numbers:
        done.acquire()


def _latencies(store: Store, first: int, meanwhile: Callable[[], object]) -> str:
    """How long single runs took to be durable while something else went on."""
    over = threading.Event()
    took: list[float] = []

    def write() -> None:
        number = first
        while not over.is_set():
            began = time.monotonic()
            _write(store, [number])
            took.append(time.monotonic() - began)
            number += 1
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    meanwhile()
    over.set()
    writer.join()
    took.sort()
    at = {part: took[min(len(took) - 1, int(len(took) * part))] * 1000 for part in (0.5, 0.99, 1)}
    return f"{len(took)} writes, p50 {at[0.5]:.1f} ms, p99 {at[0.99]:.1f} ms, longest {at[1]:.0f} ms"


def _run(step: str, url: str, path: Path) -> str:
    command = [sys.executable, __file__, "--step", step, "--url", url, "--path", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _step(step: str, url: str, path: Path) -> None:
    began = time.monotonic()
    now = datetime.now(UTC)
    if step == "make":
        report = make_backup(url, path, made_at=now)
    else:
        report = check_backup(path)
        restore_backup(url, report, at=now, replace=False, go_on=True)
    seconds = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KILO
    facts = {
        "seconds": round(seconds, 1),
        "rows": report.row_count,
        "file MB": report.bytes // _MEGA,
        "memory MB": round(memory),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
