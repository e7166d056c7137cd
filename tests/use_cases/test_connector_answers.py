"""Policies that need more than the request: a value asked for first, an answer reshaped, a status that ends a sign-in."""

from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import ApiKeyCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe import Probe, ProbeKind, SafeCall
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run.events import ConnectorCall
from flowmend.use_cases.opened_connections import open_connection
from flowmend.use_cases.probe_calls import probe_once
from flowmend.use_cases.secret_uses import list_uses

pytestmark = pytest.mark.anyio

KEY = "key-that-is-secret"
TOKEN = "token-for-one-call"


def policy(template: str, operations: list[str] | None = None, section: str = "Request", **parameters: Any) -> Any:
    values = {f"x-ms-apimTemplateParameter.{name}": value for name, value in parameters.items()}
    limits = {"x-ms-apimTemplate-operationName": operations or [], "x-ms-apimTemplate-policySection": section}
    return {"templateId": template, "parameters": values | limits}


POLICIES = [
    policy(
        "SetValueFromUrl",
        ["Change"],
        parameterTemplate="@headers('If-Match')",
        parameterValueUrl="/items/{id}",
        parameterValuePathTemplate="@body()['@odata.etag']",
        httpMethod="GET",
    ),
    policy(
        "setvaluefromurl",
        ["WithToken"],
        parameterTemplate="@queryParameters('access_token')",
        parameterValueUrl="/token?key=@connectionParameters('key')",
        parameterValuePathTemplate="access_token",
        httpMethod="POST",
    ),
    policy("setheader", ["Rooms"], "Response", name="Location", value="https://@connectionParameters('region')/end"),
    policy(
        "setproperty",
        ["Rooms"],
        "Response",
        newPropertyParentPathTemplate="@body()",
        newPropertySubPathTemplate="nextLink",
        propertyValuePathTemplate="{@body().next}",
    ),
    policy("updatenextlink", ["Pages"], nextLinkParentPropertyPath="@body().paging", nextLinkPropertyName="next"),
    policy("setconnectionstatustounauthenticated", ["Rooms"], "Response", statusCode="418"),
]


def definition(origin: str) -> dict[str, Any]:
    item = {"name": "id", "in": "path", "type": "string", "required": True}
    return {
        "swagger": "2.0",
        "info": {"title": "Rooms"},
        "host": origin.removeprefix("http://"),
        "schemes": ["http"],
        "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "paths": {
            "/items/{id}": {"patch": {"operationId": "Change", "parameters": [item]}},
            "/with": {"get": {"operationId": "WithToken"}},
            "/rooms": {"get": {"operationId": "Rooms"}},
            "/read": {
                "get": {
                    "operationId": "Read",
                    "x-flowmend-request": {"path": "/with", "queries": {"access_token": ""}},
                    "x-flowmend-response": {"body": {"second": "@split(triggerBody()['name'],' ')[1]"}},
                }
            },
            "/say": {
                "get": {
                    "operationId": "Say",
                    "x-flowmend-request": {"path": "/said"},
                    "x-flowmend-response": {
                        "fails": [{"that": "@equals(triggerBody()?['ok'],false)", "code": "@triggerBody()?['error']"}]
                    },
                }
            },
            "/leak": {
                "get": {
                    "operationId": "Leak",
                    "x-flowmend-request": {"path": "/said"},
                    "x-flowmend-response": {
                        "body": {
                            "key": "@base64(coalesce(parameters('$connection')?['key'],''))",
                            "region": "@parameters('$connection')?['region']",
                        }
                    },
                }
            },
            "/exchange": {
                "get": {
                    "operationId": "Exchange",
                    "x-flowmend-request": {
                        "first": {"path": "/token", "value": "access_token", "secret": True},
                        "path": "/with?access_token=@{parameters('$first')}",
                    },
                }
            },
            "/pages": {"get": {"operationId": "Pages", "x-ms-pageable": {"itemName": "rows", "nextLinkName": "no"}}},
        },
    }


