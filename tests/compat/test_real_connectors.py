"""Connector folders as published, read whole and every operation's request built; they lie beside the project."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connector import (
    Connector,
    HttpRequest,
    Location,
    Operation,
    Parameter,
    allowed_origins,
    build_path_request,
    build_request,
    parse_lenient_json,
    read_connector,
)
from flowmend.core.errors import InvalidDocument

FOLDERS = Path(__file__).parents[3] / "shared" / "data" / "connectors"
pytestmark = pytest.mark.skipif(
    not FOLDERS.is_dir(), reason="the collection of real connectors is not there: ../shared/data/connectors"
)

VALUES: dict[str, Any] = {"integer": 5, "number": 1.5, "boolean": True, "array": ["a", "b c"], "object": {"a": 1}}


def folders() -> Iterator[tuple[str, Any, Any]]:
    for definition in sorted(FOLDERS.glob("*/*/apiDefinition.swagger.json")):
        properties = definition.with_name("apiProperties.json")
        try:
            yield (
                definition.parent.name,
                parse_lenient_json(definition.read_bytes()),
                parse_lenient_json(properties.read_bytes()) if properties.exists() else None,
            )
        except InvalidDocument:  # four of the files are no JSON, whichever way one looks at them
            continue


@pytest.fixture(scope="module")
def connectors() -> list[Connector]:
    readings = [read_connector(one, other, connector_id=name) for name, one, other in folders()]
    return [reading.connector for reading in readings if reading.connector is not None]


def test_every_readable_folder_gives_a_connector(connectors: list[Connector]) -> None:
    assert len(connectors) == 193


def test_every_operation_gives_its_request_or_says_why_not(connectors: list[Connector]) -> None:
    refused: Counter[str] = Counter()
    built = 0
    for connector in connectors:
        parameters = {
            parameter.name: "acme.example.com" for method in connector.sign_in for parameter in method.parameters
        }
        origins = allowed_origins(connector, parameters)
        for operation in connector.operations.values():
            request = build_request(connector, operation, _arguments(operation), parameters)
            if not isinstance(request, HttpRequest):
                refused[request.code] += 1
                continue
            built += 1
            assert request.url.isascii()
            assert "{" not in request.url
            assert request.origin in origins or "@" in repr(connector.policies), (connector.connector_id, request)
    assert refused == {"UnsupportedScript": 19, "InvalidHeaderName": 4}
    assert built == 3236


def test_every_path_finds_its_own_operation(connectors: list[Connector]) -> None:
    lost = 0
    for connector in connectors:
        for operation in connector.operations.values():
            if "?" in operation.path or operation.unsupported:
                continue
            path = operation.path
            for parameter in operation.at(Location.PATH):
                path = path.replace("{" + parameter.name + "}", "value-1")
            made = build_path_request(connector, operation.method, path, {})
            lost += not isinstance(made, HttpRequest) and made.code == "MissingParameter"
    assert lost == 0


def test_every_way_to_sign_in_is_one_flowmend_knows(connectors: list[Connector]) -> None:
    kinds = Counter(method.kind.value for connector in connectors for method in connector.sign_in)
    assert kinds == {"api_key": 94, "oauth2": 51, "none": 30, "basic": 19, "client_credentials": 1}


def _arguments(operation: Operation) -> dict[str, Any]:
    return {parameter.name: _value(parameter) for parameter in operation.parameters}


def _value(parameter: Parameter) -> Any:
    return VALUES.get(parameter.type, "a.example")
