"""Incidents on real paths: services that really refuse, runs that really fail, a server that dies in between."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from flowmend.api.shapes.incident import incident_detail_shape
from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import SourceKind
from flowmend.core.errors import NotFound
from flowmend.core.outcome import FixableBy
from flowmend.core.run.events import ConnectorCall
from flowmend.store.incident_rows import IncidentState
from flowmend.store.rows import SignInAppRow
from flowmend.use_cases.connections import delete_connection, install_connector_documents
from flowmend.use_cases.flows import map_connection
from flowmend.use_cases.incidents import IncidentSummary, WhoCanFix, list_incidents, open_incidents, read_incident
from flowmend.use_cases.run_choices import RunChoice, list_chosen
from flowmend.use_cases.verify_connection import test_connection as try_connection
from flowmend.use_cases.verify_connection import verify_connection
from running import REQUEST, Open, Running, after, create_order, until

pytestmark = pytest.mark.anyio

BENS_PASSWORD = "quiet-forest"
#: New runs start and fail, so that there is something to count.
FAILS = {"flowmend": {"onBrokenConnection": "fail", "businessKey": "@triggerBody()?['number']"}}
ORDER = {"Order": create_order()}


async def incidents(running: Running, state: str = "") -> tuple[IncidentSummary, ...]:
    running.services.store.incidents.write_bad_calls()
    return (await list_incidents(running.services, state=state)).incidents


async def repair(running: Running, connection_id: str) -> None:
    result = await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    assert result.is_proven


class TestARealBreakage:
    @pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
    async def test_three_flows_that_fail_for_one_password_are_one_incident_with_its_numbers(
        self, running: Running
    ) -> None:
        connection_id = await running.connect()
        flow_ids = [await running.add_flow(ORDER, name=f"flow {number}", metadata=FAILS) for number in range(3)]
        await running.call(flow_ids[0], {"number": "N good"})
        await running.at_rest()
        last_good_at = running.connection(connection_id).last_good_at
        running.service.change("password", user="ada", password="changed")

        for number in range(40):
            calls = (running.call(flow_id, {"number": f"N{number}-{flow_id[:8]}"}) for flow_id in flow_ids)
            await asyncio.gather(*calls)
        await running.at_rest()

        (summary,) = await incidents(running)
        assert (summary.row.source_kind, summary.name) == (SourceKind.CONNECTION, "Orders")
        assert (summary.failed_runs, len(summary.flows), summary.row.bad_calls) == (120, 3, 120)
        assert set(summary.failed_by_flow.values()) == {40}
        assert (summary.row.last_good_at, summary.row.category) == (last_good_at, "wrong_password")
        assert summary.row.first_bad_at <= summary.row.last_bad_at
        view = await read_incident(running.services, summary.row.incident_id)
        assert (view.keys_count, view.keys_are_all, len(view.keys)) == (120, True, 20)
        assert view.keys[0].startswith("N39-")
        assert view.headlines[view.runs[0].run_name] == view.keys[0]
        assert len(view.runs) == 10
        failed = await list_chosen(running.services, RunChoice(incident_id=summary.row.incident_id), limit=200)
        assert len(failed.rows) == 120
        assert failed.rows[0].run_name == max(view.runs, key=lambda run: run.started_at).run_name
        assert {run.error_code for run in view.runs} == {"Unauthorized"}

    async def test_a_proof_closes_it_and_a_second_break_opens_another(self, running: Running) -> None:
        connection_id = await running.connect()
        flow_id = await running.add_flow(ORDER, metadata=FAILS)
        running.service.change("password", user="ada", password="changed")
        await running.call(flow_id, {"number": "N1"})
        await running.at_rest()
        refused = await verify_connection(
            running.services, connection_id, {"password": "nearly"}, person_id=running.owner
        )
        assert not refused.is_proven
        await repair(running, connection_id)

        (closed,) = await incidents(running, "closed")
        assert not await incidents(running, "open")
        assert (closed.row.state, closed.row.closed_by, closed.failed_runs) == (IncidentState.CLOSED, "proof", 1)
        view = await read_incident(running.services, closed.row.incident_id)
        assert [one.verb for one in view.tried][-1] == "verify_refused"
        assert view.tried[0].person == "Owner"

        await running.call(flow_id, {"number": "N2"})
        await running.at_rest()
        running.service.change("password", user="ada", password="changed again")
        await running.call(flow_id, {"number": "N3"})
        await running.at_rest()
        opened, before = await incidents(running)
        assert (opened.is_open, before.is_open) == (True, False)
        assert (opened.failed_runs, before.failed_runs) == (1, 1)  # each failed run counts once
        for one in (opened, before):
            assert len((await list_chosen(running.services, RunChoice(incident_id=one.row.incident_id))).rows) == 1

    async def test_what_waits_is_counted_while_it_waits(self, running: Running) -> None:
        connection_id = await running.connect()
        flow_id = await running.add_flow(ORDER)
        running.service.change("password", user="ada", password="changed")
        await running.call(flow_id, {"number": "N1"})
        await running.at_rest()
        for number in range(3):
            assert (await running.call(flow_id, {"number": f"held {number}"})).held
        (summary,) = await incidents(running)
        assert (summary.failed_runs, summary.held_events, summary.row.bad_calls) == (1, 3, 1)
        await repair(running, connection_id)
        (summary,) = await incidents(running)
        assert (summary.failed_runs, summary.held_events) == (1, 0)

    async def test_who_can_end_it_is_named(self, running: Running) -> None:
        await running.connect()
        flow_id = await running.add_flow(ORDER)
        running.service.change("password", user="ada", password="changed")
        await running.call(flow_id, {"number": "N1"})
        await running.at_rest()
        (summary,) = await incidents(running)
        assert (summary.who.fixable_by, summary.who.name) == (FixableBy.REVERIFY, "Owner")
        assert summary.who.sentence == "Owner can end it by entering the current password."

    @pytest.mark.parametrize(
        ("sign_in", "how"),
        [
            ("basic", "entering the current password"),
            ("api_key", "entering the key that is valid now"),
            ("client_certificate", "giving the certificate that is valid now"),
            ("oauth2", "signing in again"),
            ("client_credentials", "verifying the connection"),
            ("", "verifying the connection"),
        ],
    )
    def test_how_its_owner_ends_it_depends_on_how_it_signs_in(self, sign_in: str, how: str) -> None:
        who = WhoCanFix(
            fixable_by=FixableBy.REVERIFY, name="", person_id="", service="Orders", account="", sign_in=sign_in
        )
        assert who.sentence == f"The owner of the connection can end it by {how}."

    async def test_open_pages_hear_of_it(self, running: Running) -> None:
        connection_id = await running.connect()
        flow_id = await running.add_flow(ORDER)
        told: list[Any] = []
        running.application.broadcast.listen(lambda topic, facts: told.append(facts) if topic == "incident" else None)
        running.service.change("password", user="ada", password="changed")
        await running.call(flow_id, {"number": "N1"})
        await running.at_rest()
        await repair(running, connection_id)
        assert [one["state"] for one in told] == ["open", "closed"]
        assert len({one["incident_id"] for one in told}) == 1

    async def test_a_business_key_finds_the_run(self, running: Running) -> None:
        await running.connect()
        flow_id = await running.add_flow(ORDER, metadata=FAILS)
        accepted = await running.call(flow_id, {"number": "N4711"})
        await running.at_rest()
        found = await list_chosen(running.services, RunChoice(tracked_name="businessKey", tracked_value="N4711"))
        assert [row.run_name for row in found.rows] == [accepted.run_name]

    async def test_what_runs_track_stands_for_a_business_key_where_there_is_none(self, running: Running) -> None:
        await running.connect()
        say = {"type": "Compose", "inputs": 1, "runAfter": {}, "trackedProperties": {"number": "N7"}}
        flow_id = await running.add_flow({"Say": say, "Order": after(create_order(), "Say")})
        running.service.change("password", user="ada", password="changed")
        await running.call(flow_id, {"number": "N7"})
        await running.at_rest()
        (summary,) = await incidents(running)
        assert (await read_incident(running.services, summary.row.incident_id)).keys == ("N7",)

    async def test_a_secure_trigger_gives_no_business_key(self, running: Running) -> None:
        secure = {"manual": {**REQUEST["manual"], "runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}}}
        await running.connect()
        flow_id = await running.add_flow(ORDER, triggers=secure, metadata=FAILS)
        accepted = await running.call(flow_id, {"number": "N8"})
        await running.ended(accepted.run_name)
        assert not running.services.store.tracked_values.of_run(accepted.run_name)

    async def test_a_business_key_that_does_not_compute_fails_nothing(self, running: Running) -> None:
        await running.connect()
        flow_id = await running.add_flow(
            {"Say": {"type": "Compose", "inputs": 1, "runAfter": {}}},
            metadata={"flowmend": {"businessKey": "@int('no number')"}},
        )
        accepted = await running.call(flow_id, {"number": "N1"})
        assert (await running.ended(accepted.run_name)).status == "Succeeded"


class TestSources:
    async def test_two_services_have_two_incidents(self, running: Running) -> None:
        first = await running.connect()
        second = await running.connect(username="ben", password=BENS_PASSWORD)
        running.service.change("password", user="ada", password="changed")
        running.service.change("password", user="ben", password="changed")
        for connection_id in (first, second):
            assert not (await try_connection(running.services, connection_id, running.owner)).is_proven
        assert len(await incidents(running)) == 2
        assert len(open_incidents(running.services, [first, second])) == 2

    async def test_a_second_connection_of_the_account_joins_and_leaves_with_its_own_proof(
        self, running: Running
    ) -> None:
        first, second = await running.connect(), await running.connect()
        for connection_id in (first, second):
            running.services.store.connections.change(connection_id, account_name="ada")
        running.service.change("password", user="ada", password="changed")
        for connection_id in (first, second):
            assert not (await try_connection(running.services, connection_id, running.owner)).is_proven
        (summary,) = await incidents(running)
        assert (summary.row.source_kind, summary.name, len(summary.members)) == (SourceKind.ACCOUNT, "ada", 2)

    async def test_a_deleted_connection_closes_what_only_it_was_waited_for(self, running: Running) -> None:
        connection_id = await running.connect()
        running.service.change("password", user="ada", password="changed")
        await try_connection(running.services, connection_id, running.owner)
        await delete_connection(running.services, connection_id, running.owner)
        (summary,) = await incidents(running)
        view = await read_incident(running.services, summary.row.incident_id)
        assert (summary.row.state, view.closed_by) == (IncidentState.CLOSED, "Owner")

    async def test_a_connector_installed_with_other_hosts_opens_one_without_a_bad_call(self, running: Running) -> None:
        connection_id = await running.connect()
        connector = running.services.store.connectors.get("sample_orders")
        assert connector is not None
        changed = {**connector.definition, "host": "elsewhere.example"}
        await install_connector_documents(
            running.services, "sample_orders", changed, connector.properties, running.owner
        )
        (summary,) = await incidents(running)
        assert [one.connection_id for one in summary.members] == [connection_id]
        assert (summary.row.bad_calls, summary.row.code) == (0, "ConnectorChanged")

    async def test_flows_of_another_connection_are_not_counted(self, running: Running) -> None:
        first = await running.connect()
        flow_id = await running.add_flow(ORDER)
        other = await running.connect(username="ben", password=BENS_PASSWORD)
        await map_connection(running.services, flow_id, "shared_sample_orders", other, running.owner)
        running.service.change("password", user="ada", password="changed")
        await try_connection(running.services, first, running.owner)
        (summary,) = await incidents(running)
        assert (dict(summary.flows), summary.held_events) == ({}, 0)

    async def test_an_unknown_incident_is_said_to_be_none(self, running: Running) -> None:
        with pytest.raises(NotFound):
            await read_incident(running.services, "nobody")
        with pytest.raises(NotFound):
            await list_chosen(running.services, RunChoice(incident_id="nobody"))


class TestAKilledServer:
    async def test_a_broken_connection_without_an_incident_gets_one_at_the_next_start(
        self, running: Running, open_flowmend: Open
    ) -> None:
        connection_id = await running.connect()
        at = running.services.clock.now
        refused = {
            "refused_at": at,
            "refused_code": "Unauthorized",
            "refused_message": "Wrong password.",
            "refused_category": "wrong_password",
            "refused_fixable_by": "reverify",
            "remedy": "verify_password",
        }
        running.services.store.connections.change(connection_id, health=HealthState.REPAIRING, **refused)
        await running.crash()

        again = await open_flowmend()
        (summary,) = await incidents(again)
        assert (summary.row.first_bad_at, summary.row.message) == (at, "Wrong password.")
        assert open_incidents(again.services, [connection_id]) == {connection_id: summary.row.incident_id}
        await again.crash()
        third = await open_flowmend()
        assert len(await incidents(third)) == 1

    async def test_a_proof_and_a_deletion_that_were_cut_off_are_made_good_at_the_next_start(
        self, running: Running, open_flowmend: Open
    ) -> None:
        proven = await running.connect()
        gone = await running.connect(username="ben", password=BENS_PASSWORD)
        for user in ("ada", "ben"):
            running.service.change("password", user=user, password="changed")
        for connection_id in (proven, gone):
            await try_connection(running.services, connection_id, running.owner)
        running.services.store.connections.change(proven, health=HealthState.CONNECTED)
        running.services.store.connections.delete(gone)
        await running.crash()

        again = await open_flowmend()
        assert not await incidents(again, "open")
        assert len(await incidents(again, "closed")) == 2

    async def test_bad_calls_not_written_yet_are_written_when_the_server_stops(
        self, running: Running, open_flowmend: Open
    ) -> None:
        await running.connect()
        flow_id = await running.add_flow(ORDER, metadata=FAILS)
        running.service.change("password", user="ada", password="changed")
        for number in range(5):
            await running.call(flow_id, {"number": f"N{number}"})
        await running.at_rest()
        await running.stop()
        again = await open_flowmend()
        (summary,) = (await list_incidents(again.services)).incidents
        assert summary.row.bad_calls == 5

    async def test_bad_calls_are_written_while_it_runs(self, running: Running) -> None:
        await running.connect()
        flow_id = await running.add_flow(ORDER, metadata=FAILS)
        running.service.change("password", user="ada", password="changed")
        for number in range(5):
            await running.call(flow_id, {"number": f"N{number}"})
        await running.at_rest()
        store = running.services.store.incidents

        def count() -> int:
            return store.list()[0][0].bad_calls

        await until(lambda: count() == 5, lambda: f"{count()} calls are written")

    async def test_an_incident_that_could_not_be_written_is_opened_at_the_next_call_stopped(
        self, running: Running
    ) -> None:
        connection_id = await running.connect()
        flow_id = await running.add_flow(ORDER, metadata=FAILS)
        running.services.store.connections.change(connection_id, health=HealthState.BROKEN, refused_code="401")
        running.services.changes.publish("connection", connection_id=connection_id, health="broken")
        await running.call(flow_id, {"number": "N1"})
        await running.at_rest()
        store = running.services.store.incidents
        await until(lambda: store.count_open() == 1, lambda: "there is no incident")
        (summary,) = await incidents(running)
        assert (summary.row.code, summary.row.source_id) == ("401", connection_id)


class TestASignInApp:
    async def test_twelve_connections_whose_client_secret_expired_are_one_incident(
        self, house: Any, local_server: Any
    ) -> None:
        async def answer(request: web.Request) -> web.Response:
            if request.path != "/token":
                return web.json_response({"ok": True})
            said = "AADSTS7000222: The provided client secret keys for app 'abc' are expired."
            return web.json_response({"error": "invalid_client", "error_description": said}, status=401)

        origin = await local_server(answer)
        custom = {"authorizationUrl": {"value": f"{origin}/authorize"}, "tokenUrl": {"value": f"{origin}/token"}}
        settings = {"identityProvider": "oauth2", "clientId": "abc", "customParameters": custom}
        host = origin.removeprefix("http://")
        paths = {"/me": {"get": {"operationId": "Me"}}}
        definition = {"swagger": "2.0", "info": {"title": "Crm"}, "host": host, "schemes": ["http"], "paths": paths}
        properties = {"connectionParameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}}}
        house.install("crm", definition, properties)
        now = house.clock.now
        app = SignInAppRow(app_id="app", connector_id="crm", client_id="abc", created_at=now, display_name="Our app")
        aged = OAuthCredential(
            access_token="access-1", refresh_token="refresh-1", issued_at=now - timedelta(hours=2), expires_at=now
        )
        for number in range(12):
            row = house.connect("crm", aged, connection_id=f"crm-{number}", app_id="app")
        house.services.store.connections.delete(row.connection_id)
        house.services.store.connections.add(row, app)

        async def call(number: int) -> None:
            await house.services.operations.call(
                ConnectorCall(reference="shared_crm", connector="crm", operation_id="Me", parameters={}),
                flow_id="f",
                mappings={"shared_crm": f"crm-{number}"},
                client_request_id=f"r{number}",
                trace_headers={},
                attempt=1,
            )

        await asyncio.gather(*(call(number) for number in range(12)))
        (summary,) = (await list_incidents(house.services)).incidents
        assert (summary.row.source_kind, summary.name) == (SourceKind.SIGN_IN_APP, "Our app")
        assert (len(summary.members), summary.row.category) == (12, "client_secret_expired")
        assert summary.who.sentence == "An administrator of Crm."
        view = await read_incident(house.services, summary.row.incident_id)
        assert view.summary.app is not None
        assert view.summary.app.client_id == "abc"
        question = incident_detail_shape(view).question
        assert question.startswith("The client secret of the app registration abc is no longer accepted by Crm, since ")
        assert question.endswith("Could you create a new client secret there and hand it over safely?")
