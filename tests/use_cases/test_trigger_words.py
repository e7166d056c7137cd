"""One sentence about what starts runs of a flow, also where parameters say when."""

from typing import Any

import pytest

from flowmend.core.definition import Packaging, read_flow
from flowmend.use_cases.trigger_words import what_will_begin


@pytest.mark.parametrize(
    ("recurrence", "sentence"),
    [
        ({"frequency": "Day", "interval": 1}, "A run starts every day."),
        ({"frequency": "Day"}, "A run starts every day."),
        ({"frequency": "Hour", "interval": "6"}, "A run starts every 6 hours."),
        ({"frequency": "@parameters('unit')", "interval": "@parameters('n')"}, "A run starts every 3 weeks."),
        (
            {"frequency": "Hour", "interval": "@parameters('later')"},
            "A run starts on a schedule that is not known yet.",
        ),
        ({"frequency": "Hour", "interval": "[parameters('n')]"}, "A run starts on a schedule that is not known yet."),
    ],
)
def test_a_schedule_is_told_as_it_comes_to(recurrence: Any, sentence: str) -> None:
    parameters = {
        "unit": {"type": "string", "defaultValue": "Week"},
        "n": {"type": "int", "defaultValue": 3},
        "later": {"type": "int"},
    }
    document = {
        "triggers": {"T": {"type": "Recurrence", "recurrence": recurrence}},
        "actions": {},
        "parameters": parameters,
    }
    flow = read_flow(document, packaging=Packaging.PLAIN, name="f").flow
    assert flow is not None
    assert what_will_begin(flow) == sentence
