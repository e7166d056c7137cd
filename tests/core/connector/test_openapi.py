from collections.abc import Callable

import pytest

from flowmend.core.connector import (
    Connector,
    KeyPlacement,
    Location,
    SignInKind,
    allowed_origins,
    parse_lenient_json,
    read_connector,
)
from flowmend.core.errors import InvalidDocument

MINIMAL = {"swagger": "2.0", "host": "x.example.com", "paths": {"/a": {"get": {"operationId": "A"}}}}


def test_a_connector_is_read_with_its_operations_and_probe(make_connector: Callable[..., Connector]) -> None:
    connector = make_connector()
    assert connector.base_url == "https://api.example.com/v1"
    assert connector.display_name == "Orders"
    assert connector.test_operation is not None
    assert connector.test_operation.operation_id == "Me"
    create = connector.operations["CreateOrder"]
    assert (create.method, create.path, create.honours_key, create.is_read) == ("POST", "/orders", True, False)
    assert connector.operation("createorder") is create
    assert connector.operation("Nothing") is None
    shared = connector.operations["GetOrder"].at(Location.PATH)
    assert [parameter.name for parameter in shared] == ["id"]
    region = connector.operations["ListOrders"].at(Location.HEADER)
    assert [(parameter.name, parameter.default) for parameter in region] == [("x-region", "eu")]


LENIENT = {
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "trailing commas": b'{"a": 1, "b": [1, 2,],\n}',
    "comma inside a string": b'{"a": "x,}", "b": ",]",}',
    "cp1252 bytes": b'{"a": "\x93quoted\x94"}',
    "raw control characters": b'{"a": "one\ttwo"}',
}


@pytest.mark.parametrize("content", LENIENT.values(), ids=LENIENT)
def test_files_are_read_as_they_really_are(content: bytes) -> None:
    assert parse_lenient_json(content)["a"]


def test_a_comma_inside_a_string_survives() -> None:
    assert parse_lenient_json(LENIENT["comma inside a string"]) == {"a": "x,}", "b": ",]"}


@pytest.mark.parametrize("content", [b"{", b"", b'{"a" 1}', b"[" * 100_000])
def test_a_file_that_is_no_json_names_the_place(content: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"line|nested"):
        parse_lenient_json(content)


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ({}, "InvalidConnector"),
        ([], "InvalidConnector"),
        ({"paths": []}, "InvalidConnector"),
        ({"swagger": "1.2", "paths": {}}, "UnsupportedOpenApiVersion"),
        ({"openapi": "4.0.0", "paths": {}}, "UnsupportedOpenApiVersion"),
    ],
)
def test_what_is_no_openapi_gives_a_problem_and_no_connector(definition: object, code: str) -> None:
    reading = read_connector(definition, None, connector_id="x")
    assert reading.connector is None
    assert [problem.code for problem in reading.problems] == [code]


def test_broken_parts_are_named_and_the_rest_is_read() -> None:
    definition = MINIMAL | {
        "paths": {
            "/a": {
                "get": {
                    "operationId": "A",
                    "parameters": [
                        {"name": "q", "in": "query"},
                        {"$ref": "#/parameters/nowhere"},
                        {"$ref": "https://example.com/remote.json"},
                        {"name": "z", "in": "sky"},
                        {"$ref": "#/parameters/circle"},
                    ],
                }
            },
            "/b": {"get": {"operationId": "A"}},
            "/c": None,
        },
        "parameters": {"circle": {"$ref": "#/parameters/circle"}},
        "x-ms-capabilities": {"testConnection": {"operationId": "Gone"}},
    }
    reading = read_connector(definition, None, connector_id="x")
    assert reading.connector is not None
    assert [parameter.name for parameter in reading.connector.operations["A"].parameters] == ["q"]
    codes = [problem.code for problem in reading.problems]
    assert codes == ["InvalidParameter"] * 4 + ["DuplicateOperation", "InvalidTestOperation"]
    assert reading.problems[0].pointer == "/paths/~1a/get/parameters/1"


def test_operations_that_need_a_script_or_an_unknown_policy_say_so() -> None:
    properties = {
        "scriptOperations": ["A"],
        "policyTemplateInstances": [
            {"templateId": "teleport", "parameters": {"x-ms-apimTemplate-operationName": ["B"]}},
            {"templateId": "updatenextlink", "parameters": {}},
        ],
    }
    definition = MINIMAL | {"paths": {f"/{name}": {"get": {"operationId": name}} for name in "ABC"}}
    reading = read_connector(definition, properties, connector_id="x")
    assert reading.connector is not None
    unsupported = {name: one.unsupported.partition(":")[0] for name, one in reading.connector.operations.items()}
    assert unsupported == {"A": "UnsupportedScript", "B": "UnsupportedPolicy", "C": ""}
    assert [problem.code for problem in reading.problems].count("UnsupportedPolicy") == 1


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
QUERY_KEY = {"type": "apiKey", "in": "query", "name": "key"}
SECRET = {"type": "securestring"}
PLACEMENTS = {
    "same name": ({"k": SECRET}, {"k": KEY}, [("k", "header", "X-Key")]),
    "another name, only one": ({"api_key": SECRET}, {"API Key": KEY}, [("api_key", "header", "X-Key")]),
    "pairwise": (
        {"apiKey": SECRET, "token": SECRET},
        {"API Key": KEY, "Account": QUERY_KEY},
        [("apiKey", "header", "X-Key"), ("token", "query", "key")],
    ),
    "one key twice": (
        {"api_key": SECRET},
        {"h": KEY, "q": QUERY_KEY},
        [("api_key", "header", "X-Key"), ("api_key", "query", "key")],
    ),
    "a host beside it": (
        {"host": {"type": "string"}, "api_key": SECRET},
        {"API Key": KEY},
        [("api_key", "header", "X-Key")],
    ),
    "no definition": ({"api_key": SECRET}, {}, []),
}


