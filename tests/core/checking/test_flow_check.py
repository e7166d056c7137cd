import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.checking import check_flow, needs
from flowmend.core.definition import Flow, Packaging, read_flow
from flowmend.core.definition.action_types import ACTION_TYPES
from flowmend.core.json_value import Json
from flowmend.core.problem import Severity

REQUEST: Json = {"type": "Request", "inputs": {}}
INITIALIZE: Json = {
    "type": "InitializeVariable",
    "inputs": {"variables": [{"name": "Total", "type": "integer", "value": 0}]},
}


def compose(value: Json, *after: str) -> Json:
    return {"type": "Compose", "inputs": value, "runAfter": {name: ["Succeeded"] for name in after}}


def flow(actions: Json, *, trigger: Json = None, packaging: Packaging = Packaging.PLAIN, **parts: Json) -> Flow:
    document = {"triggers": {"manual": trigger or REQUEST}, "actions": actions, **parts}
    read = read_flow(document, packaging=packaging, name="orders")
    assert read.flow
    return read.flow


def found(actions: Json, *, trigger: Json = None, **parts: Json) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in check_flow(flow(actions, trigger=trigger, **parts))]


def test_a_flow_in_order_has_no_problems() -> None:
    actions = {
        "Init": INITIALIZE,
        "Each": {
            "type": "Foreach",
            "foreach": "@triggerBody()?['lines']",
            "actions": {
                "Add": {"type": "IncrementVariable", "inputs": {"name": "total", "value": "@item()?['price']"}},
                "Note": compose("@{items('each')?['name']}: @{variables('TOTAL')}", "Add"),
            },
            "runAfter": {"Init": ["Succeeded"]},
        },
        "Keep": {
            "type": "Query",
            "inputs": {"from": "@triggerBody()", "where": "@greater(item(), parameters('least'))"},
            "runAfter": {"Each": ["Succeeded"]},
        },
        "Answer": {
            "type": "Response",
            "inputs": {"body": "@body('keep')", "schema": {"pattern": "@nonsense("}},
            "runAfter": {"Keep": ["Succeeded"]},
        },
    }
    outputs = {"total": {"type": "int", "value": "@variables('Total')"}}
    assert found(actions, parameters={"least": {"type": "int", "defaultValue": 3}}, outputs=outputs) == []


EXPRESSIONS: list[tuple[str, Json, tuple[str, str]]] = [
    ("no expression", {"a": ["x", "@{body("]}, ("InvalidExpression", "/actions/A/inputs/a/1")),
    ("trailing text", "@utcNow() now", ("InvalidExpression", "/actions/A/inputs")),
    ("in a name", {"@{nonsense()}": 1}, ("UnknownFunction", "/actions/A/inputs/@{nonsense()}")),
    ("unknown function", "@concatt('a')", ("UnknownFunction", "/actions/A/inputs")),
    ("too many arguments", "@toLower('a', 'b')", ("WrongArgumentCount", "/actions/A/inputs")),
    ("too few arguments", "@{equals(1)}", ("WrongArgumentCount", "/actions/A/inputs")),
    ("unknown action", "@body('Nobody')", ("UnknownAction", "/actions/A/inputs")),
    ("unknown action within", "@concat('x', string(outputs('Nobody')?['a']))", ("UnknownAction", "/actions/A/inputs")),
    ("unknown variable", "@variables('x')", ("UnknownVariable", "/actions/A/inputs")),
    ("unknown parameter", "@parameters('x')", ("UnknownParameter", "/actions/A/inputs")),
    ("unknown loop", "@items('x')", ("UnknownLoop", "/actions/A/inputs")),
    ("a loop that is none", "@items('A')", ("UnknownLoop", "/actions/A/inputs")),
    ("result of no scope", "@result('A')", ("InvalidResultReference", "/actions/A/inputs")),
    ("item without loop", "@item()", ("ItemOutsideLoop", "/actions/A/inputs")),
]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in EXPRESSIONS], ids=[row[0] for row in EXPRESSIONS])
def test_an_expression_that_is_wrong_is_reported_at_its_string(value: Json, expected: tuple[str, str]) -> None:
    assert found({"A": compose(value)})[0] == expected


