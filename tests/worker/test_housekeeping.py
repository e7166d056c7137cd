"""What is kept for a time only goes once the time is over."""

from datetime import timedelta

import pytest

from flowmend.store.incident_rows import RepairLinkRow
from flowmend.store.repair_rows import PlanState
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.repair_plan import plan_row
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


async def test_a_draft_that_nobody_touches_is_given_up_and_keeps_its_runs_no_longer(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow({"Compose": {"type": "Compose", "inputs": 1, "runAfter": {}}})
    name = (await running.call(flow_id, {})).run_name
    await running.ended(name)
    plan = await make_plan(running.services, person_id=running.owner, run_names=[name])

    running.clock.move(days=29)
    await tidy_up(running.services)
    assert plan_row(running.services, plan.plan_id).state is PlanState.DRAFT
    running.clock.move(days=2)
    await tidy_up(running.services)
    assert plan_row(running.services, plan.plan_id).state is PlanState.DISMISSED
