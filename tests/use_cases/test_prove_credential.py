import base64
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from flowmend.core.connection.credentials import BasicCredential, OAuthCredential
from flowmend.core.connection.probe import ProbeKind, ProbeMemory, SafeCall, decode_memory, encode_memory
from flowmend.core.outcome import Category
from flowmend.core.run.events import ConnectorCall
from flowmend.use_cases.failed_calls import failed_call, note_failed_call
from flowmend.use_cases.opened_connections import open_connection
from flowmend.use_cases.prove_credential import plan_test
from flowmend.use_cases.prove_credential import test_credential as try_credential

pytestmark = pytest.mark.anyio
DECLARED = {"x-ms-capabilities": {"testConnection": {"operationId": "Ping", "parameters": {}}}}
SECURITY = {"securityDefinitions": {"b": {"type": "basic"}}}
PROPERTIES = {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}
RIGHT = BasicCredential(user="ada", password="right")


def definition(origin: str, *operations: str, **more: Any) -> dict[str, Any]:
    paths = {f"/{name.lower()}": {"get": {"operationId": name}} for name in operations}
    host = origin.removeprefix("http://")
    return {"swagger": "2.0", "host": host, "schemes": ["http"], "paths": paths} | SECURITY | more


@pytest.fixture
async def origin(local_server: Any) -> str:
    async def service(request: web.Request) -> web.Response:
        if request.path == "/publicprofile":
            return web.json_response({})
        right = "Basic " + base64.b64encode(b"ada:right").decode()
        if request.headers.get("Authorization") != right:
            return web.json_response({"message": "wrong, you sent wr0ng"}, status=401)
        return web.json_response({"name": "ada"})

    started: str = await local_server(service)
    return started


async def test_a_declared_operation_proves_the_right_password(house: Any, origin: str) -> None:
    house.install("shop", definition(origin, "Ping", "Other", **DECLARED), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_proven, test.operation_id, test.status_code, test.code) == (True, "Ping", 200, "OK")
    assert test.diagnosis is None


async def test_a_wrong_password_is_refused_in_the_services_words_without_the_password(house: Any, origin: str) -> None:
    house.install("shop", definition(origin, "Ping", **DECLARED), PROPERTIES)
    row = house.connect("shop", RIGHT)
    wrong = BasicCredential(user="ada", password="wr0ng")
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, wrong)
    assert (test.is_testable, test.is_proven, test.code, test.status_code) == (True, False, "Unauthorized", 401)
    assert test.message == "wrong, you sent *sanitized*"
    assert test.diagnosis is not None
    assert test.diagnosis.connection_broken


async def test_an_inferred_operation_counts_once_it_has_been_seen_to_refuse(house: Any, origin: str) -> None:
    house.install("shop", definition(origin, "ListThings", "GetCurrentUser"), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_proven, test.operation_id) == (True, "GetCurrentUser")


async def test_a_public_operation_proves_nothing(house: Any, origin: str) -> None:
    house.install("shop", definition(origin, "PublicProfile"), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_testable, test.is_proven, test.code) == (False, False, "NotTestable")


async def test_without_an_operation_there_is_no_test(house: Any, origin: str) -> None:
    one_thing = {"get": {"operationId": "GetThing", "parameters": [{"name": "id", "in": "query", "required": True}]}}
    house.install("shop", definition(origin, paths={"/thing": one_thing}), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_testable, test.code) == (False, "NotTestable")


async def test_a_service_that_is_down_says_nothing_of_the_password(house: Any) -> None:
    house.install("shop", definition("http://127.0.0.1:9", "Ping", **DECLARED), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_testable, test.is_proven, test.code) == (True, False, "ConnectionRefused")
    assert test.diagnosis is not None
    assert not test.diagnosis.connection_broken


async def test_a_test_goes_to_no_other_origin(house: Any, origin: str) -> None:
    house.install("shop", definition(origin, "Ping", **DECLARED), PROPERTIES)
    row = house.connect("shop", RIGHT, allowed_origins=["https://elsewhere.example"])
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_proven, test.code) == (False, "OriginNotAllowed")


