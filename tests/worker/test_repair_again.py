"""What a repair plan stopped at is done again where a credential was to blame, and otherwise only on purpose."""

import asyncio

import pytest

from flowmend.core.repair.first_ones import Canary
from flowmend.store.repair_rows import ItemMode, ItemState, PlanState
from flowmend.use_cases.choose_in_plan import choose_mode
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.flows import turn_off, turn_on
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.start_plan import go_on_with_plan, start_plan
from flowmend.use_cases.stop_plan import stop_plan
from running import Running, after, create_order, until

from .test_repair_recovery import (
    broken_with,
    created,
    hold,
    in_state,
    outcome,
    planned,
    repair,
    started,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def test_held_events_that_a_second_break_failed_are_taken_in_again(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 1)
    await hold(running, flow_id, 12)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), per_minute=1200)
    running.services.held.let_go("test")
    await until(lambda: len(created(running)) >= 4, lambda: str(created(running)))
    running.service.change("password", user="ada", password="again")
    await in_state(running, plan, PlanState.STOPPED)
    await until(lambda: not running.application.run_loop.active_count, lambda: "runs are under way")
    assert outcome(running, plan).get(ItemState.FAILED) or outcome(running, plan).get(ItemState.BEGUN)

    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id, "again")
    row = await planned(running, connection_id)
    await started(running, row)
    running.services.held.let_go("test")
    view = await in_state(running, row, PlanState.DONE)
    assert (view.failed, view.refused) == (0, 0)
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (13, 13)


async def test_made_anew_the_same_plan_takes_in_the_events_that_it_failed(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 1)
    (held,) = await hold(running, flow_id, 1)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), ask_before_rest=True)
    running.services.held.let_go("test")
    await in_state(running, plan, PlanState.PAUSED)
    running.service.change("permissions", route="POST /basic/orders", allowed="false")
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    await in_state(running, plan, PlanState.STOPPED)
    assert running.run(held).status == "Failed"
    running.service.change("permissions", route="POST /basic/orders", allowed="true")

    again = await planned(running, connection_id)
    assert again.plan_id == plan.plan_id
    view = await read_plan(running.services, plan.plan_id)
    assert [(one.kind, one.mode, one.planned) for one in view.groups if one.planned] == [("run", "resume", 1)]
    assert (view.total, view.failed) == (2, 0)
    await started(running, again)
    assert (await in_state(running, plan, PlanState.DONE)).succeeded == 2


async def test_what_failed_for_another_reason_does_not_stand_in_the_way_of_the_rest(running: Running) -> None:
    connection_id = await running.connect()
    count = {"type": "Compose", "inputs": "@int(triggerBody()?['number'])"}
    flow_id = await running.add_flow({"Order": create_order(), "Count": after(count, "Order")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    for number in ("one", "2", "3"):
        await running.ended((await running.call(flow_id, {"number": number})).run_name)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id))
    assert (await in_state(running, plan, PlanState.STOPPED)).row.stop_code == "FailuresInARow"

    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    view = await in_state(running, plan, PlanState.DONE)
    assert (view.succeeded, view.failed) == (2, 1)
    assert created(running) == ["one", "2", "3"]
    offered = await planned(running, connection_id)  # on purpose, by a plan of its own
    assert offered.plan_id != plan.plan_id
    assert (await read_plan(running.services, offered.plan_id)).to_go == 1


async def test_what_could_not_begin_is_taken_in_again_once_it_can(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 5)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), ask_before_rest=True)
    await in_state(running, plan, PlanState.PAUSED)
    await turn_off(running.services, flow_id, running.owner)
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    await in_state(running, plan, PlanState.STOPPED)
    await until(lambda: outcome(running, plan).get(ItemState.REFUSED, 0) >= 3, lambda: str(outcome(running, plan)))
    await turn_on(running.services, flow_id, running.owner)
    row = await planned(running, connection_id)
    await started(running, row, canary=Canary.NONE)
    view = await in_state(running, row, PlanState.DONE)
    assert (view.succeeded, view.refused, len(created(running))) == (5, 0, 5)


