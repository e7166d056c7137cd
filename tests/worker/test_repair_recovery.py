"""A repair plan is carried out: the first alone, then the rest in order, each once, and it stops by itself where it goes wrong."""

from collections.abc import Sequence

import pytest

from flowmend.store.repair_rows import ItemState, PlanState, RepairPlanRow
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.plan_view import PlanView
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.repair_plan import PlanSettings
from flowmend.use_cases.start_plan import go_on_with_plan, start_plan
from flowmend.use_cases.verify_connection import verify_connection
from running import Running, create_order, until

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
    chosen = PlanSettings(**settings) if settings else None  # type: ignore[arg-type]
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
    running.service.change("password", user="ada", password="again")

    view = await in_state(running, plan, PlanState.STOPPED)
    assert view.row.stop_code == "NewAuthenticationFailure"
    assert not view.can_start

    await repair(running, connection_id, "again")
    row = await planned(running, connection_id)
    await started(running, row, canary="one_first")
    await in_state(running, row, PlanState.DONE)
    counts = running.service.counts["orders"]
    assert (counts["created"], counts["distinct_numbers"]) == (30, 30)