async def test_oauth_without_an_operation_is_tested_by_a_refresh_that_is_kept(house: Any, local_server: Any) -> None:
    answers = [
        web.json_response({"access_token": "a2", "refresh_token": "r2", "expires_in": 3600}),
        web.json_response({"error": "invalid_grant"}, status=400),
    ]

    async def token(request: web.Request) -> web.Response:
        return answers.pop(0)

    origin = await local_server(token)
    custom = {"authorizationUrl": {"value": f"{origin}/a"}, "tokenUrl": {"value": f"{origin}/t"}}
    settings = {"identityProvider": "oauth2", "clientId": "abc", "customParameters": custom}
    properties = {"connectionParameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}}}
    house.install("shop", definition(origin, "ListThings", securityDefinitions={}), properties)
    now = house.clock.now
    credential = OAuthCredential(
        access_token="a1", refresh_token="r1", issued_at=now, expires_at=now + timedelta(hours=1)
    )
    row = house.connect("shop", credential)
    connector = house.services.connectors.get("shop")
    test = await try_credential(house.services, connector, row, credential)
    assert (test.is_proven, test.operation_id) == (True, "token")
    stored = house.connection("shop-1")
    assert stored.credential_version == 1
    fresh = OAuthCredential(access_token="new", refresh_token="new-r", issued_at=now)
    assert (await try_credential(house.services, connector, stored, fresh)).is_proven  # only just issued
    assert len(answers) == 1
    current = OAuthCredential(access_token="a2", refresh_token="r2", issued_at=now, expires_at=now + timedelta(hours=1))
    refused = await try_credential(house.services, connector, stored, current)
    assert (refused.is_proven, refused.code, refused.status_code) == (False, "invalid_grant", 400)
    assert refused.diagnosis is not None
    assert refused.diagnosis.category is Category.REVOKED


PLANS = {
    "Me": "/me",
    "GetCurrentUser": "/x",
    "get_profile": "/y",
    "WhoAmI": "/z",
    "Session": "/account",
}


@pytest.mark.parametrize("operation_id", PLANS)
async def test_a_name_that_speaks_of_identity_is_preferred(house: Any, operation_id: str) -> None:
    paths = {
        "/a": {"get": {"operationId": "ListUsers"}},
        "/b": {"get": {"operationId": "GetUser", "parameters": [{"name": "id", "in": "query", "required": True}]}},
        "/c": {"get": {"operationId": "GetUserProfile", "x-ms-no-generic-test": True}},
        "/d": {"post": {"operationId": "CreateAccount"}},
        PLANS[operation_id]: {"get": {"operationId": operation_id}},
    }
    house.install("x", definition("http://x.example", paths=paths), PROPERTIES)
    plan = plan_test(house.services.connectors.get("x"), house.connect("x", RIGHT))
    assert plan is not None
    assert (plan.operation_id, plan.is_inferred, plan.method) == (operation_id, True, "GET")
    assert plan.url_hint == f"http://x.example{PLANS[operation_id]}"


class Shop:
    """A service that wants `ada:right` at every address but `/open…`, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        right = "Basic " + base64.b64encode(b"ada:right").decode()
        is_right = request.headers.get("Authorization") == right
        self.asked.append((request.path_qs, is_right))
        if request.path.startswith("/open"):
            return web.json_response({})
        return web.json_response({}, status=self.status if is_right else 401)


async def test_a_guess_is_asked_without_a_credential_once_and_remembered(house: Any, local_server: Any) -> None:
    shop = Shop()
    house.install("shop", definition(await local_server(shop.answer), "GetMe"), PROPERTIES)
    house.connect("shop", RIGHT)
    for expected in (2, 1, 1):
        shop.asked.clear()
        row = house.connection("shop-1")
        test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
        assert (test.is_proven, test.kind, len(shop.asked)) == (True, ProbeKind.INFERRED, expected)
    assert house.connection("shop-1").probe_is_trusted


async def test_a_changed_connector_is_learnt_again(house: Any, local_server: Any) -> None:
    shop = Shop()
    origin = await local_server(shop.answer)
    house.install("shop", definition(origin, "GetMe"), PROPERTIES)
    house.connect("shop", RIGHT)
    await try_credential(house.services, house.services.connectors.get("shop"), house.connection("shop-1"), RIGHT)
    moved = {"/v2/me": {"get": {"operationId": "GetMe"}}}
    house.install("shop", definition(origin, paths=moved), PROPERTIES)
    house.services.changes.publish("connector", connector_id="shop")
    shop.asked.clear()
    await try_credential(house.services, house.services.connectors.get("shop"), house.connection("shop-1"), RIGHT)
    assert shop.asked == [("/v2/me", True), ("/v2/me", False)]


async def test_a_public_guess_gives_way_to_one_that_refuses(house: Any, local_server: Any) -> None:
    shop = Shop()
    house.install("shop", definition(await local_server(shop.answer), "OpenMe", "ListThings"), PROPERTIES)
    house.connect("shop", RIGHT)
    for expected in (["/openme", "/openme", "/listthings", "/listthings"], ["/listthings"]):
        shop.asked.clear()
        row = house.connection("shop-1")
        test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
        assert (test.is_proven, [path for path, _ in shop.asked]) == (True, expected)


async def test_a_guess_that_is_not_permitted_says_nothing_of_the_credential(house: Any, local_server: Any) -> None:
    shop = Shop()
    shop.status = 403
    house.install("shop", definition(await local_server(shop.answer), "ListThings"), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    assert (test.is_testable, test.is_proven) == (False, False)


async def test_the_very_call_that_failed_is_made_again_with_the_new_credential(house: Any, local_server: Any) -> None:
    shop = Shop()
    paths = {
        "/ping": {"get": {"operationId": "Ping"}},
        "/orders/{id}": {
            "get": {
                "operationId": "GetOrder",
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
            }
        },
    }
    house.install("shop", definition(await local_server(shop.answer), paths=paths, **DECLARED), PROPERTIES)
    row = house.connect("shop", RIGHT)
    opened = open_connection(row, house.services.connectors.get("shop"), RIGHT)
    call = ConnectorCall(reference="r", connector="shop", operation_id="GetOrder", parameters={"id": "4711"})
    await note_failed_call(house.services, opened, call)
    row = house.connection("shop-1")
    assert row.sealed_failed_call is not None
    assert b"4711" not in row.sealed_failed_call
    test = await try_credential(house.services, opened.connector, row, RIGHT)
    assert (test.is_proven, test.replayed) == (True, 200)
    assert shop.asked == [("/ping", True), ("/orders/4711", True)]
    # Nothing of the run shows where people see what a test would call.
    plan = plan_test(opened.connector, row, failed=failed_call(house.services.vault, row))
    assert plan is not None
    assert "4711" not in repr(plan)


async def test_a_failed_call_is_the_probe_where_nothing_is_declared(house: Any, local_server: Any) -> None:
    shop = Shop()
    house.install("shop", definition(await local_server(shop.answer), "ListThings"), PROPERTIES)
    row = house.connect("shop", RIGHT)
    opened = open_connection(row, house.services.connectors.get("shop"), RIGHT)
    call = ConnectorCall(reference="r", connector="shop", method="get", path="/listthings", queries={"top": 3})
    await note_failed_call(house.services, opened, call)
    test = await try_credential(house.services, opened.connector, house.connection("shop-1"), RIGHT)
    assert (test.is_proven, test.kind, test.is_trusted) == (True, ProbeKind.FAILED_CALL, True)
    assert shop.asked == [("/listthings?top=3", True)]


UNSAFE = {
    "a write": ConnectorCall(reference="r", connector="shop", operation_id="Create"),
    "kept from tests": ConnectorCall(reference="r", connector="shop", operation_id="Reset"),
    "a write by its path": ConnectorCall(reference="r", connector="shop", method="post", path="/things"),
    "unknown": ConnectorCall(reference="r", connector="shop", method="get", path="/nobody/knows"),
    "a read with a body": ConnectorCall(reference="r", connector="shop", method="get", path="/things", body={"a": 1}),
    "unknown operation": ConnectorCall(reference="r", connector="shop", operation_id="Nothing"),
}


@pytest.mark.parametrize("what", UNSAFE)
async def test_what_is_more_than_a_read_is_never_made_again(house: Any, what: str) -> None:
    paths = {
        "/things": {"get": {"operationId": "List"}, "post": {"operationId": "Create"}},
        "/reset": {"get": {"operationId": "Reset", "x-ms-no-generic-test": True}},
    }
    house.install("shop", definition("http://x.example", paths=paths), PROPERTIES)
    row = house.connect("shop", RIGHT)
    await note_failed_call(
        house.services, open_connection(row, house.services.connectors.get("shop"), RIGHT), UNSAFE[what]
    )
    assert house.connection("shop-1").sealed_failed_call is None


async def test_a_failed_call_is_forgotten_where_the_connection_may_go_elsewhere(house: Any) -> None:
    house.install("shop", definition("http://x.example", "ListThings"), PROPERTIES)
    row = house.connect("shop", RIGHT)
    call = ConnectorCall(reference="r", connector="shop", operation_id="ListThings")
    await note_failed_call(house.services, open_connection(row, house.services.connectors.get("shop"), RIGHT), call)
    row = house.connection("shop-1")
    assert failed_call(house.services.vault, row) is not None
    assert failed_call(house.services.vault, replace(row, allowed_origins=["http://evil.example"])) is None


async def test_what_a_test_learns_forgets_no_choice_that_was_made_meanwhile(house: Any, local_server: Any) -> None:
    async def service(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") is None:  # the last thing that a test asks for
            chosen = ProbeMemory(chosen=SafeCall(operation_id="ListThings"))
            house.services.store.connections.change("shop-1", probe=encode_memory(chosen))
            return web.json_response({}, status=401)
        return web.json_response({"name": "ada"})

    house.install("shop", definition(await local_server(service), "ListThings", "GetCurrentUser"), PROPERTIES)
    row = house.connect("shop", RIGHT)
    test = await try_credential(house.services, house.services.connectors.get("shop"), row, RIGHT)
    memory = decode_memory(house.connection("shop-1").probe)
    assert test.is_proven
    assert memory.chosen == SafeCall(operation_id="ListThings")
    assert memory.refusing
