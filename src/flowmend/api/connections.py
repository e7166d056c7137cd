"""Connections and connectors: create, read, verify, test, delete; install a connector."""

from functools import partial
from typing import Literal

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import (
    list_answer,
    next_link,
    person_of,
    query_is_true,
    query_limit,
    query_text,
    read_body,
)
from flowmend.api.shapes.connection import (
    ConnectionShape,
    ConnectorShape,
    InstalledConnector,
    VerificationShape,
    connection_shape,
    connector_shape,
    installed_connector,
    verification_shape,
)
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.store.connection_list import ConnectionFilter
from flowmend.use_cases import connections
from flowmend.use_cases.connection_views import needing_attention, page_of_connections, read_connection
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_then_plan import prove_then_plan
from flowmend.use_cases.sign_in_connection import give_client_secret
from flowmend.use_cases.verify_connection import test_connection, verify_connection


class NewConnection(msgspec.Struct, frozen=True, kw_only=True):
    """parameters: values by name, secrets included; they are sealed and never shown again. id: drawn if empty.

    parameter_set: the way to sign in, the first if empty. sign_in_app: to act as, instead of the parameters of a new one.
    """

    connector: str
    display_name: str
    parameters: dict[str, str] = {}
    id: str = ""
    parameter_set: str = ""
    sign_in_app: str = ""

    def __repr__(self) -> str:
        return f"NewConnection(connector={self.connector!r}, display_name={self.display_name!r})"


class NewCredential(msgspec.Struct, frozen=True, kw_only=True):
    """parameters: the new secrets by name, with whatever other value is to change. confirmed: they are known to belong to
    the account of the old ones; asked for by the code `ConfirmationNeeded` where nothing proves it. then: `plan` for a repair plan
    of what failed and was held, null where held events go on by themselves.
    """

    parameters: dict[str, str]
    confirmed: bool = False
    then: Literal["plan"] | None = None

    def __repr__(self) -> str:
        return "NewCredential(…)"


class NewClientSecret(msgspec.Struct, frozen=True, kw_only=True):
    """The secret of the sign-in app."""

    client_secret: str

    def __repr__(self) -> str:
        return "NewClientSecret(…)"


class NewConnector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector folder: its name, `apiDefinition.swagger.json` and `apiProperties.json`."""

    name: str
    definition: dict[str, Json]
    properties: dict[str, Json]


async def list_connections(services: Services, request: Request) -> JsonAnswer:
    text, health = query_text(request, "text") or "", query_text(request, "health")
    wanted = ConnectionFilter(states=_states(health), text=text, connector_id=query_text(request, "connector") or "")
    if query_is_true(request, "needs_attention"):
        wanted = needing_attention(services, text=text)
    found = await page_of_connections(
        services, wanted, limit=query_limit(request), cursor=query_text(request, "cursor") or ""
    )
    return list_answer(
        [connection_shape(view) for view in found.views],
        next_link=next_link(services.settings, request, found.cursor),
    )


async def make_connection(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewConnection)
    view = await create_connection(
        services,
        wanted.connector,
        wanted.display_name,
        wanted.parameters,
        person_of(request).person_id,
        connection_id=wanted.id,
        parameter_set=wanted.parameter_set,
        app_id=wanted.sign_in_app,
    )
    return JsonAnswer(connection_shape(view), status_code=201)


async def get_connection(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer(connection_shape(await read_connection(services, _connection_id(request))))


async def delete_connection(services: Services, request: Request) -> JsonAnswer:
    await connections.delete_connection(services, _connection_id(request), person_of(request).person_id)
    return JsonAnswer({})


async def verify(services: Services, request: Request) -> JsonAnswer:
    wanted, person_id = await read_body(request, NewCredential), person_of(request).person_id
    verify_it = partial(
        verify_connection,
        services,
        _connection_id(request),
        wanted.parameters,
        person_id=person_id,
        confirmed=wanted.confirmed,
    )
    if wanted.then is None:
        return JsonAnswer(verification_shape(await verify_it()))
    proven = await prove_then_plan(services, _connection_id(request), verify_it, person_id=person_id)
    plan_id = proven.plan.plan_id if proven.plan is not None else ""
    return JsonAnswer(verification_shape(proven.verification, plan_id))


async def replace_client_secret(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewClientSecret)
    await give_client_secret(services, _connection_id(request), wanted.client_secret, person_of(request).person_id)
    return await get_connection(services, request)


async def test(services: Services, request: Request) -> JsonAnswer:
    verification = await test_connection(services, _connection_id(request), person_of(request).person_id)
    return JsonAnswer(verification_shape(verification))


async def list_connectors(services: Services, request: Request) -> JsonAnswer:
    found = await connections.list_connectors(services, query_text(request, "text") or "")
    return list_answer([connector_shape(choice) for choice in found])


async def install_connector(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewConnector)
    row = await connections.install_connector_documents(
        services, wanted.name, wanted.definition, wanted.properties, person_of(request).person_id
    )
    return JsonAnswer(installed_connector(row), status_code=201)


def _states(text: str | None) -> tuple[HealthState, ...]:
    found = tuple(state for state in HealthState if state.value == text)
    if text is not None and not found:
        known = ", ".join(HealthState)
        raise AskedWrongly(f"The query value health must be one of {known}.", code="InvalidQuery", target="health")
    return found


def _connection_id(request: Request) -> str:
    return str(request.path_params["connection_id"])


_TAG = "connections"

CONNECTION_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/connections",
        handler=list_connections,
        summary="Connections with their health, those that need somebody first",
        tag=_TAG,
        gives=ConnectionShape,
        is_list=True,
        query=(
            QueryParameter(name="needs_attention", description="Only those somebody must act on", type="boolean"),
            QueryParameter(name="health", description="Only those in this state"),
            QueryParameter(name="connector", description="Only those to this connector"),
            QueryParameter(name="text", description="Found in name, account, connector or id"),
            QueryParameter(name="limit", description="Of the page; 1 to 250", type="integer"),
            QueryParameter(name="cursor", description="As the page before gave it in its nextLink"),
        ),
    ),
    Operation(
        method="POST",
        path="/connections",
        handler=make_connection,
        summary="Create a connection",
        tag=_TAG,
        takes=NewConnection,
        gives=ConnectionShape,
        status=201,
    ),
    Operation(
        method="GET",
        path="/connections/{connection_id}",
        handler=get_connection,
        summary="One connection",
        tag=_TAG,
        gives=ConnectionShape,
    ),
    Operation(
        method="DELETE",
        path="/connections/{connection_id}",
        handler=delete_connection,
        summary="Delete a connection",
        tag=_TAG,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/verify",
        handler=verify,
        summary="Test a new credential; only a proven one replaces the old",
        tag=_TAG,
        takes=NewCredential,
        gives=VerificationShape,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/client_secret",
        handler=replace_client_secret,
        summary="Give the client secret of a connection's sign-in app, for the hosts its connector names now",
        tag=_TAG,
        takes=NewClientSecret,
        gives=ConnectionShape,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/test",
        handler=test,
        summary="Test the present credential",
        tag=_TAG,
        gives=VerificationShape,
    ),
    Operation(
        method="GET",
        path="/connectors",
        handler=list_connectors,
        summary="Connectors one can connect to",
        tag=_TAG,
        gives=ConnectorShape,
        is_list=True,
        query=(QueryParameter(name="text", description="Words that its name or its operations' names hold"),),
    ),
    Operation(
        method="POST",
        path="/connectors",
        handler=install_connector,
        summary="Install a connector folder",
        tag=_TAG,
        takes=NewConnector,
        gives=InstalledConnector,
        status=201,
    ),
)
