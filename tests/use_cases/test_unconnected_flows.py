"""One connection chosen for all the flows that lack one of its connector."""

import pytest

from flowmend.core.errors import Conflict, NotFound
from flowmend.store.rows import ConnectionMappingRow
from flowmend.use_cases.flows import list_flows, turn_on
from flowmend.use_cases.unconnected_flows import connect_flows, plan_connecting
from running import Running, compose, create_order

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def imported_before_any_connection(running: Running, count: int = 3) -> list[str]:
    """Ids of flows that lack their connection."""
    return [
        await running.add_flow({"Order": create_order()}, name=f"flow {number}", is_on=False) for number in range(count)
    ]


async def test_a_new_connection_is_chosen_in_every_flow_that_lacks_one(running: Running) -> None:
    flows = await imported_before_any_connection(running)
    await running.add_flow({"A": compose(1)}, name="needs nothing", is_on=False)
    connection = await running.connect()

    planned = await plan_connecting(running.services, connection)
    assert all(running.services.flows.latest(one).mappings == {} for one in flows)
    connected = await connect_flows(running.services, connection, running.owner)

    assert planned.references == connected.references
    assert [one.flow_name for one in connected.references] == ["flow 0", "flow 1", "flow 2"]
    await turn_on(running.services, flows[0], running.owner)
    accepted = await running.call(flows[0], {"number": "N1"})
    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert {one.state for one in await list_flows(running.services) if one.flow_id != flows[0]} == {"Off"}


async def test_only_the_flows_that_are_named_get_it(running: Running) -> None:
    first, second, third = await imported_before_any_connection(running)
    connection = await running.connect()

    await connect_flows(running.services, connection, running.owner, [second])

    assert {one.flow_id for one in (await plan_connecting(running.services, connection)).references} == {first, third}
    with pytest.raises(NotFound):
        await connect_flows(running.services, connection, running.owner, [second])


async def test_a_connection_that_was_chosen_stays(running: Running) -> None:
    chosen = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()}, is_on=False)
    later = await running.connect()

    assert (await connect_flows(running.services, later, running.owner)).references == ()
    assert running.services.flows.latest(flow_id).mappings == {"shared_sample_orders": chosen}


async def test_all_of_them_are_chosen_or_none(running: Running) -> None:
    first, second, _ = await imported_before_any_connection(running)
    connection = await running.connect()
    rows = [
        ConnectionMappingRow(flow_id=flow_id, reference="shared_sample_orders", connection_id=connection)
        for flow_id in (first, second)
    ]
    running.services.store.flows.set_mapping(rows[1])

    with pytest.raises(Conflict):
        running.services.store.flows.add_mappings(rows)

    assert [one.flow_id for one in running.services.store.flows.mappings_to(connection)] == [second]


async def test_a_flow_that_no_longer_reads_takes_no_other_along(running: Running) -> None:
    broken, whole = await imported_before_any_connection(running, 2)
    connection = await running.connect()
    running.make_unreadable(broken)

    connected = await connect_flows(running.services, connection, running.owner)

    assert connected.flow_ids == (whole,)


async def test_a_flow_that_is_off_says_in_the_list_what_it_lacks(running: Running) -> None:
    (flow_id,) = await imported_before_any_connection(running, 1)
    (before,) = await list_flows(running.services)
    connection = await running.connect()
    (installed,) = await list_flows(running.services)
    await connect_flows(running.services, connection, running.owner)
    (connected,) = await list_flows(running.services)

    assert (before.needs.connectors, before.needs.connections) == (("sample_orders",), ())
    assert (installed.needs.connectors, installed.needs.connections) == ((), ("sample_orders",))
    assert not connected.needs
    assert connected.flow_id == flow_id


async def test_a_value_that_is_missing_is_named_too(running: Running) -> None:
    await running.add_flow({"A": compose("@parameters('who')")}, is_on=False, parameters={"who": {"type": "String"}})
    (summary,) = await list_flows(running.services)
    assert summary.needs.values == ("who",)