class Service:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.rooms_status = 200
        self.token = TOKEN
        self.repeats_token = False

    async def answer(self, request: web.Request) -> web.Response:
        said = request.headers.get("If-Match", "")
        self.seen.append((request.method, request.path_qs, said))
        if request.headers.get("X-Key") != KEY:
            return web.json_response({"error": "who are you"}, status=401)
        if request.path == "/token":
            return web.json_response({"access_token": self.token})
        if request.path == "/said":
            return web.json_response({"ok": False, "error": "no_such_room"})
        if request.path == "/rooms":
            return web.json_response({"value": [1], "next": "/rooms?page=2"}, status=self.rooms_status)
        if request.path == "/pages":
            page = int(request.query.get("page", "1"))
            link = {"paging": {"next": f"/pages?page={page + 1}"}} if page < 3 else {}
            return web.json_response({"rows": [page]} | link)
        if not self.repeats_token and request.query.get("access_token") not in {None, "", self.token}:
            return web.json_response({"message": "unknown token"}, status=401)
        if self.repeats_token:
            said = f"{request.query['access_token']} is not known here"
            return web.json_response({"message": said}, status=401)
        if request.method == "GET":
            return web.json_response({"@odata.etag": 'W/"7"'})
        return web.json_response({"echo": request.query.get("access_token", "")})


@pytest.fixture
async def service(local_server: Any) -> Service:
    made = Service()
    made.origin = await local_server(made.answer)  # type: ignore[attr-defined]
    return made


@pytest.fixture
def rooms(house: Any, service: Any) -> Any:
    asked = {"key": {"type": "securestring"}, "region": {"type": "string"}}
    house.install(
        "rooms", definition(service.origin), {"connectionParameters": asked, "policyTemplateInstances": POLICIES}
    )
    house.connect("rooms", ApiKeyCredential(values={"key": KEY}), parameters={"region": "eu"})
    return house


async def perform(house: Any, operation_id: str, minimum_items: int | None = None, **parameters: Any) -> Outcome:
    call = ConnectorCall(
        reference="r", connector="rooms", operation_id=operation_id, parameters=parameters, minimum_items=minimum_items
    )
    outcome: Outcome = await house.services.operations.call(
        call, flow_id="f1", mappings={"r": "rooms-1"}, client_request_id="req-1", trace_headers={}, attempt=1
    )
    return outcome


async def test_a_value_is_asked_for_with_the_same_sign_in_and_put_in(rooms: Any, service: Service) -> None:
    outcome = await perform(rooms, "Change", id="a b")
    assert outcome.status is Status.SUCCEEDED, outcome
    assert service.seen == [("GET", "/items/a%20b", ""), ("PATCH", "/items/a%20b", 'W/"7"')]


async def test_a_key_is_exchanged_for_a_token_that_is_kept_out_of_the_history(rooms: Any, service: Service) -> None:
    outcome = await perform(rooms, "WithToken")
    assert [seen[:2] for seen in service.seen] == [
        ("POST", f"/token?key={KEY}"),
        ("GET", f"/with?access_token={TOKEN}"),
    ]
    assert outcome.status is Status.SUCCEEDED
    assert TOKEN not in repr(outcome)
    assert len((await list_uses(rooms.services, "rooms-1")).rows) == 2


async def test_a_refused_exchange_is_a_refusal_of_the_connection(rooms: Any, service: Service) -> None:
    rooms.services.store.connections.delete("rooms-1")
    rooms.connect("rooms", ApiKeyCredential(values={"key": "wrong"}), parameters={"region": "eu"})
    outcome = await perform(rooms, "WithToken")
    assert outcome.code == "Unauthorized"
    assert rooms.connection("rooms-1").health is HealthState.BROKEN
    assert len(service.seen) == 1


async def test_an_answer_is_reshaped_as_its_connector_says(rooms: Any, service: Service) -> None:
    outcome = await perform(rooms, "Rooms")
    assert outcome.outputs["body"]["nextLink"] == "/rooms?page=2"
    assert outcome.outputs["headers"]["Location"] == "https://eu/end"


async def test_pages_follow_the_link_that_the_connector_names(rooms: Any, service: Service) -> None:
    outcome = await perform(rooms, "Pages", minimum_items=10)
    assert outcome.outputs["body"] == {"rows": [1, 2, 3]}


