"""One event as many runs, runs that wait for their turn, windows made up for, and batches."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import TooManyAttempts
from flowmend.use_cases.cancel_run import cancel_run
from running import REQUEST, Open, Running, compose, respond, until, wait_for

pytestmark = pytest.mark.anyio


def request(**parts: Any) -> dict[str, Any]:
    return {"manual": {**REQUEST["manual"], **parts}}


async def begun(running: Running, flow: str, count: int) -> None:
    await until(lambda: len(running.runs(flow)) == count, lambda: f"{len(running.runs(flow))} runs")
    for run in running.runs(flow):
        await running.ended(run.run_name)


# -- splitOn -------------------------------------------------------------------------------------------------


async def test_each_item_has_a_run_of_its_own(open_flowmend: Open) -> None:
    running = await open_flowmend()
    correlation = {"correlation": {"clientTrackingId": "@triggerBody()?['id']"}}
    triggers = request(splitOn="@triggerBody()?['items']", splitOnConfiguration=correlation)
    flow = await running.add_flow({"A": compose("@triggerBody()"), "R": respond(1)}, triggers=triggers)
    accepted = await running.call(flow, {"items": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "rest": 1})
    assert accepted.response is None  # 202: many runs cannot answer one caller
    await begun(running, flow, 3)
    runs = running.runs(flow)
    assert [run.client_tracking_id for run in runs] == ["a", "b", "c"]
    bodies = [(await running.records(run.run_name))["A"].outputs for run in runs]
    assert bodies == [{"id": "a"}, {"id": "b"}, {"id": "c"}]


@pytest.mark.parametrize(("body", "status"), [({"items": []}, "Skipped"), ({}, "Skipped"), ({"items": 5}, "Failed")])
async def test_an_event_without_items_starts_nothing(open_flowmend: Open, body: Any, status: str) -> None:
    running = await open_flowmend()
    flow = await running.add_flow({"A": compose(1)}, triggers=request(splitOn="@triggerBody()?['items']"))
    assert (await running.call(flow, body)).run_name == ""
    assert ([event.status for event in running.events(flow)], running.runs(flow)) == ([status], [])


async def test_a_trigger_may_name_its_runs_where_the_caller_does_not(open_flowmend: Open) -> None:
    running = await open_flowmend()
    triggers = request(correlation={"clientTrackingId": "@{triggerBody()?['order']}"})
    flow = await running.add_flow({"A": compose(1)}, triggers=triggers)
    await running.call(flow, {"order": 4711})
    await running.call(flow, {"order": 4711}, client_tracking_id="mine")
    await begun(running, flow, 2)
    assert [run.client_tracking_id for run in running.runs(flow)] == ["4711", "mine"]


# -- concurrency ---------------------------------------------------------------------------------------------


def limited(runs: int, waiting: int) -> dict[str, Any]:
    return request(runtimeConfiguration={"concurrency": {"runs": runs, "maximumWaitingRuns": waiting}})


async def test_only_so_many_runs_are_under_way_and_the_others_wait_their_turn(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await running.add_flow({"W": wait_for(1, "Hour")}, triggers=limited(2, 2))
    answers = [await running.call(flow) for _ in range(4)]
    assert [answer.held for answer in answers] == [False, False, True, True]
    with pytest.raises(TooManyAttempts) as refused:
        await running.call(flow)
    assert refused.value.code == "WorkflowMaximumWaitingRunCountExceeded"
    await cancel_run(running.services, answers[0].run_name, running.owner)
    await until(lambda: len(running.runs(flow)) == 3, lambda: "nobody took its turn")
    assert [event.status for event in running.events(flow)].count("Waiting") == 1
    assert running.runs(flow)[-1].run_name == answers[2].event_name


async def test_a_single_instance_is_one_run_and_all_get_their_turn(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await running.add_flow({"A": compose(1)}, triggers=request(operationOptions="SingleInstance"))
    for _ in range(5):
        await running.call(flow)
    await begun(running, flow, 5)


async def test_who_waits_for_an_answer_is_refused_at_once(open_flowmend: Open) -> None:
    running = await open_flowmend()
    slow = {"R": respond(1), "W": {**wait_for(1, "Hour"), "runAfter": {"R": ["Succeeded"]}}}
    flow = await running.add_flow(slow, triggers=limited(1, 5))
    assert (await running.call(flow)).response is not None
    with pytest.raises(TooManyAttempts):
        await running.call(flow)


async def test_items_wait_their_turn_however_many_they_are(open_flowmend: Open) -> None:
    running = await open_flowmend()
    triggers = request(splitOn="@triggerBody()", runtimeConfiguration={"concurrency": {"runs": 1}})
    flow = await running.add_flow({"A": compose(1)}, triggers=triggers)
    await running.call(flow, list(range(20)))
    await begun(running, flow, 20)


async def test_a_turn_that_was_free_when_the_process_ended_is_taken_at_the_next_start(open_flowmend: Open) -> None:
    first = await open_flowmend()
    flow = await first.add_flow({"W": wait_for(1, "Hour")}, triggers=limited(1, 2))
    answers = [await first.call(flow) for _ in range(2)]
    first.application.run_loop._errands.stop()
    await cancel_run(first.services, answers[0].run_name, first.owner)
    await first.crash()
    second = await open_flowmend(clock=first.clock)
    await second.reached_count(flow, 2)
    assert [run.run_name for run in second.runs(flow)] == [answers[0].run_name, answers[1].event_name]


# -- windows -------------------------------------------------------------------------------------------------


async def test_windows_that_were_missed_are_made_up_for(open_flowmend: Open) -> None:
    running = await open_flowmend()
    window = {"type": "SlidingWindow", "recurrence": {"frequency": "Hour", "interval": 1}, "inputs": {"delay": "PT5M"}}
    body = compose("@triggerBody()")
    flow = await running.add_flow({"A": body}, triggers={"Sliding": window})
    began = running.clock.now
    running.clock.move(minutes=62)
    running.application.timers.schedule_changed()
    assert running.runs(flow) == []  # the window is over, its delay is not
    running.clock.move(minutes=190)
    running.application.timers.schedule_changed()
    await begun(running, flow, 4)
    windows = [(await running.records(run.run_name))["A"].outputs for run in running.runs(flow)]
    starts = [one["windowStartTime"] for one in windows]
    assert starts == sorted(starts)
    assert [one["windowEndTime"] for one in windows[:-1]] == starts[1:]
    (state,) = running.services.store.triggers.of_flow(flow)
    assert state.next_at is not None
    assert timedelta(hours=5) < state.next_at - began < timedelta(hours=5, minutes=6)


# -- batches -------------------------------------------------------------------------------------------------


def batch(**criteria: Any) -> dict[str, Any]:
    inputs = {"mode": "Inline", "configurations": {"orders": {"releaseCriteria": criteria}}}
    return {"Gather": {"type": "Batch", "inputs": inputs}}


def send(content: Any = "@triggerBody()", partition: str = "DEFAULT") -> dict[str, Any]:
    host = {"triggerName": "Gather", "workflow": {"id": "gatherer"}}
    inputs = {"host": host, "batchName": "orders", "partitionName": partition, "content": content}
    return {"S": {"type": "SendToBatch", "inputs": inputs, "runAfter": {}}}


async def test_messages_are_gathered_and_run_together(open_flowmend: Open) -> None:
    running = await open_flowmend()
    gatherer = await running.add_flow(
        {"A": compose("@triggerBody()?['items']")}, name="gatherer", triggers=batch(messageCount=3)
    )
    sender = await running.add_flow(send(), name="sender")
    for number in range(7):
        run = (await running.call(sender, {"n": number})).run_name
        assert (await running.ended(run)).status == "Succeeded"
    await begun(running, gatherer, 2)
    taken = [(await running.records(run.run_name))["A"].outputs for run in running.runs(gatherer)]
    assert [[item["content"]["n"] for item in one] for one in taken] == [[0, 1, 2], [3, 4, 5]]
    statuses = [event.status for event in running.events(gatherer)]
    assert (statuses.count("Succeeded"), statuses.count("Paused")) == (8, 1)


async def test_partitions_are_gathered_apart(open_flowmend: Open) -> None:
    running = await open_flowmend()
    gatherer = await running.add_flow({"A": compose(1)}, name="gatherer", triggers=batch(messageCount=2))
    sender = await running.add_flow(send(partition="@triggerBody()"), name="sender")
    for partition in ("x", "y", "x"):
        await running.ended((await running.call(sender, partition)).run_name)
    await begun(running, gatherer, 1)


async def test_a_batch_is_released_by_the_clock(open_flowmend: Open) -> None:
    running = await open_flowmend()
    criteria = batch(recurrence={"frequency": "Hour", "interval": 1})
    gatherer = await running.add_flow({"A": compose(1)}, name="gatherer", triggers=criteria)
    sender = await running.add_flow(send(), name="sender")
    for _ in range(2):
        await running.ended((await running.call(sender)).run_name)
    assert running.runs(gatherer) == []
    running.clock.move(hours=1, minutes=1)
    running.application.timers.schedule_changed()
    await begun(running, gatherer, 1)


async def test_messages_sent_at_once_complete_a_batch_once(open_flowmend: Open) -> None:
    running = await open_flowmend()
    gatherer = await running.add_flow({"A": compose(1)}, name="gatherer", triggers=batch(messageCount=4))
    loop = {"type": "Foreach", "foreach": "@range(0, 8)", "runAfter": {}, "actions": send("@item()")}
    sender = await running.add_flow({"L": loop}, name="sender")
    assert (await running.ended((await running.call(sender)).run_name)).status == "Succeeded"
    await begun(running, gatherer, 2)


@pytest.mark.parametrize(
    ("name", "batch_name", "code"),
    [("nobody", "orders", "MissingChildFlow"), ("gatherer", "parcels", "BatchNotFound")],
)
async def test_a_message_nobody_gathers_fails(open_flowmend: Open, name: str, batch_name: str, code: str) -> None:
    running = await open_flowmend()
    await running.add_flow({"A": compose(1)}, name="gatherer", triggers=batch(messageCount=4))
    action = send()["S"]
    action["inputs"] |= {"batchName": batch_name, "host": {"workflow": {"id": name}}}
    run = (await running.call(await running.add_flow({"S": action}, name="sender"))).run_name
    await running.ended(run)
    assert (await running.records(run))["S"].code == code