def test_a_slip_of_the_pen_gets_a_suggestion() -> None:
    (problem,) = check_flow(flow({"A": compose("@concatt('a')")}))
    assert problem.hint == "Did you mean 'concat'?"
    assert problem.severity is Severity.ERROR


def test_every_wrong_string_is_reported() -> None:
    assert found({"A": compose(["@a()", {"b": "@b()"}, "fine"])}) == [
        ("UnknownFunction", "/actions/A/inputs/0"),
        ("UnknownFunction", "/actions/A/inputs/1/b"),
    ]


def test_names_that_are_computed_are_left_to_the_run() -> None:
    assert found({"A": compose("@body(concat('B', '1'))")}) == []


READINGS: list[tuple[str, Json, list[str]]] = [
    ("one before", {"A": compose(1), "B": compose("@outputs('A')", "A")}, []),
    ("one before the one before", {"A": compose(1), "B": compose(1, "A"), "C": compose("@outputs('A')", "B")}, []),
    ("one beside", {"A": compose(1), "B": compose("@outputs('A')")}, ["ActionNotFinished"]),
    ("one after", {"A": compose("@outputs('B')"), "B": compose(1, "A")}, ["ActionNotFinished"]),
    ("itself", {"A": compose("@outputs('A')")}, ["ActionNotFinished"]),
    (
        "one inside a scope before",
        {"S": {"type": "Scope", "actions": {"A": compose(1)}}, "B": compose("@outputs('A')", "S")},
        [],
    ),
    (
        "one before the scope around",
        {
            "A": compose(1),
            "S": {"type": "Scope", "actions": {"B": compose("@outputs('A')")}, "runAfter": {"A": ["Succeeded"]}},
        },
        [],
    ),
    (
        "one in the other branch",
        {
            "I": {
                "type": "If",
                "expression": "@true",
                "actions": {"A": compose(1)},
                "else": {"actions": {"B": compose("@outputs('A')")}},
            }
        },
        ["ActionNotFinished"],
    ),
    (
        "what an Until goes through",
        {"U": {"type": "Until", "expression": "@equals(outputs('A'), 1)", "actions": {"A": compose(1)}}},
        [],
    ),
    (
        "what an If decides on",
        {"I": {"type": "If", "expression": "@equals(outputs('A'), 1)", "actions": {"A": compose(1)}}},
        ["ActionNotFinished"],
    ),
    ("its own outputs in tracked properties", {"A": {**compose(1), "trackedProperties": {"x": "@outputs('A')"}}}, []),
    (
        "a variable set up later",
        {"A": compose("@variables('total')"), "Init": {**INITIALIZE, "runAfter": {"A": ["Succeeded"]}}},
        ["VariableNotInitialized"],
    ),
]


@pytest.mark.parametrize(("actions", "codes"), [row[1:] for row in READINGS], ids=[row[0] for row in READINGS])
def test_what_is_read_has_finished_before(actions: Json, codes: list[str]) -> None:
    assert [code for code, _ in found(actions)] == codes


def test_the_items_of_a_loop_are_read_inside_it_only() -> None:
    loop = {"type": "Foreach", "foreach": "@items('L')", "actions": {"In": compose("@items('L')")}}
    assert found({"L": loop, "Out": compose("@items('L')", "L")}) == [
        ("ItemsOutsideLoop", "/actions/L/foreach"),
        ("ItemsOutsideLoop", "/actions/Out/inputs"),
    ]


def test_an_until_may_count_itself_in_its_condition() -> None:
    loop = {
        "type": "Until",
        "expression": "@greater(iterationIndexes('L'), 3)",
        "actions": {"In": compose("@iterationIndexes('L')")},
    }
    assert found({"L": loop}) == []


def test_variables_are_initialised_once_and_at_the_top() -> None:
    inner = {"type": "Scope", "actions": {"Again": INITIALIZE}}
    assert found({"Init": INITIALIZE, "S": inner}) == [
        ("VariableNotTopLevel", "/actions/S/actions/Again"),
        ("DuplicateVariable", "/actions/S/actions/Again/inputs/variables/0"),
    ]


