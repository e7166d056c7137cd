"""Imported connectors of many kinds, each with a credential that works, goes bad and is mended; no code knows any of them.

The folders are taken as published; only where they lead is changed: to a double on this machine.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from doubles.anything import Anything
from flowmend.core.connector import Connector, SignInKind, parse_lenient_json, read_connector
from flowmend.core.connector.operation import SignInMethod
from flowmend.core.json_value import Json
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import map_connection, turn_on
from flowmend.use_cases.incidents import open_incidents
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running

FOLDERS = Path(__file__).parents[3] / "shared" / "data" / "connectors"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not FOLDERS.is_dir(), reason="the collection of real connectors is not there: ../shared/data/connectors"
    ),
]

FIRST, SECOND = "first-secret-4f1d", "second-secret-8b2e"
CLIENT_SECRET = "secret-of-our-app-77"
BROWSER = "the secret of this browser's session"
_A_HOST = re.compile(r"https?://[^/'\"?]+")


@dataclass(frozen=True, kw_only=True)
class Case:
    """folder: as published. operation: a read of it without required parameters. parameter_set: "" for the first."""

    folder: str
    operation: str
    parameter_set: str = ""


CASES = (
    Case(folder="certified-connectors/D7SMS", operation="Balance"),  # basic
    Case(folder="certified-connectors/TrueDialog SMS", operation="User_Get_Self_Info"),  # basic
    Case(folder="certified-connectors/Airmeet", operation="GetAirmeets"),  # basic by headers; host by region
    Case(folder="certified-connectors/RescoCloud", operation="User-Get"),  # parameter sets; routed
    Case(folder="certified-connectors/Aranda Service Management", operation="TestConnection"),  # key; declared test
    Case(folder="certified-connectors/Dime.Scheduler", operation="GetResourceTypes"),  # key in a header; host; header
    Case(folder="certified-connectors/Kanban Tool", operation="GetBoards"),  # key in the query; host; query
    Case(folder="certified-connectors/ForceManager CRM", operation="ListBranches"),  # two keys by policy
    Case(folder="independent-publisher-connectors/Unsplash", operation="PhotoGetRandom"),  # key in the query; header
    Case(folder="independent-publisher-connectors/DPIRD Weather", operation="GetStations"),  # key; routed
    Case(folder="independent-publisher-connectors/ITGlue", operation="List-Organization-Types"),  # key; host
    Case(
        folder="certified-connectors/Blackbaud Raiser's Edge NXT Events", operation="ListEventCategories"
    ),  # OAuth; header
    Case(folder="independent-publisher-connectors/Square Payments", operation="CardList"),  # OAuth; header
    Case(folder="certified-connectors/OutlookTasks", operation="GetAllTaskFolders_V2"),  # aad; routed; query
)


def led_to(origin: str, folder: Path) -> tuple[Any, Any]:
    """The two documents, with their hosts changed to this one."""
    definition = parse_lenient_json(next(folder.glob("*.swagger.json")).read_bytes())
    properties = parse_lenient_json((folder / "apiProperties.json").read_bytes())
    definition |= {"host": origin.partition("://")[2], "schemes": ["http"]}
    for policy in properties["properties"].get("policyTemplateInstances", ()):
        for name, text in policy["parameters"].items():
            if name.lower().endswith("urltemplate") and str(text).startswith("http"):
                policy["parameters"][name] = origin + urlsplit(re.sub(r"@\w+\([^)]*\)", "x", text)).path
    return _elsewhere(definition, origin, ("securityDefinitions",)), _elsewhere(properties, origin, None)


def _elsewhere(node: Any, origin: str, only: tuple[str, ...] | None) -> Any:
    if isinstance(node, dict):
        below = {key: one for key, one in node.items() if only is None or key in only}
        return {**node, **{key: _elsewhere(one, origin, None) for key, one in below.items()}}
    if isinstance(node, list):
        return [_elsewhere(one, origin, None) for one in node]
    return _A_HOST.sub(origin, node) if isinstance(node, str) else node


def values_for(method: SignInMethod, origin: str, secret: str) -> dict[str, str]:
    """Something for each value that is asked for."""
    found: dict[str, str] = {}
    for one in method.parameters:
        if one.is_secret and one.name != method.user_parameter:
            found[one.name] = secret
        elif one.allowed_values:
            found[one.name] = one.allowed_values[0]
        elif re.search(r"url|host|endpoint|server|domain", one.name, re.IGNORECASE):
            found[one.name] = origin
        else:
            found[one.name] = str(one.default or "ada")
    if method.oauth is not None:
        found |= {"client_id": "our-app", "client_secret": CLIENT_SECRET}
    return found


async def signed_in(running: Running, connection_id: str) -> None:
    address = await begin_consent(running.services, connection_id, running.owner, BROWSER, "")
    async with aiohttp.ClientSession() as session, session.get(address, allow_redirects=False) as answer:
        query = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    await finish_consent(running.services, query, BROWSER)


async def flow_of(running: Running, case: Case, connection_id: str) -> str:
    host = {"connectionName": "shared_any", "operationId": case.operation, "apiId": "/apis/any"}
    action: dict[str, Json] = {
        "type": "OpenApiConnection",
        "inputs": {"host": host, "parameters": {}, "retryPolicy": {"type": "none"}},
        "runAfter": {},
    }
    flow_id = await running.add_flow({"Ask": action}, is_on=False)
    await map_connection(running.services, flow_id, "shared_any", connection_id, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    return flow_id


async def run_of(running: Running, flow_id: str) -> Any:
    accepted = await run_now(running.services, flow_id, None, running.owner)
    return await running.ended(accepted.event_name)


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.folder.partition("/")[2])
async def test_a_connector_works_goes_bad_and_is_mended(
    open_flowmend: Open, local_server: LocalServer, case: Case
) -> None:
    service = Anything(secret=FIRST, client_secret=CLIENT_SECRET)
    service.origin = await local_server(service.answer)
    running = await open_flowmend(allowed_private_hosts=frozenset({service.host}))
    services = running.services
    definition, properties = led_to(service.origin, FOLDERS / case.folder)
    await install_connector_documents(services, "any", definition, properties, running.owner)
    connector = read_connector(definition, properties, connector_id="any").connector
    assert isinstance(connector, Connector)
    method = connector.method_named(case.parameter_set)
    is_oauth = method.kind is SignInKind.OAUTH2
    service.secret = "" if is_oauth else FIRST

    values = values_for(method, service.origin, FIRST)
    view = await create_connection(services, "any", "Any", values, running.owner, parameter_set=case.parameter_set)
    connection_id = view.row.connection_id
    if is_oauth:
        await signed_in(running, connection_id)
    flow_id = await flow_of(running, case, connection_id)
    first = await run_of(running, flow_id)
    assert first.status == "Succeeded", (first.code, first.error_message, [str(one) for one in service.asked])
    assert running.connection(connection_id).health == "connected"

    if is_oauth:
        service.revoke()
    else:
        service.secret = SECOND
    second = await run_of(running, flow_id)
    assert second.status == "Failed"
    assert running.connection(connection_id).health == "broken", [str(one) for one in service.asked]
    assert connection_id in open_incidents(services, [connection_id])

    if is_oauth:
        service.is_revoked = False
        await signed_in(running, connection_id)
    else:
        again = dict.fromkeys(method.secret_names - {method.user_parameter}, SECOND)
        found = await verify_connection(services, connection_id, again, person_id=running.owner, confirmed=True)
        assert found.health == "connected", (found, [str(one) for one in service.asked])
    assert running.connection(connection_id).health == "connected"
    assert connection_id not in open_incidents(services, [connection_id])
    third = await run_of(running, flow_id)
    assert third.status == "Succeeded", (third.code, third.error_message)
