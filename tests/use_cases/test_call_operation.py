import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web

from flowmend.core.connection.credentials import ApiKeyCredential, BasicCredential, OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Category, FixableBy, Outcome, Status
from flowmend.core.run.events import ChildCall, ConnectorCall, FollowUp, HttpCall, TypedCall
from running import until

pytestmark = pytest.mark.anyio


def definition(origin: str, **more: Any) -> dict[str, Any]:
    """A connector at this origin, of one route per purpose."""
    key = {"name": "X-Idem", "in": "header", "type": "string"}
    body = {"name": "body", "in": "body", "schema": {"type": "object"}}
    hook = {"type": "object", "properties": {"url": {"type": "string", "x-ms-notification-url": True}}}
    return {
        "swagger": "2.0",
        "info": {"title": "Shop"},
        "host": origin.removeprefix("http://"),
        "schemes": ["http"],
        "paths": {
            "/me": {"get": {"operationId": "Me"}},
            "/hooks": {
                "post": {"operationId": "Subscribe", "parameters": [{"name": "hook", "in": "body", "schema": hook}]}
            },
            "/orders": {
                "get": {"operationId": "List"},
                "post": {"operationId": "Create", "x-flowmend-idempotent": True, "parameters": [body, key]},
            },
            "/orders/{id}": {
                "get": {"operationId": "Get", "parameters": [{"name": "id", "in": "path", "required": True}]},
                "delete": {"operationId": "Delete", "parameters": [{"name": "id", "in": "path", "required": True}]},
            },
        },
    } | more


