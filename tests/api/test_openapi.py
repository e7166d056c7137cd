"""The OpenAPI document says what there is."""

from collections.abc import Iterator
from typing import Any

import flowmend as package
from flowmend.api.openapi import openapi_document
from flowmend.api.routes import OPERATIONS

from .conftest import Flowmend

DOCUMENT = openapi_document(OPERATIONS, "http://localhost/api/v1")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_route_is_in_it() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(operation.method, operation.path) for operation in OPERATIONS}


def test_every_reference_leads_somewhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(references(DOCUMENT)) <= known


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_name_in_a_path_is_a_parameter() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == {part.strip("{}") for part in path.split("/") if part.startswith("{")}


def test_surface_resources_are_camel_case_and_ours_are_not() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert "startTime" in schemas["RunProperties"]["properties"]
    assert "display_name" in schemas["ConnectionShape"]["properties"]


def test_it_is_served(flowmend: Flowmend) -> None:
    answer = flowmend.api("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.json["info"]["version"] == package.__version__
    assert answer.json["servers"] == [{"url": f"{flowmend.origin}/api/v1"}]
