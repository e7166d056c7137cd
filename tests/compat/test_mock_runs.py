"""Definitions exported from real services, run as mocks; they lie beside the project, not in it."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from flowmend.core.checking import check_flow
from flowmend.core.definition import detect_packaging, read_flow
from flowmend.core.run import ActionRecord, fold
from flowmend.use_cases.run_once import run_once

FLOWS = Path(__file__).parents[3] / "shared" / "data" / "flows"

pytestmark = pytest.mark.skipif(
    not FLOWS.is_dir(), reason="the collection of real definitions is not there: ../shared/data/flows"
)


def test_every_real_definition_runs_as_a_mock_to_an_end_with_reasons() -> None:
    ends: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for path in sorted(FLOWS.rglob("*.json")):
        document = json.loads(path.read_text("utf-8-sig"))
        flow = read_flow(document, packaging=detect_packaging(document, path.name), name=path.stem).flow
        assert flow is not None, path
        unsupported = [problem for problem in check_flow(flow) if problem.code.startswith("Unsupported")]
        result = asyncio.run(run_once(flow, mock=True))
        json.dumps(result.run)
        properties = result.run["properties"]
        if unsupported:
            refused[properties["code"]] += 1
            assert (properties["status"], properties["code"]) == ("Failed", unsupported[0].code), path
            assert unsupported[0].pointer in properties["error"]["message"], path
            continue
        ends[result.status.value] += 1
        for entry in result.entries:
            if isinstance(entry, ActionRecord) and entry.status == "Failed":
                assert entry.error is not None or entry.outputs is not None, (path, entry.name)
                reason = entry.error.message if entry.error else ""
                assert not entry.code.startswith(("Unsupported", "Missing")), (path, entry.name)
                assert "is not defined or not valid" not in reason, (path, entry.name, reason)
    assert set(ends) <= {"Succeeded", "Failed", "Cancelled"}
    assert ends.total() + refused.total() > 800


def test_the_journal_of_a_real_definition_gives_its_end_back() -> None:
    for path in sorted(FLOWS.rglob("*.json"))[::10]:
        document = json.loads(path.read_text("utf-8-sig"))
        flow = read_flow(document, packaging=detect_packaging(document, path.name), name=path.stem).flow
        assert flow is not None, path
        result = asyncio.run(run_once(flow, mock=True))
        if result.run["properties"].get("code", "").startswith("Unsupported"):
            continue  # it ended before it began
        state = fold(result.compiled, result.start, result.entries)
        assert (state.end, state.unfinished, list(state.ready)) == (result.entries[-1], {}, []), path
