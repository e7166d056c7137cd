"""Home says what needs somebody besides open incidents, and no longer once it is done with."""

import pytest

from flowmend.store.repair_rows import PlanState
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.home_needs import FaultKind, HomeNeeds, read_home_needs
from flowmend.use_cases.incidents import read_incident
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.start_plan import start_plan
from flowmend.use_cases.stop_plan import dismiss_plan
from flowmend.use_cases.verify_connection import verify_connection
from running import Running, call_orders, create_order, until

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]


async def needs(running: Running) -> HomeNeeds:
    return await read_home_needs(running.services, ())


async def mended(running: Running) -> str:
    """An incident that failed one run and was mended since; its id."""
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()}, name="Intake")
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "A"})
    await running.ended(accepted.run_name)
    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    rows, _ = running.services.store.incidents.list(connection_id=connection_id)
    return rows[0].incident_id


async def test_a_mended_incident_says_which_runs_it_left_undone_until_somebody_decided(running: Running) -> None:
    incident_id = await mended(running)
    (undone,) = (await needs(running)).undone
    assert (undone.incident.row.incident_id, undone.runs) == (incident_id, 1)
    plan = await make_plan(running.services, person_id=running.owner, incident_id=incident_id)
    assert (await needs(running)).undone, "a plan that nobody started decides nothing"
    await dismiss_plan(running.services, plan.plan_id, person_id=running.owner)
    assert (await needs(running)).undone == ()
    assert (await read_incident(running.services, incident_id)).not_put_right == 1


async def test_a_plan_that_runs_or_stopped_is_named_and_one_that_is_done_is_not(running: Running) -> None:
    incident_id = await mended(running)
    plan = await make_plan(running.services, person_id=running.owner, incident_id=incident_id)
    await start_plan(running.services, plan.plan_id, plan.version, person_id=running.owner)
    found = await needs(running)
    assert found.undone == ()
    assert [one.name for one in found.plans] in (["Orders"], []), found.plans

    def is_done() -> bool:
        row = running.services.store.repair_plans.get(plan.plan_id)
        return row is not None and row.state is PlanState.DONE

    await until(is_done, lambda: "the plan is not done")
    assert (await needs(running)).plans == ()


async def test_a_flow_at_fault_is_named_until_it_does_well(running: Running) -> None:
    await running.connect()
    order = call_orders("CreateOrder", {"body": {"number": "@triggerBody()?['number']", "lines": "none"}})
    flow_id = await running.add_flow({"Order": order}, name="Intake")
    accepted = await running.call(flow_id, {"number": "A"})
    await running.ended(accepted.run_name)
    (fault,) = (await needs(running)).faults
    assert (fault.kind, fault.flow_name, fault.count, fault.run.failed_action) == (FaultKind.FLOW, "Intake", 1, "Order")


async def test_a_missing_permission_names_what_refuses_whom(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow({"Order": create_order()}, name="Intake")
    running.service.change("permissions", route="POST /basic/orders", allowed="false")
    accepted = await running.call(flow_id, {"number": "A"})
    await running.ended(accepted.run_name)
    (fault,) = (await needs(running)).faults
    assert (fault.kind, fault.account) == (FaultKind.PERMISSION, "ada")
    assert fault.service
