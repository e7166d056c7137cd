import copy
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition import Packaging, Reading, read_flow, write_definition
from flowmend.core.json_value import Json
from flowmend.core.problem import Severity

REQUEST: Json = {"manual": {"type": "Request", "kind": "Http", "inputs": {}}}
COMPOSE: Json = {"type": "Compose", "inputs": 1, "runAfter": {}}


def definition(actions: Json, **parts: Json) -> Json:
    return {"$schema": "…/workflowdefinition.json#", "triggers": REQUEST, "actions": actions, **parts}


def reading(document: Json) -> Reading:
    return read_flow(document, packaging=Packaging.PLAIN, name="orders")


def errors(document: Json) -> list[tuple[str, str]]:
    return [(p.code, p.pointer) for p in reading(document).problems if p.severity is Severity.ERROR]


def warnings(document: Json) -> list[tuple[str, str]]:
    return [(p.code, p.pointer) for p in reading(document).problems if p.severity is Severity.WARNING]


def test_types_kinds_and_statuses_are_read_ignoring_case_and_given_canonically() -> None:
    read = reading(
        {
            "triggers": {"manual": {"type": "request", "kind": "http"}},
            "actions": {
                "First": {"type": "compose", "inputs": 1},
                "Answer": {"type": "RESPONSE", "kind": "http", "runAfter": {"FIRST": ["SUCCEEDED", "timedout"]}},
            },
        }
    )
    assert read.flow
    actions = read.flow.definition.actions
    assert read.flow.definition.triggers["manual"].kind == "Http"
    assert read.flow.definition.triggers["manual"].type == "Request"
    assert (actions["First"].type, actions["Answer"].type, actions["Answer"].kind) == ("Compose", "Response", "Http")
    assert actions["Answer"].run_after == {"First": ("Succeeded", "TimedOut")}
    assert read.problems == ()


def test_manual_is_the_older_name_of_request() -> None:
    read = reading({"triggers": {"t": {"type": "Manual"}}, "actions": {}})
    assert read.flow
    assert read.flow.definition.triggers["t"].type == "Request"


def test_branches_of_every_container_are_read_with_their_pointers() -> None:
    read = reading(
        definition(
            {
                "Decide": {
                    "type": "If",
                    "expression": "@true",
                    "actions": {"A": COMPOSE},
                    "else": {"actions": {"B": COMPOSE}},
                },
                "Choose": {
                    "type": "Switch",
                    "expression": "@1",
                    "cases": {"One": {"case": 1, "actions": {"C": COMPOSE}}},
                    "default": {"actions": {"D": COMPOSE}},
                },
                "Each": {"type": "Foreach", "foreach": "@createArray(1)", "actions": {"E": COMPOSE}},
            }
        )
    )
    assert read.flow
    actions = read.flow.definition.actions
    assert [action.name for action in read.flow.definition.walk()] == [
        "Decide",
        "A",
        "B",
        "Choose",
        "C",
        "D",
        "Each",
        "E",
    ]
    assert actions["Decide"].branches["else"]["B"].pointer == "/actions/Decide/else/actions/B"
    assert actions["Choose"].cases == {"One": 1}
    assert actions["Choose"].branches["case:One"]["C"].pointer == "/actions/Choose/cases/One/actions/C"
    assert (actions["Each"].foreach, actions["Each"].condition) == ("@createArray(1)", None)
    assert read.problems == ()


