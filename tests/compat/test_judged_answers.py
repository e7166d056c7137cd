"""Diagnosis against answers judged by people, where the data that holds them is at hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose

CASES = Path(__file__).parents[3] / "shared" / "data" / "auth_failures.json"
pytestmark = pytest.mark.skipif(not CASES.is_file(), reason="the judged answers are not there: ../shared/data")


def over_http() -> list[Any]:
    """Those with a status; signals of other protocols than HTTP are not judged yet."""
    if not CASES.is_file():
        return []
    return [case for case in json.loads(CASES.read_text("utf-8")) if "status" in case["sample"]]


@pytest.mark.parametrize("case", over_http(), ids=lambda case: case["id"])
def test_an_answer_is_judged_as_people_judged_it(case: Any) -> None:
    sample = case["sample"]
    body = sample["body"] if isinstance(sample["body"], str) else json.dumps(sample["body"])
    answer = ReceivedAnswer(status=sample["status"], headers=sample["headers"], body=body, phase=Phase(case["phase"]))
    diagnosis = diagnose(answer, had_credential=True)
    assert {
        "category": diagnosis.category.value,
        "user_fixable_by": diagnosis.fixable_by.value,
        "is_auth_failure": diagnosis.is_auth_failure,
        "connection_status": "Error" if diagnosis.connection_broken else "Connected",
        "try_silent_refresh_first": diagnosis.try_silent_refresh_first,
    } == {name: case[name] for name in _JUDGED}


_JUDGED = ("category", "user_fixable_by", "is_auth_failure", "connection_status", "try_silent_refresh_first")
