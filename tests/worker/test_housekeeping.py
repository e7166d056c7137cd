"""What is kept for a time only goes once the time is over."""

from datetime import timedelta

import pytest

from flowmend.store.incident_rows import RepairLinkRow
from flowmend.use_cases.secret_uses import list_uses
from flowmend.worker.housekeeping import tidy_up
from running import Open

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def test_old_uses_and_links_long_ended_are_removed_and_the_others_kept(open_flowmend: Open) -> None:
    running = await open_flowmend(secret_uses_days=60)
    connection_id, now = await running.connect(), running.clock.now
    assert len((await list_uses(running.services, connection_id)).rows) == 1
    for name, expires_at in ((b"old", now), (b"new", now + timedelta(days=20))):
        link = RepairLinkRow(
            digest=name,
            incident_id="i",
            connection_id=connection_id,
            created_by=running.owner,
            created_at=now,
            expires_at=expires_at,
        )
        running.services.store.repair_links.add(link)

    running.clock.move(days=31)
    await tidy_up(running.services)
    assert [one.digest for one in running.services.store.repair_links.list(connection_id)] == [b"new"]
    assert len((await list_uses(running.services, connection_id)).rows) == 1

    running.clock.move(days=31)
    await tidy_up(running.services)
    assert running.services.store.repair_links.list(connection_id) == []
    assert (await list_uses(running.services, connection_id)).rows == []
