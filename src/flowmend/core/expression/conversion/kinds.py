"""The kinds of values the language knows, and when two values are equal."""

from decimal import Decimal

from flowmend.core.json_value import Json

Number = int | float | Decimal
_NAMES: dict[type, str] = {
    type(None): "Null",
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Float",
    Decimal: "Float",
    list: "Array",
    dict: "Object",
}


def kind_name(value: Json) -> str:
    """`Null`, `String`, `Integer`, `Float`, `Boolean`, `Array` or `Object`, as error texts say it."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    return next((name for kind, name in _NAMES.items() if isinstance(value, kind)), "Object")


def is_number(value: Json) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def are_equal(left: Json, right: Json) -> bool:
    """Deep and strict about kinds, though 1 equals 1.0; the order of an object's keys does not matter."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and len(left) == len(right)
            and all(key in right and are_equal(value, right[key]) for key, value in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(are_equal, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def identity(value: Json) -> object:
    """A hashable that is equal for values that `are_equal`, for finding repeats without comparing all pairs."""
    if isinstance(value, dict):
        return ("object", frozenset((key, identity(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(identity(item) for item in value))
    if isinstance(value, bool):
        return ("boolean", value)
    return value
