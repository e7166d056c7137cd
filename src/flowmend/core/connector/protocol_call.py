"""A call of an operation that is not HTTP, as values: its arguments by name, and what the server answered.

The operations are declared as every connector's are, so flows name and fill them the same way; only that no request is
built of them.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from flowmend.core.connector.operation import Location, Operation
from flowmend.core.connector.request import UnbuildableRequest
from flowmend.core.json_value import Json

#: A trigger's place in what it watches, given by its last answer: a parameter of the operation, and a key of its outputs.
CURSOR = "x-flowmend-cursor"
#: From when on items are new, an ISO time: a parameter of a trigger that has no place yet.
FROM = "x-flowmend-from"
_DEEPEST = 100


class ProtocolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The operation was performed. body: JSON, None for none. status: as HTTP would say it.

    cursor: of a trigger, its next place. has_more: there is more news than one answer holds.
    """

    body: Json = None
    status: int = 200
    cursor: Json = None
    has_more: bool = False


def arguments_of(operation: Operation, given: Mapping[str, Json]) -> dict[str, Json] | UnbuildableRequest:
    """The arguments by the names the operation declares, defaults filled in; None is "not given".

    given: flattened or whole (`row/name`, or `row` with an object). Refused: an unknown name, a missing required one.
    """
    by_name = {parameter.name.lower(): parameter.name for parameter in operation.parameters}
    found: dict[str, Json] = {}
    for name, value in given.items():
        head, *steps = name.split("/") if name.lower() not in by_name else [name]
        declared = by_name.get(head.lower())
        if declared is None and operation.is_trigger and name in {CURSOR, FROM}:
            declared = name
        if value is None:
            continue
        if declared is None:
            known = ", ".join(sorted(by_name.values())) or "none"
            message = f"The operation '{operation.operation_id}' has no parameter '{name}'. It has: {known}."
            return UnbuildableRequest(code="UnknownParameter", message=message)
        found[declared] = _with_property(found.get(declared), steps[:_DEEPEST], value)
    for parameter in operation.parameters:
        if parameter.name not in found and parameter.default is not None:
            found[parameter.name] = parameter.default
        if parameter.is_required and parameter.name not in found:
            message = f"The operation '{operation.operation_id}' needs a value for the parameter '{parameter.name}'."
            return UnbuildableRequest(code="MissingParameter", message=message)
    return found


def arguments_of_path(
    operation: Operation, path_values: Mapping[str, str], queries: Mapping[str, Json], body: Json
) -> dict[str, Json]:
    """What a call by method and path gives, as `arguments_of` takes it. path_values: percent-encoded."""
    found: dict[str, Json] = {name: unquote(unquote(text)) for name, text in path_values.items()}
    found |= queries
    content = next((one.name for one in operation.at(Location.BODY)), "")
    if content and body is not None:
        found[content] = body
    return found


def _with_property(whole: Json, steps: list[str], value: Json) -> Json:
    if not steps:
        return value
    result = dict(whole) if isinstance(whole, dict) else {}
    result[steps[0]] = _with_property(result.get(steps[0]), steps[1:], value)
    return result
