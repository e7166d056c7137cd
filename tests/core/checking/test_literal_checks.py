"""What is written out and can never work is named before a run: conditions, inputs, options, parameters."""

from typing import Any

import pytest

from flowmend.core.checking import check_flow
from flowmend.core.definition import Packaging, read_flow
from flowmend.core.definition.flow import Flow


def flow_with(action: Any = None, *, trigger: Any = None, packaging: Packaging = Packaging.PLAIN, **parts: Any) -> Flow:
    triggers = {"T": trigger or {"type": "Request", "inputs": {}}}
    actions = {} if action is None else {"X": {**action, "runAfter": {}}}
    reading = read_flow({"triggers": triggers, "actions": actions, **parts}, packaging=packaging, name="f")
    assert reading.flow is not None
    return reading.flow


def found(flow: Flow) -> list[tuple[str, str]]:
    return [(one.code, one.pointer) for one in check_flow(flow)]


def of_action(action: Any) -> list[tuple[str, str]]:
    return [(code, pointer.removeprefix("/actions/X")) for code, pointer in found(flow_with(action))]


# -- conditions -----------------------------------------------------------------------------------------------------

GOOD = ["@equals(1, 2)", True, "@{triggerBody()}", {"equals": ["a", 1]}, {"and": []}, {"not": {"equals": [1, 1]}},
        {"or": ["@true", {"and": [{"Greater": ["@length(triggerBody())", 0]}]}]}]  # fmt: skip


@pytest.mark.parametrize("condition", GOOD)
@pytest.mark.parametrize("kind", ["If", "Until"])
def test_a_condition_is_an_expression_or_an_object_of_them(kind: str, condition: Any) -> None:
    assert of_action({"type": kind, "expression": condition, "actions": {}}) == []


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        ({"sameAs": [1, 2]}, "/sameAs"),
        ({"equals": [1]}, "/equals"),
        ({"equals": [1, 1], "less": [1, 2]}, ""),
        ({"and": {"equals": [1, 1]}}, "/and"),
        ({"or": ["@true", {"contains": ["a"]}]}, "/or/1/contains"),
        ({"not": {"and": ["yes"]}}, "/not/and/0"),
        ("yes", ""),
        ("true", ""),
        (1, ""),
        ([True], ""),
    ],
)
def test_a_condition_that_always_fails_is_named_at_the_part(condition: Any, place: str) -> None:
    assert of_action({"type": "If", "expression": condition, "actions": {}}) == [
        ("InvalidCondition", f"/expression{place}")
    ]


def test_conditions_of_triggers_and_filters_are_checked_too() -> None:
    trigger = {"type": "Request", "inputs": {}, "conditions": [{"expression": "@true"}, {"expression": {"x": [1]}}]}
    assert found(flow_with(trigger=trigger)) == [("InvalidCondition", "/triggers/T/conditions/1/expression/x")]
    query = {"type": "Query", "inputs": {"from": [1], "where": "item() > 1"}}
    assert of_action(query) == [("InvalidCondition", "/inputs/where")]
    assert of_action({"type": "Query", "inputs": {"from": [1], "where": "@greater(item(), 1)"}}) == []


def test_an_expression_in_a_condition_is_reported_once() -> None:
    flow = flow_with({"type": "If", "expression": {"equals": ["@noSuch()", 1]}, "actions": {}})
    assert found(flow) == [("UnknownFunction", "/actions/X/expression/equals/0")]


# -- inputs ---------------------------------------------------------------------------------------------------------


def wait(**inputs: Any) -> Any:
    return {"type": "Wait", "inputs": inputs}


def http(**inputs: Any) -> Any:
    return {"type": "Http", "inputs": {"method": "GET", "uri": "https://x.test", **inputs}}


@pytest.mark.parametrize(
    ("action", "code", "place"),
    [
        ({"type": "Switch", "expression": True, "cases": {}}, "WrongType", "/expression"),
        ({"type": "Switch", "expression": {"a": 1}, "cases": {}}, "WrongType", "/expression"),
        ({"type": "Select", "inputs": {"from": {"a": 1}, "select": {}}}, "WrongType", "/inputs/from"),
        ({"type": "Join", "inputs": {"from": "abc", "joinWith": ","}}, "WrongType", "/inputs/from"),
        ({"type": "Table", "inputs": {"from": 5, "format": "CSV"}}, "WrongType", "/inputs/from"),
        ({"type": "Table", "inputs": {"from": [], "format": "PDF"}}, "WrongType", "/inputs/format"),
        ({"type": "Response", "inputs": {"statusCode": 302}}, "WrongType", "/inputs/statusCode"),
        ({"type": "Response", "inputs": {"statusCode": "OK"}}, "WrongType", "/inputs/statusCode"),
        (wait(), "MissingInput", "/inputs"),
        (wait(interval={"count": 1, "unit": "Fortnight"}), "WrongType", "/inputs/interval/unit"),
        (http(method="GET IT"), "WrongType", "/inputs/method"),
        (http(uri="x.test/a"), "InvalidUri", "/inputs/uri"),
        (http(uri=""), "InvalidUri", "/inputs/uri"),
        (http(authentication=5), "WrongType", "/inputs/authentication"),
        ({"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": "x"}}, "WrongType", "/inputs/runError"),
        ({"type": "Expression", "kind": "IndexOf", "inputs": {"text": "a"}}, "MissingInput", "/inputs"),
        (http() | {"operationOptions": "DisableAsnycPattern"}, "UnknownOption", "/operationOptions"),
        (
            http() | {"runtimeConfiguration": {"contentTransfer": {"transferMode": "Often"}}},
            "InvalidSetting",
            "/runtimeConfiguration/contentTransfer/transferMode",
        ),
    ],
)
def test_an_input_that_never_works_is_named(action: Any, code: str, place: str) -> None:
    assert of_action(action) == [(code, place)]


