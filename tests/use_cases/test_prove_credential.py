import base64
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential, OAuthCredential
from flowmend.core.connector import read_connector
from flowmend.core.outcome import Category
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
    house.install("shop", definition(origin, "ListThings"), PROPERTIES)
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
async def test_a_name_that_speaks_of_identity_is_found(operation_id: str) -> None:
    paths = {
        "/a": {"get": {"operationId": "ListUsers"}},
        "/b": {"get": {"operationId": "GetUser", "parameters": [{"name": "id", "in": "query", "required": True}]}},
        "/c": {"get": {"operationId": "GetUserProfile", "x-ms-no-generic-test": True}},
        "/d": {"post": {"operationId": "CreateAccount"}},
        PLANS[operation_id]: {"get": {"operationId": operation_id}},
    }
    reading = read_connector({"swagger": "2.0", "host": "x.example", "paths": paths}, None, connector_id="x")
    assert reading.connector is not None
    plan = plan_test(reading.connector, {})
    assert plan is not None
    assert (plan.operation_id, plan.is_inferred, plan.method) == (operation_id, True, "GET")
    assert plan.url_hint == f"https://x.example{PLANS[operation_id]}"
