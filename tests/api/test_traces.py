"""How expressions of a run computed, over the API."""

from typing import Any

import pytest

from .conftest import Flowmend, ended, imported

SECURE = {"secureData": {"properties": ["inputs", "outputs"]}}
ACTIONS: dict[str, Any] = {
    "Sum": {"type": "Compose", "inputs": {"total": "@add(triggerBody()?['a'], 1)", "id": "@guid()"}, "runAfter": {}},
    "Each": {
        "type": "Foreach",
        "foreach": "@createArray('x', 'y')",
        "runAfter": {"Sum": ["Succeeded"]},
        "actions": {"Up": {"type": "Compose", "inputs": "@toUpper(item())", "runAfter": {}}},
    },
    "Hidden": {
        "type": "Compose",
        "inputs": "@concat('sesame', '-4711')",
        "runtimeConfiguration": SECURE,
        "runAfter": {"Each": ["Succeeded"]},
    },
    "Fails": {"type": "Compose", "inputs": "@int(concat('no number ', triggerBody()?['a']))", "runAfter": {"Hidden": ["Succeeded"]}},
    "Never": {"type": "Compose", "inputs": "@add(1, 1)", "runAfter": {"Fails": ["Succeeded"]}},
}


@pytest.fixture(scope="module")
def run_name(flowmend: Flowmend) -> str:
    flow_id = imported(flowmend, "traced", ACTIONS)
    name = str(flowmend.api("POST", f"/flows/{flow_id}/run", {"a": 4}).json["name"])
    ended(flowmend, name)
    return name


def traces(flowmend: Flowmend, run_name: str, place: str, verb: str = "expression_traces") -> Any:
    answer = flowmend.api("POST", f"/runs/{run_name}/actions/{place}/{verb}")
    assert answer.status == 200, answer.content
    return answer.json["inputs"]


@pytest.mark.parametrize("verb", ["expression_traces", "listExpressionTraces"])
def test_each_expression_says_what_it_and_its_parts_came_to(flowmend: Flowmend, run_name: str, verb: str) -> None:
    total, new_id = traces(flowmend, run_name, "Sum", verb)
    assert (total["path"], total["text"], total["value"]) == ("total", "@add(triggerBody()?['a'], 1)", 5)
    assert total["subexpressions"][0]["text"].startswith("add(")
    assert "repeatable" not in total
    assert new_id["repeatable"] is False


@pytest.mark.parametrize("verb", ["expression_traces", "listExpressionTraces"])
def test_a_pass_has_traces_of_its_own(flowmend: Flowmend, run_name: str, verb: str) -> None:
    values = [traces(flowmend, run_name, f"Up/repetitions/00000{index}", verb)[0]["value"] for index in (0, 1)]
    assert values == ["X", "Y"]


def test_a_failed_expression_says_its_error(flowmend: Flowmend, run_name: str) -> None:
    (trace,) = traces(flowmend, run_name, "Fails")
    assert trace["value"] is None
    assert "int" in trace["error"]["message"]


def test_what_is_secure_or_was_never_reached_has_none(flowmend: Flowmend, run_name: str) -> None:
    assert traces(flowmend, run_name, "Hidden") == traces(flowmend, run_name, "Never") == []


@pytest.mark.parametrize(
    "place", ["Nope", "Sum/repetitions/000000", "Up", "Up/repetitions/000009/x", "Up/repetitions/-1"]
)
def test_an_unknown_action_or_pass_is_not_found(flowmend: Flowmend, run_name: str, place: str) -> None:
    assert flowmend.api("POST", f"/runs/{run_name}/actions/{place}/expression_traces").status == 404


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ({"expression": "outputs('Sum')?['total']"}, 5),
        ({"expression": "a @{outputs('Sum')?['total']}"}, "a 5"),
        ({"expression": "item()", "action": "Up", "repetition": "000001"}, "y"),
        ({"expression": "outputs('Hidden')"}, "*sanitized*"),
    ],
)
def test_an_expression_is_tried_on_the_runs_data(
    flowmend: Flowmend, run_name: str, wanted: dict[str, str], value: Any
) -> None:
    answer = flowmend.api("POST", f"/runs/{run_name}/evaluate", wanted)
    assert (answer.status, answer.json) == (200, {"value": value})


@pytest.mark.parametrize("expression", ["nope()", "add(1,", "int('x')", "outputs('Nope')"])
def test_an_expression_that_fails_says_why(flowmend: Flowmend, run_name: str, expression: str) -> None:
    answer = flowmend.api("POST", f"/runs/{run_name}/evaluate", {"expression": expression})
    assert answer.status == 200
    assert answer.json["error"]["code"]


def test_an_expression_cannot_take_more_than_its_share(flowmend: Flowmend, run_name: str) -> None:
    long = flowmend.api("POST", f"/runs/{run_name}/evaluate", {"expression": "'" + "x" * 100_001 + "'"})
    assert (long.status, long.error_code) == (400, "ExpressionTooLong")
    grown = "replace(join(range(0, 10000), 'x'), 'x', join(range(0, 1000), 'y'))"
    answer = flowmend.api("POST", f"/runs/{run_name}/evaluate", {"expression": grown})
    assert "larger values" in answer.json["error"]["message"]


def test_no_data_where_the_run_never_came(flowmend: Flowmend, run_name: str) -> None:
    answer = flowmend.api("POST", f"/runs/{run_name}/evaluate", {"expression": "1", "action": "Never"})
    assert (answer.status, answer.error_code) == (400, "ActionNotReached")