BASIC = {
    "connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}},
}
BASIC_SECURITY = {"securityDefinitions": {"b": {"type": "basic"}}}
KEY = {"connectionParameters": {"key": {"type": "securestring"}}}
KEY_SECURITY = {"securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
MAPPINGS = {"shared_shop": "shop-1"}


class Shop:
    """A service that really checks: basic passwords, keys and access tokens, and a token endpoint that rotates."""

    def __init__(self) -> None:
        self.password = "right"
        self.access, self.refresh = "access-1", "refresh-1"
        self.token_answers: list[web.Response] = []
        self.answers: list[Callable[[web.Request], web.Response]] = []
        self.seen: list[dict[str, Any]] = []
        self.refreshed = 0
        self.token_seconds = 0.02

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        if request.path == "/token":
            return await self._token(await request.post())
        self.seen.append({"path": request.raw_path, "headers": dict(request.headers), "body": body})
        given = request.headers.get("Authorization", "")
        pair = base64.b64encode(f"ada:{self.password}".encode()).decode()
        if given not in {f"Basic {pair}", f"Bearer {self.access}"} and request.headers.get("X-Key") != self.password:
            return web.json_response({"error": "bad credentials"}, status=401)
        if self.answers:
            return self.answers.pop(0)(request)
        return web.json_response({"ok": True})

    async def _token(self, form: Any) -> web.Response:
        self.refreshed += 1
        await asyncio.sleep(self.token_seconds)
        if self.token_answers:
            return self.token_answers.pop(0)
        if form.get("refresh_token") != self.refresh:
            return web.json_response({"error": "invalid_grant", "error_description": "unknown token"}, status=400)
        self.access, self.refresh = f"access-{self.refreshed + 1}", f"refresh-{self.refreshed + 1}"
        return web.json_response({"access_token": self.access, "refresh_token": self.refresh, "expires_in": 3600})


@pytest.fixture
async def shop(local_server: Any) -> Any:
    service = Shop()
    service.origin = await local_server(service.answer)  # type: ignore[attr-defined]
    return service


@pytest.fixture
def basic(house: Any, shop: Any) -> Any:
    house.install("shop", definition(shop.origin, **BASIC_SECURITY), BASIC)
    house.connect("shop", BasicCredential(user="ada", password="right"), parameters={"user": "ada"})
    return house


def oauth_properties(origin: str) -> dict[str, Any]:
    custom = {"authorizationUrl": {"value": f"{origin}/authorize"}, "tokenUrl": {"value": f"{origin}/token"}}
    settings = {"identityProvider": "oauth2", "clientId": "abc", "customParameters": custom}
    return {"connectionParameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}}}


@pytest.fixture
def oauth(house: Any, shop: Any) -> Any:
    """Connected by OAuth, its access token good for an hour from now."""
    house.install("shop", definition(shop.origin), oauth_properties(shop.origin))
    now = house.clock.now
    house.connect(
        "shop",
        OAuthCredential(
            access_token="access-1", refresh_token="refresh-1", issued_at=now, expires_at=now + timedelta(hours=1)
        ),
    )
    return house


async def perform(house: Any, call: Any = None, **more: Any) -> Outcome:
    made = call or ConnectorCall(reference="shared_shop", connector="shop", operation_id="Me", parameters={})
    outcome: Outcome = await house.services.operations.call(
        made,
        flow_id="f1",
        mappings=more.pop("mappings", MAPPINGS),
        client_request_id="req-1",
        trace_headers={"x-ms-workflow-name": "Orders"},
        attempt=1,
    )
    return outcome


def connector_call(operation_id: str, **parameters: Any) -> ConnectorCall:
    return ConnectorCall(reference="shared_shop", connector="shop", operation_id=operation_id, parameters=parameters)


async def test_a_good_call_signs_in_and_carries_its_key(basic: Any, shop: Any) -> None:
    outcome = await perform(basic, connector_call("Create", **{"body/name": "tea"}))
    assert (outcome.status, outcome.code, outcome.connection_id) == (Status.SUCCEEDED, "OK", "shop-1")
    assert outcome.outputs["body"] == {"ok": True}
    (seen,) = shop.seen
    assert seen["headers"]["Idempotency-Key"] == seen["headers"]["x-ms-client-request-id"] == "req-1"
    assert seen["headers"]["x-ms-workflow-name"] == "Orders"
    assert seen["headers"]["User-Agent"] == "flowmend"
    assert seen["body"] == '{"name":"tea"}'


async def test_a_read_carries_no_idempotency_key(basic: Any, shop: Any) -> None:
    await perform(basic)
    assert "Idempotency-Key" not in shop.seen[0]["headers"]
    assert shop.seen[0]["headers"]["x-ms-client-request-id"] == "req-1"


async def test_an_api_connection_call_finds_its_way_by_path(basic: Any, shop: Any) -> None:
    call = ConnectorCall(reference="shared_shop", connector="shop", method="get", path="/orders/4711", queries={"a": 1})
    assert (await perform(basic, call)).status is Status.SUCCEEDED
    assert shop.seen[0]["path"] == "/orders/4711?a=1"


async def test_a_changed_password_breaks_the_connection_and_says_so(basic: Any, shop: Any) -> None:
    shop.password = "changed"
    outcome = await perform(basic)
    assert (outcome.status, outcome.code, outcome.was_refused) == (Status.FAILED, "Unauthorized", True)
    assert outcome.outputs["statusCode"] == 401
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.connection_broken
    assert outcome.diagnosis.remedy == "verify_password"
    row = basic.connection("shop-1")
    assert row.health is HealthState.BROKEN
    assert (row.refused_code, row.refused_message, row.remedy) == ("Unauthorized", "bad credentials", "verify_password")
    assert row.refused_at == basic.clock.now
    assert ("connection", {"connection_id": "shop-1", "health": "broken"}) in basic.published
    assert basic.services.health.first_broken(["shop-1"]) == "shop-1"


async def test_a_broken_connection_is_not_asked_again(basic: Any, shop: Any) -> None:
    shop.password = "changed"
    await perform(basic)
    asked = len(shop.seen)
    outcome = await perform(basic)
    assert len(shop.seen) == asked
    assert (outcome.code, outcome.outputs, outcome.is_retryable) == ("Unauthorized", None, False)
    assert outcome.error is not None
    assert "2026-03-02 08:00:00 UTC" in outcome.error.message
    assert "bad credentials" in outcome.error.message
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.fixable_by is FixableBy.REVERIFY


async def test_many_calls_at_once_break_the_connection_once(basic: Any, shop: Any) -> None:
    shop.password = "changed"
    await asyncio.gather(*(perform(basic) for _ in range(8)))
    assert [facts["health"] for topic, facts in basic.published if topic == "connection"].count("broken") == 1
    assert basic.connection("shop-1").health is HealthState.BROKEN


async def test_a_403_breaks_nothing_and_is_not_sent_to_sign_in(basic: Any, shop: Any) -> None:
    shop.answers = [lambda _: web.json_response({"message": "Orders are closed to you."}, status=403)]
    outcome = await perform(basic)
    assert outcome.code == "Forbidden"
    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.category, outcome.diagnosis.remedy) == (
        Category.INSUFFICIENT_PERMISSION,
        "ask_for_permission",
    )
    assert basic.connection("shop-1").health is HealthState.CONNECTED


async def test_a_refusal_of_a_credential_replaced_meanwhile_breaks_nothing(basic: Any, shop: Any) -> None:
    def replace_then_refuse(_: web.Request) -> web.Response:
        store = basic.services.store.connections
        store.swap_credential("shop-1", 0, basic.connection("shop-1").sealed_credential)
        return web.json_response({}, status=401)

    shop.answers = [replace_then_refuse]
    assert (await perform(basic)).code == "Unauthorized"
    assert basic.connection("shop-1").health is HealthState.CONNECTED


async def test_throttling_is_retryable_and_breaks_nothing(basic: Any, shop: Any) -> None:
    shop.answers = [lambda _: web.Response(status=429, headers={"Retry-After": "7"})]
    outcome = await perform(basic)
    assert (outcome.code, outcome.is_retryable, outcome.retry_after_seconds) == ("429", True, 7.0)
    assert basic.connection("shop-1").health is HealthState.CONNECTED


async def test_a_service_that_echoes_our_password_does_not_put_it_into_the_outcome(basic: Any, shop: Any) -> None:
    def echo(request: web.Request) -> web.Response:
        sent = request.headers["Authorization"]
        body = {"you": sent, "plain": "right", "nested": ["is right here", {"right": 1}]}
        return web.json_response(body, status=400, headers={"X-Echo": sent})

    shop.answers = [echo]
    outcome = await perform(basic)
    pair = base64.b64encode(b"ada:right").decode()
    for secret in ("right", pair):
        assert secret not in repr(outcome)
    assert outcome.outputs["body"]["plain"] == "*sanitized*"
    assert "ada" not in outcome.outputs["body"]["you"]


async def test_an_escaped_echo_is_found_too(basic: Any, shop: Any) -> None:
    escaped = '{"a": "\\u0072ight"}'
    shop.answers = [lambda _: web.Response(text=escaped, content_type="application/json")]
    assert (await perform(basic)).outputs["body"] == {"a": "*sanitized*"}


async def test_good_calls_are_reported_at_most_once_a_minute(basic: Any) -> None:
    began = basic.clock.now
    basic.clock.move(seconds=30)
    await perform(basic)
    assert basic.connection("shop-1").last_good_at == began
    basic.clock.move(seconds=31)
    await perform(basic)
    assert basic.connection("shop-1").last_good_at == basic.clock.now


async def test_a_first_good_call_connects_and_forgets_the_previous_credential(house: Any, shop: Any) -> None:
    house.install("shop", definition(shop.origin, **KEY_SECURITY), KEY)
    house.connect(
        "shop",
        ApiKeyCredential(values={"key": "right"}),
        health=HealthState.UNTESTED,
        last_good_at=None,
        sealed_candidate=b"previous",
    )
    assert (await perform(house)).status is Status.SUCCEEDED
    row = house.connection("shop-1")
    assert (row.health, row.sealed_candidate) == (HealthState.CONNECTED, b"")
    assert row.last_good_at == house.clock.now


async def test_without_a_mapping_or_its_connection_the_flow_says_what_to_choose(basic: Any) -> None:
    for mappings in ({}, {"shared_shop": "gone"}):
        outcome = await perform(basic, mappings=mappings)
        assert (outcome.status, outcome.code) == (Status.FAILED, "ConnectionNotMapped")
        assert outcome.error is not None
        assert "shared_shop" in outcome.error.message


async def test_an_unfinished_sign_in_is_not_called(house: Any, shop: Any) -> None:
    house.install("shop", definition(shop.origin), oauth_properties(shop.origin))
    house.connect("shop", None, health=HealthState.PENDING_CONSENT)
    outcome = await perform(house)
    assert outcome.code == "Unauthorized"
    assert outcome.error is not None
    assert "not signed in yet" in outcome.error.message
    assert shop.seen == []


async def test_a_credential_goes_to_no_other_origin(basic: Any, shop: Any, local_server: Any) -> None:
    elsewhere = await local_server(shop.answer)
    basic.install("shop", definition(elsewhere, **BASIC_SECURITY), BASIC)
    basic.services.changes.publish("connector", connector_id="shop")
    outcome = await perform(basic)
    assert (outcome.code, shop.seen) == ("OriginNotAllowed", [])


async def test_a_credential_moved_to_another_row_does_not_open(basic: Any, shop: Any) -> None:
    basic.services.store.connections.change("shop-1", allowed_origins=["https://evil.example"])
    outcome = await perform(basic)
    assert (outcome.status, outcome.code, shop.seen) == (Status.FAILED, "SecretUnreadable", [])


async def test_a_request_that_cannot_be_made_says_why_and_sends_nothing(basic: Any, shop: Any) -> None:
    calls = {
        "OperationNotFound": connector_call("Nothing"),
        "MissingParameter": connector_call("Get"),
        "UnsafePath": connector_call("Get", id=".."),
        "UnknownParameter": connector_call("Me", colour="red"),
    }
    for code, call in calls.items():
        assert (await perform(basic, call)).code == code
    assert (await perform(basic, TypedCall(type="Teleport", inputs={}))).code == "UnsupportedAction"
    assert (
        await perform(basic, TypedCall(type="Function", inputs={}, code="MissingFunction"))
    ).code == "MissingFunction"
    child = ChildCall(flow="x", trigger="", headers={}, body=None, has_body=False)
    assert (await perform(basic, child)).code == "MissingServer"
    assert shop.seen == []


async def test_a_service_provider_nobody_installed_is_missing(basic: Any, shop: Any) -> None:
    call = ConnectorCall(reference="sb", connector="serviceproviders/servicebus", operation_id="send", parameters={})
    assert ((await perform(basic, call)).code, shop.seen) == ("MissingServiceProvider", [])


async def test_a_webhooks_operation_is_given_the_callback_where_it_declares_it(basic: Any, shop: Any) -> None:
    call = msgspec.structs.replace(
        connector_call("Subscribe", **{"hook/name": "a"}), notification_url="https://here/cb"
    )
    assert (await perform(basic, call)).status is Status.SUCCEEDED
    assert json.loads(shop.seen[0]["body"]) == {"name": "a", "url": "https://here/cb"}


async def test_what_follows_a_call_has_its_sign_in_and_goes_nowhere_else(
    basic: Any, shop: Any, local_server: Any
) -> None:
    begun = connector_call("Create", **{"body/name": "tea"})
    assert (await perform(basic, FollowUp(call=begun, method="GET", location="/jobs/1?x=2"))).status is Status.SUCCEEDED
    seen = shop.seen[0]
    assert (seen["path"], seen["body"], "Content-Type" in seen["headers"]) == ("/jobs/1?x=2", "", False)
    elsewhere = await local_server(shop.answer)
    for location in (f"{elsewhere}/jobs/1", "//evil.example/jobs", "file:///etc/passwd"):
        outcome = await perform(basic, FollowUp(call=begun, method="GET", location=location))
        assert outcome.code in {"OriginNotAllowed", "InvalidUri"}
    assert len(shop.seen) == 1
    facts = basic.services.operations.facts
    assert facts(FollowUp(call=begun, method="GET", location="/"), MAPPINGS).is_read
    assert not facts(FollowUp(call=begun, method="DELETE", location="/"), MAPPINGS).is_read


async def test_facts_say_what_may_be_repeated(basic: Any) -> None:
    facts = basic.services.operations.facts
    create = facts(connector_call("Create"), MAPPINGS)
    assert (create.is_read, create.honours_key, create.connection_id) == (False, True, "shop-1")
    by_path = facts(ConnectorCall(reference="shared_shop", connector="shop", method="POST", path="/orders"), MAPPINGS)
    assert by_path.honours_key
    assert facts(connector_call("List"), MAPPINGS).is_read
    assert not facts(connector_call("Delete"), MAPPINGS).honours_key
    unknown = facts(ConnectorCall(reference="x", connector="x", method="get", path="/"), {})
    assert (unknown.is_read, unknown.connection_id) == (True, "")
    http = HttpCall(method="PUT", uri="", headers={}, queries={}, body=None, has_body=False, authentication=None)
    assert not facts(http, {}).is_read


async def test_an_expiring_token_is_refreshed_before_use_once_for_all_calls(oauth: Any, shop: Any) -> None:
    oauth.clock.move(minutes=56)
    outcomes = await asyncio.gather(*(perform(oauth) for _ in range(10)))
    assert {outcome.status for outcome in outcomes} == {Status.SUCCEEDED}
    assert shop.refreshed == 1
    row = oauth.connection("shop-1")
    assert row.credential_version == 1
    assert row.expires_at == oauth.clock.now + timedelta(hours=1)


async def test_a_rotated_refresh_token_survives_a_restart(oauth: Any, shop: Any) -> None:
    for _ in range(3):
        oauth.clock.move(hours=2)
        oauth.services.changes.publish("connection", connection_id="shop-1")
        assert (await perform(oauth)).status is Status.SUCCEEDED
    assert shop.refreshed == 3


async def test_a_call_given_up_during_a_refresh_loses_no_token(oauth: Any, shop: Any) -> None:
    oauth.clock.move(hours=2)
    shop.token_seconds = 0.5
    given_up = asyncio.create_task(perform(oauth))
    await until(lambda: shop.refreshed > 0, lambda: "the provider was not asked")  # and takes its time
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)

    await oauth.services.operations.refresher.finish(5)

    assert given_up.cancelled()
    assert oauth.connection("shop-1").credential_version == 1
    assert (await perform(oauth)).status is Status.SUCCEEDED
    assert shop.refreshed == 1


