"""A slice of the test of held events: some hundred over HTTP, the server killed while they go on, none lost or doubled."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_events_held_over_a_break_all_run_once_and_in_order_though_the_server_is_killed() -> None:
    command = [sys.executable, "bench/held_events.py", "--events", "400", "--keys", "40", "--kill", "--seed", "7"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=180, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "everything holds" in ended.stdout
