"""A slice of the test of triggers that wait (`make faults` is the whole): the server killed, no item missed or doubled."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_server_killed_while_it_polls_and_subscribes_misses_nothing_and_leaves_nothing_behind() -> None:
    sizes = ["--items", "60", "--subscriptions", "6", "--kills", "1", "--seed", "7"]
    command = [sys.executable, "bench/waiting_triggers.py", *sizes]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=180, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "everything holds" in ended.stdout
