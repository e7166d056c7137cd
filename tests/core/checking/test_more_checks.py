"""What can be known before a run: types, reach, limits, contradictions, forms of old, and what is not there."""

import time

import pytest

from flowmend.core.checking import check_flow
from flowmend.core.definition import Packaging, read_flow
from flowmend.core.json_value import Json
from flowmend.core.problem import Severity


def compose(value: Json, **run_after: list[str]) -> Json:
    return {"type": "Compose", "inputs": value, "runAfter": run_after}


def variable(kind: str, value: Json = None, name: str = "v") -> Json:
    return {"type": "InitializeVariable", "inputs": {"variables": [{"name": name, "type": kind, "value": value}]}}


def changed(kind: str, **inputs: Json) -> Json:
    return {"type": kind, "inputs": {"name": "v", **inputs}, "runAfter": {"Init": ["Succeeded"]}}


def codes(actions: Json, *, trigger: Json = None, references: Json = None, **parts: Json) -> list[tuple[str, str]]:
    triggers = {"manual": trigger or {"type": "Request", "inputs": {}}}
    document = {"definition": {"triggers": triggers, "actions": actions, **parts}, "connectionReferences": references}
    read = read_flow(document, packaging=Packaging.PLAIN, name="f")
    assert read.flow is not None
    return [(one.code, one.pointer.removeprefix("/definition")) for one in check_flow(read.flow)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@add('1', 2)", "WrongArgumentType"),
        ("@toUpper(5)", "WrongArgumentType"),
        ("@first(null)", "WrongArgumentType"),
        ("@int('abc')", "ConstantExpressionFails"),
        ("@div(1, 0)", "ConstantExpressionFails"),
        ("text @{addDays('no date', 1)}", "ConstantExpressionFails"),
        ("@decodeDataUri('data:,x')", "DeprecatedFunction"),
        ("@toUpper(triggerBody())", None),
        ("@add(1, 2)", None),
        ("@div(1, triggerBody())", None),
        ("@concat(1, 'a', true)", None),
        ("@if(equals(1, 1), 'a', 5)", None),
    ],
)
def test_arguments_that_are_written_out_are_checked(expression: str, expected: str | None) -> None:
    found = codes({"A": compose(expression)})
    assert found == ([(expected, "/actions/A/inputs")] if expected else [])


@pytest.mark.parametrize(
    ("kind", "value", "is_wrong"),
    [
        ("integer", "many", True),
        ("integer", 1.5, True),
        ("integer", True, True),
        ("array", {"a": 1}, True),
        ("object", [1], True),
        ("boolean", 1, True),
        ("string", 5, True),
        ("integer", "5", False),
        ("boolean", "True", False),
        ("array", "[1]", False),
        ("float", 1, False),
        ("integer", "@triggerBody()", False),
        ("integer", None, False),
        ("string", "", False),
    ],
)
def test_a_value_that_its_variable_cannot_hold_is_named(kind: str, value: Json, is_wrong: bool) -> None:
    found = codes({"Init": variable(kind, value)})
    assert found == ([("WrongVariableType", "/actions/Init/inputs/variables/0/value")] if is_wrong else [])
    set_later = codes({"Init": variable(kind), "Set": changed("SetVariable", value=value)})
    assert set_later == ([("WrongVariableType", "/actions/Set/inputs/value")] if is_wrong else [])


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("string", changed("IncrementVariable")),
        ("string", changed("AppendToArrayVariable", value=1)),
        ("array", changed("AppendToStringVariable", value="x")),
    ],
)
def test_an_action_that_does_not_go_with_its_variable_is_named(kind: str, action: Json) -> None:
    assert codes({"Init": variable(kind), "A": action}) == [("WrongVariableType", "/actions/A/inputs/name")]


def test_a_variable_set_to_what_reads_itself_is_named() -> None:
    found = codes({"Init": variable("string"), "A": changed("SetVariable", value="@{variables('V')}x")})
    assert found == [("VariableReadsItself", "/actions/A/inputs/value")]


TERMINATE = {"type": "Terminate", "inputs": {"runStatus": "Succeeded"}, "runAfter": {"A": ["Succeeded"]}}


@pytest.mark.parametrize(
    ("actions", "unreachable"),
    [
        ({"A": compose(1), "End": TERMINATE, "B": compose(1, End=["Succeeded"])}, ["B"]),
        ({"A": compose(1), "End": TERMINATE, "B": compose(1, End=["Skipped"])}, []),
        (
            {"A": compose(1), "End": TERMINATE, "B": compose(1, End=["Failed"]), "C": compose(1, B=["Succeeded"])},
            ["B"],
        ),
        (
            {
                "A": compose(1),
                "Good": compose(1, A=["Succeeded"]),
                "Bad": compose(1, A=["Failed"]),
                "Both": compose(1, Good=["Succeeded"], Bad=["Succeeded"]),
            },
            ["Both"],
        ),
        (
            {
                "A": compose(1),
                "Good": compose(1, A=["Succeeded"]),
                "Bad": compose(1, A=["Failed"]),
                "Either": compose(1, Good=["Succeeded", "Skipped"], Bad=["Succeeded", "Skipped"]),
            },
            [],
        ),
    ],
    ids=["after Terminate", "Terminate skipped", "one report for a chain", "contradiction", "join"],
)
def test_actions_no_run_reaches_are_named_once(actions: Json, unreachable: list[str]) -> None:
    assert codes(actions) == [("UnreachableAction", f"/actions/{name}/runAfter") for name in unreachable]


