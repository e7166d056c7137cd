"""Documents that are half-finished or meant to hurt: they read, or say what is wrong, and in little time."""

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flowmend.core.connector import read_connector
from flowmend.core.connector.lenient_json import parse_lenient_json
from flowmend.core.connector.operation_form import operation_form
from flowmend.core.errors import InvalidDocument

WRONG: tuple[Any, ...] = (None, 5, True, "x", [], {}, ["x", 5, None], {"x": 5})
SCHEMA = {"type": "object", "xml": {"name": "s"}, "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
OPENAPI_2 = {
    "swagger": "2.0",
    "info": {"title": "T"},
    "host": "api.example.com",
    "schemes": ["https"],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    "paths": {
        "/a/{id}": {
            "post": {
                "operationId": "A",
                "x-ms-trigger": "single",
                "x-flowmend-poll": {"items": "value", "id": ["id"], "since": {"$filter": "{cursor}"}},
                "x-flowmend-request": {"path": "/b", "require": [{"that": "@true", "message": "m"}], "first": {"path": "/c"}},
                "x-flowmend-response": {"body": {}, "status": [200], "fails": [{"that": "@true", "code": "c"}]},
                "consumes": ["application/xml"],
                "parameters": [
                    {"name": "id", "in": "path", "type": "string"},
                    {"name": "body", "in": "body", "schema": SCHEMA},
                ],
            }
        }
    },
}  # fmt: skip
OPENAPI_3 = {
    "openapi": "3.0.1",
    "servers": [{"url": "https://{r}.example.com/v1", "variables": {"r": {"default": "eu", "enum": ["eu"]}}}],
    "security": [{"k": []}],
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}],
            "get": {"servers": [{"url": "https://y.test"}], "security": [{"o": ["s"]}], "responses": {"200": {}}},
            "post": {
                "requestBody": {
                    "content": {"multipart/form-data": {"schema": {"properties": {"f": {"format": "binary"}}}}}
                }
            },
        }
    },
    "components": {
        "schemas": {"S": SCHEMA},
        "securitySchemes": {
            "k": {"type": "apiKey", "in": "header", "name": "X"},
            "o": {
                "type": "oauth2",
                "flows": {
                    "authorizationCode": {"authorizationUrl": "https://y.test/a", "tokenUrl": "https://y.test/t"}
                },
            },
        },
    },
}
PROPERTIES = {
    "properties": {
        "connectionParameters": {
            "key": {"type": "securestring", "allowedValues": [{"value": "a"}]},
            "token": {"type": "oauthSetting", "oAuthSettings": {"identityProvider": "aad", "scopes": ["s"]}},
        },
        "scriptOperations": ["B"],
        "policyTemplateInstances": [
            {"templateId": "setheader", "parameters": {"x-ms-apimTemplateParameter.name": "X"}}
        ],
    }
}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*at, key))


def with_wrong(value: Any, at: tuple[Any, ...], wrong: Any) -> Any:
    if not at:
        return wrong
    changed = copy.copy(value)
    changed[at[0]] = with_wrong(value[at[0]], at[1:], wrong)
    return changed


@pytest.mark.parametrize("definition", [OPENAPI_2, OPENAPI_3], ids=["OpenAPI 2", "OpenAPI 3"])
def test_whatever_stands_in_a_values_place_ends_in_no_exception(definition: Any) -> None:
    for at in places(definition):
        for wrong in WRONG:
            changed = with_wrong(definition, at, wrong)
            read_connector(changed, PROPERTIES, connector_id="x")
            operation_form(changed, "A")
    for at in places(PROPERTIES):
        for wrong in WRONG:
            read_connector(definition, with_wrong(PROPERTIES, at, wrong), connector_id="x")


def test_a_schema_that_holds_itself_many_times_is_read_in_no_time() -> None:
    itself = {f"p{number}": {"$ref": "#/definitions/S"} for number in range(10)}
    node = {"consumes": ["text/xml"], "parameters": [{"in": "body", "schema": {"$ref": "#/definitions/S"}}]}
    definition = {
        "host": "api.example.com",
        "paths": {"/a": {"post": node}},
        "definitions": {"S": {"properties": itself}},
    }
    before = time.monotonic()
    reading = read_connector(definition, None, connector_id="x")
    assert reading.connector is not None
    assert time.monotonic() - before < 5


def test_a_text_that_nothing_ends_is_refused_in_no_time() -> None:
    before = time.monotonic()
    with pytest.raises(InvalidDocument):
        parse_lenient_json(b'["' + b'\\"' * 200_000)
    assert time.monotonic() - before < 5


def test_many_paths_that_refer_to_one_large_item_are_refused_in_no_time() -> None:
    item = {method: {"parameters": [{"$ref": "#/components/parameters/p"}] * 200} for method in ("get", "put", "post")}
    definition = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example.com"}],
        "paths": {f"/a{number}": {"$ref": "#/components/pathItems/i"} for number in range(20_000)},
        "components": {"pathItems": {"i": item}, "parameters": {"p": {"name": "p", "in": "query"}}},
    }
    before = time.monotonic()
    reading = read_connector(definition, None, connector_id="x")
    assert [problem.code for problem in reading.problems] == ["DocumentTooLarge"]
    assert time.monotonic() - before < 5
