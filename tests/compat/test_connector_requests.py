"""Requests to real connectors, judged by another library: a slice here, all of them by `bench/connectors.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT.parent / "shared" / "data" / "connectors"
pytestmark = pytest.mark.skipif(
    not FOLDERS.is_dir(), reason="the collection of real connectors is not there: ../shared/data/connectors"
)


@pytest.mark.parametrize("name", ["Etsy", "Tribal", "Almabase"])
def test_every_request_is_what_the_definition_asks_for(name: str, tmp_path: Path) -> None:
    """Forms and parts by header parameter; hosts and paths by policy; bodies changed by policy."""
    found = tmp_path / "found.json"
    command = [
        sys.executable,
        str(ROOT / "bench" / "connectors.py"),
        str(FOLDERS),
        "--only",
        name,
        "--json",
        str(found),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    counts = json.loads(found.read_text())
    assert counts["runnable"] > 5
    assert (counts["accepted"], counts["refused"]) == (counts["runnable"], {})