async def test_a_401_with_a_token_that_should_be_good_gets_one_refresh_and_one_replay(oauth: Any, shop: Any) -> None:
    shop.access = "revoked-early"
    outcome = await perform(oauth)
    assert (outcome.status, shop.refreshed, len(shop.seen)) == (Status.SUCCEEDED, 1, 2)
    assert oauth.connection("shop-1").health is HealthState.CONNECTED


async def test_a_replay_that_is_refused_too_breaks_the_connection(oauth: Any, shop: Any) -> None:
    shop.answers = [lambda _: web.Response(status=401), lambda _: web.Response(status=401)]
    outcome = await perform(oauth)
    assert (outcome.code, shop.refreshed, len(shop.seen)) == ("Unauthorized", 1, 2)
    row = oauth.connection("shop-1")
    assert (row.health, row.remedy) == (HealthState.BROKEN, "sign_in_again")


async def test_a_refused_refresh_breaks_the_connection_with_the_providers_word(oauth: Any, shop: Any) -> None:
    shop.refresh = shop.access = "revoked"
    outcome = await perform(oauth)
    assert outcome.code == "Unauthorized"
    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.category, outcome.diagnosis.code) == (Category.REVOKED, "invalid_grant")
    row = oauth.connection("shop-1")
    assert (row.health, row.refused_message) == (HealthState.BROKEN, "unknown token")


