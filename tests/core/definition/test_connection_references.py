import pytest

from flowmend.core.definition import (
    ConnectionReference,
    Packaging,
    connection_key,
    connector_name,
    find_reference,
    read_flow,
)
from flowmend.core.json_value import Json

ARM_API = (
    "[concat('/subscriptions/', subscription().subscriptionId, '/providers/Microsoft.Web/locations/', "
    "resourceGroup().location, '/managedApis/Office365')]"
)


def references(raw: Json, actions: Json | None = None) -> dict[str, ConnectionReference]:
    document = {"definition": {"triggers": {}, "actions": actions or {}}, "connectionReferences": raw}
    read = read_flow(document, packaging=Packaging.PLAIN, name="orders")
    assert read.flow
    return dict(read.flow.connection_references)


FORMS: list[tuple[str, Json, tuple[str, str, str, str]]] = [
    (
        "Power Automate export",
        {
            "connectionName": "shared-flowpush-66ba",
            "source": "Embedded",
            "id": "/providers/Microsoft.PowerApps/apis/shared_flowpush",
        },
        ("flowpush", "shared-flowpush-66ba", "", "embedded"),
    ),
    (
        "solution",
        {
            "runtimeSource": "invoker",
            "connection": {"connectionReferenceLogicalName": "mpa_SAPERP"},
            "api": {"name": "shared_saperp"},
        },
        ("saperp", "", "mpa_SAPERP", "invoker"),
    ),
    (
        "$connections with plain ids",
        {
            "connectionId": "/subscriptions/1/resourceGroups/g/providers/Microsoft.Web/connections/mail",
            "connectionName": "mail",
            "id": "/subscriptions/1/providers/Microsoft.Web/locations/eastus/managedApis/office365",
        },
        ("office365", "mail", "", ""),
    ),
    (
        "$connections with template expressions",
        {"connectionId": "[resourceId('x', 'y')]", "connectionName": "[variables('n')]", "id": ARM_API},
        ("office365", "", "", ""),
    ),
]


@pytest.mark.parametrize(("entry", "expected"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_a_reference_is_read_from_each_form(entry: Json, expected: tuple[str, str, str, str]) -> None:
    reference = references({"key": entry})["key"]
    found = (reference.connector, reference.connection_name, reference.logical_name, reference.runtime_source)
    assert found == expected
    assert reference.raw == entry


def test_the_value_of_the_connections_parameter_is_found_beside_a_definition() -> None:
    document = {
        "definition": {"triggers": {}, "actions": {}},
        "parameters": {"$connections": {"value": {"mail": {"id": ARM_API}}}},
    }
    read = read_flow(document, packaging=Packaging.PLAIN, name="orders")
    assert read.flow
    assert read.flow.connection_references["mail"].connector == "office365"


def test_a_standard_connections_file_gives_its_sections_and_tells_built_in_from_managed() -> None:
    found = references(
        {
            "serviceProviderConnections": {"sql": {"serviceProvider": {"id": "/serviceProviders/sql"}}},
            "managedApiConnections": {
                "sql": {"api": {"id": "/…/managedApis/sql"}, "connection": {"id": "/…/connections/sql-2"}}
            },
        }
    )
    assert {key: reference.connector for key, reference in found.items()} == {
        "sql": "sql",
        "serviceProviderConnections/sql": "serviceproviders/sql",
    }
    assert found["sql"].connection_name == "sql-2"


HOSTS: list[tuple[str, Json, str | None]] = [
    ("classic", {"connection": {"name": "@parameters('$connections')['office365']['connectionId']"}}, "office365"),
    ("classic, guarded", {"connection": {"name": "@parameters('$connections')?['o''x']?['connectionId']"}}, "o'x"),
    ("classic, by dot", {"connection": {"name": "@parameters('$connections').mail.connectionId"}}, "mail"),
    (
        "of the caller",
        {
            "connection": {
                "name": "@json(decodeBase64(triggerOutputs().headers['X-MS-APIM-Tokens']))['$connections']['k']['connectionId']"
            }
        },
        "k",
    ),
    ("Standard", {"connection": {"referenceName": "mail"}}, "mail"),
    ("OpenApi", {"apiId": "/x/apis/shared_y", "connectionName": "shared_y", "operationId": "Do"}, "shared_y"),
    ("OpenApi, by reference", {"connectionReferenceName": "shared_y", "operationId": "Do"}, "shared_y"),
    ("none", {"workflow": {"id": "x"}}, None),
]


@pytest.mark.parametrize(("host", "expected"), [row[1:] for row in HOSTS], ids=[row[0] for row in HOSTS])
def test_the_key_is_found_in_every_spelling_of_a_host(host: Json, expected: str | None) -> None:
    assert connection_key({"host": host}) == expected


@pytest.mark.parametrize("inputs", [None, "@body('x')", [], {"host": "x"}, {"host": {"connection": {"name": 3}}}])
def test_inputs_without_connection_name_none(inputs: Json) -> None:
    assert connection_key(inputs) is None


def test_a_built_in_operation_names_its_connection() -> None:
    assert connection_key({"serviceProviderConfiguration": {"connectionName": "bus"}}) == "bus"


def test_a_reference_used_but_not_declared_is_made_from_its_use() -> None:
    use = {"host": {"connectionName": "shared_mail_1", "apiId": "/providers/Microsoft.PowerApps/apis/shared_mail"}}
    classic = {"host": {"connection": {"name": "@parameters('$connections')['azureblob-2']['connectionId']"}}}
    found = references(
        None, {"A": {"type": "OpenApiConnection", "inputs": use}, "B": {"type": "ApiConnection", "inputs": classic}}
    )
    assert {key: reference.connector for key, reference in found.items()} == {
        "shared_mail_1": "mail",
        "azureblob-2": "azureblob",
    }


def test_a_declared_reference_is_found_ignoring_case_and_not_made_again() -> None:
    use = {"host": {"connectionName": "Shared_Mail", "apiId": "/x/apis/shared_mail"}}
    found = references(
        {"shared_mail": {"id": "/x/apis/shared_mail"}}, {"A": {"type": "OpenApiConnection", "inputs": use}}
    )
    assert list(found) == ["shared_mail"]
    assert find_reference("SHARED_MAIL", found) is found["shared_mail"]


def test_references_of_a_wrong_type_are_reported() -> None:
    document = {"definition": {"triggers": {}, "actions": {}}, "connectionReferences": {"a": 1}}
    read = read_flow(document, packaging=Packaging.PLAIN, name="orders")
    assert ("InvalidConnectionReferences", "/connectionReferences/a") in [(p.code, p.pointer) for p in read.problems]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shared_office365", "office365"),
        ("azureblob_12", "azureblob"),
        ("/apis/shared_sql", "sql"),
        (ARM_API, "office365"),
    ],
)
def test_a_connector_is_named_shortly(text: str, name: str) -> None:
    assert connector_name(text) == name
