"""A repair plan is carried out: the first alone, then the rest in order, each once, and it stops by itself where it goes wrong."""

import asyncio
from collections.abc import Sequence

import pytest

from flowmend.core.connection.health import HealthState
from flowmend.core.repair.first_ones import Canary
from flowmend.store.repair_rows import ItemState, PlanState, RepairPlanRow
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.plan_view import PlanView
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.repair_plan import PlanSettings
from flowmend.use_cases.start_plan import go_on_with_plan, start_plan
from flowmend.use_cases.stop_plan import dismiss_plan, pause_plan
from flowmend.use_cases.verify_connection import verify_connection
from running import REQUEST, Open, Running, after, create_order, until, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

BY_CUSTOMER = {"metadata": {"flowmend": {"businessKey": "@triggerBody()?['customer']"}}}


async def broken_with(running: Running, count: int, **parts: object) -> tuple[str, str, list[str]]:
    """(connection, flow, its failed runs): the password was changed, and so many runs failed by it."""
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()}, **parts)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    failed = []
    for index in range(count):
        accepted = await running.call(flow_id, {"number": f"F{index}", "customer": f"C{index % 3}"})
        failed.append((await running.ended(accepted.run_name)).run_name)
    return connection_id, flow_id, failed


async def hold(running: Running, flow_id: str, count: int) -> list[str]:
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdEvents"}, running.owner)
    held = [await running.call(flow_id, {"number": f"H{index}", "customer": f"C{index % 3}"}) for index in range(count)]
    return [one.event_name for one in held]


def incident_of(running: Running, connection_id: str) -> str:
    rows, _ = running.services.store.incidents.list(connection_id=connection_id)
    return rows[0].incident_id


async def repair(running: Running, connection_id: str, password: str = "changed") -> None:
    result = await verify_connection(running.services, connection_id, {"password": password}, person_id=running.owner)
    assert result.is_proven


async def planned(running: Running, connection_id: str) -> RepairPlanRow:
    return await make_plan(running.services, person_id=running.owner, incident_id=incident_of(running, connection_id))


async def started(running: Running, plan: RepairPlanRow, **settings: object) -> RepairPlanRow:
    chosen = PlanSettings(**settings) if settings else None
    return await start_plan(running.services, plan.plan_id, plan.version, person_id=running.owner, settings=chosen)


async def in_state(running: Running, plan: RepairPlanRow, *states: PlanState) -> PlanView:
    def state() -> PlanState:
        row = running.services.store.repair_plans.get(plan.plan_id)
        assert row is not None
        return row.state

    await until(lambda: state() in states, lambda: f"the plan is {state()}: {outcome(running, plan)}")
    return await read_plan(running.services, plan.plan_id)


def outcome(running: Running, plan: RepairPlanRow) -> dict[ItemState, int]:
    return running.services.store.repair_plans.counts(plan.plan_id)


def created(running: Running) -> Sequence[str]:
    """The numbers of the orders, in the order in which they were made."""
    return list(running.service.counts["orders"]["requests_by_number"])


async def test_failed_runs_and_held_events_go_on_once_and_in_order(running: Running) -> None:
    connection_id, flow_id, failed = await broken_with(running, 6, **BY_CUSTOMER)
    held = await hold(running, flow_id, 6)
    incident_id = incident_of(running, connection_id)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await make_plan(running.services, person_id=running.owner, incident_id=incident_id)
    running.services.held.let_go("test")

    view = await read_plan(running.services, plan.plan_id)
    assert (view.failed_runs, view.held_events, view.total, view.to_go, view.can_start) == (6, 6, 12, 12, True)
    assert [(one.kind, one.mode, one.from_action, one.count) for one in view.groups] == [
        ("run", "resume", "Order", 6),
        ("event", "start", "", 6),
    ]
    assert running.service.counts["orders"]["created"] == 0  # a plan is a dry run

    await started(running, plan)
    view = await in_state(running, plan, PlanState.DONE)

    assert (view.succeeded, view.failed, view.to_go, view.running) == (12, 0, 0, 0)
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (12, 12)
    begun = {one.subject: one.begun_at for one in running.services.store.repair_plans.items(plan.plan_id)}
    assert set(begun) == {*failed, *held}
    assert {one.run_name for one in running.runs(flow_id) if one.begun_at} == set(held)
    assert not running.services.store.trigger_events.count_held(flow_id)


async def test_the_rest_waits_for_the_first_one(running: Running) -> None:
    connection_id, _, failed = await broken_with(running, 3)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), ask_before_rest=True)

    view = await in_state(running, plan, PlanState.PAUSED)

    assert [(one.subject, one.state) for one in view.first] == [(failed[0], ItemState.SUCCEEDED)]
    assert (view.succeeded, view.to_go) == (1, 2)
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    assert (await in_state(running, plan, PlanState.DONE)).succeeded == 3


