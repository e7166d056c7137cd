"""Flows as people steer them: on and off with reasons, which connection a reference means, lists and details."""

import pytest
from msgspec.structs import replace

from flowmend.core.errors import AskedWrongly, Conflict, InvalidDocument, NotFound
from flowmend.use_cases.connection_views import list_connections
from flowmend.use_cases.connections import install_connector_documents, list_connectors
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.flows import (
    delete_flow,
    list_flows,
    map_connection,
    read_flow_detail,
    turn_off,
    turn_on,
)
from flowmend.use_cases.overview import read_overview
from running import Running, call_orders, compose, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

NO_FLOW = "00000000-0000-0000-0000-000000000000"
DAILY = {"tick": {"type": "Recurrence", "recurrence": {"frequency": "Day", "interval": 1}}}


async def refusal(running: Running, flow_id: str) -> Conflict:
    with pytest.raises(Conflict) as refused:
        await turn_on(running.services, flow_id, running.owner)
    row = running.services.store.flows.get(flow_id)
    assert row is not None
    assert row.state == "Off"
    assert refused.value.code == "FlowHasProblems"
    return refused.value


async def test_turning_on_is_refused_while_a_reference_has_no_connection(running: Running) -> None:
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")}, is_on=False)
    error = await refusal(running, flow_id)
    assert "shared_sample_orders" in error.message
    assert error.target == "/connectionReferences/shared_sample_orders"


