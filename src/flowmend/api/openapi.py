"""The OpenAPI 3 document of the API, made from its table of operations and the msgspec types of its bodies."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import flowmend
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.shapes.error import ErrorEnvelope
from flowmend.core.json_value import Json

_NAMES = re.compile(r"{(\w+)(?::\w+)?}")


def openapi_document(operations: Sequence[Operation], server: str) -> dict[str, Json]:
    """The document. server: the URL the paths stand below."""
    kinds = [kind for operation in operations for kind in (operation.takes, operation.gives) if kind is not None]
    kinds.append(ErrorEnvelope)
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    known = _ByKind(kinds, schemas)
    paths: dict[str, dict[str, Json]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Flowmend", "version": flowmend.__version__, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": server}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `flowmend token`."}
            },
        },
    }


class _ByKind:
    """Schemas by type; a list, because `dict[str, Any]` and friends need not be hashable alike."""

    def __init__(self, kinds: Sequence[Any], schemas: Sequence[Mapping[str, Json]]) -> None:
        self._pairs = list(zip(kinds, schemas, strict=True))

    def schema(self, kind: Any) -> Mapping[str, Json]:
        return next(schema for known, schema in self._pairs if known == kind)


def _operation(operation: Operation, known: _ByKind) -> dict[str, Json]:
    described: dict[str, Json] = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [
            *(_path_parameter(name) for name in _NAMES.findall(operation.path)),
            *(_query_parameter(parameter) for parameter in operation.query),
        ],
        "responses": {
            str(operation.status): _response(operation, known),
            "default": {
                "description": "What went wrong and what to do next",
                "content": {"application/json": {"schema": known.schema(ErrorEnvelope)}},
            },
        },
    }
    if operation.takes_file:
        described["requestBody"] = {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    elif operation.takes is not None:
        described["requestBody"] = {"content": {"application/json": {"schema": known.schema(operation.takes)}}}
    return described


def _response(operation: Operation, known: _ByKind) -> dict[str, Json]:
    if operation.gives_file:
        file = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        return {"description": operation.summary, "content": file}
    if operation.gives is None:
        return {"description": "Done"}
    schema: Mapping[str, Json] = known.schema(operation.gives)
    if operation.is_list:
        schema = {
            "type": "object",
            "required": ["value"],
            "properties": {
                "value": {"type": "array", "items": schema},
                "nextLink": {"type": "string", "format": "uri", "description": "Absent on the last page"},
            },
        }
    return {"description": operation.summary, "content": {"application/json": {"schema": schema}}}


def _path_parameter(name: str) -> dict[str, Json]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(parameter: QueryParameter) -> dict[str, Json]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": {"type": parameter.type},
    }