@pytest.mark.parametrize("variable", [{"name": "x", "type": "text"}, {"type": "string"}, 5])
def test_a_variable_needs_a_name_and_a_type(variable: Json) -> None:
    assert found({"A": {"type": "InitializeVariable", "inputs": {"variables": [variable]}}}) == [
        ("InvalidVariable", "/actions/A/inputs/variables/0")
    ]


def test_setting_a_variable_that_is_not_there_is_reported() -> None:
    assert found({"A": {"type": "SetVariable", "inputs": {"name": "x", "value": 1}}}) == [
        ("UnknownVariable", "/actions/A/inputs/name")
    ]


@pytest.mark.parametrize(
    "loop", [{"type": "Foreach", "foreach": "@createArray(1)"}, {"type": "Until", "expression": "@bool(1)"}]
)
def test_neither_terminate_nor_response_stands_in_a_loop(loop: Json) -> None:
    inner = {
        "End": {"type": "Terminate", "inputs": {"runStatus": "Failed"}},
        "Say": {"type": "Response", "kind": "Http", "inputs": {}},
    }
    actions = {"L": {**loop, "actions": {"S": {"type": "Scope", "actions": inner}}}}
    assert [code for code, _ in found(actions)] == ["TerminateInLoop", "ResponseInLoop"]


STEPS: list[tuple[str, Json, tuple[str, str]]] = [
    ("a type nobody knows", {"type": "Teleport"}, ("UnsupportedAction", "/actions/A")),
    ("a type to come", {"type": "xslt", "inputs": {}}, ("UnsupportedAction", "/actions/A")),
    (
        "a kind nobody knows",
        {"type": "Expression", "kind": "Divine", "inputs": {}},
        ("UnsupportedAction", "/actions/A"),
    ),
    (
        "conditions of old",
        {**compose(1), "conditions": [{"dependsOn": "B"}]},
        ("UnsupportedAction", "/actions/A/conditions"),
    ),
    (
        "an end that is none",
        {"type": "Terminate", "inputs": {"runStatus": "Done"}},
        ("InvalidRunStatus", "/actions/A/inputs/runStatus"),
    ),
    (
        "the same case twice",
        {"type": "Switch", "expression": "@string(1)", "cases": {"a": {"case": "x"}, "b": {"case": "x"}}},
        ("InvalidCase", "/actions/A/cases/b/case"),
    ),
    (
        "a case of no type",
        {"type": "Switch", "expression": "@string(1)", "cases": {"a": {"case": 1.5}}},
        ("InvalidCase", "/actions/A/cases/a/case"),
    ),
    (
        "a retry policy",
        {"type": "Http", "inputs": {"method": "GET", "uri": "http://x", "retryPolicy": {"type": "fixed", "count": 0}}},
        ("InvalidRetryPolicy", "/actions/A/inputs/retryPolicy"),
    ),
]


