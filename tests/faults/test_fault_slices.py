"""A small slice of every fault (`make faults` is the whole): killed, full, lied to, or with the clock set, nothing is lost or done twice."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["kill", "migration", "waiting", "full", "faulty", "clock"])
def test_everything_holds_in_a_slice_of_this_fault(part: str) -> None:
    command = [sys.executable, "bench/faults.py", "--slice", "--only", part, "--seed", "7"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=180, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert f"holds         {part}" in ended.stdout