async def test_an_outage_of_the_token_endpoint_never_breaks_a_connection(oauth: Any, shop: Any) -> None:
    oauth.clock.move(minutes=56)
    shop.token_answers = [web.Response(status=503)]
    assert (await perform(oauth)).status is Status.SUCCEEDED  # the token in hand still serves
    oauth.clock.move(minutes=10)
    shop.token_answers = [web.Response(status=503)]
    outcome = await perform(oauth)
    assert (outcome.code, outcome.is_retryable) == ("TokenRefreshFailed", True)
    assert oauth.connection("shop-1").health is HealthState.CONNECTED


async def test_without_a_refresh_token_a_refused_access_token_asks_for_sign_in(house: Any, shop: Any) -> None:
    house.install("shop", definition(shop.origin), oauth_properties(shop.origin))
    now = house.clock.now
    house.connect(
        "shop", OAuthCredential(access_token="access-1", issued_at=now, expires_at=now + timedelta(minutes=1))
    )
    assert (await perform(house)).status is Status.SUCCEEDED
    house.clock.move(minutes=5)
    shop.access = "another"
    outcome = await perform(house)
    assert (outcome.code, shop.refreshed) == ("Unauthorized", 0)
    row = house.connection("shop-1")
    assert (row.health, row.remedy, row.refused_message) == (HealthState.BROKEN, "sign_in_again", "bad credentials")


