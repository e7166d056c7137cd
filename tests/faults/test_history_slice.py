"""A slice of the history bench (`bench/history.py` is the whole): every page is found, and letting history go blocks nobody."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_short_history_is_listed_small_and_let_go_of() -> None:
    command = [sys.executable, "bench/history.py", "--runs", "3000", "--engine", "200", "--rounds", "2"]
    command += ["--seconds", "1", "--goal-ms", "5000", "--goal-wait-ms", "5000"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=180, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "bytes per run" in ended.stdout
    assert "runs let go of" in ended.stdout