async def test_turning_on_is_refused_with_the_first_problem_and_how_many_more(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@nope()"), "B": compose("@nope(")}, is_on=False)
    error = await refusal(running, flow_id)
    assert "nope" in error.message
    assert "And 1 more" in error.message
    assert error.target is not None
    assert error.target.startswith("/")


async def test_turning_on_is_refused_for_a_trigger_nobody_waits_for(running: Running) -> None:
    trigger = {"mail": {"type": "OpenApiConnectionWebhook", "inputs": {"host": {}}}}
    flow_id = await running.add_flow({"A": compose(1)}, triggers=trigger, is_on=False)
    assert "OpenApiConnectionWebhook" in (await refusal(running, flow_id)).message


async def test_turning_on_is_refused_for_a_parameter_without_a_value(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, parameters={"region": {"type": "String"}}, is_on=False)
    assert "region" in (await refusal(running, flow_id)).message


async def test_the_detail_tells_beforehand_what_blocks(running: Running) -> None:
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")}, is_on=False)
    detail = await read_flow_detail(running.services, flow_id)
    assert [problem.code for problem in detail.blocking] == ["MissingConnection"]
    assert [(one.key, one.connector, one.connection_id) for one in detail.references] == [
        ("shared_sample_orders", "sample_orders", "")
    ]

    connection_id = await running.connect()
    await map_connection(running.services, flow_id, "shared_sample_orders", connection_id, running.owner)

    detail = await read_flow_detail(running.services, flow_id)
    assert detail.blocking == ()
    assert detail.references[0].health == "connected"
    await turn_on(running.services, flow_id, running.owner)


async def test_a_reference_takes_only_a_connection_of_its_connector(running: Running) -> None:
    shipping = await running.connect("sample_shipping", api_key="ada-key-1001")
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")}, is_on=False)
    with pytest.raises(AskedWrongly) as refused:
        await map_connection(running.services, flow_id, "shared_sample_orders", shipping, running.owner)
    assert refused.value.code == "WrongConnector"
    with pytest.raises(NotFound):
        await map_connection(running.services, flow_id, "shared_sample_orders", "nobody", running.owner)
    with pytest.raises(NotFound):
        await map_connection(running.services, flow_id, "other", shipping, running.owner)


async def test_a_recurrence_is_scheduled_while_the_flow_is_on_and_not_after(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=DAILY, is_on=False)
    assert (await read_flow_detail(running.services, flow_id)).next_at is None
    await turn_on(running.services, flow_id, running.owner)
    assert (await read_flow_detail(running.services, flow_id)).next_at is not None
    await turn_off(running.services, flow_id, running.owner)
    assert (await read_flow_detail(running.services, flow_id)).next_at is None


async def test_turning_on_twice_fires_once(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=DAILY)
    await running.reached_count(flow_id, 1)
    await turn_on(running.services, flow_id, running.owner)
    await running.settled()
    assert len(running.runs(flow_id)) == 1


async def test_the_list_counts_runs_and_names_what_is_broken(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")}, name="orders")
    await running.add_flow({"A": compose(1)}, name="another", is_on=False)
    good = await running.call(flow_id)
    await running.ended(good.run_name)
    running.service.change("password", user="ada", password="changed")
    bad = await running.call(flow_id)
    await running.ended(bad.run_name)
    await running.call(flow_id)  # held

    another, orders = await list_flows(running.services)

    assert (another.name, another.state, another.last_run) == ("another", "Off", None)
    assert (orders.name, orders.state, orders.connectors) == ("orders", "On", ("sample_orders",))
    assert orders.last_run is not None
    assert orders.last_run.run_name == bad.run_name
    assert orders.runs_24h == {"Succeeded": 1, "Failed": 1}
    assert orders.broken_connections == ((connection_id, "Orders"),)
    assert orders.held == 1


async def test_a_flow_that_no_longer_reads_is_listed_and_can_be_deleted(running: Running) -> None:
    broken_id = await running.add_flow({"A": compose(1)}, name="broken")
    await running.add_flow({"A": compose(1)}, name="other", is_on=False)
    running.make_unreadable(broken_id)

    broken, other = await list_flows(running.services)

    assert (broken.name, broken.state, other.unreadable) == ("broken", "On", "")
    assert "does not read" in broken.unreadable
    assert "Import its file again" in broken.unreadable
    await turn_off(running.services, broken_id, running.owner)
    await delete_flow(running.services, broken_id, running.owner)
    assert [flow.name for flow in await list_flows(running.services)] == ["other"]


async def test_a_connector_that_no_longer_reads_keeps_its_connections_listed(running: Running) -> None:
    connection_id = await running.connect()
    row = running.services.store.connectors.get("sample_orders")
    assert row is not None
    running.services.store.connectors.put(replace(row, definition={"swagger": 5}))
    running.services.connectors.heard("connector", {"connector_id": "sample_orders"})

    (view,) = await list_connections(running.services)

    assert view.row.connection_id == connection_id
    assert (view.sign_in, view.test, view.fields) == ("unsupported", None, ())
    assert "Install the connector again" in view.unreadable
    choice = next(one for one in await list_connectors(running.services) if one.connector_id == "sample_orders")
    assert choice.unreadable == view.unreadable
    assert (await read_overview(running.services)).broken == ()


@pytest.mark.parametrize("settings", [{"onBrokenConnection": "sometimes"}, {"color": "red"}, {"onBrokenConnection": 1}])
async def test_a_setting_that_is_none_is_refused_by_name(running: Running, settings: dict[str, object]) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, is_on=False)
    with pytest.raises(AskedWrongly) as refused:
        await change_settings(running.services, flow_id, settings, running.owner)
    assert refused.value.target in settings
    assert (await read_flow_detail(running.services, flow_id)).on_broken_connection == "holdEvents"


async def test_a_flow_is_deleted_only_when_it_is_off_and_quiet(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(5, "Minute")})
    await running.call(flow_id)
    with pytest.raises(Conflict) as refused:
        await delete_flow(running.services, flow_id, running.owner)
    assert refused.value.code == "FlowIsOn"
    await turn_off(running.services, flow_id, running.owner)
    with pytest.raises(Conflict) as refused:
        await delete_flow(running.services, flow_id, running.owner)
    assert refused.value.code == "WorkflowRunInProgress"

    running.clock.move(minutes=6)
    running.application.timers.schedule_changed()
    await running.ended(running.runs()[0].run_name)
    await delete_flow(running.services, flow_id, running.owner)

    with pytest.raises(NotFound):
        await read_flow_detail(running.services, flow_id)
    assert running.runs() == []


@pytest.mark.parametrize("verb", [read_flow_detail, turn_on, turn_off, delete_flow])
async def test_a_flow_that_does_not_exist_is_not_found(running: Running, verb: object) -> None:
    arguments = () if verb is read_flow_detail else (running.owner,)
    with pytest.raises(NotFound):
        await verb(running.services, NO_FLOW, *arguments)  # type: ignore[operator]


async def test_a_connector_that_does_not_read_names_its_problems(running: Running) -> None:
    with pytest.raises(InvalidDocument) as refused:
        await install_connector_documents(running.services, "broken", {"swagger": "9"}, {}, running.owner)
    assert refused.value.problems