async def test_a_refresh_token_goes_to_no_other_origin(oauth: Any, shop: Any, local_server: Any) -> None:
    elsewhere = await local_server(shop.answer)
    oauth.install("shop", definition(shop.origin), oauth_properties(elsewhere))
    oauth.services.changes.publish("connector", connector_id="shop")
    oauth.clock.move(minutes=56)
    outcome = await perform(oauth)
    assert (outcome.code, shop.refreshed) == ("OriginNotAllowed", 0)


async def test_a_good_status_with_a_refusal_inside_is_a_failure(oauth: Any, shop: Any) -> None:
    shop.answers = [lambda _: web.json_response({"ok": False, "error": "token_revoked"})]
    outcome = await perform(oauth)
    assert (outcome.status, outcome.code) == (Status.FAILED, "Unauthorized")
    assert oauth.connection("shop-1").health is HealthState.BROKEN


def http_call(origin: str, **changes: Any) -> HttpCall:
    inputs: dict[str, Any] = {
        "method": "GET",
        "uri": f"{origin}/me",
        "headers": {},
        "queries": {},
        "body": None,
        "has_body": False,
        "authentication": {"type": "Basic", "username": "ada", "password": "right"},
    }
    return HttpCall(**(inputs | changes))


async def test_an_http_action_is_sent_and_judged(house: Any, shop: Any) -> None:
    assert (await perform(house, http_call(shop.origin))).status is Status.SUCCEEDED
    refused = await perform(house, http_call(shop.origin, authentication=None))
    assert refused.code == "Unauthorized"
    assert refused.diagnosis is not None
    assert not refused.diagnosis.try_silent_refresh_first
    kind = await perform(house, http_call(shop.origin, authentication={"type": "ManagedServiceIdentity"}))
    assert kind.code == "NoManagedIdentity"


async def test_workflow_headers_can_be_suppressed(house: Any, shop: Any) -> None:
    await perform(house, http_call(shop.origin, options=frozenset({"suppressworkflowheaders"})))
    assert "x-ms-workflow-name" not in shop.seen[0]["headers"]


@pytest.mark.parametrize(
    "authentication",
    [{"type": "Basic", "username": "ada", "password": "right"}, {"type": "Raw", "value": "Bearer right"}],
)
async def test_an_http_actions_secrets_do_not_come_back(house: Any, shop: Any, authentication: dict[str, str]) -> None:
    shop.access = "right"
    shop.answers = [lambda request: web.json_response({"echo": f"{request.headers['Authorization']} / right"})]
    outcome = await perform(house, http_call(shop.origin, authentication=authentication))
    assert outcome.status is Status.SUCCEEDED
    assert "right" not in repr(outcome)


async def test_an_http_action_to_a_link_local_address_is_refused(house: Any) -> None:
    outcome = await perform(house, http_call("http://169.254.169.254"))
    assert (outcome.status, outcome.code, outcome.is_retryable) == (Status.FAILED, "AddressNotAllowed", False)
