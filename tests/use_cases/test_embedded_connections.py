"""The authentication written in flows becomes connections: made once, found again, bound, refused elsewhere."""

import base64
import json
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.core.outcome import Status
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.edit_flow import open_for_editing, save_text
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.import_flow import ImportChoices, Imported, import_package
from flowmend.use_cases.import_plan import plan_import
from flowmend.use_cases.prove_credential import plan_test
from flowmend.use_cases.sealed_credentials import open_credential, seal_credential
from flowmend.use_cases.set_parameters import set_parameters
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running, document, http

pytestmark = pytest.mark.anyio
PASSWORD = "ada-s3cret-77"
on_both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


class Service:
    """A service with basic sign-in and a token endpoint. seen: (path, Authorization) of every request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.accepted = {"Basic " + base64.b64encode(f"ada:{PASSWORD}".encode()).decode(), "Bearer t0ken-1"}
        self.token_requests: list[dict[str, str]] = []
        self.app_secret = "app-s3cret-1"
        self.origin = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.endswith("/oauth2/v2.0/token"):
            form = {name: str(value) for name, value in (await request.post()).items()}
            self.token_requests.append(form)
            if form.get("client_secret") != self.app_secret:
                body = {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret provided.",
                }
                return web.json_response(body, status=401)
            return web.json_response({"access_token": "t0ken-1", "token_type": "Bearer", "expires_in": 3600})
        authorization = request.headers.get("Authorization", "")
        self.seen.append((request.path, authorization))
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "http://localhost:1/elsewhere"})
        if authorization not in self.accepted:
            return web.json_response({"error": "Unauthorized"}, status=401, headers={"WWW-Authenticate": "Basic"})
        return web.json_response({"path": request.path})


@pytest.fixture
async def shop(local_server: LocalServer) -> Service:
    service = Service()
    service.origin = await local_server(service.answer)
    return service


@pytest.fixture
async def other(local_server: LocalServer) -> Service:
    service = Service()
    service.origin = await local_server(service.answer)
    return service


@pytest.fixture
async def running(open_flowmend: Open, shop: Service, other: Service) -> Running:
    hosts = frozenset(one.origin.removeprefix("http://") for one in (shop, other))
    return await open_flowmend(allowed_private_hosts=hosts)


def basic(password: str = PASSWORD, user: str = "ada") -> dict[str, str]:
    return {"type": "Basic", "username": user, "password": password}


def file(*actions: dict[str, Any], **parts: Any) -> bytes:
    return json.dumps(document({f"Call_{n}": one for n, one in enumerate(actions, 1)}, **parts)).encode()


async def take_in(running: Running, content: bytes, name: str = "f.json", **choices: Any) -> Imported:
    report = await import_package(running.services, content, name, ImportChoices(**choices), running.owner)
    return report.flows[0]


def connections(running: Running) -> list[ConnectionRow]:
    return list(running.services.store.connections.list(connector_id="http"))


async def run(running: Running, flow_id: str) -> Any:
    """(status of the run, record of its first action)."""
    await turn_on(running.services, flow_id, running.owner)
    accepted = await running.call(flow_id)
    row = await running.ended(accepted.run_name)
    return row.status, (await running.records(accepted.run_name))["Call_1"]


@on_both_databases
async def test_one_authentication_over_several_actions_and_flows_is_one_connection(
    running: Running, shop: Service
) -> None:
    one = await take_in(
        running,
        file(
            http("GET", f"{shop.origin}/a", authentication=basic()),
            http("GET", f"{shop.origin}/b", authentication=basic()),
        ),
        "one.json",
    )
    two = await take_in(running, file(http("GET", f"{shop.origin}/c", authentication=basic())), "two.json")
    (row,) = connections(running)
    assert row.display_name == f"HTTP ada at {shop.origin.removeprefix('http://')}"
    assert (row.account_name, row.parameters, row.allowed_origins) == ("ada", {"username": "ada"}, [shop.origin])
    assert row.health is HealthState.UNTESTED
    assert [(use.step, use.pointer) for use in one.sign_ins[0].uses] == [
        ("Call_1", "/definition/actions/Call_1/inputs/authentication"),
        ("Call_2", "/definition/actions/Call_2/inputs/authentication"),
    ]
    assert (one.sign_ins[0].is_new, two.sign_ins[0].is_new) == (True, False)
    assert open_credential(running.services.vault, row) == BasicCredential(user="ada", password=PASSWORD)
    assert {flow.name for flow in running.services.store.flows.using(row.connection_id)} == {"one", "two"}


async def test_an_action_signs_in_by_its_connection_and_its_health_is_told(running: Running, shop: Service) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())))
    status, record = await run(running, taken.flow_id)
    (row,) = connections(running)
    assert status == Status.SUCCEEDED
    assert row.health is HealthState.CONNECTED
    assert record.connection_id == row.connection_id
    assert record.inputs["authentication"] == {"type": "Basic", "username": "ada", "password": "*sanitized*"}
    assert PASSWORD not in repr(record)


async def test_a_refusal_breaks_the_connection_and_the_next_call_is_not_sent(running: Running, shop: Service) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic("wrong"))))
    status, record = await run(running, taken.flow_id)
    (row,) = connections(running)
    assert (status, record.code) == (Status.FAILED, "Unauthorized")
    assert row.health is HealthState.BROKEN
    assert record.diagnosis.connection_broken
    assert len(shop.seen) == 1


@on_both_databases
async def test_importing_again_finds_the_same_connection_whatever_its_password_is_by_now(
    running: Running, shop: Service
) -> None:
    content = file(http("GET", f"{shop.origin}/a", authentication=basic("old")))
    taken = await take_in(running, content)
    (row,) = connections(running)
    sealed = seal_credential(running.services.vault, row, BasicCredential(user="ada", password=PASSWORD))
    running.services.store.connections.swap_credential(row.connection_id, row.credential_version, sealed)
    running.services.changes.publish("connection", connection_id=row.connection_id)
    again = await take_in(running, content)
    assert again.flow_id == taken.flow_id
    assert [one.is_new for one in again.sign_ins] == [False]
    (row,) = connections(running)
    assert open_credential(running.services.vault, row) == BasicCredential(user="ada", password=PASSWORD)
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_distinct_authentications_are_distinct_connections(running: Running, shop: Service) -> None:
    taken = await take_in(
        running,
        file(
            http("GET", f"{shop.origin}/a", authentication=basic()),
            http("GET", f"{shop.origin}/b", authentication=basic(user="bob")),
            http("GET", f"{shop.origin}/c", authentication={"type": "Raw", "value": "Bearer t0ken-1"}),
            http("GET", f"{shop.origin}/d", authentication={"type": "None"}),
            http("GET", f"{shop.origin}/e", authentication={"type": "Raw", "value": "@body('Call_1')"}),
        ),
    )
    assert {row.parameter_set for row in connections(running)} == {"Basic", "Raw"}
    assert len(connections(running)) == len(taken.sign_ins) == 3


async def test_a_missing_value_leaves_the_sign_in_unfinished_and_says_what_is_needed(
    running: Running, shop: Service
) -> None:
    written = {"type": "Basic", "username": "ada", "password": "@parameters('pw')"}
    content = file(http("GET", f"{shop.origin}/a", authentication=written), parameters={"pw": {"type": "securestring"}})
    taken = await take_in(running, content)
    (sign_in,) = taken.sign_ins
    (row,) = connections(running)
    assert (sign_in.is_signed_in, sign_in.needs) == (False, ("Password",))
    assert (row.health, row.sealed_credential) == (HealthState.PENDING_CONSENT, b"")
    await set_parameters(running.services, taken.flow_id, {"pw": PASSWORD}, running.owner)
    (row,) = connections(running)
    assert row.health is HealthState.UNTESTED
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_a_chosen_connection_counts_instead(running: Running, shop: Service) -> None:
    await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())), "one.json")
    (row,) = connections(running)
    content = file(http("GET", f"{shop.origin}/a", authentication=basic("other")))
    plan = await plan_import(running.services, content, "two.json")
    (sign_in,) = plan.sign_ins
    assert sign_in.candidates == ((row.connection_id, row.display_name),)
    await take_in(running, content, "two.json", connections={sign_in.sign_in_id: row.connection_id})
    assert len(connections(running)) == 1


async def test_a_connection_of_another_connector_cannot_be_chosen(running: Running, shop: Service) -> None:
    orders = await running.connect()
    content = file(http("GET", f"{shop.origin}/a", authentication=basic()))
    (sign_in,) = (await plan_import(running.services, content, "f.json")).sign_ins
    with pytest.raises(AskedWrongly) as raised:
        await take_in(running, content, connections={sign_in.sign_in_id: orders})
    assert raised.value.code == "WrongConnector"
    assert running.services.store.flows.list() == []


@on_both_databases
async def test_a_new_version_with_another_host_and_the_secret_left_is_refused(
    running: Running, shop: Service, other: Service
) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())))
    edited = open_for_editing(running.services, taken.flow_id)
    moved = edited.text.replace(shop.origin, other.origin)
    await save_text(running.services, taken.flow_id, moved, edited.base_version, running.owner)
    status, record = await run(running, taken.flow_id)
    assert (status, record.code) == (Status.FAILED, "OriginNotAllowed")
    assert other.seen == []


async def test_another_user_name_with_the_secret_left_gets_no_credential(
    running: Running, shop: Service, other: Service
) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())))
    edited = open_for_editing(running.services, taken.flow_id)
    changed = edited.text.replace(shop.origin, other.origin).replace('"ada"', '"eve"')
    await save_text(running.services, taken.flow_id, changed, edited.base_version, running.owner)
    eve = next(row for row in connections(running) if row.account_name == "eve")
    assert (eve.health, eve.sealed_credential) == (HealthState.PENDING_CONSENT, b"")
    status, _ = await run_held(running, taken.flow_id)
    assert other.seen == []
    assert status != Status.SUCCEEDED


async def run_held(running: Running, flow_id: str) -> Any:
    await turn_on(running.services, flow_id, running.owner)
    await running.call(flow_id)
    return running.events(flow_id)[-1].status, None


async def test_a_secret_given_again_may_go_where_the_flow_now_calls(
    running: Running, shop: Service, other: Service
) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())))
    await take_in(running, file(http("GET", f"{other.origin}/a", authentication=basic())))
    (row,) = connections(running)
    assert row.allowed_origins == sorted([shop.origin, other.origin])
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_a_redirect_carries_no_credential(running: Running, shop: Service) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/moved", authentication=basic())))
    status, record = await run(running, taken.flow_id)
    assert (status, record.outputs["statusCode"]) == (Status.FAILED, 302)
    assert [path for path, _ in shop.seen] == ["/moved"]


async def test_an_address_that_runs_compute_is_bound_to_what_the_flow_names(running: Running, shop: Service) -> None:
    call = http("GET", f"@{{concat('{shop.origin}', trigger()['name'])}}", authentication=basic())
    await take_in(running, file(call))
    (row,) = connections(running)
    assert row.allowed_origins == ["*"]


async def test_what_a_run_computes_stays_with_the_run(running: Running, shop: Service) -> None:
    call = http(
        "GET", f"{shop.origin}/a", authentication=basic() | {"password": f"@concat('{PASSWORD}', variables('x'))"}
    )
    actions = {"Set": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "x", "type": "string"}]}}}
    actions["Call_1"] = call | {"runAfter": {"Set": ["Succeeded"]}}
    taken = await take_in(running, json.dumps(document(actions)).encode())
    assert taken.sign_ins == ()
    assert [one.pointer for one in taken.problems if one.code == "InlineAuthenticationKept"] == [
        "/definition/actions/Call_1/inputs/authentication"
    ]
    assert connections(running) == []
    status, record = await run(running, taken.flow_id)
    assert status == Status.SUCCEEDED
    assert record.connection_id == ""


async def test_an_app_signs_in_with_its_secret_and_renews_its_token(running: Running, shop: Service) -> None:
    written = {
        "type": "ActiveDirectoryOAuth",
        "authority": f"{shop.origin}/",
        "tenant": "contoso",
        "audience": "https://api.example.com",
        "clientId": "client-1",
        "secret": shop.app_secret,
    }
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=written)))
    (row,) = connections(running)
    assert (row.parameter_set, row.health) == ("ActiveDirectoryOAuth", HealthState.UNTESTED)
    status, record = await run(running, taken.flow_id)
    assert status == Status.SUCCEEDED, record
    assert connections(running)[0].health is HealthState.CONNECTED
    assert shop.token_requests[0] | {"client_secret": ""} == {
        "grant_type": "client_credentials",
        "scope": "https://api.example.com/.default",
        "client_id": "client-1",
        "client_secret": "",
    }
    running.clock.move(hours=2)
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED
    assert len(shop.token_requests) == 2


async def test_a_refused_app_secret_breaks_the_connection(running: Running, shop: Service) -> None:
    written = {
        "type": "ActiveDirectoryOAuth",
        "authority": shop.origin,
        "tenant": "contoso",
        "audience": "https://api.example.com",
        "clientId": "client-1",
        "secret": "wrong",
    }
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=written)))
    status, record = await run(running, taken.flow_id)
    assert (status, record.code) == (Status.FAILED, "Unauthorized")
    assert connections(running)[0].health is HealthState.BROKEN
    assert shop.seen == []


@on_both_databases
async def test_a_flow_that_no_longer_says_so_no_longer_uses_the_connection(running: Running, shop: Service) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())))
    (row,) = connections(running)
    await take_in(running, file(http("GET", f"{shop.origin}/a")))
    assert running.services.store.flows.using(row.connection_id) == []
    assert connections(running) != []
    assert running.services.store.flows.mappings(taken.flow_id) == []


async def test_verifying_mends_the_connection_and_the_run_goes_on(running: Running, shop: Service) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic("old"))))
    assert (await run(running, taken.flow_id))[0] == Status.FAILED
    (row,) = connections(running)
    wrong = await verify_connection(running.services, row.connection_id, {"password": "worse"}, person_id=running.owner)
    assert (wrong.is_proven, wrong.is_kept, wrong.status_code) == (False, False, 401)
    right = await verify_connection(
        running.services, row.connection_id, {"password": PASSWORD}, person_id=running.owner
    )
    assert (right.is_proven, right.is_kept, right.health) == (True, True, "connected")
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_verifying_lets_the_secret_go_where_the_flows_call_now(
    running: Running, shop: Service, other: Service
) -> None:
    taken = await take_in(running, file(http("GET", f"{shop.origin}/a", authentication=basic())))
    edited = open_for_editing(running.services, taken.flow_id)
    moved = edited.text.replace(shop.origin, other.origin)
    await save_text(running.services, taken.flow_id, moved, edited.base_version, running.owner)
    (row,) = connections(running)
    with pytest.raises(AskedWrongly) as raised:
        await verify_connection(running.services, row.connection_id, {"username": "ada"}, person_id=running.owner)
    assert raised.value.code == "SecretsNeeded"
    given = {"password": PASSWORD}
    asked = await verify_connection(running.services, row.connection_id, given, person_id=running.owner)
    assert (asked.is_kept, asked.code) == (True, "NotTestable")
    (row,) = connections(running)
    assert row.allowed_origins == [other.origin]
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_a_sign_in_finished_on_its_page_needs_no_value_in_the_flow(running: Running, shop: Service) -> None:
    written = {"type": "Basic", "username": "ada", "password": "@parameters('pw')"}
    content = file(http("GET", f"{shop.origin}/a", authentication=written), parameters={"pw": {"type": "securestring"}})
    (asked,) = (await plan_import(running.services, content, "f.json")).parameters
    assert (asked.name, asked.is_required) == ("pw", False)
    taken = await take_in(running, content)
    (row,) = connections(running)
    given = {"password": PASSWORD}
    await verify_connection(running.services, row.connection_id, given, person_id=running.owner, confirmed=True)
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_a_value_that_something_else_reads_too_is_needed(running: Running, shop: Service) -> None:
    written = {"type": "Basic", "username": "ada", "password": "@parameters('pw')"}
    content = file(
        http("GET", f"{shop.origin}/a", authentication=written),
        http("GET", f"{shop.origin}/@{{parameters('pw')}}"),
        parameters={"pw": {"type": "securestring"}},
    )
    taken = await take_in(running, content)
    with pytest.raises(Conflict):
        await turn_on(running.services, taken.flow_id, running.owner)


async def test_a_new_password_is_never_tried_where_somebody_of_the_same_name_signs_in(
    running: Running, shop: Service, other: Service
) -> None:
    for service, password in ((shop, "old-1"), (other, "old-2")):
        uri = f"@{{concat('{service.origin}/', trigger()['name'])}}"
        content = file(http("GET", uri, authentication=basic(password)))
        taken = await take_in(running, content, f"{password}.json")
        assert (await run(running, taken.flow_id))[0] == Status.FAILED
    first, second = sorted(connections(running), key=lambda row: row.created_at)
    assert (first.health, second.health) == (HealthState.BROKEN, HealthState.BROKEN)
    assert len(running.services.store.incidents.open_of([first.connection_id, second.connection_id])) == 2
    verified = await verify_connection(
        running.services, first.connection_id, {"password": PASSWORD}, person_id=running.owner, confirmed=True
    )
    assert (verified.is_kept, verified.also_mended) == (True, ())
    assert all(authorization not in other.accepted for _, authorization in other.seen)


def entra(shop: Service, secret: str, **more: str) -> dict[str, str]:
    return {
        "type": "ActiveDirectoryOAuth",
        "authority": shop.origin,
        "tenant": "contoso",
        "audience": "https://api.example.com",
        "clientId": "client-1",
        "secret": secret,
        **more,
    }


@on_both_databases
async def test_a_new_app_secret_mends_every_connection_of_the_app(running: Running, shop: Service) -> None:
    taken = await take_in(
        running,
        file(
            http("GET", f"{shop.origin}/a", authentication=entra(shop, "old")),
            http("GET", f"{shop.origin}/b", authentication=entra(shop, "old", audience="https://other.example.com")),
        ),
    )
    first, second = connections(running)
    assert first.app_id == second.app_id
    await run(running, taken.flow_id)
    broken = [row for row in connections(running) if row.health is HealthState.BROKEN]
    assert broken
    given = {"token:clientSecret": "worse"}
    wrong = await verify_connection(running.services, broken[0].connection_id, given, person_id=running.owner)
    assert (wrong.is_proven, wrong.is_kept) == (False, False)
    given = {"token:clientSecret": shop.app_secret}
    right = await verify_connection(running.services, broken[0].connection_id, given, person_id=running.owner)
    assert (right.is_proven, right.is_kept, right.health) == (True, True, "connected")
    assert {row.health for row in connections(running)} <= {HealthState.CONNECTED, HealthState.UNTESTED}
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_an_app_without_its_secret_waits_for_it(running: Running, shop: Service) -> None:
    content = file(
        http("GET", f"{shop.origin}/a", authentication=entra(shop, "@parameters('pw')")),
        parameters={"pw": {"type": "securestring"}},
    )
    taken = await take_in(running, content)
    (row,) = connections(running)
    assert (row.health, taken.sign_ins[0].needs) == (HealthState.PENDING_CONSENT, ("Client secret",))
    with pytest.raises(AskedWrongly) as raised:
        await verify_connection(running.services, row.connection_id, {}, person_id=running.owner)
    assert raised.value.target == "token:clientSecret"
    given = {"token:clientSecret": shop.app_secret}
    verified = await verify_connection(running.services, row.connection_id, given, person_id=running.owner)
    assert verified.is_proven
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED


async def test_a_managed_identity_waits_for_the_app_that_stands_for_it(running: Running, shop: Service) -> None:
    content = file(http("GET", f"{shop.origin}/a", authentication={"type": "ManagedServiceIdentity"}))
    taken = await take_in(running, content)
    (row,) = connections(running)
    assert (row.health, row.parameters["audience"]) == (HealthState.PENDING_CONSENT, "https://management.azure.com/")
    assert (taken.sign_ins[0].is_signed_in, len(taken.sign_ins[0].needs)) == (False, 1)
    plan = plan_test(running.services.connectors.get("http"), row)
    assert plan is not None
    assert plan.url_hint == "https://login.microsoftonline.com"  # which directory, only the app will say
    with pytest.raises(AskedWrongly) as raised:
        await verify_connection(running.services, row.connection_id, {}, person_id=running.owner)
    assert raised.value.code == "NoManagedIdentity"


def with_parameter(shop: Service) -> bytes:
    written = {"type": "Basic", "username": "ada", "password": "@parameters('pw')"}
    call = http("GET", f"{shop.origin}/a", authentication=written)
    return file(call, parameters={"pw": {"type": "securestring"}})


async def test_a_password_corrected_in_the_flow_mends_the_connection_that_is_its_own(
    running: Running, shop: Service
) -> None:
    taken = await take_in(running, with_parameter(shop), values={"pw": "old"})
    assert (await run(running, taken.flow_id))[0] == Status.FAILED
    (broken,) = connections(running)
    await set_parameters(running.services, taken.flow_id, {"pw": PASSWORD}, running.owner)
    (row,) = connections(running)
    assert (row.connection_id, row.health) == (broken.connection_id, HealthState.UNTESTED)
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED
    assert connections(running)[0].health is HealthState.CONNECTED
    assert running.services.store.incidents.open_of([row.connection_id]) == {}


async def test_a_connection_that_works_keeps_its_credential(running: Running, shop: Service) -> None:
    taken = await take_in(running, with_parameter(shop), values={"pw": PASSWORD})
    assert (await run(running, taken.flow_id))[0] == Status.SUCCEEDED
    await set_parameters(running.services, taken.flow_id, {"pw": "untried"}, running.owner)
    assert len(connections(running)) == 2
    kept = next(row for row in connections(running) if row.health is HealthState.CONNECTED)
    assert open_credential(running.services.vault, kept) == BasicCredential(user="ada", password=PASSWORD)