async def test_a_run_that_somebody_resubmits_while_the_plan_runs_is_not_done_again(running: Running) -> None:
    connection_id, _, failed = await broken_with(running, 3)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), ask_before_rest=True)
    await in_state(running, plan, PlanState.PAUSED)
    made = await resubmit_run(running.services, failed[1], person_id=running.owner)
    await running.ended(made.run_name)
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    view = await in_state(running, plan, PlanState.DONE)
    assert (view.succeeded, view.refused) == (2, 1)
    (refused,) = running.services.store.repair_plans.items(plan.plan_id, states=(ItemState.REFUSED,))
    assert (refused.subject, refused.error_code) == (failed[1], "AlreadyTriedAgain")
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (3, 3)


async def test_what_succeeded_already_is_resubmitted_where_somebody_chose_so(running: Running) -> None:
    connection_id, _, failed = await broken_with(running, 1)
    await repair(running, connection_id)
    made = await resubmit_run(running.services, failed[0], person_id=running.owner)
    await running.ended(made.run_name)
    plan = await make_plan(running.services, person_id=running.owner, run_names=failed)
    (group,) = (await read_plan(running.services, plan.plan_id)).groups
    view = await choose_mode(
        running.services, plan.plan_id, 1, group.group_id, ItemMode.RESUBMIT, person_id=running.owner
    )
    await started(running, view.row)
    assert (await in_state(running, plan, PlanState.DONE)).succeeded == 1


async def test_two_plans_over_the_same_runs_begin_each_once(running: Running) -> None:
    connection_id, _, failed = await broken_with(running, 8)
    await repair(running, connection_id)
    plans = [await make_plan(running.services, person_id=running.owner, run_names=failed) for _ in range(2)]
    assert [(await read_plan(running.services, plan.plan_id)).to_go for plan in plans] == [8, 8]
    settled = await asyncio.gather(
        *(start_plan(running.services, plan.plan_id, 1, person_id=running.owner) for plan in plans),
        return_exceptions=True,
    )
    begun = [plan for plan, one in zip(plans, settled, strict=True) if not isinstance(one, Exception)]
    assert begun
    for plan in begun:
        await in_state(running, plan, PlanState.DONE, PlanState.PAUSED)  # the first one was done by the other
    attempts = [row.origin_run for row in running.runs() if row.origin_run]
    assert sorted(attempts) == sorted(failed)
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (8, 8)


async def test_a_plan_that_nobody_started_keeps_no_other_from_its_runs(running: Running) -> None:
    connection_id, _, failed = await broken_with(running, 2)
    await repair(running, connection_id)
    await make_plan(running.services, person_id=running.owner, run_names=failed)
    view = await read_plan(running.services, (await planned(running, connection_id)).plan_id)
    assert (view.to_go, view.cannot) == (2, 0)


async def test_two_who_plan_the_same_repair_at_once_get_one_plan(running: Running) -> None:
    connection_id, _, _ = await broken_with(running, 3)
    await repair(running, connection_id)
    plans = await asyncio.gather(*(planned(running, connection_id) for _ in range(4)))
    assert len({plan.plan_id for plan in plans}) == 1
    assert len(running.services.store.repair_plans.under_way()) == 1


async def test_a_held_event_of_a_flow_that_was_turned_off_does_not_begin(running: Running) -> None:
    connection_id, flow_id, _ = await broken_with(running, 1)
    (held,) = await hold(running, flow_id, 1)
    running.services.held.keep_back([flow_id], "test", None)
    await repair(running, connection_id)
    plan = await started(running, await planned(running, connection_id), ask_before_rest=True)
    running.services.held.let_go("test")
    await in_state(running, plan, PlanState.PAUSED)
    await turn_off(running.services, flow_id, running.owner)
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    await until(lambda: bool(outcome(running, plan).get(ItemState.REFUSED)), lambda: str(outcome(running, plan)))
    assert len(created(running)) == 1
    assert running.services.store.trigger_events.get(held) is not None


async def test_a_selection_to_be_resubmitted_stays_so_when_it_is_made_anew(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    names = [(await running.call(flow_id, {"number": f"N{index}"})).run_name for index in range(2)]
    for name in names:
        await running.ended(name)
    await repair(running, connection_id)
    plan = await make_plan(running.services, person_id=running.owner, run_names=names, mode=ItemMode.RESUBMIT)
    await started(running, plan, ask_before_rest=True)
    await in_state(running, plan, PlanState.PAUSED)
    await stop_plan(running.services, plan.plan_id, person_id=running.owner)
    await go_on_with_plan(running.services, plan.plan_id, person_id=running.owner)
    view = await in_state(running, plan, PlanState.DONE)
    assert {one.mode for one in view.groups} == {"resubmit"}
    assert view.succeeded == 2
