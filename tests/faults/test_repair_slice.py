"""A slice of the repair bench (`bench/repair.py` is the whole): failed runs put right by a plan, each exactly once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", ["--kill", "--second-break"])
def test_failed_runs_are_put_right_exactly_once(fault: str) -> None:
    command = [sys.executable, "bench/repair.py", "--runs", "90", fault, "--seed", "7"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=180, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "everything holds" in ended.stdout
    assert ("killed after" if fault == "--kill" else "second break after") in ended.stdout
