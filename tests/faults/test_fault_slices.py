"""A small slice of every fault (`make faults` is the whole): killed, full, lied to, clock set; nothing lost, nothing done twice."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_everything_holds_in_a_slice_of_each_fault() -> None:
    command = [sys.executable, "bench/faults.py", "--slice", "--seed", "7"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=240, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert ended.stdout.count("everything holds") == 6