def test_settings_of_an_action_are_read() -> None:
    read = reading(
        definition(
            {
                "Call": {
                    "type": "Http",
                    "inputs": {"method": "GET", "uri": "https://example.org"},
                    "limit": {"timeout": "PT5M", "count": "7"},
                    "operationOptions": "DisableAsyncPattern, Sequential",
                    "runtimeConfiguration": {
                        "concurrency": {"repetitions": 5},
                        "paginationPolicy": {"minimumItemCount": 100},
                        "secureData": {"properties": ["inputs", "outputs"]},
                        "staticResult": {"name": "Call0", "staticResultOptions": "Enabled"},
                        "requestOptions": {"timeout": "PT1M"},
                    },
                }
            },
            staticResults={"Call0": {"status": "Succeeded"}},
        )
    )
    assert read.flow
    call = read.flow.definition.actions["Call"]
    assert (call.limit.timeout, call.limit.count) == (timedelta(minutes=5), 7)
    assert call.operation_options == {"disableasyncpattern", "sequential"}
    assert (call.runtime.repetitions, call.runtime.minimum_item_count) == (5, 100)
    assert (call.runtime.secure_inputs, call.runtime.secure_outputs) == (True, True)
    assert call.runtime.static_result == "Call0"
    assert call.runtime.raw["requestOptions"] == {"timeout": "PT1M"}
    assert read.problems == ()


def test_a_disabled_static_result_is_not_used() -> None:
    settings = {"staticResult": {"name": "X", "staticResultOptions": "Disabled"}}
    read = reading(definition({"A": {**COMPOSE, "runtimeConfiguration": settings}}))
    assert read.flow
    assert read.flow.definition.actions["A"].runtime.static_result == ""


BROKEN_ACTIONS: list[tuple[str, Json, tuple[str, str]]] = [
    ("no object", 5, ("InvalidAction", "/actions/A")),
    ("no type", {"inputs": 1}, ("MissingType", "/actions/A")),
    ("type is a number", {"type": 3}, ("MissingType", "/actions/A")),
    ("If without expression", {"type": "If", "actions": {}}, ("MissingExpression", "/actions/A")),
    ("Until without expression", {"type": "until", "actions": {}}, ("MissingExpression", "/actions/A")),
    ("Switch without expression", {"type": "Switch", "cases": {}}, ("MissingExpression", "/actions/A")),
    ("Foreach without foreach", {"type": "Foreach", "actions": {}}, ("MissingForeach", "/actions/A")),
    ("Http without inputs", {"type": "Http"}, ("MissingInputs", "/actions/A")),
    ("Http without uri", {"type": "Http", "inputs": {"method": "GET"}}, ("MissingInput", "/actions/A/inputs")),
    ("branch is a list", {"type": "Scope", "actions": []}, ("InvalidActions", "/actions/A/actions")),
    ("else is a text", {"type": "If", "expression": "@true", "else": "x"}, ("InvalidBranch", "/actions/A/else")),
    ("cases is a list", {"type": "Switch", "expression": "@1", "cases": []}, ("InvalidBranch", "/actions/A/cases")),
    (
        "a case without value",
        {"type": "Switch", "expression": "@1", "cases": {"c/d": {"actions": {}}}},
        ("MissingCase", "/actions/A/cases/c~1d"),
    ),
    ("runAfter is a list", {**COMPOSE, "runAfter": ["B"]}, ("InvalidRunAfter", "/actions/A/runAfter")),
    (
        "runAfter a stranger",
        {**COMPOSE, "runAfter": {"Z": ["Succeeded"]}},
        ("UnknownRunAfter", "/actions/A/runAfter/Z"),
    ),
    ("runAfter no status", {**COMPOSE, "runAfter": {"B": []}}, ("InvalidRunAfter", "/actions/A/runAfter/B")),
    (
        "runAfter a status that cannot be caught",
        {**COMPOSE, "runAfter": {"B": ["Succeeded", "Aborted"]}},
        ("InvalidRunAfter", "/actions/A/runAfter/B/1"),
    ),
    (
        "the same name again, in other letters",
        {"type": "Scope", "actions": {"b": COMPOSE}},
        ("DuplicateName", "/actions/B"),
    ),
    (
        "a static result that is not there",
        {**COMPOSE, "runtimeConfiguration": {"staticResult": {"name": "S", "staticResultOptions": "enabled"}}},
        ("UnknownStaticResult", "/actions/A/runtimeConfiguration/staticResult"),
    ),
]


@pytest.mark.parametrize(
    ("node", "expected"), [row[1:] for row in BROKEN_ACTIONS], ids=[row[0] for row in BROKEN_ACTIONS]
)
def test_a_broken_action_is_reported_where_it_is_broken(node: Json, expected: tuple[str, str]) -> None:
    assert errors(definition({"A": node, "B": COMPOSE})) == [expected]


