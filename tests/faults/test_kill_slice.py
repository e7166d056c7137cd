"""A slice of the kill test (`make faults` is the whole): runs in flight, the server killed, nothing lost or sent twice."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_server_killed_with_runs_in_flight_loses_and_repeats_nothing() -> None:
    command = [sys.executable, "bench/kill_test.py", "--runs", "60", "--kills", "2", "--seed", "7"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "everything holds" in ended.stdout
    assert "accepted" in ended.stdout
