"""Every use of a secret is noted: what for, for which run and action, where, and how it ended."""

import asyncio
from datetime import timedelta

import pytest

from consenting import consent, unfinished
from flowmend.core.connection.token_endpoint import refused_here
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.store.rows import SecretUseRow
from flowmend.use_cases import verify_connection as verifying
from flowmend.use_cases.secret_uses import Purpose, forget_old_uses, list_uses, note_sign_in
from flowmend.use_cases.verify_connection import verify_connection
from running import Open, Running, call_orders, create_order

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def uses(running: Running, connection_id: str, purpose: str = "") -> list[SecretUseRow]:
    """Oldest first."""
    return list((await list_uses(running.services, connection_id, purpose=purpose)).rows)[::-1]


async def test_a_call_is_noted_with_its_run_action_host_and_outcome(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(
        {"Order": create_order(), "Again": {**create_order(), "runAfter": {"Order": ["Succeeded"]}}}
    )
    accepted = await running.call(flow_id, {"number": "N1"})
    await running.ended(accepted.run_name)

    calls = await uses(running, connection_id, "call")

    assert [(one.run_name, one.action) for one in calls] == [
        (accepted.run_name, "Order"),
        (accepted.run_name, "Again"),
    ]
    assert calls[0].host == running.service.url.removeprefix("http://")
    assert calls[0].outcome == "OK"
    assert running.services.store.secret_uses.of_run(accepted.run_name, "Again") == calls[1:]


async def test_a_refused_call_says_so_and_a_stopped_one_used_nothing(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "breaks"})
    await running.ended(accepted.run_name)
    await running.call(flow_id, {"number": "held"})

    (refused,) = await uses(running, connection_id, "call")

    assert refused.outcome == "Unauthorized"


async def test_tests_and_verifications_are_told_apart(running: Running) -> None:
    connection_id = await running.connect()
    await verifying.test_connection(running.services, connection_id, running.owner)
    await verify_connection(running.services, connection_id, {"password": "wrong"}, person_id=running.owner)

    noted = [(one.purpose, one.outcome) for one in await uses(running, connection_id)]

    assert noted == [("verify", "OK"), ("probe", "OK"), ("verify", "Unauthorized")]


async def test_a_consent_and_a_refresh_are_noted(running: Running) -> None:
    connection_id = await unfinished(running)
    await consent(running, connection_id)
    flow_id = await running.add_flow({"Get": customers()})
    running.clock.move(hours=2)
    accepted = await running.call(flow_id)
    await running.ended(accepted.run_name)

    noted = [(one.purpose, one.action) for one in await uses(running, connection_id)]

    assert noted[0] == ("consent", "")
    assert ("refresh", "Get") in noted
    assert noted[-1] == ("call", "Get")


async def test_what_nothing_is_written_after_is_written_within_moments(running: Running) -> None:
    connection_id = await running.connect()
    for _ in range(1_000):
        if running.services.store.secret_uses.list(connection_id)[0]:
            break
        await asyncio.sleep(0.05)
    assert [one.purpose for one in running.services.store.secret_uses.list(connection_id)[0]] == ["verify"]


async def test_no_note_holds_a_secret(running: Running) -> None:
    connection_id = await running.connect()
    await verify_connection(running.services, connection_id, {"password": "wrong-secret"}, person_id=running.owner)
    noted = repr(await uses(running, connection_id))
    assert FIRST_PASSWORD not in noted
    assert "wrong-secret" not in noted


async def test_uses_older_than_the_setting_says_are_removed_and_0_keeps_all(open_flowmend: Open) -> None:
    running = await open_flowmend(secret_uses_days=30)
    connection_id = await running.connect()
    await uses(running, connection_id)
    now = running.clock.now
    assert await forget_old_uses(running.services, now + timedelta(days=29)) == 0
    assert await forget_old_uses(running.services, now + timedelta(days=31)) == 1
    assert await uses(running, connection_id) == []


def customers() -> dict[str, object]:
    action = call_orders("ListCustomers")
    action["inputs"]["host"] |= {"connectionName": "shared_sample_customers", "apiId": "/apis/shared_sample_customers"}
    return action


async def test_a_refusal_without_a_code_is_no_good_end(running: Running) -> None:
    connection_id = await running.connect()
    refusal, row = refused_here("", "The provider gave no code."), running.connection(connection_id)
    note_sign_in(running.services, row, Purpose.REFRESH, refusal, host="login.example")
    (noted,) = await uses(running, connection_id, "refresh")
    assert (noted.outcome, noted.host) == ("Refused", "login.example")