@pytest.mark.parametrize(("action", "expected"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_an_action_that_cannot_run_is_reported(action: Json, expected: tuple[str, str]) -> None:
    assert found({"A": action}) == [expected]


TRIGGERS: list[tuple[str, Json, list[tuple[str, str]]]] = [
    ("Request of any kind", {"type": "Request", "kind": "PowerAppV2"}, []),
    ("Recurrence", {"type": "recurrence", "recurrence": {"frequency": "Day", "interval": 1}}, []),
    ("a webhook", {"type": "ApiConnectionWebhook", "inputs": {}}, [("MissingTriggerHost", "/triggers/manual")]),
    ("Azure's own", {"type": "EventGrid", "inputs": {}}, [("MissingTriggerHost", "/triggers/manual")]),
    ("an HTTP poll", {"type": "Http", "inputs": {"method": "GET", "uri": "https://x"}}, []),
    ("one nobody knows", {"type": "Telepathy", "inputs": {}}, [("UnsupportedTrigger", "/triggers/manual")]),
    ("splitOn", {**REQUEST, "splitOn": "@triggerBody()"}, []),
    ("windows", {"type": "slidingwindow", "recurrence": {"frequency": "Hour", "interval": 1}}, []),
    ("a batch", {"type": "Batch", "inputs": {"mode": "Inline", "configurations": {}}}, []),
    (
        "a broken recurrence",
        {"type": "Recurrence", "recurrence": {"frequency": "Dai", "interval": 1}},
        [("InvalidRecurrence", "/triggers/manual/recurrence/frequency")],
    ),
    (
        "a broken condition",
        {**REQUEST, "conditions": [{"expression": "@equal(1, 1)"}]},
        [("UnknownFunction", "/triggers/manual/conditions/0/expression")],
    ),
]


@pytest.mark.parametrize(("trigger", "expected"), [row[1:] for row in TRIGGERS], ids=[row[0] for row in TRIGGERS])
def test_triggers_that_nobody_waits_for_are_named(trigger: Json, expected: list[tuple[str, str]]) -> None:
    assert found({}, trigger=trigger) == expected


def test_expressions_of_a_deployment_template_are_named_and_not_taken_for_the_flow_s() -> None:
    template = "[concat('@{body(''', parameters('x'), ''')}')]"
    problems = check_flow(flow({"A": compose(template)}, packaging=Packaging.ARM))
    assert [(one.code, one.pointer) for one in problems] == [("MissingTemplateValue", "/actions/A/inputs")]


def test_what_did_not_read_is_told_again() -> None:
    assert found({"A": {**compose(1), "runAfter": {"Z": ["Succeeded"]}}}) == [
        ("UnknownRunAfter", "/actions/A/runAfter/Z")
    ]


def test_connectors_and_connections_are_asked_for_only_where_known() -> None:
    use = {"type": "OpenApiConnection", "inputs": {"host": {"connectionName": "shared_mail", "operationId": "Send"}}}
    mail = flow({"A": use})
    assert check_flow(mail) == ()
    problems = check_flow(mail, known_connectors={"sql"}, mapped_references=())
    assert [(one.code, one.pointer, one.severity) for one in problems] == [
        ("MissingConnector", "/connectionReferences/shared_mail", Severity.WARNING),
        ("MissingConnection", "/connectionReferences/shared_mail", Severity.WARNING),
    ]
    assert check_flow(mail, known_connectors={"mail"}, mapped_references={"shared_mail"}) == ()


def test_a_parameter_without_value_is_a_warning() -> None:
    assert found({}, parameters={"key": {"type": "string"}}) == [("MissingParameterValue", "/parameters/key")]


words = st.sampled_from(
    [
        "@body('A')",
        "@items('B')",
        "@{variables(item())}",
        "@{",
        "@x",
        "A",
        "B",
        "Succeeded",
        "fixed",
        "PT5S",
        "[concat('@{a')]",
        "",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
INPUT_KEYS = ("name", "variables", "retryPolicy", "authentication", "headers", "host", "runStatus", "schema", "where")
STEP_KEYS = (
    "runAfter",
    "expression",
    "foreach",
    "cases",
    "else",
    "conditions",
    "recurrence",
    "splitOn",
    "trackedProperties",
)
types = st.sampled_from([entry.name for entry in ACTION_TYPES.values()] + ["Recurrence", "Request", "Manual", "?"])
leaves = st.fixed_dictionaries(
    {"type": types},
    optional={
        "inputs": values | st.fixed_dictionaries({}, optional=dict.fromkeys(INPUT_KEYS, values)),
        **dict.fromkeys(STEP_KEYS, values),
    },
)
steps = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda step, children: {**step, "actions": children, "default": {"actions": children}},
        leaves,
        st.dictionaries(st.sampled_from("ABCD"), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from("ABCD"), steps, max_size=4),
    leaves,
    values,
    st.sampled_from([Packaging.ARM, Packaging.STANDARD, Packaging.PLAIN]),
)
def test_no_flow_makes_the_check_fail(actions: Json, trigger: Json, outputs: Json, packaging: Packaging) -> None:
    definition = {"triggers": {"t": trigger}, "actions": actions, "outputs": outputs}
    read = read_flow({"definition": definition}, packaging=packaging, name="orders")
    assert read.flow
    for problem in check_flow(read.flow, known_connectors=(), mapped_references=()):
        assert problem.pointer.startswith(("/definition/", "/connectionReferences/"))
    needs(read.flow)
