"""Checking a value against a JSON schema. Never fetches a reference; loads jsonschema, so import it on first use.

As on the service `pattern` is ignored, a float is no integer, and formats are not enforced.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft4Validator, Draft7Validator
from jsonschema.exceptions import UnknownType, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.text import json_text
from flowmend.core.json_value import Json

_MOST_ERRORS = 100
_MALFORMED = (Unresolvable, UnknownType, TypeError, AttributeError, ValueError, KeyError, RecursionError)


def schema_errors(value: Json, schema: dict[str, Json]) -> list[dict[str, Json]]:
    """`[{message, path, value, errorType, schemaId}]`, empty where the value fits; at most 100.

    Errors: ExpressionError where the schema itself is not valid.
    """
    errors: list[dict[str, Json]] = []
    try:
        for error in _validator(json_text(schema)).iter_errors(value):
            errors.append(_shown(error))
            if len(errors) == _MOST_ERRORS:
                break
    except _MALFORMED as error:
        raise ExpressionError(f"The JSON schema is not valid or refers to another document: {error}") from error
    return errors


def _ignored(_validator: Any, _keyword: Any, _instance: Json, _schema: Json) -> Iterator[ValidationError]:
    return iter(())


def _additional_properties(validator: Any, keyword: Any, instance: Json, schema: Json) -> Iterator[ValidationError]:
    if "patternProperties" not in schema:
        yield from _standard("additionalProperties")(validator, keyword, instance, schema)


def _required(validator: Any, keyword: Any, instance: Json, schema: Json) -> Iterator[ValidationError]:
    if isinstance(keyword, list):  # older drafts wrote a boolean at each property
        yield from _standard("required")(validator, keyword, instance, schema)


def _standard(keyword: str) -> Callable[..., Iterator[ValidationError]]:
    check: Callable[..., Iterator[ValidationError]] = Draft7Validator.VALIDATORS[keyword]
    return check


_Validator: Any = extend(  # type: ignore[no-untyped-call]  # its stubs leave it untyped
    Draft7Validator,
    validators={
        "pattern": _ignored,
        "patternProperties": _ignored,
        "additionalProperties": _additional_properties,
        "required": _required,
    },
    type_checker=Draft4Validator.TYPE_CHECKER,
)


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Any:
    return _Validator(msgspec.json.decode(schema_text), registry=Registry())


def _shown(error: ValidationError) -> dict[str, Json]:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    schema_id = "/".join(["#", *map(str, list(error.absolute_schema_path)[:-1])])
    return {
        "message": error.message[:500],
        "path": path.removeprefix("."),
        "value": error.instance,
        "errorType": str(error.validator),
        "schemaId": schema_id,
    }
