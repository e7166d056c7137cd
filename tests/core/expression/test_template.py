from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import (
    Budget,
    ItemScope,
    compile_condition,
    compile_expression,
    compile_template,
    evaluate_with_item,
)
from flowmend.core.expression.context_scope import ContextScope

Scopes = Callable[..., ContextScope]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", ""),
        ("@", "@"),
        ("mail@example.org", "mail@example.org"),
        ("@@item()", "@item()"),
        ("@@item() and @{item()}", "@item() and @{item()}"),
        ("@{item()}", "5"),
        ("@item()", 5),
        ("@@{item()} is @{item()}", "@{item()} is 5"),
        ("a @@{b} @{concat('}', '{')} c", "a @{b} }{ c"),
        ("@{concat('it''s }', '!')}", "it's }!"),
        ("@{null}@{true}@{1.50}", "True1.5"),
        (["@item()", {"@{concat('k', item())}": ["x", "@item()"]}], [5, {"k5": ["x", 5]}]),
        ({"a": 1, "b": "@item()", "c": None}, {"a": 1, "b": 5, "c": None}),
    ],
)
def test_template_rules(fill: Callable[..., Any], written: Any, value: Any) -> None:
    result = fill(written, item=5)
    assert result == value
    assert not isinstance(value, dict) or list(result) == list(value)


def test_the_text_of_a_result_is_not_evaluated_again(fill: Callable[..., Any]) -> None:
    assert fill("@{item()}", item="@{add(1,2)}") == "@{add(1,2)}"


def test_a_value_without_expressions_is_returned_as_it_is(scope: Scopes) -> None:
    value = {"a": [1, {"b": "c"}]}
    template = compile_template(value)
    assert template.is_literal
    assert template.evaluate(scope()) is value


def test_calls_with_constant_arguments_are_computed_once(scope: Scopes) -> None:
    template = compile_template({"a": "@concat('x', string(add(1, 2)))"})
    assert template.is_literal
    assert template.evaluate(scope()) == {"a": "x3"}


def test_a_constant_failure_happens_only_when_evaluated(scope: Scopes) -> None:
    template = compile_expression("if(equals(item(), 1), int('x'), 'fine')")
    assert evaluate_with_item(template, scope(), 2) == "fine"
    with pytest.raises(ExpressionError, match="cannot be converted to the target type"):
        evaluate_with_item(template, scope(), 1)


def test_random_and_time_are_never_computed_ahead() -> None:
    assert not compile_expression("guid()").is_literal
    assert not compile_expression("utcNow()").is_literal
    assert not compile_expression("rand(1, 9)").is_literal


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ({"headers": {"a/b": ["x", "@nope()"]}}, "/headers/a~1b/1"),
        (["@{item("], "/0"),
    ],
)
def test_what_does_not_compile_names_its_place(value: Any, target: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(value)
    assert caught.value.code == "InvalidTemplate"
    assert caught.value.target == target


def test_what_does_not_evaluate_names_its_place(scope: Scopes) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template({"a": [1, {"b": "@item()['x']"}]}).evaluate(scope(item={}))
    assert caught.value.target == "/a/1/b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@nope(1)", "The template function 'nope' is not defined or not valid."),
        ("@add(1)", "The template language function 'add' expects 2 parameters"),
        ("@createArray()", "expects at least 1 parameter"),
    ],
)
def test_unknown_functions_and_wrong_numbers_of_arguments_do_not_compile(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message.replace("(", r"\(")):
        compile_template(text)


def test_references_are_collected_as_written() -> None:
    template = compile_template(
        {
            "a": "@outputs('Get_items')?['body/value']",
            "b": ["@{variables('Count')} of @{items('Each')['x']}", "@triggerBody()?['id']"],
            "c": "@if(equals(parameters('P'), item()), body('Other'), result('Scope'))",
        }
    )
    references = template.references
    assert references.actions == {"Get_items", "Other"}
    assert references.variables == {"Count"}
    assert references.parameters == {"P"}
    assert references.loops == {"Each"}
    assert references.results == {"Scope"}
    assert {"outputs", "equals", "if"} <= references.functions
    assert references.uses_item
    assert references.uses_trigger


