import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from flowmend.core.connector import (
    Connector,
    HttpRequest,
    Location,
    SignInKind,
    allowed_origins,
    build_request,
    read_connector,
)

SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "k"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "code": {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": "/auth",
                "tokenUrl": "https://id.example/token",
                "scopes": {"read": "", "write": ""},
            }
        },
    },
    "app": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://id.example/token", "scopes": {}}}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://id.example/.well-known/openid-configuration"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "mutual": {"type": "mutualTLS"},
}


def document(**more: Any) -> dict[str, Any]:
    made = {
        "openapi": "3.1.0",
        "info": {"title": "Pets"},
        "servers": [{"url": "https://api.example.com/v2"}],
        "components": {
            "parameters": {"page": {"name": "page", "in": "query", "schema": {"type": ["integer", "null"]}}},
            "schemas": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        },
        "paths": {
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "get": {
                    "operationId": "GetPet",
                    "parameters": [
                        {"$ref": "#/components/parameters/page"},
                        {"name": "tags", "in": "query", "schema": {"type": "array"}},
                        {"name": "ids", "in": "query", "explode": False, "schema": {"type": "array"}},
                        {"name": "bars", "in": "query", "style": "pipeDelimited", "schema": {"type": "array"}},
                        {
                            "name": "filter",
                            "in": "query",
                            "style": "deepObject",
                            "schema": {"type": "object", "properties": {"age": {"type": "integer"}}},
                        },
                    ],
                },
                "put": {
                    "operationId": "PutPet",
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/xml": {"schema": {"$ref": "#/components/schemas/Pet"}},
                            "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}},
                        },
                    },
                },
                "post": {
                    "operationId": "Upload",
                    "requestBody": {
                        "content": {
                            "multipart/form-data": {
                                "schema": {
                                    "required": ["photo"],
                                    "properties": {
                                        "photo": {"type": "string", "format": "binary"},
                                        "note": {"type": "string"},
                                    },
                                }
                            }
                        }
                    },
                },
            },
            "/elsewhere": {
                "get": {"operationId": "Elsewhere", "servers": [{"url": "https://other.example"}]},
            },
        },
    }
    return made | more


def read(made: dict[str, Any], properties: Any = None) -> Connector:
    reading = read_connector(made, properties, connector_id="pets")
    assert reading.connector is not None, reading.problems
    return reading.connector


def build(connector: Connector, operation_id: str, parameters: Any = None, **arguments: Any) -> HttpRequest:
    request = build_request(connector, connector.operations[operation_id], arguments, parameters or {})
    assert isinstance(request, HttpRequest), request
    return request


def test_parameters_go_where_their_style_says() -> None:
    request = build(
        read(document()),
        "GetPet",
        id="a/b",
        page=2,
        tags=["x", "y"],
        ids=[1, 2],
        bars=["p", "q"],
        **{"filter[age]": 3},
    )
    assert urlsplit(request.url).path == "/v2/pets/a%2Fb"
    assert parse_qsl(urlsplit(request.url).query) == [
        ("page", "2"),
        ("tags", "x"),
        ("tags", "y"),
        ("ids", "1,2"),
        ("bars", "p|q"),
        ("filter[age]", "3"),
    ]


def test_a_body_goes_as_json_where_that_is_taken() -> None:
    request = build(read(document()), "PutPet", id="1", **{"body/name": "Rex"})
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or b"") == {"name": "Rex"}


def test_a_form_has_a_parameter_for_each_property() -> None:
    connector = read(document())
    found = {one.name: (one.type, one.is_required) for one in connector.operations["Upload"].at(Location.FORM)}
    assert found == {"photo": ("file", True), "note": ("string", False)}
    assert build(connector, "Upload", id="1", photo="x").headers["Content-Type"].startswith("multipart/form-data")


def test_variables_of_a_server_are_asked_of_the_connection() -> None:
    variables = {"region": {"default": "eu", "enum": ["eu", "us"]}}
    made = document(servers=[{"url": "https://{region}.example.com/v1", "variables": variables}])
    connector = read(made)
    (asked,) = connector.sign_in[0].parameters
    assert (asked.name, asked.default, asked.allowed_values) == ("region", "eu", ("eu", "us"))
    assert build(connector, "GetPet", {"region": "us"}, id="1").url == "https://us.example.com/v1/pets/1"
    assert build(connector, "GetPet", id="1").url == "https://eu.example.com/v1/pets/1"


