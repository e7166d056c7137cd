"""The gallery of connectors, and connectors installed from uploaded files."""

import io
import json
import zipfile
from typing import Any

import pytest

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.errors import AskedWrongly, InvalidDocument, NotFound
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.connections import list_connectors, read_choice
from flowmend.use_cases.connector_gallery import find_connectors, read_connector_view
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.uploaded_connectors import install_uploaded
from use_cases.conftest import House

pytestmark = pytest.mark.anyio
BASIC = {
    "connectionParameters": {
        "username": {"type": "string", "uiDefinition": {"displayName": "User"}},
        "password": {"type": "securestring", "uiDefinition": {"displayName": "Password"}},
        "region": {
            "type": "string",
            "uiDefinition": {
                "displayName": "Region",
                "description": "Where it is",
                "tooltip": "Europe or America",
                "constraints": {
                    "required": "true",
                    "allowedValues": [{"text": "Europe", "value": "eu"}, {"text": "America", "value": "us"}],
                },
            },
        },
    }
}


def definition(title: str = "Orders", host: str = "orders.example", **operations: Any) -> dict[str, Any]:
    paths = {f"/{name}": {"get": {"operationId": name, "responses": {}, **parts}} for name, parts in operations.items()}
    paths = paths or {"/orders": {"get": {"operationId": "ListOrders", "summary": "List orders", "responses": {}}}}
    return {"swagger": "2.0", "info": {"title": title, "description": f"All of {title}"}, "host": host, "paths": paths}