async def test_a_second_break_stops_it_and_it_goes_on_after_the_second_repair(running: Running) -> None:
    connection_id, _, _ = await broken_with(running, 30)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), per_minute=1200)
    await until(lambda: running.service.counts["orders"]["created"] >= 5, lambda: str(running.service.counts))
    told: list[int] = []
    running.services.changes.listen(lambda topic, facts: told.append(facts["done"]) if topic == "repair" else None)
    running.service.change("password", user="ada", password="again")

    view = await in_state(running, plan, PlanState.STOPPED)
    assert view.row.stop_code == "NewAuthenticationFailure"
    assert not view.can_start
    plans = running.services.store.repair_plans
    await until(lambda: not plans.begun(plan.plan_id), lambda: str(outcome(running, plan)))
    ended = 30 - outcome(running, plan)[ItemState.PLANNED]
    await until(lambda: told[-1:] == [ended], lambda: f"{told} {ended}")  # an open page sees how the last one ended

    await repair(running, connection_id, "again")
    row = await planned(running, connection_id)
    await started(running, row, canary=Canary.ONE)
    await in_state(running, row, PlanState.DONE)
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (30, 30)


async def test_a_killed_server_goes_on_with_it_and_begins_nothing_twice(running: Running, open_flowmend: Open) -> None:
    connection_id, _, failed = await broken_with(running, 40)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id))
    await until(lambda: len(created(running)) >= 10, lambda: str(created(running)))
    await running.crash()

    again = await open_flowmend()
    view = await in_state(again, plan, PlanState.DONE)

    assert (view.succeeded, view.failed, view.to_go) == (40, 0, 0)
    counts = again.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (40, 40)
    origins = [row.origin_run for row in again.runs() if row.origin_run]
    assert sorted(origins) == sorted(failed)


async def test_paused_it_begins_nothing_and_keeps_back_what_is_held(running: Running, open_flowmend: Open) -> None:
    connection_id, flow_id, _ = await broken_with(running, 12)
    held = await hold(running, flow_id, 2)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), per_minute=600)
    running.services.held.let_go("test")
    await until(lambda: len(created(running)) >= 3, lambda: str(created(running)))
    await pause_plan(running.services, plan.plan_id, person_id=running.owner)
    await until(lambda: not running.application.run_loop.active_count, lambda: "runs are under way")
    count = len(created(running))
    await running.stop()

    again = await open_flowmend()
    await asyncio.sleep(0.3)
    assert len(created(again)) == count
    assert again.services.store.trigger_events.count_held(flow_id) == 2
    await go_on_with_plan(again.services, plan.plan_id, person_id=again.owner)
    view = await in_state(again, plan, PlanState.DONE)
    assert (view.succeeded, len(created(again))) == (14, 14)
    assert {again.run(name).status for name in held} == {"Succeeded"}


async def test_dismissed_it_lets_go_what_it_kept_back(running: Running) -> None:
    connection_id, flow_id, failed = await broken_with(running, 2)
    (held,) = await hold(running, flow_id, 1)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await planned(running, connection_id)
    running.services.held.let_go("test")
    await asyncio.sleep(0.2)
    assert not created(running)
    await dismiss_plan(running.services, plan.plan_id, person_id=running.owner)
    assert (await running.ended(held)).status == "Succeeded"
    assert {running.run(name).status for name in failed} == {"Failed"}


async def test_a_draft_that_nobody_starts_lets_events_go_on_after_a_while(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 1)
    (held,) = await hold(running, flow_id, 1)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await planned(running, connection_id)
    running.services.held.let_go("test")
    await asyncio.sleep(0.2)
    assert not created(running)
    running.clock.move(minutes=16)
    running.services.held.wake(flow_id)
    assert (await running.ended(held)).status == "Succeeded"
    view = await read_plan(running.services, plan.plan_id)
    assert view.row.state is PlanState.DRAFT


async def test_three_failures_in_a_row_stop_it_and_a_person_decides(running: Running) -> None:
    connection_id = await running.connect()
    ends = {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "Wrong", "message": "No."}}}
    flow_id = await running.add_flow({"Order": create_order(), "End": after(ends, "Order")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    for index in range(12):
        accepted = await running.call(flow_id, {"number": f"F{index}"})
        await running.ended(accepted.run_name)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), canary=Canary.NONE)
    view = await in_state(running, plan, PlanState.STOPPED)
    assert view.row.stop_code == "FailuresInARow"
    assert "another reason" in view.stop_words
    assert view.to_go > 0
    assert running.connection(connection_id).health is HealthState.CONNECTED


async def test_a_first_one_that_fails_stops_everything(running: Running) -> None:
    connection_id, _, _ = await broken_with(running, 3)
    await repair(running, connection_id)
    running.service.change("permissions", route="POST /basic/orders", allowed="false")
    plan = await started(running, await planned(running, connection_id))
    await in_state(running, plan, PlanState.STOPPED)
    await until(lambda: outcome(running, plan).get(ItemState.FAILED) == 1, lambda: str(outcome(running, plan)))
    assert outcome(running, plan)[ItemState.PLANNED] == 2


