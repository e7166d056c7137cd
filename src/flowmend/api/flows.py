"""Flows: read, turn on and off, run, connect, delete."""

from datetime import datetime

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import (
    list_answer,
    next_link,
    person_of,
    query_limit,
    query_text,
    read_any_body,
    read_body,
)
from flowmend.api.shapes.callback_url import CallbackUrlShape, callback_url_shape
from flowmend.api.shapes.flow import FlowDetailShape, FlowShape, flow_detail_shape, flow_shape
from flowmend.api.shapes.trigger_history import TriggerHistory, trigger_history
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.use_cases import flows
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.ports import Services
from flowmend.use_cases.rotate_callback_url import rotate_callback_url
from flowmend.use_cases.trigger_histories import list_trigger_histories

PAGING = (
    QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
    QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
)


class TurnedOn(msgspec.Struct, frozen=True, kw_only=True):
    """will_begin: what happens from now on, as a sentence."""

    will_begin: str


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A run by hand. name: "" while held. held: it waits for its connection. response: what a Response action answered."""

    name: str
    event_name: str
    held: bool
    response: Json = None


class CallbackUrlWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """not_after: when the address ends; absent for one that stays good until the flow's next rotation."""

    not_after: datetime | None = None


class ConnectionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which connection a connection reference is to mean."""

    reference: str
    connection: str


async def list_flows(services: Services, _request: Request) -> JsonAnswer:
    return list_answer([flow_shape(summary) for summary in await flows.list_flows(services)])


async def read_flow(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer(flow_detail_shape(await flows.read_flow_detail(services, _flow_id(request))))


async def change_flow_settings(services: Services, request: Request) -> JsonAnswer:
    settings = await read_body(request, dict[str, Json])
    await change_settings(services, _flow_id(request), settings, person_of(request).person_id)
    return await read_flow(services, request)


async def delete_flow(services: Services, request: Request) -> JsonAnswer:
    await flows.delete_flow(services, _flow_id(request), person_of(request).person_id)
    return JsonAnswer({})


async def turn_on_flow(services: Services, request: Request) -> JsonAnswer:
    will_begin = await flows.turn_on(services, _flow_id(request), person_of(request).person_id)
    return JsonAnswer(TurnedOn(will_begin=will_begin))


async def turn_off_flow(services: Services, request: Request) -> JsonAnswer:
    await flows.turn_off(services, _flow_id(request), person_of(request).person_id)
    return JsonAnswer({})


async def run_flow(services: Services, request: Request) -> JsonAnswer:
    accepted = await run_now(services, _flow_id(request), await read_any_body(request), person_of(request).person_id)
    answered = accepted.response
    response = None
    if answered is not None:
        response = {"statusCode": answered.status_code, "headers": answered.headers, "body": answered.body}
    return JsonAnswer(
        RunStarted(name=accepted.run_name, event_name=accepted.event_name, held=accepted.held, response=response),
        status_code=202,
        headers=accepted.workflow_headers,
    )


async def list_callback_url(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, CallbackUrlWanted)
    ends = wanted.not_after
    if ends is not None and (ends.tzinfo is None or ends <= services.clock.now):
        raise AskedWrongly(
            "'notAfter' is no time to come with its zone, such as 2027-01-31T09:00:00Z.", target="notAfter"
        )
    loaded = services.flows.latest(_flow_id(request))
    address = flows.callback_url(services, loaded, expires_at=ends)
    if address is None:
        raise AskedWrongly(
            f"The flow {loaded.row.name!r} is not started by a request, so it has no callback URL.",
            code="TriggerNotRequest",
            target=loaded.row.flow_id,
        )
    return JsonAnswer(callback_url_shape(address))


async def rotate_flow_callback_url(services: Services, request: Request) -> JsonAnswer:
    address = await rotate_callback_url(services, _flow_id(request), person_of(request).person_id)
    return JsonAnswer(callback_url_shape(address))


async def list_flow_trigger_histories(services: Services, request: Request) -> JsonAnswer:
    rows, cursor = await list_trigger_histories(
        services, _flow_id(request), limit=query_limit(request), cursor=query_text(request, "cursor") or ""
    )
    return list_answer([trigger_history(row) for row in rows], next_link=next_link(services.settings, request, cursor))


async def connect_flow(services: Services, request: Request) -> JsonAnswer:
    choice = await read_body(request, ConnectionChoice)
    await flows.map_connection(
        services, _flow_id(request), choice.reference, choice.connection, person_of(request).person_id
    )
    return await read_flow(services, request)


def _flow_id(request: Request) -> str:
    return str(request.path_params["flow_id"])


_TAG = "flows"

FLOW_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/flows", handler=list_flows, summary="All flows", tag=_TAG, gives=FlowShape, is_list=True
    ),
    Operation(
        method="GET", path="/flows/{flow_id}", handler=read_flow, summary="One flow", tag=_TAG, gives=FlowDetailShape
    ),
    Operation(
        method="PATCH",
        path="/flows/{flow_id}",
        handler=change_flow_settings,
        summary="Change a flow's settings",
        tag=_TAG,
        takes=dict[str, Json],
        gives=FlowDetailShape,
    ),
    Operation(
        method="DELETE", path="/flows/{flow_id}", handler=delete_flow, summary="Delete a flow and its runs", tag=_TAG
    ),
    Operation(
        method="POST",
        path="/flows/{flow_id}/turn_on",
        handler=turn_on_flow,
        summary="Turn a flow on; says what will begin",
        tag=_TAG,
        gives=TurnedOn,
    ),
    Operation(
        method="POST", path="/flows/{flow_id}/turn_off", handler=turn_off_flow, summary="Turn a flow off", tag=_TAG
    ),
    Operation(
        method="POST",
        path="/flows/{flow_id}/run",
        handler=run_flow,
        summary="Run a flow now; the body becomes its trigger's body",
        tag=_TAG,
        takes=Json,
        gives=RunStarted,
        status=202,
    ),
    Operation(
        method="POST",
        path="/flows/{flow_id}/callback_url",
        handler=list_callback_url,
        summary="The signed address that starts a flow; with `notAfter` one that ends then",
        tag=_TAG,
        takes=CallbackUrlWanted,
        gives=CallbackUrlShape,
    ),
    Operation(
        method="POST",
        path="/flows/{flow_id}/callback_url/rotate",
        handler=rotate_flow_callback_url,
        summary="A new signed address; every earlier one is refused from now on",
        tag=_TAG,
        gives=CallbackUrlShape,
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/trigger_histories",
        handler=list_flow_trigger_histories,
        summary="What a flow's trigger did, newest first",
        tag=_TAG,
        gives=TriggerHistory,
        is_list=True,
        query=PAGING,
    ),
    Operation(
        method="PUT",
        path="/flows/{flow_id}/connections",
        handler=connect_flow,
        summary="Say which connection a connection reference means",
        tag=_TAG,
        takes=ConnectionChoice,
        gives=FlowDetailShape,
    ),
)
