"""How connections are tested and when their sign-ins end: read, chosen, noted; and what stops when somebody goes."""

from datetime import datetime, timedelta

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer, error_answer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import list_answer, person_of, query_text, read_body
from flowmend.api.shapes.connection import ConnectionShape, connection_shape
from flowmend.api.shapes.connection_health import (
    ForecastShape,
    LeavingShape,
    ProbeShape,
    forecast_shape,
    leaving_shape,
    probe_shape,
)
from flowmend.core.errors import AskedWrongly, Conflict, InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.use_cases.choose_probe import choose_probe, chosen_probe, forget_probe, probe_choices
from flowmend.use_cases.connection_views import read_connection
from flowmend.use_cases.forecasts import list_forecast, note_end
from flowmend.use_cases.leaving import what_stops
from flowmend.use_cases.ports import Services
from flowmend.use_cases.verify_connection import test_connection

#: What `dynamicInvoke` reaches: the test of a connection, and nothing else.
_TEST_PATH = "testconnection"
_MOST_DAYS = 3_650


class WantedProbe(msgspec.Struct, frozen=True, kw_only=True):
    """arguments: of the operation, by flattened name."""

    operation_id: str
    arguments: dict[str, Json] = {}


class NotedEnd(msgspec.Struct, frozen=True, kw_only=True):
    """ends_at: until when the key or password is good; null forgets what was noted."""

    ends_at: datetime | None


class InvokedRequest(msgspec.Struct, frozen=True, kw_only=True):
    method: str = "get"
    path: str = ""


class DynamicInvoke(msgspec.Struct, frozen=True, kw_only=True):
    """As a connection's `test_requests` say."""

    request: InvokedRequest


class InvokedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """response: `{"statusCode": …, "body": …}`."""

    response: dict[str, Json]


async def get_probe(services: Services, request: Request) -> JsonAnswer:
    view = await read_connection(services, _connection_id(request))
    try:
        choices = probe_choices(services, view.row)
    except (NotFound, InvalidDocument):  # its page says why it does not read
        choices = ()
    return JsonAnswer(probe_shape(view.row, view.test, chosen_probe(view.row), choices))


async def put_probe(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, WantedProbe)
    person_id = person_of(request).person_id
    await choose_probe(services, _connection_id(request), wanted.operation_id, wanted.arguments, person_id)
    return await get_probe(services, request)


async def delete_probe(services: Services, request: Request) -> JsonAnswer:
    await forget_probe(services, _connection_id(request), person_of(request).person_id)
    return await get_probe(services, request)


async def put_end(services: Services, request: Request) -> JsonAnswer:
    noted = await read_body(request, NotedEnd)
    if noted.ends_at is not None and noted.ends_at.tzinfo is None:
        raise AskedWrongly("The time must name its zone, as in 2026-01-31T00:00:00Z.", code="InvalidTime")
    await note_end(services, _connection_id(request), noted.ends_at, person_of(request).person_id)
    return JsonAnswer(connection_shape(await read_connection(services, _connection_id(request))))


async def dynamic_invoke(services: Services, request: Request) -> JsonAnswer:
    """The one request that a connection's `test_requests` name."""
    wanted = (await read_body(request, DynamicInvoke)).request
    if wanted.method.lower() != "get" or wanted.path.strip("/").lower() != _TEST_PATH:
        raise AskedWrongly(f"Only GET {_TEST_PATH} can be invoked here.", code="NotATestRequest", target="request")
    verification = await test_connection(services, _connection_id(request), person_of(request).person_id)
    if verification.is_proven:
        return JsonAnswer({"response": {"statusCode": "OK", "body": {}}})
    # Never 401: the caller's own sign-in is good.
    refused = Conflict(verification.message or verification.code, code=verification.code, target=_TEST_PATH)
    return error_answer(refused, status=424)


async def get_forecast(services: Services, request: Request) -> JsonAnswer:
    text = query_text(request, "days") or "30"
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_DAYS:
        raise AskedWrongly(
            f"The query value days must be a number from 1 to {_MOST_DAYS}.", code="InvalidQuery", target="days"
        )
    found = await list_forecast(services, ahead=timedelta(days=int(text)))
    return list_answer([forecast_shape(one) for one in found])


async def get_leaving(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer(leaving_shape(await what_stops(services, query_text(request, "person") or "")))


def _connection_id(request: Request) -> str:
    return str(request.path_params["connection_id"])


_TAG = "connections"

CONNECTION_HEALTH_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/connections/{connection_id}/probe",
        handler=get_probe,
        summary="The call that tests a connection, and those that may be chosen instead",
        tag=_TAG,
        gives=ProbeShape,
    ),
    Operation(
        method="PUT",
        path="/connections/{connection_id}/probe",
        handler=put_probe,
        summary="Choose the call that tests a connection; one that answers without a sign-in is refused",
        tag=_TAG,
        takes=WantedProbe,
        gives=ProbeShape,
    ),
    Operation(
        method="DELETE",
        path="/connections/{connection_id}/probe",
        handler=delete_probe,
        summary="Forget the chosen test",
        tag=_TAG,
        gives=ProbeShape,
    ),
    Operation(
        method="PUT",
        path="/connections/{connection_id}/ends_at",
        handler=put_end,
        summary="Note until when a key or password is good",
        tag=_TAG,
        takes=NotedEnd,
        gives=ConnectionShape,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/dynamicInvoke",
        handler=dynamic_invoke,
        summary="Make a connection's test request",
        tag=_TAG,
        takes=DynamicInvoke,
        gives=InvokedAnswer,
    ),
    Operation(
        method="GET",
        path="/forecast",
        handler=get_forecast,
        summary="What of connections' sign-ins ends before long, the soonest first",
        tag=_TAG,
        gives=ForecastShape,
        is_list=True,
        query=(QueryParameter(name="days", description="How far ahead; 30 if not given", type="integer"),),
    ),
    Operation(
        method="GET",
        path="/leaving",
        handler=get_leaving,
        summary="What stops when a person goes: connections signed in as them, and the flows that need these",
        tag=_TAG,
        gives=LeavingShape,
        query=(
            QueryParameter(name="person", description="An account, a mail address, or a name here", is_required=True),
        ),
    ),
)
