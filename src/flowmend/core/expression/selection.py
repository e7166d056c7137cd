"""Selection: what `.key`, `[key]` and their `?` forms find in a value.

`?` guards its own hop only: it forgives what is missing and null, never a string, number or boolean.
Names match exactly, else ignoring case. A name with slashes that is no property walks nested ones, as
Power Automate writes `outputs('X')?['body/value']`. Observed on the live service.
"""

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.conversion.utf16 import lower
from flowmend.core.json_value import Json

_MISSING = object()
_MOST_NAMES_SHOWN = 50


def select(value: Json, key: Json, *, is_safe: bool, text: str) -> Json:
    """The part of a value a key selects. text: the expression, for the error.

    Errors: ExpressionError.
    """
    if value is None:
        if is_safe:
            return None
        raise _refused(text, key, "Property selection is not supported on values of type 'Null'.")
    if isinstance(value, dict):
        return _property(value, key, is_safe=is_safe, text=text)
    if isinstance(value, list):
        return _element(value, key, is_safe=is_safe, text=text)
    raise _refused(text, key, f"Property selection is not supported on values of type '{kind_name(value)}'.")


def _property(value: dict[str, Json], key: Json, *, is_safe: bool, text: str) -> Json:
    if not isinstance(key, str):
        raise _refused(text, key, f"A property name is a string; the provided value is of type '{kind_name(key)}'.")
    found = _named(value, key)
    if found is not _MISSING:
        return found
    if "/" in key:
        return _walk(value, key, is_safe=is_safe, text=text)
    if is_safe:
        return None
    shown = ", ".join(list(value)[:_MOST_NAMES_SHOWN])
    raise _cannot(text, f"property '{key}' doesn't exist, available properties are '{shown}'.")


def _named(value: dict[str, Json], key: str) -> Json:
    if key in value:
        return value[key]
    wanted = lower(key)
    return next((item for name, item in value.items() if lower(name) == wanted), _MISSING)


def _walk(value: Json, path: str, *, is_safe: bool, text: str) -> Json:
    for name in path.split("/"):
        is_index = isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 10
        value = select(value, int(name) if is_index else name, is_safe=is_safe, text=text)
    return value


def _element(value: list[Json], key: Json, *, is_safe: bool, text: str) -> Json:
    if not isinstance(key, int) or isinstance(key, bool):
        raise _refused(text, key, "Array elements can only be selected using an integer index.")
    if 0 <= key < len(value):
        return value[key]
    if is_safe and key >= 0:
        return None
    raise _cannot(text, f"array index '{key}' is outside bounds (0, {len(value) - 1}) of array.")


def _refused(text: str, key: Json, reason: str) -> ExpressionError:
    shown = key if isinstance(key, (str, int)) else kind_name(key)
    return _cannot(text, f"property '{shown}' cannot be selected. {reason}")


def _cannot(text: str, reason: str) -> ExpressionError:
    return ExpressionError(
        f"The template language expression '{text}' cannot be evaluated because {reason} "
        "Please see https://aka.ms/logicexpressions for usage details."
    )