def test_several_servers_are_a_choice_and_an_operation_may_have_its_own() -> None:
    made = document(servers=[{"url": "https://a.example"}, {"url": "https://b.example/"}])
    connector = read(made)
    chosen = {"server": "https://b.example"}
    assert build(connector, "GetPet", chosen, id="1").url == "https://b.example/pets/1"
    assert build(connector, "Elsewhere", chosen).url == "https://other.example/elsewhere"
    assert set(allowed_origins(connector, chosen)) == {"https://b.example", "https://other.example"}


SIGN_INS = {
    "a key": ([{"key": []}], [("", SignInKind.API_KEY)]),
    "two ways": ([{"key": []}, {"basic": []}], [("key", SignInKind.API_KEY), ("basic", SignInKind.BASIC)]),
    "two keys together": ([{"key": [], "query": []}], [("", SignInKind.API_KEY)]),
    "a token": ([{"bearer": []}], [("", SignInKind.API_KEY)]),
    "a person": ([{"code": ["read"]}], [("", SignInKind.OAUTH2)]),
    "an app": ([{"app": []}], [("", SignInKind.CLIENT_CREDENTIALS)]),
    "by discovery": ([{"oidc": []}], [("", SignInKind.OAUTH2)]),
    "nothing": ([], [("", SignInKind.NONE)]),
    "a cookie": ([{"cookie": []}], [("", SignInKind.UNSUPPORTED)]),
    "what we know beside what we don't": ([{"mutual": []}, {"key": []}], [("", SignInKind.API_KEY)]),
}


@pytest.mark.parametrize(("security", "ways"), SIGN_INS.values(), ids=SIGN_INS)
def test_each_way_that_is_enough_is_one_to_sign_in(security: Any, ways: Any) -> None:
    made = document(security=security)
    made["components"]["securitySchemes"] = SCHEMES
    assert [(one.name, one.kind) for one in read(made).sign_in] == ways


def test_what_cannot_be_used_is_named() -> None:
    made = document(security=[{"cookie": []}])
    made["components"]["securitySchemes"] = SCHEMES
    reading = read_connector(made, None, connector_id="pets")
    assert [(one.code, one.pointer) for one in reading.problems] == [
        ("UnsupportedSignIn", "/components/securitySchemes/cookie")
    ]


def test_a_bearer_token_is_sent_where_it_was_given_and_only_there() -> None:
    made = document(security=[{"bearer": []}, {"key": []}])
    made["components"]["securitySchemes"] = SCHEMES
    connector = read(made)
    assert build(connector, "GetPet", {"bearer": "t"}, id="1").headers["Authorization"] == "Bearer t"
    assert "Authorization" not in build(connector, "GetPet", {"key": "k"}, id="1").headers


def test_relative_endpoints_are_the_servers_own() -> None:
    made = document(security=[{"code": ["read"]}])
    made["components"]["securitySchemes"] = SCHEMES
    settings = read(made).sign_in[0].oauth
    assert settings is not None
    assert settings.authorization_url == "https://api.example.com/auth"
    assert (settings.token_url, settings.scopes) == ("https://id.example/token", ("read", "write"))


def test_endpoints_left_to_discovery_are_asked_of_the_owner() -> None:
    made = document(security=[{"oidc": []}])
    made["components"]["securitySchemes"] = SCHEMES
    connector = read(made)
    assert [one.name for one in connector.sign_in[0].parameters] == ["authorizationUrl", "tokenUrl"]
    given = {"authorizationUrl": "https://id.example/a", "tokenUrl": "https://id.example/t"}
    assert "https://id.example" in allowed_origins(connector, given)


def test_a_server_that_is_only_a_path_is_asked_of_the_connection() -> None:
    connector = read(document(servers=[{"url": "/v1"}]))
    assert [one.name for one in connector.sign_in[0].parameters] == ["server"]
    assert build(connector, "GetPet", {"server": "https://my.example"}, id="1").url == "https://my.example/v1/pets/1"