async def test_a_run_that_waits_for_long_keeps_nobody_from_the_end(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order(), "Then": after(wait_for(2, "Day"), "Order")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    for number in ("A", "B"):
        accepted = await running.call(flow_id, {"number": number})
        await running.ended(accepted.run_name)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), canary=Canary.NONE)
    view = await in_state(running, plan, PlanState.DONE)
    assert (view.succeeded, view.running + view.waiting, view.to_go) == (0, 2, 0)
    running.clock.move(days=3)
    await running.settled()
    for item in running.services.store.repair_plans.items(plan.plan_id):
        await running.ended(item.new_run)
    assert (await read_plan(running.services, plan.plan_id)).succeeded == 2


async def with_a_first_one_that_rests(running: Running) -> RepairPlanRow:
    """Started, and its first run waits for two days."""
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order(), "Then": after(wait_for(2, "Day"), "Order")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    for number in ("A", "B", "C"):
        await running.ended((await running.call(flow_id, {"number": number})).run_name)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id))
    await until(lambda: len(created(running)) == 1, lambda: str(created(running)))
    await asyncio.sleep(1.3)  # it rests now, and the plan has seen so
    assert (await read_plan(running.services, plan.plan_id)).row.state is PlanState.CANARY
    running.clock.move(minutes=2)
    view = await in_state(running, plan, PlanState.PAUSED)
    assert (view.row.stop_code, view.waiting, view.to_go) == ("FirstOnesUndecided", 1, 2)
    assert "wait for long" in view.stop_words
    assert len(created(running)) == 1
    return plan


async def test_a_first_one_that_rests_for_long_asks_and_a_person_lets_the_rest_go_on(running: Running) -> None:
    plan = await with_a_first_one_that_rests(running)
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    view = await in_state(running, plan, PlanState.DONE)
    assert (view.waiting + view.running, len(created(running))) == (3, 3)


async def test_once_a_first_one_that_rested_goes_well_the_rest_goes_on_by_itself(running: Running) -> None:
    plan = await with_a_first_one_that_rests(running)
    running.clock.move(days=3)
    await running.settled()
    await in_state(running, plan, PlanState.RUNNING, PlanState.DONE)
    await until(lambda: len(created(running)) == 3, lambda: str(created(running)))


async def test_a_first_one_that_somebody_cancels_does_not_let_the_rest_go_on(running: Running) -> None:
    connection_id, _, _ = await broken_with(running, 3)
    await repair(running, connection_id)
    running.service.change("latency", ms=2000)
    plan = await started(running, await planned(running, connection_id))
    items = running.services.store.repair_plans.items
    await until(lambda: bool(items(plan.plan_id)[0].new_run), lambda: str(outcome(running, plan)))
    await cancel_run(running.services, items(plan.plan_id)[0].new_run, running.owner)
    view = await in_state(running, plan, PlanState.PAUSED)
    assert (view.row.stop_code, view.to_go) == ("FirstOnesUndecided", 2)


async def test_of_each_key_one_runs_after_another_in_order_of_arrival(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 9, **BY_CUSTOMER)
    await hold(running, flow_id, 9)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    running.service.change("latency", ms=30)
    plan = await started(running, await planned(running, connection_id), canary=Canary.NONE, calls_at_once=16)
    running.services.held.let_go("test")
    await in_state(running, plan, PlanState.DONE)
    for customer in range(3):
        mine = [one for one in created(running) if int(one[1:]) % 3 == customer]
        assert mine == [f"F{index}" for index in range(customer, 9, 3)] + [
            f"H{index}" for index in range(customer, 9, 3)
        ]


async def test_a_flow_that_runs_one_at_once_does_so_here_too(running: Running) -> None:
    one_at_once = {"manual": {**REQUEST["manual"], "runtimeConfiguration": {"concurrency": {"runs": 1}}}}
    connection_id, flow_id, _ = await broken_with(running, 5, triggers=one_at_once)
    await repair(running, connection_id)
    running.service.change("latency", ms=40)
    plan = await started(running, await planned(running, connection_id), canary=Canary.NONE)
    most = 0
    while (await read_plan(running.services, plan.plan_id)).row.state is not PlanState.DONE:
        most = max(most, len(running.application.run_loop.unfinished_of(flow_id)))
        await asyncio.sleep(0.005)
    assert (most, created(running)) == (1, [f"F{index}" for index in range(5)])


async def test_a_run_that_waits_at_its_action_goes_on_though_its_flow_is_kept_back(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 1)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    waits = (await running.call(flow_id, {"number": "W"})).run_name
    await running.waiting(waits)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id))
    running.services.held.let_go("test")
    assert (await in_state(running, plan, PlanState.DONE)).succeeded == 1
    assert (await running.ended(waits)).status == "Succeeded"
