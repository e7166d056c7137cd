"""Tokens are renewed once, whoever asks and from wherever, against a real authorization server that takes no token twice."""

import asyncio
import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from authorization_server import Provider
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.errors import Conflict
from flowmend.use_cases.connections import delete_connection
from flowmend.use_cases.opened_connections import OpenedConnection, OpenedConnections
from providers import host_of, opened_at, provider, signed_in
from running import Open, Running, until

__all__ = ["provider"]

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

_PROCESSES, _TIMES = 8, 8


def opened(running: Running, connection_id: str) -> OpenedConnection:
    found = OpenedConnections().get(running.services, connection_id)
    assert found is not None
    return found


async def renewed(running: Running, stale: OpenedConnection) -> OpenedConnection | SignInRefusal:
    return await running.services.operations.refresher.refreshed(running.services, stale)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
async def test_eight_processes_burn_no_token(
    open_flowmend: Open, provider: Provider, tmp_path: Path, database: str
) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    provider.slow_seconds = 0.02
    folder = running.services.settings.data
    arguments = (str(folder), database, connection_id, host_of(provider), str(_TIMES), str(_PROCESSES))
    script = Path(__file__).parents[1] / "refreshing_process.py"
    processes = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(60):
            printed, _ = await processes.communicate()
    finally:
        if processes.returncode is None:
            os.killpg(processes.pid, signal.SIGKILL)
            await processes.wait()
    outcomes = [json.loads(line) for line in printed.splitlines()]
    assert outcomes == [{"renewed": _TIMES, "refused": []}] * _PROCESSES
    assert provider.burnt == 0
    assert _TIMES <= provider.refreshes <= _PROCESSES * _TIMES
    assert isinstance(await renewed(running, opened(running, connection_id)), OpenedConnection)
    row = running.connection(connection_id)
    assert (row.lease_holder, row.lease_until) == ("", None)
    assert row.refreshed_at is not None


