"""A deleted flow is gone at once for everybody, and its history after it, without anybody waiting for that."""

import pytest

from flowmend.core.errors import Conflict, NotFound
from flowmend.use_cases.flows import delete_flow, list_flows, turn_off
from flowmend.use_cases.history import forget_deleted
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.runs import read_run
from flowmend.use_cases.start_plan import start_plan
from flowmend.worker.history_keeping import HistoryKeeping
from running import Open, Running, compose

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

FAILS = {"A": compose("@int(triggerBody()?['none'])")}


async def flow_with_runs(running: Running, count: int, name: str = "orders") -> tuple[str, list[str]]:
    flow_id = await running.add_flow(FAILS, name=name)
    accepted = [await running.call(flow_id) for _ in range(count)]
    for one in accepted:
        await running.ended(one.run_name)
    return flow_id, [one.run_name for one in accepted]


async def delete(running: Running, flow_id: str) -> None:
    await turn_off(running.services, flow_id, running.owner)
    await delete_flow(running.services, flow_id, running.owner)


async def test_it_is_gone_before_its_history_is(running: Running) -> None:
    flow_id, runs = await flow_with_runs(running, 3)
    _, others = await flow_with_runs(running, 1, "other")
    await delete(running, flow_id)

    assert [flow.name for flow in await list_flows(running.services)] == ["other"]
    assert [run.run_name for run in running.runs()] == others
    for verb in (read_run(running.services, runs[0]), resubmit_run(running.services, runs[0], person_id=running.owner)):
        with pytest.raises(NotFound):
            await verb
    with pytest.raises(NotFound):
        await running.call(flow_id)
    assert running.services.store.flows.deleted() == [flow_id]

    assert await forget_deleted(running.services) == 3
    assert await forget_deleted(running.services) == 0
    assert running.services.store.flows.deleted() == []
    assert [run.run_name for run in running.runs()] == others


async def test_the_next_start_goes_on_where_a_stop_came_between(open_flowmend: Open) -> None:
    first = await open_flowmend()
    flow_id, _ = await flow_with_runs(first, 3)
    await delete(first, flow_id)
    assert first.services.store.history.forget_flow(flow_id, 1).count == 1
    await first.stop()

    again = await open_flowmend()
    assert again.runs() == []
    await HistoryKeeping(lambda: again.services).tend()
    assert again.services.store.flows.deleted() == []
    assert again.events(flow_id) == []


async def test_a_flow_brought_back_at_once_has_a_history_of_its_own(running: Running) -> None:
    flow_id, before = await flow_with_runs(running, 3)
    await delete(running, flow_id)

    again, runs = await flow_with_runs(running, 1)

    assert again == flow_id  # the id is made of the name
    assert await forget_deleted(running.services) == 0
    assert [run.run_name for run in running.runs(flow_id)] == runs
    assert not set(runs) & set(before)


async def test_a_plan_is_made_anew_without_its_runs(running: Running) -> None:
    flow_id, runs = await flow_with_runs(running, 2)
    _, others = await flow_with_runs(running, 1, "other")
    plan = await make_plan(running.services, person_id=running.owner, run_names=[*runs, *others])
    await delete(running, flow_id)

    with pytest.raises(Conflict) as refused:
        await start_plan(running.services, plan.plan_id, plan.version, person_id=running.owner)

    assert refused.value.code == "PlanChanged"
    assert [one.subject for one in running.services.store.repair_plans.items(plan.plan_id)] == others
