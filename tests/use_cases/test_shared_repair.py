"""One sign-in mends every broken connection of the account, and no secret goes where it was not given for."""

import pytest
from aiohttp import web
from msgspec.structs import replace

from consenting import consent, unfinished
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases import verify_connection as verifying
from flowmend.use_cases.changed_connector import ask_for_secrets_again
from flowmend.use_cases.connections import delete_connection
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.flows import map_connection, turn_on
from flowmend.use_cases.put_back import put_back
from flowmend.use_cases.sealed_credentials import open_credential, seal_credential
from flowmend.use_cases.shared_repair import mended_with
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import LocalServer, Open, Running, create_order

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def broken(running: Running, count: int) -> list[str]:
    """So many connections of ada, all refused since her password was changed."""
    values = {"username": "ada", "password": FIRST_PASSWORD, "host_url": running.service.url}
    found = [await running.connect()]
    for number in range(1, count):
        view = await create_connection(running.services, "sample_orders", f"Orders {number}", values, running.owner)
        found.append(view.row.connection_id)
    running.service.change("password", user="ada", password="changed")
    for connection_id in found:
        assert (await verifying.test_connection(running.services, connection_id, running.owner)).health == "broken"
    return found


async def verify(running: Running, connection_id: str, password: str = "changed") -> Verification:
    return await verify_connection(running.services, connection_id, {"password": password}, person_id=running.owner)


def health(running: Running, connection_id: str) -> HealthState:
    return running.connection(connection_id).health


async def test_one_password_mends_all_twelve_connections_of_the_account_and_closes_their_incident(
    running: Running,
) -> None:
    connections = await broken(running, 12)
    assert len(set(running.services.store.incidents.open_of(connections).values())) == 1
    assert len(mended_with(running.services, running.connection(connections[0]))) == 11

    result = await verify(running, connections[0])

    assert set(result.also_mended) == set(connections[1:])
    assert {health(running, one) for one in connections} == {HealthState.CONNECTED}
    assert running.services.store.incidents.open_of(connections) == {}
    assert mended_with(running.services, running.connection(connections[0])) == []


