"""What was said to be durable is there after the writing process is killed."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

from flowmend.store import Store

#: Lives through many short runs at once, and prints `run sequence` for each page once it is durable.
PROGRAM = """
import asyncio, sys
from datetime import UTC, datetime
from flowmend.store import open_store
from flowmend.store.journal import AppendPage, ChangeRun, StartRun
from flowmend.store.rows import RunRow

store = open_store(sys.argv[1])

def told(name, sequence):
    sys.stdout.write(f"{name} {sequence}\\n")
    sys.stdout.flush()

async def live(name):
    now = datetime.now(UTC)
    row = RunRow(run_name=name, flow_id="f", version="1", trigger_name="t", status="Running", started_at=now,
                 client_tracking_id=name, start=b"start")
    await store.journal.write([StartRun(row), AppendPage(name, 1, 1, b"1" * 500)])
    told(name, 1)
    for sequence in range(2, 6):
        await store.journal.write([AppendPage(name, 1, sequence, b"2" * 500), ChangeRun(name, 1, {"code": str(sequence)})])
        told(name, sequence)

async def forever(worker):
    number = 0
    while True:
        number += 1
        await live(f"{worker}-{number}")

async def main():
    await asyncio.gather(*(forever(worker) for worker in range(20)))

asyncio.run(main())
"""


def test_a_killed_process_loses_nothing_it_was_told_is_durable(url: str, opened: Callable[[], Store]) -> None:
    acknowledged: Counter[str] = Counter()
    with subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(500):
            _note(process.stdout.readline(), acknowledged)
        process.kill()
        for line in process.stdout:
            _note(line, acknowledged)
    store = opened()
    store.runs.take_unfinished()  # waits for a commit that PostgreSQL may still be at
    assert acknowledged
    for name, sequence in acknowledged.items():
        row = store.runs.get(name)
        pages = [number for number, _ in store.runs.pages(name)]
        assert row is not None
        assert row.start == b"start"
        assert pages == list(range(1, len(pages) + 1))
        assert len(pages) >= sequence
        assert row.code == (str(len(pages)) if len(pages) > 1 else "")


def _note(line: str, acknowledged: Counter[str]) -> None:
    name, _, sequence = line.strip().partition(" ")
    if sequence.isdigit():  # the last line may be cut
        acknowledged[name] = max(acknowledged[name], int(sequence))
