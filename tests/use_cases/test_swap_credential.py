"""A swap is whole: whoever is killed, and however many come at once, the old and the new never mix."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flowmend.assembly import open_services
from flowmend.core.connection.credentials import BasicCredential, decode_credential
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict, TooManyAttempts
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import Settings
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases import verify_connection as verifying
from flowmend.use_cases.ports import Services
from flowmend.use_cases.put_back import put_back
from flowmend.use_cases.sealed_credentials import open_credential, open_previous
from flowmend.use_cases.swap_credential import swap
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import Running

_SWAPS_UNTIL_KILLED = """
import asyncio
import sys
from pathlib import Path
from flowmend.assembly import open_services
from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.settings import Settings
from flowmend.use_cases.swap_credential import swap

async def main():
    services = open_services(Settings(data=Path(sys.argv[1]))).services
    while True:
        row = services.store.connections.get("shop")
        password = str(row.credential_version + 1)
        swap(services, row, row, BasicCredential(user="ada", password=password), HealthState.CONNECTED)
        print(password, flush=True)

asyncio.run(main())
"""


@pytest.mark.anyio
async def test_a_kill_leaves_the_old_or_the_new_credential_whole(tmp_path: Path) -> None:
    services = open_services(Settings(data=tmp_path)).services
    services.store.connections.add(_shop(services))
    row = _shop(services)
    swap(services, row, row, BasicCredential(user="ada", password="1"), HealthState.CONNECTED)
    for milliseconds in (30, 55, 80):
        told = _killed_after(milliseconds, tmp_path)
        row = services.store.connections.get("shop")
        assert row is not None
        current = open_credential(services.vault, row)
        previous = decode_credential(open_previous(services.vault, row).credential)
        assert isinstance(current, BasicCredential)
        assert isinstance(previous, BasicCredential)
        assert int(current.password) == row.credential_version == int(previous.password or 0) + 1
        assert 0 <= int(current.password) - int(told[-1]) <= 1  # what was told is kept, and nothing is skipped
    services.store.close()


def _killed_after(milliseconds: int, data: Path) -> list[str]:
    """What a process that swaps and swaps had told of when it was killed."""
    command = [sys.executable, "-c", _SWAPS_UNTIL_KILLED, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # our own script
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(milliseconds / 1000)
        os.kill(child.pid, signal.SIGKILL)
        return [first, *child.stdout.readlines()]


def _shop(services: Services) -> ConnectionRow:
    now = services.clock.now
    return ConnectionRow(
        connection_id="shop",
        connector_id="orders",
        display_name="Shop",
        owner_id="p",
        parameters={},
        allowed_origins=["https://shop.example"],
        health=HealthState.UNTESTED,
        health_changed_at=now,
        created_at=now,
        changed_at=now,
    )


@pytest.mark.anyio
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_of_many_verifies_at_once_one_swaps_and_the_others_change_nothing(running: Running) -> None:
    connection_id = await running.connect()
    before = running.connection(connection_id).credential_version
    running.service.change("latency", ms=30)

    results = await asyncio.gather(
        *(
            verify_connection(running.services, connection_id, {"password": FIRST_PASSWORD}, person_id=running.owner)
            for _ in range(3)
        ),
        return_exceptions=True,
    )

    kept = [one for one in results if isinstance(one, Verification) and one.is_kept]
    assert len(kept) == 1
    assert all(isinstance(one, (Verification, Conflict, TooManyAttempts)) for one in results)
    row = running.connection(connection_id)
    assert row.credential_version == before + 1
    assert row.health is HealthState.CONNECTED
    assert msgspec.structs.asdict(row)["sealed_candidate"] != b""


@pytest.mark.anyio
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_a_verify_and_a_putting_back_at_once_leave_one_of_both_whole(running: Running) -> None:
    connection_id = await running.connect()
    await verify(running, connection_id)
    running.service.change("latency", ms=20)

    results: list[Any] = await asyncio.gather(
        verify(running, connection_id),
        put_back(running.services, connection_id, person_id=running.owner),
        return_exceptions=True,
    )

    assert sum(isinstance(one, Verification) and one.is_kept for one in results) == 1
    assert sum(isinstance(one, Conflict) and one.code == "CredentialChanged" for one in results) == 1
    running.service.change("latency", ms=0)
    assert (await verifying.test_connection(running.services, connection_id, running.owner)).is_proven


@pytest.mark.anyio
@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_a_swap_of_what_was_replaced_meanwhile_is_refused(running: Running) -> None:
    connection_id = await running.connect()
    row = running.connection(connection_id)
    await verify(running, connection_id)
    after = running.connection(connection_id)
    with pytest.raises(Conflict):
        swap(running.services, row, row, BasicCredential(user="ada", password="late"), HealthState.CONNECTED)
    assert running.connection(connection_id) == after


async def verify(running: Running, connection_id: str) -> Verification:
    return await verify_connection(
        running.services, connection_id, {"password": FIRST_PASSWORD}, person_id=running.owner
    )
