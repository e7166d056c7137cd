"""Connectors that come along: found like installed ones, read late, and out of the way of an installed one."""

import subprocess
import sys
from typing import Any

import pytest

from flowmend.core.connector.openapi import read_connector
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR, built_in_connector, built_in_ids
from flowmend.use_cases.connections import install_connector_documents, list_connectors

BARE = {"swagger": "2.0", "info": {"title": "Mine"}, "host": "mine.example.com", "paths": {}}


@pytest.mark.parametrize("connector_id", sorted(built_in_ids()))
def test_every_built_in_connector_reads_without_a_problem(connector_id: str) -> None:
    row = built_in_connector(connector_id)
    assert row is not None
    reading = read_connector(row.definition, row.properties, connector_id=connector_id)
    assert reading.problems == ()
    assert row.display_name


@pytest.mark.anyio
async def test_a_built_in_connector_is_found_like_an_installed_one_and_is_no_row(house: Any) -> None:
    connector = house.services.connectors.get(EMBEDDED_CONNECTOR)
    assert connector.display_name == "HTTP"
    assert EMBEDDED_CONNECTOR in house.services.connectors.ids()
    assert house.services.connectors.ids() == built_in_ids()
    assert house.services.store.connectors.ids() == []


@pytest.mark.anyio
async def test_the_connector_of_http_actions_is_not_among_those_to_connect_to(house: Any) -> None:
    assert EMBEDDED_CONNECTOR not in {choice.connector_id for choice in await list_connectors(house.services)}


@pytest.mark.anyio
async def test_the_connector_of_http_actions_cannot_be_replaced(house: Any) -> None:
    with pytest.raises(AskedWrongly) as raised:
        await install_connector_documents(house.services, "shared_http", BARE, {}, "p1")
    assert raised.value.code == "ReservedConnector"


@pytest.mark.anyio
@pytest.mark.parametrize("connector_id", ["nothing", "..", "", "http/../http", "__pycache__"])
async def test_an_id_that_names_no_folder_is_not_found(house: Any, connector_id: str) -> None:
    with pytest.raises(NotFound):
        house.services.connectors.get(connector_id)


def test_starting_reads_no_built_in_connector() -> None:
    program = (
        "import flowmend.assembly\n"
        "from flowmend.use_cases.built_in_connectors import built_in_connector, built_in_ids\n"
        "assert built_in_connector.cache_info().currsize == 0\n"
        "assert built_in_ids.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.anyio
async def test_forms_ask_for_no_address_that_only_national_clouds_change(house: Any) -> None:
    choice = next(one for one in await list_connectors(house.services) if one.connector_id == "office365")
    asked = {field.name for field in choice.parameters if not field.is_hidden}
    assert {"client_id", "client_secret", "tenant"} == asked
    assert {"baseUrl", "authority"} == {field.name for field in choice.parameters if field.is_hidden}


@pytest.mark.anyio
async def test_what_a_connector_hides_of_its_own_sign_in_app_is_asked_of_who_brings_another(house: Any) -> None:
    settings = {"identityProvider": "aad", "clientId": "theirs", "scopes": [], "customParameters": {}}
    tenant = {"type": "string", "uiDefinition": {"constraints": {"required": "false", "hidden": "true"}}}
    declared = {"token": {"type": "oauthSetting", "oAuthSettings": settings}, "token:TenantId": tenant}
    await install_connector_documents(house.services, "mine", BARE, {"connectionParameters": declared}, "me")
    choice = next(one for one in await list_connectors(house.services) if one.connector_id == "mine")
    assert "token:TenantId" in {field.name for field in choice.parameters if not field.is_hidden}
