"""Recurrences computed from parameters, before there is any run."""

from typing import Any

import pytest

from flowmend.core.checking import check_flow
from flowmend.core.definition import Packaging, read_flow
from flowmend.core.definition.flow import Flow
from flowmend.core.definition.recurrence_expressions import with_evaluated_recurrences

PARAMETERS = {
    "every": {"type": "int", "defaultValue": 5},
    "unit": {"type": "string", "defaultValue": "Hour"},
    "hours": {"type": "array", "defaultValue": [9, 17]},
    "zone": {"type": "string", "defaultValue": "W. Europe Standard Time"},
    "missing": {"type": "int"},
}
VALUES: dict[str, Any] = {name: one.get("defaultValue") for name, one in PARAMETERS.items()}


def flow_with(
    recurrence: Any, *, kind: str = "Recurrence", packaging: Packaging = Packaging.PLAIN, **parts: Any
) -> Flow:
    trigger = {"type": kind, "recurrence": recurrence, **parts}
    document = {"triggers": {"T": trigger}, "actions": {}, "parameters": PARAMETERS}
    reading = read_flow(document, packaging=packaging, name="f")
    assert reading.flow is not None
    return reading.flow


def problems(flow: Flow) -> list[tuple[str, str]]:
    ignored = {"MissingParameterValue", "MissingTriggerHost"}
    return [(one.code, one.pointer) for one in check_flow(flow) if one.code not in ignored]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"frequency": "Day", "interval": 1}, {"frequency": "Day", "interval": 1}),
        ({"frequency": "@parameters('unit')", "interval": "@PARAMETERS('Every')"}, {"frequency": "Hour", "interval": 5}),
        ({"frequency": "@{toUpper('d')}ay", "interval": "@mul(2, 3)"}, {"frequency": "Day", "interval": 6}),
        (
            {"frequency": "Day", "interval": 1, "schedule": {"hours": "@parameters('hours')", "minutes": ["@add(1, 2)"]}},
            {"frequency": "Day", "interval": 1, "schedule": {"hours": [9, 17], "minutes": [3]}},
        ),
        (
            {"frequency": "Day", "interval": 1, "timeZone": "@parameters('zone')", "startTime": "@concat('2026-01-01', 'T08:00:00')"},
            {"frequency": "Day", "interval": 1, "timeZone": "W. Europe Standard Time", "startTime": "2026-01-01T08:00:00"},
        ),
    ],
    ids=["none", "parameters", "functions", "a schedule", "a start"],
)  # fmt: skip
def test_a_recurrence_is_what_its_expressions_come_to(written: Any, expected: Any) -> None:
    flow = flow_with(written)
    assert with_evaluated_recurrences(flow, VALUES).definition.triggers["T"].recurrence == expected
    assert problems(flow) == []


def test_a_flow_without_expressions_stays_the_same_value() -> None:
    flow = flow_with({"frequency": "Day", "interval": 1})
    assert with_evaluated_recurrences(flow, VALUES) is flow


def test_a_windows_delay_is_computed_too() -> None:
    flow = flow_with(
        {"frequency": "Hour", "interval": 1}, kind="SlidingWindow", inputs={"delay": "PT@{parameters('every')}M"}
    )
    assert with_evaluated_recurrences(flow, VALUES).definition.triggers["T"].inputs == {"delay": "PT5M"}


def test_what_a_polling_trigger_sends_is_not_computed_here() -> None:
    inputs = {"method": "GET", "uri": "https://service/@{utcNow()}"}
    flow = flow_with({"frequency": "Hour", "interval": "@parameters('every')"}, kind="Http", inputs=inputs)
    trigger = with_evaluated_recurrences(flow, VALUES).definition.triggers["T"]
    assert (trigger.recurrence["interval"], trigger.inputs) == (5, inputs)


@pytest.mark.parametrize(
    ("interval", "kind", "expected"),
    [
        ("@int('many')", "Recurrence", "InvalidRecurrenceExpression"),
        ("@length(triggerBody())", "Recurrence", "InvalidRecurrenceExpression"),
        ("@ticks(utcNow())", "Recurrence", "InvalidRecurrenceExpression"),
        ("@rand(1, 5)", "SlidingWindow", "InvalidRecurrenceExpression"),
        ("@outputs('A')", "Recurrence", "InvalidRecurrenceExpression"),
        ("@variables('v')", "Http", "InvalidRecurrenceExpression"),
        ("@noSuchFunction(1)", "Recurrence", "InvalidRecurrenceExpression"),
        ("@parameters('nobody')", "Recurrence", "InvalidRecurrenceExpression"),
        ("@add(1,", "Recurrence", "InvalidRecurrenceExpression"),
        ("@parameters('missing')", "Recurrence", "MissingRecurrenceValue"),
        ("@concat('five')", "Recurrence", "InvalidRecurrence"),
        ("@sub(1, 1)", "Recurrence", "InvalidRecurrence"),
    ],
)
def test_what_cannot_be_computed_is_named_where_it_stands(interval: str, kind: str, expected: str) -> None:
    flow = flow_with({"frequency": "Day", "interval": interval}, kind=kind)
    assert problems(flow) == [(expected, "/triggers/T/recurrence/interval")]
    kept = with_evaluated_recurrences(flow, VALUES, unknown=["missing"]).definition.triggers["T"].recurrence["interval"]
    assert kept == interval or expected == "InvalidRecurrence"


def test_what_a_template_is_to_fill_in_is_missed() -> None:
    trigger = {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": "@int(parameters('days'))"}}
    parameters = {"days": {"type": "String", "defaultValue": "[parameters('days')]"}}
    reading = read_flow({"triggers": {"T": trigger}, "actions": {}, "parameters": parameters}, packaging=Packaging.ARM, name="f")  # fmt: skip
    assert reading.flow is not None
    found = [(one.code, one.pointer) for one in check_flow(reading.flow) if one.code != "MissingTemplateValue"]
    assert found == [("MissingRecurrenceValue", "/triggers/T/recurrence/interval")]


def test_an_apps_parameter_that_is_nowhere_is_missed() -> None:
    flow = flow_with({"frequency": "Day", "interval": "@parameters('of_the_app')"}, packaging=Packaging.STANDARD)
    found = {(one.code, one.pointer) for one in check_flow(flow)}
    assert ("MissingRecurrenceValue", "/triggers/T/recurrence/interval") in found
    assert ("MissingParameterValue", "/triggers/T/recurrence/interval") in found
