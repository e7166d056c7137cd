"""Logical functions. `and`, `or`, `if` and `coalesce` evaluate only what they need."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import are_equal, is_number, kind_name
from flowmend.core.expression.functions.function import Function, Kind, Takes, pure, wrong_kind
from flowmend.core.json_value import Json

Compiled = Callable[[Any, Any], Json]


def _boolean(name: str, index: int, value: Json) -> bool:
    if value is True or value is False:
        return bool(value)
    raise wrong_kind(name, index, Takes.BOOLEAN, value)


def _and(*calls: Compiled) -> Compiled:
    def evaluate(scope: Any, budget: Any) -> bool:
        return all(_boolean("and", index, call(scope, budget)) for index, call in enumerate(calls))

    return evaluate


def _or(*calls: Compiled) -> Compiled:
    def evaluate(scope: Any, budget: Any) -> bool:
        return any(_boolean("or", index, call(scope, budget)) for index, call in enumerate(calls))

    return evaluate


def _if(condition: Compiled, chosen: Compiled, otherwise: Compiled) -> Compiled:
    def evaluate(scope: Any, budget: Any) -> Json:
        return (chosen if _boolean("if", 0, condition(scope, budget)) else otherwise)(scope, budget)

    return evaluate


def _coalesce(*calls: Compiled) -> Compiled:
    def evaluate(scope: Any, budget: Any) -> Json:
        for call in calls:
            value = call(scope, budget)
            if value is not None:
                return value
        return None

    return evaluate


def _equals(first: Json, *others: Json) -> bool:
    return all(are_equal(first, other) for other in others)


def compare(name: str, left: Json, right: Json) -> int:
    """-1, 0 or 1; two numbers by value, two strings ignoring case; any other pair is an error."""
    if is_number(left) and is_number(right):
        if isinstance(left, float) or isinstance(right, float):
            return int(left > right) - int(left < right)
        return (Decimal(left) > Decimal(right)) - (Decimal(left) < Decimal(right))
    if isinstance(left, str) and isinstance(right, str):
        one, other = left.upper(), right.upper()
        return (one > other) - (one < other)
    raise ExpressionError(
        f"The template language function '{name}' expects two parameters of matching types, both numbers or both "
        f"strings. The provided values are of type '{kind_name(left)}' and '{kind_name(right)}'. "
        f"Please see https://aka.ms/logicexpressions#{name} for usage details."
    )


def _lazy(name: str, implementation: Callable[..., Compiled], least: int, most: int | None) -> Function:
    return Function(name=name, implementation=implementation, least=least, most=most, kind=Kind.LAZY)


FUNCTIONS = (
    _lazy("and", _and, 1, None),
    _lazy("or", _or, 1, None),
    _lazy("if", _if, 3, 3),
    _lazy("coalesce", _coalesce, 1, None),
    pure("not", lambda value: not value, Takes.BOOLEAN),
    pure("equals", _equals, Takes.ANYTHING, Takes.ANYTHING, repeats=True),
    pure("greater", lambda a, b: compare("greater", a, b) > 0, Takes.ANYTHING, Takes.ANYTHING),
    pure("greaterOrEquals", lambda a, b: compare("greaterOrEquals", a, b) >= 0, Takes.ANYTHING, Takes.ANYTHING),
    pure("less", lambda a, b: compare("less", a, b) < 0, Takes.ANYTHING, Takes.ANYTHING),
    pure("lessOrEquals", lambda a, b: compare("lessOrEquals", a, b) <= 0, Takes.ANYTHING, Takes.ANYTHING),
)
