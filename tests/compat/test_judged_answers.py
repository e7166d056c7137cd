"""Diagnosis against answers judged by people, where the data that holds them is at hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connection.diagnosis_rules import shipped_rules
from flowmend.core.connection.rules import Rules

CASES = Path(__file__).parents[3] / "shared" / "data" / "auth_failures.json"
pytestmark = pytest.mark.skipif(not CASES.is_file(), reason="the judged answers are not there: ../shared/data")

Case = dict[str, Any]
_JUDGED = ("category", "user_fixable_by", "is_auth_failure", "connection_status", "try_silent_refresh_first")


def cases() -> list[Case]:
    return list(json.loads(CASES.read_text("utf-8"))) if CASES.is_file() else []


def judged(case: Case, rules: Rules) -> dict[str, Any]:
    """The diagnosis in the words of the cases; whose service it is, is not told."""
    sample, phase = case["sample"], Phase(case["phase"])
    if "raw" in sample:
        answer = ReceivedAnswer(body=sample["raw"], protocol=case["protocol"], phase=phase)
    else:
        body = sample["body"] if isinstance(sample["body"], str) else json.dumps(sample["body"])
        answer = ReceivedAnswer(status=sample["status"], headers=sample["headers"], body=body, phase=phase)
    diagnosis = diagnose(answer, had_credential=True, rules=rules)
    return {
        "category": diagnosis.category.value,
        "user_fixable_by": diagnosis.fixable_by.value,
        "is_auth_failure": diagnosis.is_auth_failure,
        "connection_status": "Error" if diagnosis.connection_broken else "Connected",
        "try_silent_refresh_first": diagnosis.try_silent_refresh_first,
    }


def right(field: str, rules_for: Callable[[Case], Rules]) -> float:
    """The share of cases in which a field is judged as people judged it."""
    return sum(judged(case, rules_for(case))[field] == case[field] for case in cases()) / len(cases())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_an_answer_is_judged_as_people_judged_it(case: Case) -> None:
    assert judged(case, shipped_rules()) == {name: case[name] for name in _JUDGED}


def test_without_the_rules_that_name_a_provider_its_answers_are_mostly_judged_right() -> None:
    def without(case: Case) -> Rules:
        return shipped_rules().without_provider(case["provider"])

    assert right("category", without) >= 0.9
    assert right("connection_status", without) >= 0.98
