"""JSON written with expressions in it: what an expression alone cannot make."""

from typing import Any

import pytest

from flowmend.core.connector.shapes import compile_shape
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import Budget
from flowmend.core.expression.bare_scope import BareScope


class Given(BareScope):
    """`parameters('x')` alone."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def parameter(self, name: str) -> Any:
        return self._value


def made(shape: Any, value: Any = None) -> Any:
    return compile_shape(shape)(Given(value), Budget())


def test_what_comes_to_null_is_left_out_and_names_are_plain() -> None:
    shape = {"@odata.type": "#x", "a": "@parameters('x')?['a']", "b": "@parameters('x')?['b']", "c": [1, {"d": None}]}
    assert made(shape, {"a": 5}) == {"@odata.type": "#x", "a": 5, "c": [1, {}]}


def test_each_item_is_shaped_and_some_are_left_out() -> None:
    shape = {"$each": "@split(parameters('x'),';')", "$where": "@not(empty(item()))", "$as": {"to": "@item()"}}
    assert made(shape, "a;b;") == [{"to": "a"}, {"to": "b"}]


def test_an_object_gets_other_names() -> None:
    shape = {"$each": "@parameters('x')", "$name": "@concat(item()['key'],'Id')", "$as": "@item()['value']"}
    assert made(shape, {"a": 1, "b": None}) == {"aId": 1, "bId": None}


def test_rows_become_objects_by_their_columns() -> None:
    assert made({"$each": "@parameters('x')", "$columns": ["a", "b"], "$as": "@item()"}, [[1, 2], [3, 4]]) == [
        {"a": 1, "b": 2},
        {"a": 3, "b": 4},
    ]


def test_items_are_joined_within_each_other() -> None:
    row = {"$each": "@item()", "$as": "<td>@{item()}</td>", "$join": ""}
    assert (
        made({"$each": "@parameters('x')", "$as": row, "$join": "|"}, [[1, 2], [3]])
        == "<td>1</td><td>2</td>|<td>3</td>"
    )


def test_what_is_no_list_has_no_items() -> None:
    assert made({"$each": "@parameters('x')", "$as": "@item()"}, "text") == []


@pytest.mark.parametrize("shape", [{"$each": []}, {"$each": [], "$as": 1, "$sort": 1}, "@no such", {"a": "@("}])
def test_what_cannot_be_meant_does_not_read(shape: Any) -> None:
    with pytest.raises(ExpressionError):
        compile_shape(shape)


def test_a_shape_sees_no_clock_and_no_chance() -> None:
    for expression in ("@utcNow()", "@guid()", "@rand(1,2)", "@variables('x')", "@workflow()"):
        with pytest.raises(ExpressionError, match="sees no"):
            made(expression)


def test_loops_in_loops_of_constants_end() -> None:
    shape: Any = 1
    for _ in range(8):
        shape = {"$each": [1] * 100, "$as": shape}
    with pytest.raises(ExpressionError, match="more steps"):
        compile_shape(shape)(Given(None), Budget(steps=100_000))


def test_columns_take_steps_as_well() -> None:
    shape = {"$each": "@parameters('x')", "$columns": [f"c{number}" for number in range(1_000)], "$as": 1}
    with pytest.raises(ExpressionError, match="more steps"):
        compile_shape(shape)(Given([[0] * 1_000] * 1_000), Budget(steps=100_000))
