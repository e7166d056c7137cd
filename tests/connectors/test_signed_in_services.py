"""Services whose sign-in is their own kind, called for real against their doubles."""

import base64
from typing import Any

import pytest

from doubles.estate import Estate
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import map_connection, turn_on
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open

pytestmark = pytest.mark.anyio


@pytest.fixture
async def estate(local_server: LocalServer, open_flowmend: Open) -> Estate:
    made = Estate()
    await made.start(local_server, open_flowmend)
    return made


async def flow_with(estate: Estate, connector: str, inputs: dict[str, Any], **host: str) -> str:
    """The id of a flow, on, with one action of this connector."""
    running = estate.running
    action = {
        "type": "OpenApiConnection",
        "inputs": {
            "host": {"connectionName": "used", "apiId": f"/apis/{connector}", **host},
            "retryPolicy": {"type": "none"},
            **inputs,
        },
        "runAfter": {},
    }
    flow_id = await running.add_flow({"Act": action}, is_on=False)
    await map_connection(running.services, flow_id, "used", estate.connections[connector], running.owner)
    await turn_on(running.services, flow_id, running.owner)
    return flow_id


async def ended(estate: Estate, flow_id: str) -> Any:
    accepted = await run_now(estate.running.services, flow_id, None, estate.running.owner)
    return await estate.running.ended(accepted.event_name)


async def test_records_are_signed_with_the_workspaces_key(estate: Estate) -> None:
    connection_id = await estate.connect("azureloganalyticsdatacollector")
    parameters = {"Log-Type": "Orders", "body": [{"number": 1}]}
    flow_id = await flow_with(
        estate, "azureloganalyticsdatacollector", {"parameters": parameters}, operationId="SendData"
    )
    assert (await ended(estate, flow_id)).status == "Succeeded"
    assert estate.collector.records == {"Orders": [{"number": 1}]}

    estate.collector.key = base64.b64encode(b"second key of the workspace").decode()
    assert (await ended(estate, flow_id)).status == "Failed"
    assert estate.running.connection(connection_id).health == "broken"

    values = {"password": estate.collector.key}
    await verify_connection(
        estate.running.services, connection_id, values, person_id=estate.running.owner, confirmed=True
    )
    assert (await ended(estate, flow_id)).status == "Succeeded"


@pytest.mark.parametrize("way", ["oauth", "token"])
async def test_github_takes_a_sign_in_or_a_token(estate: Estate, way: str) -> None:
    estate.github.tokens.add("ghp_1")
    values = {"api_key": "ghp_1", "baseUrl": estate.github.origin}
    if way == "oauth":
        await estate.connect("github", parameter_set="oauth")
    else:
        estate.connections["github"] = await connected_by_token(estate, values)
    parameters = {"repositoryOwner": "ada", "repositoryName": "flows", "body/event_type": "deploy"}
    flow_id = await flow_with(estate, "github", {"parameters": parameters}, operationId="CreateRepositoryDispatchEvent")
    assert (await ended(estate, flow_id)).status == "Succeeded"
    assert estate.github.dispatched == [{"event_type": "deploy"}]


async def connected_by_token(estate: Estate, values: dict[str, str]) -> str:
    """The id of a connection to GitHub by a token."""
    running = estate.running
    view = await create_connection(running.services, "github", "GitHub", values, running.owner, parameter_set="token")
    return view.row.connection_id