async def test_what_waited_for_another_of_them_goes_on(running: Running) -> None:
    first, second = await broken(running, 2)
    flow_id = await running.add_flow({"Order": create_order()}, is_on=False)
    await map_connection(running.services, flow_id, "shared_sample_orders", second, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    assert (await running.call(flow_id, {"number": "held"})).held

    assert (await verify(running, first)).also_mended == (second,)

    (run,) = await running.reached_count(flow_id, 1)
    assert (await running.ended(run.run_name)).status == "Succeeded"


async def test_a_connection_to_another_host_gets_no_secret_it_was_not_given(running: Running) -> None:
    first, second = await broken(running, 2)
    elsewhere = ["http://elsewhere.example"]
    assert running.services.store.connections.change(second, allowed_origins=elsewhere)

    assert (await verify(running, first)).also_mended == ()

    assert health(running, second) is HealthState.BROKEN


async def test_another_persons_connection_is_left_alone(running: Running) -> None:
    first, second = await broken(running, 2)
    assert running.services.store.connections.change(second, account_name="ben")
    assert (await verify(running, first)).also_mended == ()
    assert health(running, second) is HealthState.BROKEN


async def test_a_refusal_on_the_way_ends_it_so_that_no_account_is_locked(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    is_good = [True]
    seen: list[int] = []

    async def service(_request: web.Request) -> web.Response:
        seen.append(200 if is_good[0] else 401)
        if len(seen) > 6:
            is_good[0] = False  # from the seventh call on
        return web.json_response({}, status=seen[-1])

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    values = {"username": "ada", "password": "first", "host_url": origin}
    connections = [await running.connect(**values) for _ in range(3)]
    is_good[0] = False
    for one in connections:
        await verifying.test_connection(running.services, one, running.owner)
    is_good[0] = True
    assert seen == [200] * 3 + [401] * 3

    result = await verify(running, connections[0])

    assert (result.is_kept, result.also_mended) == (True, ())
    assert seen[6:] == [200, 401]
    assert sorted(health(running, one) for one in connections) == ["broken", "broken", "connected"]


# -- OAuth: shared, never held twice --


async def signed_in_twice(running: Running) -> tuple[str, str]:
    """Two connections of ada that act as one sign-in app, both revoked."""
    first = await unfinished(running)
    second = await unfinished(running)
    app_id = running.connection(first).app_id
    running.services.store.connections.change(second, app_id=app_id)
    for connection_id in (first, second):
        await consent(running, connection_id)
    assert running.connection(first).account_name == running.connection(second).account_name != ""
    running.service.change("revoke")
    for connection_id in (first, second):
        assert (await verifying.test_connection(running.services, connection_id, running.owner)).health == "broken"
    return first, second


async def test_one_consent_mends_the_other_connections_of_the_app_and_is_held_once(running: Running) -> None:
    first, second = await signed_in_twice(running)

    assert (await consent(running, first)).also_mended == (second,)

    sharer = running.connection(second)
    assert (sharer.shares_with, sharer.sealed_credential, sharer.health) == (first, b"", HealthState.CONNECTED)
    assert (await verifying.test_connection(running.services, second, running.owner)).is_proven


async def test_signing_in_to_a_sharer_makes_it_the_holder_for_all(running: Running) -> None:
    first, second = await signed_in_twice(running)
    await consent(running, first)
    third = replace(running.connection(second), connection_id="third")
    running.services.store.connections.add(third)  # shares with the first, too, and was not called since
    running.service.change("revoke")
    for connection_id in (first, second):
        await verifying.test_connection(running.services, connection_id, running.owner)

    result = await consent(running, second)

    assert result.also_mended == (first,)
    assert running.connection(second).shares_with == ""
    assert {running.connection(one).shares_with for one in (first, "third")} == {second}
    assert credential_holder(running.services, running.connection("third")).connection_id == second


async def test_deleting_the_holder_hands_the_credential_to_a_sharer(running: Running) -> None:
    first, second = await signed_in_twice(running)
    await consent(running, first)
    was = open_credential(running.services.vault, running.connection(first))

    await delete_connection(running.services, first, running.owner)

    heir = running.connection(second)
    assert heir.shares_with == ""
    assert open_credential(running.services.vault, heir) == was
    assert (await verifying.test_connection(running.services, second, running.owner)).is_proven


async def test_a_holder_stays_where_no_sharer_may_go_everywhere_the_others_go(running: Running) -> None:
    first, second = await signed_in_twice(running)
    await consent(running, first)
    running.services.store.connections.change(first, allowed_origins=["http://a.example", "http://b.example"])
    running.services.store.connections.change(second, allowed_origins=["http://a.example"])
    third = replace(running.connection(second), connection_id="third", allowed_origins=["http://b.example"])
    running.services.store.connections.add(third)

    with pytest.raises(Conflict) as refused:
        await delete_connection(running.services, first, running.owner)

    assert refused.value.code == "CredentialShared"
    assert running.connection(second).shares_with == first


# -- the old one --


async def test_the_old_credential_is_kept_until_the_first_good_use_and_can_be_put_back(running: Running) -> None:
    (connection_id,) = await broken(running, 1)
    await verify(running, connection_id)
    kept = running.connection(connection_id)
    assert kept.sealed_candidate != b""
    running.service.change("password", user="ada", password=FIRST_PASSWORD)

    result = await put_back(running.services, connection_id, person_id=running.owner)

    assert (result.is_kept, result.health) == (True, "connected")
    row = running.connection(connection_id)
    assert (row.connection_id, row.credential_version) == (connection_id, kept.credential_version + 1)
    assert _password(running, row) == FIRST_PASSWORD
    running.service.change("password", user="ada", password="changed")
    assert (await put_back(running.services, connection_id, person_id=running.owner)).is_kept
    assert _password(running, running.connection(connection_id)) == "changed"

    flow_id = await running.add_flow({"Order": create_order()})
    accepted = await running.call(flow_id, {"number": "first good use"})
    await running.ended(accepted.run_name)

    assert running.connection(connection_id).sealed_candidate == b""
    with pytest.raises(Conflict) as refused:
        await put_back(running.services, connection_id, person_id=running.owner)
    assert refused.value.code == "NothingToPutBack"


async def test_an_old_credential_that_is_refused_is_not_put_back(running: Running) -> None:
    (connection_id,) = await broken(running, 1)
    await verify(running, connection_id)
    before = running.connection(connection_id)

    result = await put_back(running.services, connection_id, person_id=running.owner)

    assert (result.is_kept, result.code, result.attempts_left) == (False, "Unauthorized", 2)
    assert running.connection(connection_id) == before


async def test_the_old_credential_comes_back_with_its_address(running: Running) -> None:
    (connection_id,) = await broken(running, 1)
    await verify(running, connection_id)
    row = running.connection(connection_id)
    moved = replace(
        row, parameters={**row.parameters, "host_url": "http://moved.example"}, allowed_origins=["http://moved.example"]
    )
    sealed = seal_credential(running.services.vault, moved, open_credential(running.services.vault, row))
    running.services.store.connections.swap_credential(
        connection_id,
        row.credential_version,
        sealed,
        parameters=moved.parameters,
        allowed_origins=moved.allowed_origins,
    )
    running.service.change("password", user="ada", password=FIRST_PASSWORD)

    assert (await put_back(running.services, connection_id, person_id=running.owner)).is_kept

    back = running.connection(connection_id)
    assert (back.parameters, back.allowed_origins) == (row.parameters, row.allowed_origins)


async def test_who_signed_in_with_it_goes_along_when_an_old_shared_sign_in_comes_back(running: Running) -> None:
    first, second = await signed_in_twice(running)
    await consent(running, first)  # the second shares it now
    await consent(running, second)  # and holds its own again
    third = replace(running.connection(second), connection_id="third", shares_with=second, sealed_credential=b"")
    running.services.store.connections.add(third)

    assert (await put_back(running.services, second, person_id=running.owner)).is_kept

    assert {running.connection(one).shares_with for one in (second, "third")} == {first}
    assert credential_holder(running.services, running.connection("third")).connection_id == first


async def test_a_connector_with_other_hosts_asks_again_for_a_sign_in_that_was_shared(running: Running) -> None:
    first, second = await signed_in_twice(running)
    await consent(running, first)
    row = running.connection(second)
    assert row.shares_with == first

    await ask_for_secrets_again(running.services, running.services.connectors.get(row.connector_id))

    now = running.connection(second)
    assert (now.health, now.shares_with, now.sealed_credential) == (HealthState.BROKEN, "", b"")


def _password(running: Running, row: ConnectionRow) -> str:
    return str(getattr(open_credential(running.services.vault, row), "password", ""))