@pytest.mark.parametrize(("parameters", "security", "expected"), PLACEMENTS.values(), ids=PLACEMENTS)
def test_a_key_goes_where_its_definition_says(parameters: object, security: object, expected: list[object]) -> None:
    reading = read_connector(
        MINIMAL | {"securityDefinitions": security}, {"connectionParameters": parameters}, connector_id="x"
    )
    assert reading.connector is not None
    (method,) = reading.connector.sign_in
    assert method.kind is SignInKind.API_KEY
    assert [(one.parameter, one.location.value, one.name) for one in method.placements] == expected
    assert all(isinstance(one, KeyPlacement) for one in method.placements)


@pytest.mark.parametrize(
    "names",
    [{"username": SECRET, "password": SECRET}, {"password": SECRET, "username": {"type": "string"}}],
)
def test_basic_sign_in_finds_user_and_password_in_any_order(names: dict[str, object]) -> None:
    reading = read_connector(
        MINIMAL | {"securityDefinitions": {"b": {"type": "basic"}}}, {"connectionParameters": names}, connector_id="x"
    )
    assert reading.connector is not None
    (method,) = reading.connector.sign_in
    assert (method.kind, method.user_parameter, method.password_parameter) == (SignInKind.BASIC, "username", "password")


def oauth(provider: str, client_id: str = "abc", **custom: str) -> dict[str, object]:
    settings = {
        "identityProvider": provider,
        "clientId": client_id,
        "scopes": ["read"],
        "customParameters": {name: {"value": value} for name, value in custom.items()},
    }
    return {"connectionParameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}}}


def test_oauth_settings_give_endpoints_scopes_and_the_app() -> None:
    properties = oauth("oauth2", authorizationUrl="https://id.example/a", tokenUrl="https://id.example/t")
    reading = read_connector(MINIMAL, properties, connector_id="x")
    assert reading.connector is not None
    (method,) = reading.connector.sign_in
    assert method.kind is SignInKind.OAUTH2
    assert method.oauth is not None
    assert (method.oauth.token_url, method.oauth.refresh_url) == ("https://id.example/t", "https://id.example/t")
    assert method.oauth.client_id == "abc"
    assert allowed_origins(reading.connector, {}) == ("https://x.example.com", "https://id.example")


def test_azure_sign_in_uses_the_second_version_and_asks_for_refresh() -> None:
    properties = oauth("aad", "<<your client id>>", loginUri="https://login.windows.net", tenantId="common")
    reading = read_connector(MINIMAL, properties, connector_id="x")
    assert reading.connector is not None
    settings = reading.connector.sign_in[0].oauth
    assert settings is not None
    assert settings.token_url == "https://login.microsoftonline.com/{tenantid}/oauth2/v2.0/token"
    assert settings.tenant == "common"
    assert settings.scopes == ("read", "offline_access")
    assert settings.client_id == ""


def test_a_provider_without_endpoints_is_named_as_not_supported() -> None:
    reading = read_connector(MINIMAL, oauth("unheard-of"), connector_id="x")
    assert reading.connector is not None
    assert reading.connector.sign_in[0].kind is SignInKind.UNSUPPORTED
    assert [problem.code for problem in reading.problems] == ["UnsupportedSignIn"]


def test_parameter_sets_are_several_ways_to_sign_in() -> None:
    sets = {
        "values": [
            {"name": "key", "parameters": {"k": SECRET}},
            {"name": "open", "parameters": {}, "uiDefinition": {"displayName": "Without"}},
        ]
    }
    reading = read_connector(
        MINIMAL | {"securityDefinitions": {"k": KEY}}, {"connectionParameterSets": sets}, connector_id="x"
    )
    assert reading.connector is not None
    assert [(method.name, method.kind) for method in reading.connector.sign_in] == [
        ("key", SignInKind.API_KEY),
        ("open", SignInKind.NONE),
    ]
    assert reading.connector.method_named("open").title == "Without"
    assert reading.connector.method_named("gone").name == "key"


def test_a_key_that_may_go_in_a_header_goes_nowhere_else() -> None:
    security = {"h": KEY, "q": QUERY_KEY}
    properties = {"connectionParameters": {"api_key": SECRET}}
    for ways, places in (([{"q": []}, {"h": []}], ["header"]), ([{"h": [], "q": []}], ["header", "query"])):
        definition = MINIMAL | {"securityDefinitions": security, "security": ways}
        connector = read_connector(definition, properties, connector_id="x").connector
        assert connector is not None
        assert [one.location.value for one in connector.sign_in[0].placements] == places


def test_a_hidden_parameter_is_asked_of_nobody_and_a_private_key_has_many_lines() -> None:
    hidden = {"displayName": "Address", "constraints": {"required": "true", "hidden": "true", "default": "https://x"}}
    declared = {
        "baseUrl": {"type": "string", "uiDefinition": hidden},
        "key": {"type": "securestring", "x-flowmend-multiline": True},
    }
    reading = read_connector(MINIMAL, {"connectionParameters": declared}, connector_id="x")
    assert reading.connector is not None
    address, key = reading.connector.sign_in[0].parameters
    assert (address.is_hidden, address.is_required, address.default, address.is_multiline) == (
        True,
        False,
        "https://x",
        False,
    )
    assert (key.is_hidden, key.is_multiline) == (False, True)
