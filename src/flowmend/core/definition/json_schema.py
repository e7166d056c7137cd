"""Values held against the JSON schemas that flows carry, without their traps.

Nothing is ever fetched for a `$ref`, patterns run in linear time, and no schema can exhaust the stack.
Source: wdl.md §3 and §4; the service checks by draft 4 unless the schema names another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

_MOST_VIOLATIONS = 100
_TYPE_NAMES = {dict: "Object", list: "Array", str: "String", bool: "Boolean", int: "Integer", type(None): "Null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One way in which a value does not fit. path: as the service writes it, `items[0].name`, "" for the whole.

    keyword: of the schema, for example `required`. message: never holds the value itself.
    """

    message: str
    path: str
    keyword: str


class JsonSchema:
    """A schema made ready; keep it, making one costs more than using it.

    Errors: InvalidDocument, code InvalidSchema, where the schema is no object.
    """

    def __init__(self, schema: Json) -> None:
        if not isinstance(schema, Mapping):
            raise _invalid("it is not an object")
        self._validator = _validator(schema)

    def violations(self, value: Json) -> tuple[Violation, ...]:
        """Every way in which `value` does not fit, at most a hundred; empty where it does.

        Errors: InvalidDocument, code InvalidSchema, for a keyword that cannot be followed, and for a `$ref` that leads
        nowhere or round in a circle.
        """
        from referencing.exceptions import Unresolvable

        found = []
        try:
            for error in self._validator.iter_errors(value):
                found.append(Violation(message=_message(error), path=_path(error), keyword=str(error.validator)))
                if len(found) == _MOST_VIOLATIONS:
                    break
        except Unresolvable as error:
            raise _invalid("a '$ref' in it names nothing inside it; nothing is ever fetched") from error
        except (TypeError, AttributeError, ValueError, KeyError) as error:
            raise _invalid("one of its keywords has a value of the wrong type") from error
        except RecursionError as error:
            raise _invalid("a '$ref' in it leads round in a circle") from error
        return tuple(found)


def _validator(schema: Json) -> Any:
    from jsonschema.validators import Draft4Validator, extend, validator_for
    from referencing import Registry

    # The schema is not held against its meta-schema: designers write `required: []`, `"type": "any"` and names
    # required twice, and the service takes all of them.
    draft = validator_for(schema, default=Draft4Validator)
    own = {
        "type": _check_type,
        "required": _check_required,
        "pattern": _check_pattern,
        "patternProperties": _check_pattern_properties,
    }
    checked = extend(draft, own)  # type: ignore[no-untyped-call]  # jsonschema's stubs leave it untyped
    return checked(schema, registry=Registry())


def _check_type(validator: Any, types: Json, instance: Json, _schema: Json) -> Iterator[Any]:
    from jsonschema.exceptions import UnknownType, ValidationError

    try:
        is_one = any(validator.is_type(instance, name) for name in (types if isinstance(types, list) else [types]))
    except UnknownType:
        return  # `any` of draft 3, and slips of the pen, allow everything
    if not is_one:
        yield ValidationError("type")


def _check_required(_validator: Any, names: Json, instance: Json, _schema: Json) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    # Draft 3 wrote `required: true` beside a property; it says nothing about the properties of the value itself.
    if isinstance(names, list) and isinstance(instance, dict) and any(name not in instance for name in names):
        yield ValidationError("required")


def _check_pattern(_validator: Any, pattern: Json, instance: Json, _schema: Json) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and not _matches(pattern, instance):
        yield ValidationError("pattern")


def _check_pattern_properties(validator: Any, patterns: Json, instance: Json, _schema: Json) -> Iterator[Any]:
    if isinstance(instance, dict):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _matches(pattern: str, text: str) -> bool:
    import re2

    try:
        return re2.search(pattern, text) is not None
    except re2.error as error:
        raise _invalid(f"the pattern {pattern!r} is not one that runs in linear time") from error


def _message(error: Any) -> str:
    if error.validator == "type":
        wanted = error.validator_value
        expected = ", ".join(str(name).capitalize() for name in (wanted if isinstance(wanted, list) else [wanted]))
        return f"Invalid type. Expected {expected} but got {_type_name(error.instance)}."
    if error.validator == "required":
        missing = dict.fromkeys(str(name) for name in error.validator_value if name not in error.instance)
        return f"Required properties are missing from object: {', '.join(missing)}."
    if error.validator == "additionalProperties":
        return "Property has not been defined and the schema does not allow additional properties."
    if error.validator == "enum":
        return "Value is not defined in enum."
    return f"The value does not fit the schema's '{error.validator}'."


def _type_name(value: Json) -> str:
    return _TYPE_NAMES.get(type(value), "Number")


def _path(error: Any) -> str:
    path = ""
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _invalid(reason: str) -> InvalidDocument:
    return InvalidDocument(f"The schema is not valid: {reason}.", code="InvalidSchema")
