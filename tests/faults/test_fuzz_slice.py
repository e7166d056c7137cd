"""A slice of the fuzzing (`make fuzz` is the whole): nothing but our own errors comes out of odd expressions and flows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="each case is bounded by an alarm signal, which Windows has not")
def test_odd_expressions_and_definitions_end_in_time_with_values_or_our_own_errors() -> None:
    command = [sys.executable, "bench/fuzz.py", "--seconds", "8"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=240, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert "everything holds" in ended.stdout
    for kind, least in (("expressions", 1000), ("definitions", 50)):
        tried = re.search(rf"^{kind}: ([\d,]+) tried", ended.stdout, re.MULTILINE)
        assert tried is not None, ended.stdout
        assert int(tried[1].replace(",", "")) >= least, ended.stdout
