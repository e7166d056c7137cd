"""How connections are tested, what ends, and who leaves, over the API; and what a caller may try with it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.sealed_credentials import seal_credential

from .conftest import Answer, Flowmend

DEFINITION: dict[str, Any] = {
    "swagger": "2.0",
    "host": "127.0.0.1:9",
    "schemes": ["http"],
    "securityDefinitions": {"b": {"type": "basic"}},
    "paths": {
        "/things": {"get": {"operationId": "ListThings"}, "post": {"operationId": "CreateThing"}},
        "/things/{id}": {
            "get": {
                "operationId": "GetThing",
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
            }
        },
        "/reset": {"get": {"operationId": "Reset", "x-ms-no-generic-test": True}},
    },
}
PROPERTIES = {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}


@pytest.fixture(scope="module", autouse=True)
def connections(flowmend: Flowmend) -> None:
    body = {"name": "healthy", "definition": DEFINITION, "properties": {"properties": PROPERTIES}}
    assert flowmend.api("POST", "/connectors", body).status == 201
    now = datetime.now(UTC)
    services = flowmend.application.services
    things = ConnectionRow(
        connection_id="things",
        connector_id="healthy",
        display_name="Things of Ada",
        account_name="ada@example.com",
        owner_id="nobody",
        parameters={"user": "ada@example.com"},
        allowed_origins=["http://127.0.0.1:9"],
        health=HealthState.CONNECTED,
        health_changed_at=now,
        created_at=now,
        changed_at=now,
    )
    credential = BasicCredential(user="ada@example.com", password="s3cret")
    sealed = seal_credential(services.vault, things, credential)
    services.store.connections.add(replace(things, sealed_credential=sealed))
    for number, state in enumerate(HealthState):
        row = replace(
            things,
            connection_id=f"listed-{state.value}",
            display_name=f"Listed {number}",
            account_name="grace@example.com",
            health=state,
        )
        services.store.connections.add(row)


def of_things(flowmend: Flowmend, method: str, path: str, body: Any = None) -> Answer:
    return flowmend.api(method, f"/connections/things/{path}", body)


def test_the_list_is_narrowed_and_paged(flowmend: Flowmend) -> None:
    def names(query: str) -> list[str]:
        answer = flowmend.api("GET", f"/connections?{query}")
        assert answer.status == 200
        return [one["id"] for one in answer.json["value"]]

    assert names("text=LISTED-broken") == ["listed-broken"]
    assert set(names("text=listed-&needs_attention=true")) == {
        "listed-broken",
        "listed-pending_consent",
        "listed-repairing",
    }
    assert names("text=listed-&health=suspect") == ["listed-suspect"]
    first = flowmend.api("GET", "/connections?text=listed-&limit=4")
    second = flowmend.ask("GET", first.json["nextLink"], headers={"Authorization": f"Bearer {flowmend.token}"})
    assert len(first.json["value"]) + len(second.json["value"]) == len(HealthState)
    assert "nextLink" not in second.json


@pytest.mark.parametrize(
    "query", ["health=well", "limit=0", "limit=9999", "cursor=x", "cursor=[]", "needs_attention=2"]
)
def test_a_list_that_cannot_be_meant_is_refused(flowmend: Flowmend, query: str) -> None:
    assert flowmend.api("GET", f"/connections?{query}").status == 400


def test_an_owner_sees_and_chooses_the_test(flowmend: Flowmend) -> None:
    found = of_things(flowmend, "GET", "probe").json
    assert (found["kind"], found["operation_id"], found["chosen"]) == ("inferred", "ListThings", None)
    assert [one["operation_id"] for one in found["choices"]] == ["GetThing", "ListThings"]
    chosen = of_things(flowmend, "PUT", "probe", {"operation_id": "GetThing", "arguments": {"id": "7"}})
    assert chosen.status == 200
    assert (chosen.json["kind"], chosen.json["chosen"], chosen.json["arguments"]) == ("chosen", "GetThing", {"id": "7"})
    assert of_things(flowmend, "DELETE", "probe").json["kind"] == "inferred"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"operation_id": "CreateThing"}, 400),
        ({"operation_id": "Reset"}, 400),
        ({"operation_id": "Nothing"}, 400),
        ({"operation_id": "GetThing"}, 400),
        ({"operation_id": "GetThing", "arguments": {"id": "../../admin"}}, 400),
        ({"operation_id": "GetThing", "arguments": {"id": "x" * 3000}}, 400),
        ({"operation_id": "ListThings", "arguments": {str(n): 1 for n in range(60)}}, 400),
        ({"arguments": {}}, 400),
        ({"operation_id": 5}, 400),
    ],
)
def test_what_is_no_harmless_read_is_never_chosen(flowmend: Flowmend, body: Any, status: int) -> None:
    answer = of_things(flowmend, "PUT", "probe", body)
    if body.get("arguments") == {"id": "../../admin"} and answer.status == 200:
        # A slash in a value stays a value: it is encoded, so that no other operation is reached.
        assert "admin" not in answer.json["url_hint"]
        of_things(flowmend, "DELETE", "probe")
        return
    assert answer.status == status
    assert of_things(flowmend, "GET", "probe").json["chosen"] is None


def test_an_end_is_noted_forecast_and_forgotten(flowmend: Flowmend) -> None:
    at = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0)
    noted = of_things(flowmend, "PUT", "ends_at", {"ends_at": at.isoformat()})
    assert noted.status == 200
    assert [one["kind"] for one in noted.json["ends"]] == ["noted"]
    (found,) = flowmend.api("GET", "/forecast").json["value"]
    assert (found["connection"], found["days_left"], found["urgency"]) == ("things", 9, "month")
    assert flowmend.api("GET", "/forecast?days=8").json["value"] == []
    assert "things" in [one["id"] for one in flowmend.api("GET", "/connections").json["value"]]
    assert of_things(flowmend, "PUT", "ends_at", {"ends_at": None}).json["ends"] == []


@pytest.mark.parametrize("ends_at", ["2026-01-01T00:00:00", "9999-01-01T00:00:00Z", "soon", 5])
def test_an_end_nobody_can_mean_is_refused(flowmend: Flowmend, ends_at: Any) -> None:
    assert of_things(flowmend, "PUT", "ends_at", {"ends_at": ends_at}).status == 400


@pytest.mark.parametrize("query", ["days=0", "days=x", "days=99999", "days=-1"])
def test_a_forecast_of_no_time_is_refused(flowmend: Flowmend, query: str) -> None:
    assert flowmend.api("GET", f"/forecast?{query}").status == 400


def test_what_stops_when_somebody_goes_is_told(flowmend: Flowmend) -> None:
    found = flowmend.api("GET", "/leaving?person=GRACE%40example.com").json
    assert len(found["accounts"]) == len(HealthState)
    assert found["stopping_flows"] == 0
    for person in ("", "%20", "x" * 400):
        assert flowmend.api("GET", f"/leaving?person={person}").status == 400
    assert flowmend.api("GET", "/leaving?person=unknown").json["accounts"] == []


def test_the_test_request_of_a_connection_can_be_made_as_it_says(flowmend: Flowmend) -> None:
    (wanted,) = flowmend.api("GET", "/connections/things").json["test_requests"]
    sent = {"Authorization": f"Bearer {flowmend.token}"}
    answer = flowmend.ask(wanted["method"], flowmend.origin + wanted["requestUri"], wanted["body"], headers=sent)
    assert (answer.status, answer.error_code) == (424, "AddressNotAllowed")  # nothing may be called at that address


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "post", "path": "testconnection"},
        {"method": "get", "path": "things"},
        {"method": "get", "path": "../testconnection"},
        {},
    ],
)
def test_nothing_but_the_test_can_be_invoked(flowmend: Flowmend, request_: dict[str, str]) -> None:
    assert of_things(flowmend, "POST", "dynamicInvoke", {"request": request_}).status == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "probe", None),
        ("PUT", "probe", {"operation_id": "x"}),
        ("DELETE", "probe", None),
        ("PUT", "ends_at", {"ends_at": None}),
        ("POST", "dynamicInvoke", {"request": {"method": "get", "path": "testconnection"}}),
    ],
)
def test_a_connection_that_is_not_there_is_said_to_be_none(
    flowmend: Flowmend, method: str, path: str, body: Any
) -> None:
    assert flowmend.api(method, f"/connections/none/{path}", body).status == 404


def test_no_secret_shows_in_what_these_answer(flowmend: Flowmend) -> None:
    for path in ("/connections/things/probe", "/forecast", "/leaving?person=ada%40example.com", "/connections"):
        assert b"s3cret" not in flowmend.api("GET", path).content
