"""Definitions exported from real services, run as mocks; they lie beside the project, not in it."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from flowmend.core.definition import detect_packaging, read_flow
from flowmend.core.run import ActionRecord, fold
from flowmend.use_cases.run_once import run_once

FLOWS = Path(__file__).parents[3] / "shared" / "data" / "flows"

pytestmark = pytest.mark.skipif(
    not FLOWS.is_dir(), reason="the collection of real definitions is not there: ../shared/data/flows"
)


def test_every_real_definition_runs_as_a_mock_to_an_end_with_reasons() -> None:
    ends: Counter[str] = Counter()
    for path in sorted(FLOWS.rglob("*.json")):
        document = json.loads(path.read_text("utf-8-sig"))
        flow = read_flow(document, packaging=detect_packaging(document, path.name), name=path.stem).flow
        assert flow is not None, path
        result = asyncio.run(run_once(flow, mock=True))
        ends[result.status.value] += 1
        json.dumps(result.run)
        for entry in result.entries:
            if isinstance(entry, ActionRecord) and entry.status == "Failed":
                assert entry.error is not None or entry.outputs is not None, (path, entry.name)
            if isinstance(entry, ActionRecord) and entry.code.startswith("Unsupported"):
                assert entry.error is not None
                assert "/actions/" in entry.error.message, (path, entry.name)
    assert set(ends) <= {"Succeeded", "Failed", "Cancelled"}
    assert ends.total() > 800


def test_the_journal_of_a_real_definition_gives_its_end_back() -> None:
    for path in sorted(FLOWS.rglob("*.json"))[::10]:
        document = json.loads(path.read_text("utf-8-sig"))
        flow = read_flow(document, packaging=detect_packaging(document, path.name), name=path.stem).flow
        assert flow is not None, path
        result = asyncio.run(run_once(flow, mock=True))
        state = fold(result.compiled, result.start, result.entries)
        assert (state.end, state.unfinished, list(state.ready)) == (result.entries[-1], {}, []), path
