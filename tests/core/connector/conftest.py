from collections.abc import Callable
from typing import Any

import pytest

from flowmend.core.connector import Connector, read_connector

ORDERS: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Orders"},
    "host": "api.example.com",
    "basePath": "/v1",
    "schemes": ["https"],
    "consumes": ["application/json"],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
    "x-ms-capabilities": {"testConnection": {"operationId": "Me", "parameters": {}}},
    "parameters": {"region": {"name": "x-region", "in": "header", "type": "string", "default": "eu"}},
    "paths": {
        "/me": {"get": {"operationId": "Me"}},
        "/orders": {
            "get": {
                "operationId": "ListOrders",
                "parameters": [
                    {"name": "$filter", "in": "query", "type": "string"},
                    {"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}},
                    {"name": "tag", "in": "query", "type": "array", "collectionFormat": "multi"},
                    {"$ref": "#/parameters/region"},
                ],
            },
            "post": {
                "operationId": "CreateOrder",
                "x-flowmend-idempotent": True,
                "parameters": [
                    {"name": "body", "in": "body", "schema": {"type": "object"}},
                    {"name": "version", "in": "query", "type": "string", "required": True, "default": "2"},
                ],
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "type": "string", "required": True}],
            "get": {"operationId": "GetOrder"},
            "delete": {"operationId": "DeleteOrder"},
        },
        "/orders/latest": {"get": {"operationId": "LatestOrder"}},
        "/sites/{site}/items": {
            "get": {
                "operationId": "Items",
                "parameters": [{"name": "site", "in": "path", "type": "string", "x-ms-url-encoding": "double"}],
            }
        },
        "/files": {
            "post": {
                "operationId": "Upload",
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"name": "note", "in": "formData", "type": "string"},
                    {"name": "file", "in": "formData", "type": "file"},
                ],
            }
        },
        "/form": {
            "post": {
                "operationId": "Form",
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{"name": "a", "in": "formData", "type": "string"}],
            }
        },
    },
}
PROPERTIES: dict[str, Any] = {"properties": {"connectionParameters": {"key": {"type": "securestring"}}}}


@pytest.fixture
def make_connector() -> Callable[..., Connector]:
    """A function: the orders connector, with policies as `(template, parameters, operations)` and other documents."""

    def make(*policies: tuple[str, dict[str, Any], list[str]], **changes: Any) -> Connector:
        instances = [
            {
                "templateId": template,
                "title": "a policy",
                "parameters": {f"x-ms-apimTemplateParameter.{name}": value for name, value in parameters.items()}
                | ({"x-ms-apimTemplate-operationName": operations} if operations else {}),
            }
            for template, parameters, operations in policies
        ]
        inner = PROPERTIES["properties"] | {"policyTemplateInstances": instances}
        reading = read_connector(ORDERS | changes, {"properties": inner}, connector_id="orders")
        assert reading.connector is not None
        return reading.connector

    return make