def packed(files: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, value in files.items():
            archive.writestr(path, value if isinstance(value, str) else json.dumps(value))
    return content.getvalue()


def loose(value: Any) -> bytes:
    return json.dumps(value).encode()


async def test_the_gallery_finds_installed_and_built_in_connectors_by_what_they_do(house: House) -> None:
    house.install("orders", definition(GetOrder={"summary": "One order"}), BASIC)
    assert [one.connector_id for one in await find_connectors(house.services, "one ORDER")] == ["orders"]
    every = {one.connector_id: one for one in await find_connectors(house.services)}
    assert every["approvals"].is_built_in
    assert not every["orders"].is_built_in
    assert every["orders"].operations == 1
    assert "http" not in every  # flows bring its connections along
    assert await find_connectors(house.services, "no-such-word") == []


async def test_one_installed_in_place_of_a_built_in_one_counts_alone(house: House) -> None:
    house.install("smtp", definition("My mail"), BASIC)
    assert [one.display_name for one in await find_connectors(house.services) if one.connector_id == "smtp"] == ["Smtp"]
    assert await find_connectors(house.services, "sends mail through a mail server") == []
    assert (await read_connector_view(house.services, "smtp")).replaces_built_in


async def test_one_that_no_longer_reads_still_shows(house: House) -> None:
    house.install("odd", {"paths": 5}, {})
    (one,) = await find_connectors(house.services, "odd")
    assert (one.operations, one.sign_in) == (0, ())
    with pytest.raises(InvalidDocument):
        await read_connector_view(house.services, "odd")


async def test_a_connectors_page_shows_what_runs_what_tests_and_who_is_connected(house: House) -> None:
    house.install("orders", definition(GetOrder={}, OnOrder={"x-ms-trigger": "batch"}), BASIC)
    house.connect("orders", BasicCredential(user="ada", password="secret"))
    view = await read_connector_view(house.services, "orders")
    assert [one.operation_id for one in view.actions] == ["GetOrder"]
    assert [one.operation_id for one in view.triggers] == ["OnOrder"]
    assert ("GetOrder" in view.probes, len(view.connections)) == (True, 1)
    assert (await read_connector_view(house.services, "orders", "onorder")).actions == ()
    with pytest.raises(NotFound):
        await read_connector_view(house.services, "none")


async def test_a_field_offers_its_values_with_their_words_and_takes_no_other(house: House) -> None:
    house.install("orders", definition(), BASIC)
    choice = await read_choice(house.services, "orders")
    assert choice is not None
    (region,) = [one for one in choice.ways[0].parameters if one.name == "region"]
    assert (region.allowed_values, region.allowed_titles) == (("eu", "us"), ("Europe", "America"))
    assert region.description == "Where it is. Europe or America"
    values = {"username": "ada", "password": "secret", "region": "mars"}
    with pytest.raises(AskedWrongly, match="eu, us") as error:
        await create_connection(house.services, "orders", "Orders", values, "p1")
    assert (error.value.code, error.value.target) == ("InvalidParameter", "region")


async def test_a_field_for_a_connection_offers_those_there_are(house: House) -> None:
    mail = {"host": "mail.example", "security": "tls"}
    house.connect("smtp", BasicCredential(user="ada", password="secret"), parameters=mail, display_name="Mail")
    choice = await read_choice(house.services, "approvals")
    assert choice is not None
    field = choice.ways[0].parameters[0]
    assert (field.allowed_values, field.allowed_titles, field.required) == (("smtp-1",), ("Mail",), False)
    assert await read_choice(house.services, "http") is None


async def test_files_of_one_connector_are_installed_under_the_name_given(house: House) -> None:
    files = {"apiDefinition.swagger.json": loose(definition()), "apiProperties.json": loose({"properties": BASIC})}
    (one,) = await install_uploaded(house.services, files, "orders", "p1")
    assert (one.connector_id, one.display_name, one.was_known, one.error) == ("orders", "Orders", False, "")
    (again,) = await install_uploaded(house.services, files, "orders", "p1")
    assert (again.was_known, again.asked_again) == (True, 0)
    with pytest.raises(AskedWrongly) as error:
        await install_uploaded(house.services, files, " ", "p1")
    assert error.value.target == "name"


async def test_another_host_asks_its_connections_for_their_secrets_again(house: House) -> None:
    files = {"apiDefinition.swagger.json": loose(definition()), "apiProperties.json": loose({"properties": BASIC})}
    await install_uploaded(house.services, files, "orders", "p1")
    house.connect("orders", BasicCredential(user="ada", password="secret"))
    files["apiDefinition.swagger.json"] = loose(definition(host="elsewhere.example"))
    (one,) = await install_uploaded(house.services, files, "orders", "p1")
    assert (one.was_known, one.asked_again) == (True, 1)
    assert house.connection("orders-1").sealed_credential == b""


async def test_a_zip_file_holds_many_and_one_that_does_not_read_keeps_none_back(house: House) -> None:
    content = packed(
        {
            "all/Orders/apiDefinition.swagger.json": definition(),
            "all/Orders/apiProperties.json": {"properties": BASIC},
            "all/Odd/odd.json": definition("Odd"),
            "all/Odd/apiProperties.json": {},
            "all/Broken/apiDefinition.swagger.json": {"swagger": "2.0"},
            "all/Worse/apiDefinition.swagger.json": "{",
            "all/readme.md": "# Hello",
        }
    )
    found = {one.folder: one for one in await install_uploaded(house.services, {"all.zip": content}, "", "p1")}
    assert {name: one.connector_id for name, one in found.items()} == {
        "Orders": "orders",
        "Odd": "odd",
        "Broken": "",
        "Worse": "",
    }
    assert found["Broken"].problems
    assert found["Worse"].error


@pytest.mark.parametrize(
    "files", [{"a.txt": b"hello"}, {"a.json": b"{}", "b.json": b"{}"}, {"a.zip": packed({"x.md": "x"})}]
)
async def test_files_without_a_connector_say_so(house: House, files: dict[str, bytes]) -> None:
    with pytest.raises(AskedWrongly) as error:
        await install_uploaded(house.services, files, "orders", "p1")
    assert error.value.code == "NoConnector"


async def test_what_was_summed_up_once_is_not_read_again(house: House) -> None:
    house.install("orders", definition(), BASIC)
    await find_connectors(house.services)
    assert list(house.services.store.connector_entries.missing()) == []
    house.clock.move(days=1)
    house.install("orders", definition("Newer"), BASIC)
    assert [one.description for one in await find_connectors(house.services, "newer")] == ["All of Newer"]


async def test_a_list_of_many_connectors_reads_none_of_their_documents(house: Any) -> None:
    """Also of those that an earlier version installed: what is shown of them is kept when it is first asked for."""
    definition = {"swagger": "2.0", "host": "h.example", "info": {"title": "T"}, "paths": {}}
    properties = {"connectionParameters": {"key": {"type": "securestring"}}}
    for number in range(300):
        house.install(f"c{number}", definition, properties)
    found = {one.connector_id: one for one in await list_connectors(house.services)}
    assert [field.name for field in found["c299"].parameters] == ["key"]
    assert found["c0"].sign_in == "api_key"
    assert [one.connector_id for one in await list_connectors(house.services, "c123")] == ["c123"]
    assert EMBEDDED_CONNECTOR not in found
    loaded = house.services.connectors
    assert not any(connector_id.startswith("c2") for connector_id in loaded._loaded)