def test_every_circle_of_run_after_is_reported_with_its_names() -> None:
    def after(name: str) -> Json:
        return {**COMPOSE, "runAfter": {name: ["Succeeded"]}}

    document = definition({"A": after("B"), "B": after("A"), "C": after("C"), "D": after("A")})
    assert errors(document) == [("CyclicRunAfter", "/actions/A/runAfter"), ("CyclicRunAfter", "/actions/C/runAfter")]
    assert "A → B → A" in reading(document).problems[0].message


def test_an_action_may_run_after_the_trigger() -> None:
    assert errors(definition({"A": {**COMPOSE, "runAfter": {"Manual": ["Succeeded"]}}})) == []


def test_run_after_of_an_inner_action_may_not_name_an_outer_one() -> None:
    inner = {**COMPOSE, "runAfter": {"Outer": ["Succeeded"]}}
    document = definition({"Outer": COMPOSE, "Try": {"type": "Scope", "actions": {"Inner": inner}}})
    assert errors(document) == [("UnknownRunAfter", "/actions/Try/actions/Inner/runAfter/Outer")]


def test_everything_wrong_is_told_at_once() -> None:
    document = {
        "triggers": {"t": {"type": ""}},
        "parameters": {"p": {"type": "text"}, "q": 1},
        "actions": {"A": 1, "B": {"type": "If"}},
        "outputs": [],
    }
    assert {code for code, _ in errors(document)} == {
        "MissingType",
        "InvalidParameter",
        "InvalidAction",
        "MissingExpression",
    }
    assert warnings(document) == [("InvalidSetting", "/outputs")]


def test_limits_of_the_service_are_warnings() -> None:
    deep: Json = COMPOSE
    for level in range(9):
        deep = {"type": "Scope", "actions": {f"level{level}": deep}}
    found = warnings(definition({"x" * 81: COMPOSE, "Deep": deep}))
    assert [code for code, _ in found] == ["LimitExceeded", "LimitExceeded"]
    many = definition({f"a{n}": COMPOSE for n in range(501)}, outputs={f"o{n}": {} for n in range(11)})
    assert warnings(many) == [("LimitExceeded", "/actions"), ("LimitExceeded", "/outputs")]
    cases = {f"c{n}": {"case": n} for n in range(26)}
    assert warnings(definition({"S": {"type": "Switch", "expression": "@1", "cases": cases}})) == [
        ("LimitExceeded", "/actions/S/cases")
    ]


def test_a_setting_that_does_not_read_leaves_the_default() -> None:
    node = {
        "type": "Until",
        "expression": "@true",
        "limit": {"count": 9000, "timeout": "20S"},
        "runtimeConfiguration": {"concurrency": {"repetitions": "many"}},
        "operationOptions": 3,
    }
    read = reading(definition({"U": node}))
    assert read.flow
    until = read.flow.definition.actions["U"]
    assert (until.limit.count, until.limit.timeout, until.runtime.repetitions) == (5000, None, None)
    assert sorted(p.code for p in read.problems) == [
        "InvalidDuration",
        "InvalidOperationOptions",
        "InvalidSetting",
        "LimitExceeded",
    ]


def test_a_tree_deeper_than_the_stack_is_refused_and_not_followed() -> None:
    deep: Json = COMPOSE
    for _ in range(600):
        deep = {"type": "Scope", "actions": {"S": deep}}
    assert "LimitExceeded" in {code for code, _ in errors(definition({"Top": deep}))}


@pytest.mark.parametrize(
    "document", [None, 1, "text", [], {}, {"definition": None}, {"definition": []}, {"properties": 1}]
)
def test_a_document_without_definition_gives_no_flow(document: Json) -> None:
    read = reading(document)
    assert read.flow is None
    assert [problem.code for problem in read.problems] == ["MissingDefinition"]