def test_a_trace_shows_each_string_and_the_calls_that_were_evaluated(scope: Scopes) -> None:
    template = compile_template({"x": {"y": ["@if(true, item(), int('z'))"]}, "a b": "n: @{add(1, 2)}", "c": "plain"})
    assert template.trace(scope(item=4)) == [
        {
            "path": "x.y[0]",
            "text": "@if(true, item(), int('z'))",
            "value": 4,
            "subexpressions": [
                {
                    "text": "if(true, item(), int('z'))",
                    "value": 4,
                    "subexpressions": [{"text": "item()", "value": 4}],
                }
            ],
        },
        {
            "path": "['a b']",
            "text": "n: @{add(1, 2)}",
            "value": "n: 3",
            "subexpressions": [{"text": "add(1, 2)", "value": 3}],
        },
    ]


def test_a_trace_shows_failures_and_goes_on(scope: Scopes) -> None:
    failed, fine = compile_template(["@int(item())", "@item()"]).trace(scope(item="x"))
    assert failed["error"]["code"] == "InvalidTemplate"
    assert failed["value"] is None
    assert fine["value"] == "x"


def test_a_budget_bounds_the_steps_of_many_evaluations(scope: Scopes) -> None:
    template = compile_expression("add(item(), 1)")
    budget = Budget(steps=5)
    evaluate_with_item(template, scope(), 1, budget)
    evaluate_with_item(template, scope(), 1, budget)
    with pytest.raises(ExpressionError, match="more steps"):
        evaluate_with_item(template, scope(), 1, budget)


def test_a_budget_bounds_what_is_made(scope: Scopes) -> None:
    with pytest.raises(ExpressionError, match="larger values"):
        compile_expression("concat(item(), item())").evaluate(scope(item="x" * 60), Budget(size=100))


def test_a_text_may_not_grow_without_end(scope: Scopes) -> None:
    with pytest.raises(ExpressionError, match="104857600"):
        compile_expression("replace(item(), 'a', item())").evaluate(scope(item="a" * 20_000))
    doubled: Any = ["x" * 100]
    for _ in range(40):
        doubled = [doubled, doubled]
    with pytest.raises(ExpressionError, match="104857600"):
        compile_expression("string(item())").evaluate(scope(item=doubled))


def test_a_value_nested_too_deep_is_an_error_of_the_expression() -> None:
    deep: Any = "@item()"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nested too deep"):
        compile_template(deep)


@pytest.mark.parametrize(
    ("condition", "is_true"),
    [
        ("@equals(item(), 5)", True),
        ({"and": []}, True),
        ({"or": []}, False),
        ({"and": [{"equals": ["@item()", 5]}, {"not": {"less": ["@item()", 5]}}]}, True),
        ({"or": [{"contains": ["abc", "x"]}, {"startsWith": ["ABC", "ab"]}]}, True),
        ({"greaterOrEquals": ["@item()", 6]}, False),
        ({"and": [{"equals": [1, 2]}, {"greater": ["never", 1]}]}, False),
        ({"and": ["@equals(item(), 5)", {"EndsWith": ["xyz", "Z"]}]}, True),
    ],
)
def test_conditions(scope: Scopes, condition: Any, is_true: bool) -> None:
    assert compile_condition(condition).evaluate(scope(item=5)) is is_true


@pytest.mark.parametrize("condition", [{}, {"xor": []}, {"equals": [1]}, {"and": {}}, {"and": [], "or": []}])
def test_what_is_no_condition_does_not_compile(condition: Any) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition)
    assert caught.value.code == "InvalidTemplate"


def test_a_condition_that_does_not_compile_names_its_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition({"and": [{"equals": [1, "@nope()"]}]})
    assert caught.value.target == "/and/0/equals/1"


@pytest.mark.parametrize("condition", ["@item()", "true", None, {"not": "@item()"}])
def test_a_condition_that_is_not_boolean_fails(scope: Scopes, condition: Any) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(condition).evaluate(scope(item="true"))
    assert caught.value.code == "ExpressionEvaluationFailed"


def test_an_item_scope_passes_everything_else_on(scope: Scopes) -> None:
    inner = ItemScope(scope(variables={"V": 1}, item="outer", workflow={"name": "w"}), "inner")
    assert compile_expression("concat(item(), variables('v'), workflow().name)").evaluate(inner) == "inner1w"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_any_value_compiles_or_is_refused(value: Any) -> None:
    with suppress(ExpressionError):
        compile_template(value)


@given(_VALUES)
def test_a_value_freed_of_signs_is_its_own_value(value: Any) -> None:
    def freed(part: Any) -> Any:
        if isinstance(part, str):
            return part.replace("@", "")
        if isinstance(part, list):
            return [freed(one) for one in part]
        if isinstance(part, dict):
            return {freed(key): freed(one) for key, one in part.items()}
        return part

    plain = freed(value)
    assert compile_template(plain).evaluate(None) is plain  # type: ignore[arg-type]  # a literal never looks
