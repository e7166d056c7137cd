"""Verify: a new credential is tested first and replaces the old one only once it is proven."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import asdict

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, Conflict, NotFound, TooManyAttempts
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases import verify_connection as verifying
from flowmend.use_cases.connection_views import list_connections, read_connection
from flowmend.use_cases.connections import delete_connection, install_connector_documents, list_connectors
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.overview import read_overview
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import LocalServer, Open, Running, create_order

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def verify(running: Running, connection_id: str, **values: str) -> Verification:
    return await verify_connection(running.services, connection_id, values, person_id=running.owner)


def sign_in_of(row: ConnectionRow) -> dict[str, Any]:
    """All of a connection but what probing remembers of itself."""
    probing = ("probe", "probe_is_trusted", "next_probe_at", "last_probe_at")
    return {name: value for name, value in asdict(row).items() if name not in probing}


async def broken(running: Running) -> tuple[str, str]:
    """(connection, flow): the password was changed at the service, and a run has met it."""
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "breaks"})
    await running.ended(accepted.run_name)
    assert running.connection(connection_id).health is HealthState.BROKEN
    return connection_id, flow_id


async def test_a_wrong_password_is_refused_keeps_the_old_one_and_counts(running: Running) -> None:
    connection_id, _ = await broken(running)
    before = running.connection(connection_id)

    result = await verify(running, connection_id, password="wrong")

    assert (result.is_proven, result.is_kept, result.status_code, result.code) == (False, False, 401, "Unauthorized")
    assert (result.category, result.health, result.attempts_left) == ("wrong_password", "broken", 2)
    assert "wrong" not in result.message.split()
    assert sign_in_of(running.connection(connection_id)) == sign_in_of(before)


async def test_what_was_learnt_of_the_old_credential_does_not_harm_the_new(running: Running) -> None:
    connection_id, _ = await broken(running)
    before = running.connection(connection_id)
    assert (await verify(running, connection_id, password="changed")).is_kept

    verifying._mark(running.services, before, {"health": HealthState.BROKEN, "refused_code": "Unauthorized"})

    after = running.connection(connection_id)
    assert (after.health, after.refused_code) == (HealthState.CONNECTED, "")


async def test_a_late_attempt_that_is_refused_leaves_what_another_has_mended(running: Running) -> None:
    connection_id, _ = await broken(running)
    before = running.connection(connection_id)
    assert (await verify(running, connection_id, password="changed")).is_kept

    late = BasicCredential(user="ada", password="wrong")
    result = await verifying.replace_credential(running.services, before, before, late, person_id=running.owner)

    assert not result.is_kept
    assert running.connection(connection_id).health is HealthState.CONNECTED


async def test_three_refusals_bar_the_next_attempt_for_a_quarter_of_an_hour(running: Running) -> None:
    connection_id, _ = await broken(running)
    left = [(await verify(running, connection_id, password=f"wrong-{index}")).attempts_left for index in range(3)]
    assert left == [2, 1, 0]

    with pytest.raises(TooManyAttempts) as refused:
        await verify(running, connection_id, password="changed")

    assert 840 < refused.value.retry_after_seconds <= 901
    assert running.connection(connection_id).health is HealthState.BROKEN
    with pytest.raises(TooManyAttempts):
        await verifying.test_connection(running.services, connection_id, running.owner)
    running.clock.move(seconds=refused.value.retry_after_seconds)
    assert (await verify(running, connection_id, password="changed")).is_proven


async def test_attempts_at_the_same_time_risk_no_more_than_one_after_another(running: Running) -> None:
    connection_id, _ = await broken(running)
    running.service.change("latency", ms=50)

    results = await asyncio.gather(
        *(verify(running, connection_id, password=f"wrong-{index}") for index in range(6)), return_exceptions=True
    )

    assert sum(isinstance(result, Verification) for result in results) == 3
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 3
    assert running.connection(connection_id).health is HealthState.BROKEN


async def test_the_right_password_is_proven_replaces_the_old_one_and_clears_the_refusal(running: Running) -> None:
    connection_id, _ = await broken(running)
    await verify(running, connection_id, password="wrong")
    before = running.connection(connection_id)

    result = await verify(running, connection_id, password="changed")

    assert (result.is_proven, result.is_kept, result.health, result.attempts_left) == (True, True, "connected", 3)
    assert (result.operation_id, result.status_code) == ("GetAccount", 200)
    row = running.connection(connection_id)
    assert row.health is HealthState.CONNECTED
    assert row.credential_version > before.credential_version
    assert (row.refused_at, row.refused_code, row.refused_message) == (None, "", "")
    assert row.account_name == "ada"
    assert "changed" in repr(vars_of(open_credential(running.services.vault, row)))
    assert running.services.store.connections.attempts(connection_id, row.created_at) == []
    verbs = [one.verb for one in running.services.store.audit.list(connection_id)[0]]
    assert verbs == ["verify", "verify_refused", "create_connection"]


def vars_of(credential: object) -> dict[str, Any]:
    return {name: getattr(credential, name) for name in credential.__struct_fields__}  # type: ignore[attr-defined]


async def test_a_password_of_another_account_is_refused_before_anything_is_sent(running: Running) -> None:
    connection_id, _ = await broken(running)
    before = running.service.counts
    with pytest.raises(AskedWrongly) as refused:
        await verify(running, connection_id, username="ben", password="quiet-forest")
    assert refused.value.code == "AnotherAccount"
    assert running.service.counts == before


async def test_the_name_of_the_same_account_may_be_written_otherwise(running: Running) -> None:
    connection_id, _ = await broken(running)
    result = await verify(running, connection_id, username="Ada", password="changed")
    assert not result.is_kept  # the service minds the case, so this is a refusal of its own, not ours


async def test_another_address_asks_for_every_secret_again(running: Running, local_server: LocalServer) -> None:
    connection_id, _ = await broken(running)
    seen: list[str] = []

    async def thief(request: web.Request) -> web.Response:
        seen.append(str(request.headers))
        return web.json_response({})

    elsewhere = await local_server(thief)
    with pytest.raises(AskedWrongly) as refused:
        await verify(running, connection_id, host_url=elsewhere)
    assert (refused.value.code, refused.value.target) == ("SecretsNeeded", "password")
    assert seen == []


async def test_a_service_that_does_not_answer_changes_nothing_and_counts_no_attempt(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    answers = [web.json_response({}), None]

    async def service(_request: web.Request) -> web.Response:
        return answers[0] or web.Response(status=503)

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    connection_id = await running.connect(username="ada", password="any", host_url=origin)
    answers.pop(0)
    before = running.connection(connection_id)

    for _ in range(4):
        result = await verify(running, connection_id, password="new")
        assert (result.is_proven, result.is_kept, result.attempts_left) == (False, False, 3)

    assert sign_in_of(running.connection(connection_id)) == sign_in_of(before)


async def test_a_test_of_what_is_stored_mends_or_breaks_the_connection(running: Running) -> None:
    connection_id = await running.connect()
    assert (await verifying.test_connection(running.services, connection_id, running.owner)).is_proven
    running.service.change("password", user="ada", password="changed")

    result = await verifying.test_connection(running.services, connection_id, running.owner)

    assert (result.is_proven, result.health, result.attempts_left) == (False, "broken", 2)
    row = running.connection(connection_id)
    assert (row.health, row.refused_code, row.refused_category) == (
        HealthState.BROKEN,
        "Unauthorized",
        "wrong_password",
    )
    running.service.change("password", user="ada", password=FIRST_PASSWORD)
    assert (await verifying.test_connection(running.services, connection_id, running.owner)).health == "connected"
    assert running.connection(connection_id).health is HealthState.CONNECTED


async def test_a_credential_nothing_can_test_is_kept_as_untested(running: Running) -> None:
    definition = {
        "swagger": "2.0",
        "info": {"title": "Mute"},
        "host": running.service.url.removeprefix("http://"),
        "schemes": ["http"],
        "securityDefinitions": {"b": {"type": "basic"}},
        "paths": {"/orders": {"post": {"operationId": "Create"}}},
    }
    properties = {
        "properties": {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}
    }
    await install_connector_documents(running.services, "mute", definition, properties, running.owner)
    values = {"user": "ada", "password": "first"}
    view = await create_connection(running.services, "mute", "Mute", values, running.owner)
    assert view.row.health is HealthState.UNTESTED
    assert view.test is None

    asked = await verify(running, view.row.connection_id, password="second")
    assert (asked.is_proven, asked.is_kept, asked.code) == (False, False, "ConfirmationNeeded")
    assert "ada" in asked.message

    result = await verify_connection(
        running.services, view.row.connection_id, {"password": "second"}, person_id=running.owner, confirmed=True
    )

    assert (result.is_proven, result.is_kept, result.health, result.code) == (False, True, "untested", "NotTestable")


async def test_a_connector_that_changed_is_given_no_secret_it_had_before(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    row = running.services.store.connectors.get("sample_orders")
    assert row is not None
    same, more = row.definition, json.loads(json.dumps(row.properties))
    await install_connector_documents(running.services, "sample_orders", same, more, running.owner)
    assert running.connection(connection_id).health is HealthState.CONNECTED

    more["properties"].setdefault("policyTemplateInstances", []).append(
        {
            "templateId": "setheader",
            "title": "More",
            "parameters": {
                "x-ms-apimTemplateParameter.name": "X-More",
                "x-ms-apimTemplateParameter.value": "@connectionParameters('password')",
                "x-ms-apimTemplateParameter.existsAction": "override",
                "x-ms-apimTemplate-policySection": "Request",
            },
        }
    )
    await install_connector_documents(running.services, "sample_orders", same, more, running.owner)

    changed = running.connection(connection_id)
    assert (changed.health, changed.refused_code) == (HealthState.BROKEN, "ConnectorChanged")
    assert (changed.sealed_credential, changed.sealed_candidate) == (b"", b"")
    assert (await running.call(flow_id, {"number": "N1"})).held
    with pytest.raises(AskedWrongly) as asked:
        await verify(running, connection_id)
    assert asked.value.target == "password"
    result = await verify(running, connection_id, password=FIRST_PASSWORD)
    assert (result.is_kept, result.released) == (True, 1)


async def test_a_new_connection_is_kept_only_once_its_credential_is_proven(running: Running) -> None:
    await running.connect()
    values = {"username": "ada", "password": "wrong", "host_url": running.service.url}
    with pytest.raises(AskedWrongly) as refused:
        await create_connection(running.services, "sample_orders", "Second", values, running.owner)
    assert (refused.value.code, refused.value.target) == ("CredentialRefused", "password")
    assert len(await list_connections(running.services)) == 1


@pytest.mark.parametrize(
    ("values", "code", "target"),
    [
        ({"username": "ada"}, "MissingParameter", "password"),
        ({"password": "x"}, "MissingParameter", "username"),
        ({"username": "ada", "password": "x", "color": "red"}, "UnknownParameter", "color"),
    ],
)
async def test_a_value_that_is_missing_or_unknown_is_named(
    running: Running, values: dict[str, str], code: str, target: str
) -> None:
    await running.connect()
    with pytest.raises(AskedWrongly) as refused:
        await create_connection(running.services, "sample_orders", "Second", values, running.owner)
    assert (refused.value.code, refused.value.target) == (code, target)


async def test_no_view_of_a_connection_holds_its_secret(running: Running) -> None:
    connection_id = await running.connect()
    view = await read_connection(running.services, connection_id)
    assert [(field.name, field.value, field.is_secret) for field in view.fields] == [
        ("host_url", running.service.url, False),
        ("username", "ada", False),
        ("password", "", True),
    ]
    assert view.test is not None
    assert view.test.sentence == f"GET {running.service.url}/basic/me must answer."
    for seen in (view, view.row, await list_connections(running.services), await list_connectors(running.services)):
        assert FIRST_PASSWORD not in repr(seen)
    assert FIRST_PASSWORD not in json.dumps(view.row.parameters)


async def test_a_connection_in_use_is_not_deleted(running: Running) -> None:
    connection_id = await running.connect()
    await running.add_flow({"Order": create_order()}, name="orders")
    with pytest.raises(Conflict) as refused:
        await delete_connection(running.services, connection_id, running.owner)
    assert refused.value.code == "ConnectionInUse"
    assert "orders" in refused.value.message


async def test_an_unused_connection_is_deleted_and_then_not_found(running: Running) -> None:
    connection_id = await running.connect()
    await delete_connection(running.services, connection_id, running.owner)
    for verb in (read_connection,):
        with pytest.raises(NotFound):
            await verb(running.services, connection_id)
    with pytest.raises(NotFound):
        await verify(running, connection_id, password="x")


async def test_a_broken_connection_shows_what_it_did_and_leads_the_lists(running: Running) -> None:
    await running.connect("sample_shipping", api_key="ada-key-1001")
    connection_id, flow_id = await broken(running)
    await running.call(flow_id, {"number": "held"})

    first, _ = await list_connections(running.services)

    assert first.row.connection_id == connection_id
    assert first.portal_status == "Needs repair"
    assert (first.failed_runs, first.held_events, first.held_runs) == (1, 1, 0)
    assert first.failed_run is not None
    assert first.used_by == ((flow_id, "flow"),)
    assert first.ticks[-1] == "bad"
    overview = await read_overview(running.services)
    assert [row.connection_id for row in overview.broken] == [connection_id]
    assert (overview.failed_runs_24h, overview.succeeded_24h, overview.held, overview.flows_on) == (1, 0, 1, 1)
    assert [row.run_name for row in overview.recent] == [first.failed_run.run_name]


async def test_a_test_cut_off_by_the_end_of_the_process_leaves_the_connection_broken(open_flowmend: Open) -> None:
    first = await open_flowmend()
    connection_id, _ = await broken(first)
    first.services.store.connections.change(connection_id, health=HealthState.REPAIRING)
    await first.crash()
    second = await open_flowmend()
    assert second.connection(connection_id).health is HealthState.BROKEN
    assert (await second.call(second.runs()[0].flow_id, {"number": "N"})).held


@pytest.mark.parametrize(
    ("change", "asks_again"),
    [
        ({"/info/title": "Another name"}, False),
        ({"/parameter/uiDefinition": {"displayName": "Kennwort", "description": "…", "tooltip": "…"}}, False),
        ({"/info/description": "More words"}, False),
        ({"/host": "elsewhere.example.com"}, True),
        ({"/parameter/type": "string"}, True),
        ({"/new": {"type": "securestring"}}, True),
    ],
)
async def test_another_host_or_sign_in_asks_for_secrets_again_and_other_words_do_not(
    running: Running, change: dict[str, Any], *, asks_again: bool
) -> None:
    connection_id = await running.connect()
    row = running.services.store.connectors.get("sample_orders")
    assert row is not None
    definition, properties = json.loads(json.dumps(row.definition)), json.loads(json.dumps(row.properties))
    parameters = properties["properties"]["connectionParameters"]
    for place, value in change.items():
        if place.startswith("/parameter/"):
            parameters["password"][place.removeprefix("/parameter/")] = value
        elif place == "/new":
            parameters["pin"] = value
        elif place == "/host":
            definition["host"] = value
        else:
            definition["info"][place.removeprefix("/info/")] = value
    await install_connector_documents(running.services, "sample_orders", definition, properties, running.owner)

    assert (running.connection(connection_id).refused_code == "ConnectorChanged") is asks_again


async def test_a_fingerprint_made_by_a_former_version_asks_for_nothing(running: Running) -> None:
    connection_id = await running.connect()
    row = running.services.store.connectors.get("sample_orders")
    assert row is not None
    running.services.store.connectors.put(msgspec.structs.replace(row, fingerprint="made otherwise"))
    await install_connector_documents(running.services, "sample_orders", row.definition, row.properties, running.owner)
    assert running.connection(connection_id).health is HealthState.CONNECTED