async def test_a_status_the_connector_names_breaks_the_connection(rooms: Any, service: Service) -> None:
    service.rooms_status = 418
    outcome = await perform(rooms, "Rooms")
    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.rule, outcome.diagnosis.connection_broken) == ("connector_says", True)
    assert rooms.connection("rooms-1").health is HealthState.BROKEN


async def test_a_probe_looks_values_up_and_believes_the_connector_too(rooms: Any, service: Service) -> None:
    row, connector = rooms.connection("rooms-1"), rooms.services.connectors.get("rooms")
    opened = open_connection(row, connector, ApiKeyCredential(values={"key": KEY}))
    called = Probe(call=SafeCall(operation_id="WithToken"), kind=ProbeKind.DECLARED)
    assert (await probe_once(rooms.services, opened, called)).is_proven
    service.rooms_status = 418
    called = Probe(call=SafeCall(operation_id="Rooms"), kind=ProbeKind.DECLARED)
    assert (await probe_once(rooms.services, opened, called)).is_refused


async def test_a_test_call_keeps_the_token_it_asked_for_out_of_what_it_says(rooms: Any, service: Service) -> None:
    service.repeats_token = True
    row = rooms.connection("rooms-1")
    opened = open_connection(row, rooms.services.connectors.get("rooms"), ApiKeyCredential(values={"key": KEY}))
    probe = Probe(kind=ProbeKind.CHOSEN, call=SafeCall(operation_id="WithToken"))
    test = await probe_once(rooms.services, opened, probe)
    assert test.message == "*sanitized* is not known here"
    assert test.diagnosis is not None
    assert TOKEN not in test.diagnosis.message


async def test_an_answer_that_its_connector_cannot_read_is_told_and_not_repeated(rooms: Any, service: Service) -> None:
    outcome = await perform(rooms, "Read")
    assert (outcome.status, outcome.code, outcome.is_retryable, outcome.was_refused) == (
        Status.FAILED,
        "UnreadableAnswer",
        False,
        False,
    )
    assert outcome.outputs["body"] == {"@odata.etag": 'W/"7"'}
    assert "not as its connector expects" in outcome.error.message
    assert rooms.connection("rooms-1").health is HealthState.CONNECTED


async def test_a_failure_behind_a_good_status_fails_with_the_services_own_code(rooms: Any, service: Service) -> None:
    outcome = await perform(rooms, "Say")
    assert (outcome.status, outcome.code, outcome.was_refused) == (Status.FAILED, "no_such_room", True)
    assert outcome.error.message == "The service answered that it failed: no_such_room."
    assert rooms.connection("rooms-1").health is HealthState.CONNECTED


async def test_a_connectors_data_cannot_put_a_secret_into_the_history_in_another_form(rooms: Any, service: Any) -> None:
    outcome = await perform(rooms, "Leak")
    assert outcome.outputs["body"] == {"key": "", "region": "eu"}


async def test_a_value_asked_for_is_kept_out_of_the_history_where_it_is_called_secret(
    rooms: Any, service: Service
) -> None:
    outcome = await perform(rooms, "Exchange")
    assert service.seen[-1][1] == f"/with?access_token={TOKEN}"
    assert TOKEN not in repr(outcome)


async def test_a_token_for_a_key_serves_several_calls_and_is_asked_for_anew_once_refused(
    rooms: Any, service: Service
) -> None:
    for _ in range(3):
        assert (await perform(rooms, "WithToken")).status is Status.SUCCEEDED
    assert [seen[0] for seen in service.seen] == ["POST", "GET", "GET", "GET"]
    service.token = "token-that-came-later"
    outcome = await perform(rooms, "WithToken")
    assert outcome.status is Status.SUCCEEDED
    assert [seen[0] for seen in service.seen[4:]] == ["GET", "POST", "GET"]
    assert rooms.connection("rooms-1").health is HealthState.CONNECTED
    assert service.token not in repr(outcome)
    rooms.services.clock.move(minutes=6)
    await perform(rooms, "WithToken")
    assert [seen[0] for seen in service.seen[7:]] == ["POST", "GET"]


async def test_what_is_asked_about_the_call_itself_is_asked_every_time(rooms: Any, service: Service) -> None:
    for _ in range(2):
        await perform(rooms, "Change", id="a")
    assert [seen[0] for seen in service.seen] == ["GET", "PATCH", "GET", "PATCH"]
