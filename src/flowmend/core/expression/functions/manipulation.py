"""Functions that give a changed copy of an object. Property names are matched ignoring case."""

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.utf16 import lower
from flowmend.core.expression.functions.function import Takes, pure
from flowmend.core.json_value import Json


def _stored_name(source: dict[str, Json], name: str) -> str | None:
    if name in source:
        return name
    return next((key for key in source if lower(key) == lower(name)), None)


def _add_property(source: dict[str, Json], name: str, value: Json) -> dict[str, Json]:
    if _stored_name(source, name) is not None:
        raise ExpressionError(
            f"The template language function 'addProperty' cannot add the property '{name}': the object already has "
            "a property of that name. Please see https://aka.ms/logicexpressions#addProperty for usage details."
        )
    return {**source, name: value}


def _set_property(source: dict[str, Json], name: str, value: Json) -> dict[str, Json]:
    return {**source, _stored_name(source, name) or name: value}


def _remove_property(source: dict[str, Json], name: str) -> dict[str, Json]:
    stored = _stored_name(source, name)
    return {key: value for key, value in source.items() if key != stored}


FUNCTIONS = (
    pure("addProperty", _add_property, Takes.OBJECT, Takes.STRING, Takes.ANYTHING),
    pure("setProperty", _set_property, Takes.OBJECT, Takes.STRING, Takes.ANYTHING),
    pure("removeProperty", _remove_property, Takes.OBJECT, Takes.STRING),
    pure("mergeObjects", lambda first, second: {**first, **second}, Takes.OBJECT, Takes.OBJECT),
)
