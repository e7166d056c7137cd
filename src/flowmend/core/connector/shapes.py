"""JSON written with expressions in it, as a connector's data maps an operation to its service's own words and back.

Strings are templates of the language of flows. Beyond those, for what an expression alone cannot make:

    {"a": null-valued}                         a property whose value comes to null is left out
    {"$each": list, "$as": shape}              a list, each item as `item()` in the shape
    {"$each": …, "$where": expression, …}      of the items where that is true
    {"$each": object, "$name": text, "$as": …} an object; each `item()` is `{key, value}`, and `$name` its new name
    {"$each": rows, "$columns": names, …}      each `item()` is an object of a row's values by these names
    {"$each": …, "$as": …, "$join": ", "}      one text of them all

Each item, property and column takes a step of the budget, so that loops in loops end.
"""

from collections.abc import Callable
from typing import TypeAlias

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import Budget, ItemScope, Scope, compile_template, to_text
from flowmend.core.json_value import Json

Shape: TypeAlias = Callable[[Scope, Budget], Json]

_EACH, _AS, _WHERE, _NAME, _COLUMNS, _JOIN = "$each", "$as", "$where", "$name", "$columns", "$join"
_OF_EACH = frozenset({_EACH, _AS, _WHERE, _NAME, _COLUMNS, _JOIN})
_DEEPEST = 40


def compile_shape(value: Json, depth: int = 0) -> Shape:
    """The shape a JSON value describes. Errors: ExpressionError, code `InvalidTemplate`."""
    if depth > _DEEPEST:
        raise ExpressionError("The shape is nested too deep.", code="InvalidTemplate")
    if isinstance(value, str):
        template = compile_template(value)
        return template.evaluate
    if isinstance(value, list):
        return _list_of([compile_shape(item, depth + 1) for item in value])
    if not isinstance(value, dict):
        return lambda _scope, _budget: value
    if _EACH in value:
        return _for_each(value, depth)
    entries = {name: compile_shape(item, depth + 1) for name, item in value.items()}

    def evaluate(scope: Scope, budget: Budget) -> Json:
        budget.spend_steps(len(entries))
        made = ((name, item(scope, budget)) for name, item in entries.items())
        return {name: item for name, item in made if item is not None}

    return evaluate


def _list_of(items: list[Shape]) -> Shape:
    def evaluate(scope: Scope, budget: Budget) -> Json:
        budget.spend_steps(len(items))
        return [item(scope, budget) for item in items]

    return evaluate


def _for_each(value: dict[str, Json], depth: int) -> Shape:
    unknown = next((name for name in value if name not in _OF_EACH), None)
    if unknown is not None or _AS not in value:
        message = f"'{unknown}' is nothing of '$each'." if unknown is not None else "'$each' has no '$as'."
        raise ExpressionError(message, code="InvalidTemplate")
    each, shape = compile_shape(value[_EACH], depth + 1), compile_shape(value[_AS], depth + 1)
    where = compile_shape(value.get(_WHERE, True), depth + 1)
    name = compile_shape(value[_NAME], depth + 1) if _NAME in value else None
    columns = compile_shape(value[_COLUMNS], depth + 1) if _COLUMNS in value else None
    separator = value.get(_JOIN)

    def evaluate(scope: Scope, budget: Budget) -> Json:
        items = each(scope, budget)
        if isinstance(items, dict):
            items = [{"key": key, "value": item} for key, item in items.items()]
        items = items if isinstance(items, list) else []
        budget.spend_size(items)
        budget.spend_steps(len(items))
        if columns is not None:
            names = [to_text(one) for one in columns(scope, budget) or ()]
            rows = [row for row in items if isinstance(row, list)]
            budget.spend_steps(sum(min(len(names), len(row)) for row in rows))
            items = [dict(zip(names, row, strict=False)) for row in rows]
        scopes = [ItemScope(scope, item) for item in items]
        chosen = [inner for inner in scopes if where(inner, budget) is True]
        if name is not None:
            return {to_text(name(inner, budget)): shape(inner, budget) for inner in chosen}
        made = [shape(inner, budget) for inner in chosen]
        if separator is None:
            return made
        joined = str(separator).join(to_text(one) for one in made)
        budget.spend_size(joined)
        return joined

    return evaluate
