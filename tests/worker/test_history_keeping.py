"""One task packs what has ended and lets go of what is too old, and goes on where the store did not answer."""

import pytest

from flowmend.store.rows import RunRow
from flowmend.worker.history_keeping import HistoryKeeping
from running import Open, Running, compose

pytestmark = pytest.mark.anyio


async def ended_run(running: Running, flow_id: str) -> RunRow:
    return await running.ended((await running.call(flow_id)).run_name)


async def test_what_ended_a_while_ago_is_packed_and_what_is_too_old_goes_once_an_hour(open_flowmend: Open) -> None:
    running = await open_flowmend(history_days=1)
    flow_id = await running.add_flow({"A": compose(1)})
    keeping = HistoryKeeping(lambda: running.services)
    first = await ended_run(running, flow_id)
    await keeping.tend()
    assert running.run(first.run_name).journal_block is None

    running.clock.move(minutes=59)
    await keeping.tend()
    assert running.run(first.run_name).journal_block is not None

    running.clock.move(hours=24)
    second = await ended_run(running, flow_id)
    await keeping.tend()
    assert [row.run_name for row in running.runs()] == [second.run_name]

    running.clock.move(days=-1)  # the clock is set back: that is no reason to wait a day and an hour
    await keeping.tend()
    assert [row.run_name for row in running.runs()] == [second.run_name]
