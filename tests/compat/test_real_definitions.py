"""Definitions exported from real services, read and checked whole; they lie beside the project, not in it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowmend.core.checking import check_flow, needs
from flowmend.core.definition import detect_packaging, read_flow, write_definition
from flowmend.core.json_value import Json
from flowmend.core.problem import Severity

FLOWS = Path(__file__).parents[3] / "shared" / "data" / "flows"

pytestmark = pytest.mark.skipif(
    not FLOWS.is_dir(), reason="the collection of real definitions is not there: ../shared/data/flows"
)

# What is wrong with the definitions themselves: designer mocks without inputs, parameters and variables that are
# declared nowhere, `@Name` where text was meant. A higher count is a false alarm of ours.
KNOWN_ERRORS = {
    "DuplicateVariable": 1,
    "InvalidExpression": 7,
    "MissingInputs": 995,
    "UnknownAction": 8,
    "UnknownParameter": 8,
    "UnknownRunAfter": 1,
    "UnknownVariable": 104,
    "WrongArgumentCount": 2,
}


def documents() -> Iterator[tuple[Path, Json]]:
    for path in sorted(FLOWS.rglob("*.json")):
        yield path, json.loads(path.read_text("utf-8-sig"))


def test_every_real_definition_reads_and_is_written_back_unchanged() -> None:
    count = 0
    for path, document in documents():
        read = read_flow(document, packaging=detect_packaging(document, path.name), name=path.stem)
        assert read.flow is not None, path
        assert write_definition(read.flow.definition) == document["definition"], path
        assert needs(read.flow).connections == tuple(sorted(read.flow.connection_references)), path
        count += 1
    assert count > 800


def test_checking_real_definitions_raises_no_false_alarm() -> None:
    errors: Counter[str] = Counter()
    for path, document in documents():
        read = read_flow(document, packaging=detect_packaging(document, path.name), name=path.stem)
        assert read.flow is not None, path
        errors.update(
            problem.code
            for problem in check_flow(read.flow)
            if problem.severity is Severity.ERROR and not problem.code.startswith("Unsupported")
        )
    assert errors == KNOWN_ERRORS