async def test_many_tasks_of_one_process_renew_once(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    stale = opened(running, await signed_in(running))
    results = await asyncio.gather(*(renewed(running, stale) for _ in range(20)))
    assert all(isinstance(one, OpenedConnection) for one in results)
    assert provider.refreshes == 1


async def test_a_lease_of_one_that_died_ends(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    store, now = running.services.store.connections, running.clock.now
    stale = opened(running, connection_id)
    assert store.take_lease(connection_id, "a process that was killed", now, now + timedelta(seconds=0.4))
    async with asyncio.timeout(30):
        assert isinstance(await renewed(running, stale), OpenedConnection)
    assert running.clock.now >= now + timedelta(seconds=0.4)
    assert provider.refreshes == 1


async def test_whoever_waits_finds_the_work_done(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    stale = opened(running, connection_id)
    store, until = running.services.store.connections, running.clock.now + timedelta(minutes=1)
    assert store.take_lease(connection_id, "another process", running.clock.now, until)
    waiting = asyncio.create_task(renewed(running, stale))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    store.swap_credential(connection_id, stale.row.credential_version, stale.row.sealed_credential)
    async with asyncio.timeout(30):
        assert isinstance(await waiting, OpenedConnection)
    assert provider.refreshes == 0


async def test_a_lease_from_before_the_clock_was_set_back_holds_nobody_up(
    open_flowmend: Open, provider: Provider
) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    stale = opened(running, connection_id)
    later = running.clock.now + timedelta(hours=1)
    store = running.services.store.connections
    assert store.take_lease(connection_id, "a process that was killed", later, later + timedelta(seconds=90))
    async with asyncio.timeout(30):
        assert isinstance(await renewed(running, stale), OpenedConnection)
    assert provider.refreshes == 1


async def test_new_tokens_outlive_a_store_that_is_away_for_a_moment(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    stale = opened(running, connection_id)
    provider.slow_seconds = 0.3
    renewing = asyncio.create_task(renewed(running, stale))
    await until(lambda: provider.thinks_about == 1, lambda: "the provider was not asked")
    _rename(running, "connections", "connections_away")
    await asyncio.sleep(0.4)
    _rename(running, "connections_away", "connections")
    assert isinstance(await renewing, OpenedConnection)
    assert provider.refreshes == 1
    assert isinstance(await renewed(running, opened(running, connection_id)), OpenedConnection)
    assert provider.burnt == 0


async def test_what_was_done_stands_where_the_store_is_away_when_the_lease_ends(
    open_flowmend: Open, provider: Provider
) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    async with running.services.operations.refresher.at_rest(running.services, running.connection(connection_id)):
        _rename(running, "connections", "connections_away")
    _rename(running, "connections_away", "connections")
    assert running.connection(connection_id).lease_holder
    running.clock.move(seconds=91)
    assert isinstance(await renewed(running, opened(running, connection_id)), OpenedConnection)
    assert running.connection(connection_id).lease_holder == ""


async def test_a_holder_deleted_while_its_tokens_are_renewed_hands_the_new_ones_over(
    open_flowmend: Open, provider: Provider
) -> None:
    running = await opened_at(open_flowmend, provider)
    holder, sharer = await signed_in(running), await signed_in(running)
    _share(running, sharer, holder)
    provider.slow_seconds = 0.2
    renewing = asyncio.create_task(renewed(running, opened(running, holder)))
    await until(lambda: provider.thinks_about == 1, lambda: "the provider was not asked")
    await delete_connection(running.services, holder, running.owner)
    assert isinstance(await renewing, OpenedConnection)
    assert isinstance(await renewed(running, opened(running, sharer)), OpenedConnection)
    assert (provider.refreshes, provider.burnt) == (2, 0)


async def test_a_connection_that_shares_renews_its_holders_tokens(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    holder, sharer = await signed_in(running), await signed_in(running)
    _share(running, sharer, holder)
    at_both = [opened(running, one) for one in (holder, sharer)]
    assert at_both[0].oauth == at_both[1].oauth
    results = await asyncio.gather(*(renewed(running, one) for one in at_both))
    assert all(isinstance(one, OpenedConnection) for one in results)
    assert (provider.refreshes, provider.burnt) == (1, 0)
    assert opened(running, sharer).oauth == opened(running, holder).oauth


async def test_a_connection_to_other_addresses_shares_nothing(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    holder, sharer = await signed_in(running), await signed_in(running)
    _share(running, sharer, holder)
    running.services.store.connections.change(sharer, allowed_origins=[provider.url, "https://elsewhere.example"])
    with pytest.raises(Conflict) as refused:
        opened(running, sharer)
    assert refused.value.code == "OriginNotAllowed"


async def test_how_long_the_grant_lasts_is_kept(open_flowmend: Open, provider: Provider) -> None:
    provider.refresh_seconds = 86_400
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    assert isinstance(await renewed(running, opened(running, connection_id)), OpenedConnection)
    row = running.connection(connection_id)
    assert row.lasts_until_kind == "refresh_token"
    assert row.lasts_until is not None
    assert abs((row.lasts_until - running.clock.now).total_seconds() - 86_400) < 60


async def test_a_grant_withdrawn_is_refused_and_kills(open_flowmend: Open, provider: Provider) -> None:
    running = await opened_at(open_flowmend, provider)
    connection_id = await signed_in(running)
    assert running.connection(connection_id).health is HealthState.CONNECTED
    provider.revoke("ada")
    refusal = await renewed(running, opened(running, connection_id))
    assert isinstance(refusal, SignInRefusal)
    assert refusal.was_judged
    assert running.connection(connection_id).lease_until is None


def _share(running: Running, sharer: str, holder: str) -> None:
    running.services.store.connections.change(sharer, shares_with=holder, sealed_credential=b"")


def _rename(running: Running, table: str, new_name: str) -> None:
    with running.services.store.connections._database.writing() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {new_name}")