def test_a_template_says_that_it_is_one() -> None:
    read = reading({"$schema": "…/deploymentTemplate.json#", "resources": []})
    assert [problem.code for problem in read.problems] == ["UnsupportedTemplate"]


def test_pointers_start_at_the_root_of_the_document() -> None:
    document = {"properties": {"definition": definition({"A~/B": 1})}}
    assert errors(document) == [("InvalidAction", "/properties/definition/actions/A~0~1B")]


def test_parameter_values_are_taken_from_beside_the_definition() -> None:
    document = {
        "definition": definition(
            {}, parameters={"url": {"type": "String", "defaultValue": "x"}, "key": {"type": "SecureString"}}
        ),
        "parameters": {"url": {"value": "y"}, "$connections": {"value": {}}, "odd": 3},
    }
    read = reading(document)
    assert read.flow
    assert read.flow.parameter_values == {"url": "y"}
    parameters = read.flow.definition.parameters
    assert (parameters["url"].type, parameters["url"].has_default, parameters["key"].is_secret) == (
        "string",
        True,
        True,
    )
    assert [(p.code, p.pointer) for p in read.problems] == [("InvalidParameterValue", "/parameters/odd")]


def test_unknown_keys_survive_reading_and_writing() -> None:
    document = definition(
        {"A": {**COMPOSE, "metadata": {"operationMetadataId": "1"}, "future": [1]}}, future={"x": None}
    )
    read = reading(document)
    assert read.flow
    assert write_definition(read.flow.definition) == document
    assert read.flow.definition.actions["A"].raw["future"] == [1]
    assert read.flow.definition.actions["A"].metadata == {"operationMetadataId": "1"}


def test_conditions_and_concurrency_of_a_trigger_are_read() -> None:
    trigger = {
        "type": "Request",
        "conditions": [{"expression": "@true"}, {"dependsOn": "x"}],
        "splitOn": "@triggerBody()",
        "runtimeConfiguration": {"concurrency": {"runs": 3, "maximumWaitingRuns": 11}},
        "operationOptions": "EnableSchemaValidation",
        "correlation": {"clientTrackingId": "@guid()"},
    }
    read = reading({"triggers": {"t": trigger}, "actions": {}})
    assert read.flow
    t = read.flow.definition.triggers["t"]
    assert (t.conditions, t.split_on) == (("@true",), "@triggerBody()")
    assert (t.runtime.concurrent_runs, t.runtime.waiting_runs) == (3, 11)
    assert t.operation_options == {"enableschemavalidation"}
    assert [(p.code, p.pointer) for p in read.problems] == [("InvalidConditions", "/triggers/t/conditions/1")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
STEP_KEYS = (
    *("inputs", "runAfter", "expression", "foreach", "actions", "else", "cases", "default", "limit", "kind"),
    *("runtimeConfiguration", "operationOptions", "trackedProperties", "recurrence", "conditions", "metadata"),
)
step_types = st.sampled_from(["Compose", "if", "Switch", "Foreach", "Until", "Scope", "Http", "Nonsense"])
steps = st.fixed_dictionaries({"type": step_types | json_values}, optional=dict.fromkeys(STEP_KEYS, json_values))
documents = st.fixed_dictionaries(
    {},
    optional={
        "actions": st.dictionaries(st.text(max_size=4), steps | json_values, max_size=4) | json_values,
        "triggers": st.dictionaries(st.text(max_size=4), steps | json_values, max_size=2) | json_values,
        "parameters": json_values,
        "outputs": json_values,
        "staticResults": json_values,
    },
)


@given(documents, json_values, json_values)
def test_no_document_raises_and_none_is_changed(inner: Json, references: Json, parameters: Json) -> None:
    document = {"definition": inner, "connectionReferences": references, "parameters": parameters}
    before = copy.deepcopy(document)
    for shape in (document, inner, {"properties": document}):
        read = reading(shape)
        assert (read.flow is not None) or any(problem.severity is Severity.ERROR for problem in read.problems)
        if read.flow:
            assert write_definition(read.flow.definition) == inner
    assert document == before
