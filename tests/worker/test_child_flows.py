"""Flows that call flows: answers awaited over restarts, and every way in which there is none."""

from typing import Any

import pytest

from running import Open, Running, SparseStore, after, compose, respond, until, wait_for

pytestmark = pytest.mark.anyio


def call_child(name: str = "child", **parts: Any) -> dict[str, Any]:
    host = {"triggerName": "manual", "workflow": {"id": name}}
    return {"type": "Workflow", "inputs": {"host": host, "body": {"n": 2}}, "runAfter": {}, **parts}


async def parent_of(running: Running, **parts: Any) -> str:
    actions = {"C": call_child(**parts), "Z": after(compose("@outputs('C')?['Body']"), "C")}
    return await running.add_flow(actions, name="parent")


DOUBLE = {"R": respond("@mul(triggerBody()?['n'], 2)", headers={"x-own": "1"})}


async def test_a_childs_response_is_the_actions_outputs(open_flowmend: Open) -> None:
    running = await open_flowmend()
    child = await running.add_flow(DOUBLE, name="child")
    run = (await running.call(await parent_of(running), client_tracking_id="T-1")).run_name
    assert (await running.ended(run)).status == "Succeeded"
    records = await running.records(run)
    assert (records["C"].outputs["statusCode"], records["C"].outputs["body"], records["Z"].outputs) == (200, 4, 4)
    assert records["C"].outputs["headers"]["x-own"] == "1"
    (began,) = running.runs(child)
    assert (began.client_tracking_id, running.events(child)[0].run_name) == ("T-1", began.run_name)


async def test_a_child_that_goes_on_after_its_response_keeps_nobody_waiting(open_flowmend: Open) -> None:
    running = await open_flowmend()
    actions = {"R": respond(1), "W": after(wait_for(1, "Hour"), "R")}
    child = await running.add_flow(actions, name="child")
    run = (await running.call(await parent_of(running))).run_name
    assert (await running.ended(run)).status == "Succeeded"
    assert running.runs(child)[0].status == "Running"


async def test_parent_and_child_rest_and_go_on_after_a_restart(open_flowmend: Open) -> None:
    first = await open_flowmend()
    actions = {"W": wait_for(2, "Hour"), "R": after(respond("late"), "W")}
    child = await first.add_flow(actions, name="child")
    run = (await first.call(await parent_of(first))).run_name
    await until(lambda: bool(first.runs(child)), lambda: "no child began")
    await first.reached(first.runs(child)[0].run_name, lambda row: row.wake_at is not None)
    await first.crash()
    second = await open_flowmend(clock=first.clock)
    second.clock.move(hours=3)
    second.application.timers.schedule_changed()
    assert (await second.ended(run)).status == "Succeeded"
    assert (await second.records(run))["Z"].outputs == "late"
    assert len(second.runs(child)) == 1


async def test_an_answer_that_was_lost_is_asked_for(open_flowmend: Open) -> None:
    first = await open_flowmend()
    child = await first.add_flow({"W": wait_for(2, "Hour"), "R": after(respond(7), "W")}, name="child")
    run = (await first.call(await parent_of(first))).run_name
    await until(lambda: bool(first.runs(child)), lambda: "no child began")
    began = first.runs(child)[0].run_name
    await first.reached(began, lambda row: row.wake_at is not None)
    loop = first.application.run_loop
    loop._errands.stop()  # the news gets lost
    await until(lambda: not loop.is_active(began), lambda: "the child stays in memory")
    first.clock.move(hours=3)
    await loop.wake(began)
    await first.ended(began)
    await first.crash()
    second = await open_flowmend(clock=first.clock)
    second.clock.move(hours=1)
    second.application.timers.schedule_changed()
    assert (await second.ended(run)).status == "Succeeded"
    assert (await second.records(run))["Z"].outputs == 7


@pytest.mark.parametrize(
    ("actions", "is_on", "code"),
    [
        (None, True, "MissingChildFlow"),
        ({"A": compose(1)}, True, "NestedWorkflowDoesNotContainResponseAction"),
        (DOUBLE, False, "WorkflowTriggerIsNotEnabled"),
        ({"A": compose("@int(string(triggerBody()))"), "R": after(respond(1), "A")}, True, "BadGateway"),
        ({"R": respond(1, statusCode=404)}, True, "NotFound"),
    ],
)
async def test_without_an_answer_the_action_fails_and_says_why(
    open_flowmend: Open, actions: Any, is_on: bool, code: str
) -> None:
    running = await open_flowmend()
    if actions is not None:
        await running.add_flow(actions, name="child", is_on=is_on)
    run = (await running.call(await parent_of(running))).run_name
    assert (await running.ended(run)).status == "Failed"
    record = (await running.records(run))["C"]
    assert record.code == code
    assert record.error is not None or record.outputs is not None


async def test_a_child_without_response_may_be_started_and_left(open_flowmend: Open) -> None:
    running = await open_flowmend()
    child = await running.add_flow({"A": compose(1)}, name="child")
    run = (await running.call(await parent_of(running, operationOptions="DisableAsyncPattern"))).run_name
    assert (await running.ended(run)).status == "Succeeded"
    assert (await running.records(run))["C"].code == "Accepted"
    assert len(running.runs(child)) == 1


async def test_a_flow_that_calls_itself_ends(open_flowmend: Open) -> None:
    running = await open_flowmend()
    actions = {"C": call_child("again"), "R": {**respond("@body('C')"), "runAfter": {"C": ["Succeeded", "Failed"]}}}
    flow = await running.add_flow(actions, name="again")
    run = (await running.call(flow)).run_name
    assert (await running.ended(run)).status == "Succeeded"
    runs = running.runs(flow)
    assert len(runs) == 33
    deepest = (await running.records(runs[-1].run_name))["C"]
    assert deepest.code == "WorkflowNestingTooDeep"


async def test_a_child_that_the_store_cannot_take_begins_once_it_can(open_flowmend: Open) -> None:
    running = await open_flowmend()
    if not running.services.store._database.is_sqlite:
        pytest.skip("PostgreSQL is not told to refuse")
    child = await running.add_flow(DOUBLE, name="child")
    store = SparseStore(running)
    start, begun = running.services.dispatch.begin, []

    def begin(new_run: Any) -> Any:  # the child is the first that cannot be stored
        begun.append(new_run.row.run_name)
        if len(begun) == 2:
            store.refuse_writes()
        return start(new_run)

    running.application.run_loop.begin = begin  # type: ignore[method-assign]
    run = (await running.call(await parent_of(running))).run_name
    await until(lambda: len(begun) > 2, lambda: "the child was not begun again")
    assert running.run(run).status == "Running"

    store.allow_writes()

    assert (await running.ended(run)).status == "Succeeded"
    assert (await running.records(run))["C"].outputs["body"] == 4
    assert len(running.runs(child)) == 1