def test_a_chain_longer_than_the_stack_written_backwards_is_checked_in_time() -> None:
    count = 3000
    actions = {
        f"A{at}": {
            **compose(f"@outputs('A{at - 1}')" if at else 1),
            "runAfter": {f"A{at - 1}": ["Succeeded"]} if at else {},
        }
        for at in reversed(range(count))
    }
    began = time.perf_counter()
    assert codes(actions) == [("LimitExceeded", "/actions")]
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    ("node", "place"),
    [
        ({"description": "x" * 257}, "description"),
        ({"trackedProperties": {"a": "x" * 17_000}}, "trackedProperties"),
        ({"inputs": f"@{{triggerBody()}}{'x' * 131_072}"}, "inputs"),
    ],
)
def test_what_the_service_would_refuse_as_too_long_is_a_warning(node: Json, place: str) -> None:
    assert codes({"A": {**compose(1), **node}}) == [("LimitExceeded", f"/actions/A/{place}")]


def test_more_variables_than_the_service_allows_are_a_warning() -> None:
    actions = {f"Init{number}": variable("string", name=f"v{number}") for number in range(251)}
    assert codes(actions) == [("LimitExceeded", "/actions/Init0")]


@pytest.mark.parametrize(
    ("trigger", "actions", "expected"),
    [
        ({"type": "manual"}, {}, ("DeprecatedForm", "/triggers/manual/type")),
        (
            {
                "type": "Request",
                "operationOptions": "SingleInstance",
                "runtimeConfiguration": {"concurrency": {"runs": 5}},
            },
            {},
            ("ConflictingSetting", "/triggers/manual/operationOptions"),
        ),
        (
            {"type": "Request", "splitOn": "@triggerBody()"},
            {"A": {"type": "Response", "inputs": {"statusCode": 200}}},
            ("ConflictingSetting", "/triggers/manual/splitOn"),
        ),
        (
            {"type": "Request"},
            {
                "A": {
                    "type": "Foreach",
                    "foreach": [1],
                    "actions": {},
                    "operationOptions": "Sequential",
                    "runtimeConfiguration": {"concurrency": {"repetitions": 5}},
                }
            },
            ("ConflictingSetting", "/actions/A/operationOptions"),
        ),
        (
            {"type": "Request"},
            {"A": {"type": "Foreach", "foreach": {"a": 1}, "actions": {}}},
            ("WrongType", "/actions/A/foreach"),
        ),
    ],
)
def test_contradictions_and_forms_of_old_are_named(trigger: Json, actions: Json, expected: tuple[str, str]) -> None:
    assert codes(actions, trigger=trigger) == [expected]


SCHEMA = "schemas/2016-06-01/workflowdefinition.json"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (f"https://schema.management.azure.com/{SCHEMA}#", []),
        (f"https:\\\\schema.management.azure.com\\{SCHEMA}", []),
        (
            "https://schema.management.azure.com/providers/Microsoft.Logic/SCHEMAS/2016-06-01/workflowdefinition.json",
            [],
        ),
        ("", []),
        ({"not": "a text"}, []),
        (
            "https://schema.management.azure.com/schemas/2015-08-01-preview/workflowdefinition.json#",
            ["DeprecatedSchema"],
        ),
    ],
)
def test_a_mangled_schema_is_accepted_and_an_old_one_named(schema: Json, expected: list[str]) -> None:
    assert [code for code, _ in codes({}, **{"$schema": schema})] == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Basic", []),
        ("raw", []),
        ("None", []),
        ("ManagedServiceIdentity", [("MissingSignIn", "/actions/A/inputs/authentication")]),
        ("ClientCertificate", []),
        ("ActiveDirectoryOAuth", []),
        ("Kerberos", [("MissingSignIn", "/actions/A/inputs/authentication")]),
    ],
)
def test_a_sign_in_that_needs_something_or_is_unknown_is_missing_and_not_unsupported(
    kind: str, expected: list[tuple[str, str]]
) -> None:
    inputs = {"method": "GET", "uri": "https://x.test", "authentication": {"type": kind}}
    assert codes({"A": {"type": "Http", "inputs": inputs}}) == expected


def test_a_function_without_an_address_is_missing() -> None:
    action = {"type": "Function", "inputs": {"function": {"connectionName": "fn"}, "method": "POST"}}
    assert codes({"A": action}) == [("MissingFunction", "/actions/A/inputs")]
    known = {"functionConnections": {"fn": {"function": {"id": "/sites/x"}, "triggerUrl": "https://x.test/api"}}}
    assert codes({"A": action}, references=known) == []


def test_what_is_missing_is_a_warning() -> None:
    inputs = {"method": "GET", "uri": "https://x.test", "authentication": {"type": "ManagedServiceIdentity"}}
    read = read_flow(
        {
            "triggers": {"manual": {"type": "Request"}},
            "actions": {"A": {"type": "Http", "inputs": inputs}},
            "parameters": {"p": {"type": "string"}},
        },
        packaging=Packaging.PLAIN,
        name="f",
    )
    assert read.flow is not None
    problems = check_flow(read.flow, known_connectors=(), mapped_references=())
    assert {one.code for one in problems} == {"MissingSignIn", "MissingParameterValue"}
    assert {one.severity for one in problems} == {Severity.WARNING}
