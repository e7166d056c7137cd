"""The variable actions (wdl.md §4)."""

from typing import Any

import pytest

from core.run.driving import compose, run
from flowmend.core.outcome import Status

Actions = dict[str, Any]


def initialize(kind: str, *value: Any, name: str = "v") -> Actions:
    variable = {"name": name, "type": kind} | ({"value": value[0]} if value else {})
    return {"type": "InitializeVariable", "inputs": {"variables": [variable]}}


def change(kind: str, *value: Any) -> Actions:
    return {"type": kind, "inputs": {"name": "V"} | ({"value": value[0]} if value else {})}


READ: Actions = {"R": compose("@variables('v')")}


@pytest.mark.parametrize(
    ("word", "kind", "value", "action", "result"),
    [
        ("set", "string", "a", change("SetVariable", "b"), "b"),
        ("set_null", "string", "a", change("SetVariable", None), None),
        ("increment", "integer", 1, change("IncrementVariable"), 2),
        ("increment_by", "integer", 1, change("IncrementVariable", 5), 6),
        ("increment_float", "float", 0.5, change("IncrementVariable", 1), 1.5),
        ("decrement", "integer", 1, change("DecrementVariable", 3), -2),
        ("append", "array", [1], change("AppendToArrayVariable", {"a": 2}), [1, {"a": 2}]),
        ("append_text", "string", "a", change("AppendToStringVariable", "@concat('b', 'c')"), "abc"),
        ("append_number", "string", "a", change("AppendToStringVariable", 5), "a5"),
        ("type_any_case", "Integer", 1, change("IncrementVariable"), 2),
    ],
)
def test_a_variable_takes_what_fits_it(word: str, kind: str, value: Any, action: Actions, result: Any) -> None:
    drive = run({"I": initialize(kind, value), "C": action} | READ)
    assert drive.record("R").outputs == result
    assert drive.record("I").outputs is None
    assert drive.record("C").code == "NotSpecified"


@pytest.mark.parametrize(
    ("kind", "action", "result"),
    [
        ("array", change("AppendToArrayVariable", 1), [1]),
        ("string", change("AppendToStringVariable", "a"), "a"),
        ("integer", change("IncrementVariable"), 1),
    ],
)
def test_a_variable_without_a_value_starts_empty(kind: str, action: Actions, result: Any) -> None:
    assert run({"I": initialize(kind), "C": action} | READ).record("R").outputs == result


@pytest.mark.parametrize(
    ("word", "first", "action", "code"),
    [
        ("wrong_start", initialize("integer", "a"), None, "InvalidVariableInitialization"),
        ("no_type", initialize("money", 1), None, "InvalidVariableInitialization"),
        ("wrong_type", initialize("boolean", True), change("SetVariable", "a"), "InvalidVariableOperation"),
        ("bool_is_no_int", initialize("integer", 1), change("SetVariable", True), "InvalidVariableOperation"),
        ("count_text", initialize("string", "a"), change("IncrementVariable"), "InvalidVariableOperation"),
        ("append_to_text", initialize("string", "a"), change("AppendToArrayVariable", 1), "InvalidVariableOperation"),
        ("not_there", initialize("string", "a", name="other"), change("SetVariable", "b"), "InvalidVariableOperation"),
    ],
)
def test_what_does_not_fit_fails_the_action(word: str, first: Actions, action: Actions | None, code: str) -> None:
    drive = run({"A": first} | ({"B": action} if action else {}))
    record = drive.record("B" if action else "A")
    assert record.error is not None
    assert (record.status, record.error.code) == (Status.FAILED, code)


def test_reading_an_unknown_variable_is_an_error_of_the_expression() -> None:
    record = run(READ).record("R")
    assert record.error is not None
    assert record.error.code == "InvalidTemplate"


def test_what_was_read_does_not_change_with_later_appends() -> None:
    actions = {
        "I": initialize("array", []),
        "A": change("AppendToArrayVariable", 1),
        "Before": compose("@variables('v')"),
        "B": change("AppendToArrayVariable", 2),
        "After": compose("@variables('v')"),
    }
    drive = run(actions)
    assert (drive.record("Before").outputs, drive.record("After").outputs) == ([1], [1, 2])


def test_the_flows_own_literal_is_not_appended_to() -> None:
    actions = {"I": initialize("array", [0]), "A": change("AppendToArrayVariable", 1)} | READ
    for _ in range(2):
        drive = run(actions)
        assert drive.record("R").outputs == [0, 1]
        assert drive.record("I").inputs["variables"][0]["value"] == [0]


def test_a_record_of_an_append_holds_the_appended_value_only() -> None:
    drive = run({"I": initialize("array", [1, 2, 3]), "A": change("AppendToArrayVariable", 4)})
    assert drive.record("A").outputs == {"body": {"name": "v", "value": 4}}


def test_a_variable_is_the_whole_runs_also_inside_a_loop() -> None:
    loop = {"type": "Foreach", "foreach": [1, 2, 3], "actions": {"A": change("IncrementVariable", "@item()")}}
    assert run({"I": initialize("integer", 0), "L": loop} | READ).record("R").outputs == 6