@pytest.mark.parametrize(
    "action",
    [
        {"type": "Switch", "expression": "@triggerBody()", "cases": {}},
        {"type": "Switch", "expression": 5, "cases": {}},
        {"type": "Select", "inputs": {"from": "@triggerBody()", "select": {}}},
        {"type": "Table", "inputs": {"from": "@triggerBody()", "format": "@triggerBody()"}},
        {"type": "Table", "inputs": {"from": [], "format": " html"}},
        {"type": "Response", "inputs": {"statusCode": "404"}},
        {"type": "Response", "inputs": {}},
        {"type": "Response"},
        wait(interval={"count": "@triggerBody()", "unit": "Minutes"}),
        wait(interval={"count": 1, "unit": "Month"}),
        wait(interval="@triggerBody()"),
        wait(until={"timestamp": "@triggerBody()"}),
        http(method="@triggerBody()", uri="@{triggerBody()}/x"),
        http(uri="HTTPS://x.test"),
        {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": "@triggerBody()"}},
        {"type": "Expression", "kind": "CurrentTime", "inputs": {}},
        {"type": "Expression", "kind": "CurrentTime"},
        http() | {"operationOptions": "DisableAsyncPattern, suppressWorkflowHeaders"},
        http() | {"runtimeConfiguration": {"contentTransfer": {"transferMode": "chunked"}}},
    ],
)
def test_what_may_work_is_left_to_the_run(action: Any) -> None:
    assert of_action(action) == []


@pytest.mark.parametrize(
    ("value", "is_wrong"), [("abc", True), ({"a": 1}, True), ("@triggerBody()", False), ([1], False)]
)
def test_a_trigger_splits_a_list(value: Any, is_wrong: bool) -> None:
    trigger = {"type": "Request", "inputs": {}, "splitOn": value}
    assert found(flow_with(trigger=trigger)) == ([("WrongType", "/triggers/T/splitOn")] if is_wrong else [])


# -- parameters and limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "is_wrong"),
    [
        ("int", 1, False),
        ("int", "1", True),
        ("int", True, True),
        ("int", 1.5, True),
        ("float", 1, False),
        ("string", 5, True),
        ("securestring", "", False),
        ("bool", "true", True),
        ("array", {}, True),
        ("object", {}, False),
        ("secureobject", [], False),
        ("int", "@appsetting('n')", False),
        ("int", "[parameters('n')]", False),
        ("int", None, False),
    ],
)
def test_a_parameters_value_goes_with_its_type(kind: str, value: Any, is_wrong: bool) -> None:
    codes = [code for code, _ in found(flow_with(parameters={"p": {"type": kind, "defaultValue": value}}))]
    assert ("WrongParameterType" in codes) is is_wrong


def test_a_given_value_counts_before_the_default_and_is_one_that_is_allowed() -> None:
    declared = {"p": {"type": "string", "defaultValue": "a", "allowedValues": ["a", "b"]}}
    definition = {"triggers": {"T": {"type": "Request", "inputs": {}}}, "actions": {}, "parameters": declared}
    for value, expected in (("b", []), ("c", [("ValueNotAllowed", "/definition/parameters/p")])):
        document = {"definition": definition, "parameters": {"p": {"value": value}}}
        flow = read_flow(document, packaging=Packaging.PLAIN, name="f").flow
        assert flow is not None
        assert found(flow) == expected


@pytest.mark.parametrize(("packaging", "is_over"), [(Packaging.SOLUTION, True), (Packaging.STANDARD, False)])
def test_more_parameters_than_the_service_allows_are_a_warning(packaging: Packaging, is_over: bool) -> None:
    parameters = {f"p{number}": {"type": "int", "defaultValue": 1} for number in range(51)}
    assert (("LimitExceeded", "/parameters") in found(flow_with(packaging=packaging, parameters=parameters))) is is_over


@pytest.mark.parametrize(
    ("packaging", "seconds", "is_over"),
    [(Packaging.SOLUTION, 30, True), (Packaging.SOLUTION, 60, False), (Packaging.ARM, 1, False)],
)
def test_power_automate_fires_no_more_than_once_a_minute(packaging: Packaging, seconds: int, is_over: bool) -> None:
    trigger = {"type": "Recurrence", "recurrence": {"frequency": "Second", "interval": seconds}}
    expected = [("LimitExceeded", "/triggers/T/recurrence/interval")] if is_over else []
    assert found(flow_with(trigger=trigger, packaging=packaging)) == expected


def test_a_run_duration_that_does_not_read_is_named() -> None:
    metadata = {"flowmend": {"runDuration": "a week"}}
    assert found(flow_with(metadata=metadata)) == [("InvalidDuration", "/metadata/flowmend/runDuration")]
