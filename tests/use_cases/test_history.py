"""How long history is kept, and what packing it changes for whoever looks: nothing."""

from datetime import timedelta

import pytest

from flowmend.use_cases.history import forget_history, pack_journals
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.runs import read_run
from running import Open, Running, after, compose, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def ended_run(running: Running, flow_id: str, body: object = None) -> str:
    accepted = await running.call(flow_id, body)
    await running.ended(accepted.run_name)
    return accepted.run_name


async def test_a_packed_run_shows_and_resubmits_as_before(running: Running) -> None:
    secret = compose("@triggerBody()?['secret']", runtimeConfiguration={"secureData": {"properties": ["inputs"]}})
    flow_id = await running.add_flow({"A": compose("@triggerBody()"), "B": after(secret, "A")})
    name = await ended_run(running, flow_id, {"n": 1, "secret": "s"})
    before = await read_run(running.services, name)

    assert await pack_journals(running.services, running.clock.now) == 0
    running.clock.move(minutes=11)
    assert await pack_journals(running.services, running.clock.now) == 1

    packed = await read_run(running.services, name)
    assert (packed.tree, packed.start, packed.entries) == (before.tree, before.start, before.entries)
    again = await resubmit_run(running.services, name, person_id=running.owner)
    assert (await running.ended(again.run_name)).status == "Succeeded"


async def test_history_goes_when_its_flow_no_longer_keeps_it(open_flowmend: Open) -> None:
    running = await open_flowmend(history_days=30)
    usual, short, long = [await running.add_flow({"A": compose(1)}, name=name) for name in "abc"]
    waiting = await running.add_flow({"Wait": wait_for(400, "Day")}, name="d")
    for flow_id, days in ((short, 7), (long, 0)):
        running.services.store.flows.change(flow_id, settings={"history_days": days})
    old = {flow_id: await ended_run(running, flow_id) for flow_id in (usual, short, long)}
    await running.call(waiting)

    running.clock.move(days=8)
    assert await forget_history(running.services, running.clock.now) == 1
    assert {row.run_name for row in running.runs()} >= {old[usual], old[long]}
    assert running.runs(short) == []
    assert running.events(short) == []

    running.clock.move(days=23)
    assert await forget_history(running.services, running.clock.now) == 1
    assert running.runs(usual) == []
    assert [row.run_name for row in running.runs(long)] == [old[long]]
    assert len(running.runs(waiting)) == 1


async def test_nothing_goes_by_itself_unless_somebody_said_so(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    await ended_run(running, flow_id)
    assert await forget_history(running.services, running.clock.now + timedelta(days=36_500)) == 0
    assert len(running.runs(flow_id)) == 1
