"""A repair plan whose store takes no writes for a while goes on afterwards, in order, and does nothing twice."""

import asyncio

import pytest

from flowmend.store.repair_rows import PlanState
from running import Running, SparseStore, until

from .test_repair_recovery import BY_CUSTOMER, broken_with, created, in_state, planned, repair, started

pytestmark = pytest.mark.anyio


async def test_while_the_store_takes_no_writes_nothing_overtakes_and_nothing_is_lost(running: Running) -> None:
    connection_id, _, failed = await broken_with(running, 18, **BY_CUSTOMER)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), per_minute=1200)
    await until(lambda: len(created(running)) >= 4, lambda: str(created(running)))
    store = SparseStore(running)
    store.refuse_writes()
    await until(lambda: store.is_refusing, lambda: "nothing was written")
    await asyncio.sleep(1.5)
    store.allow_writes()
    view = await in_state(running, plan, PlanState.DONE)
    assert (view.succeeded, view.failed, view.refused) == (18, 0, 0)
    assert sorted(row.origin_run for row in running.runs() if row.origin_run) == sorted(failed)
    for customer in range(3):
        mine = [one for one in created(running) if int(one[1:]) % 3 == customer]
        assert mine == [f"F{index}" for index in range(customer, 18, 3)]
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (18, 18)
