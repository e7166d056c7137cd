"""What Home counts as something that needs somebody."""

import pytest

from consenting import unfinished
from flowmend.use_cases.flows import turn_off, turn_on
from flowmend.use_cases.overview import read_overview
from running import Running, call_orders

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]


def customers() -> dict[str, object]:
    action = call_orders("ListCustomers")
    action["inputs"]["host"] |= {"connectionName": "shared_sample_customers", "apiId": "/apis/shared_sample_customers"}
    return action


async def waited_for(running: Running) -> frozenset[str]:
    return (await read_overview(running.services)).waited_for


async def test_a_connection_is_waited_for_while_a_flow_of_it_is_on_or_holds_events(running: Running) -> None:
    connection_id = await unfinished(running)
    assert await waited_for(running) == frozenset()
    flow_id = await running.add_flow({"Get": customers()}, is_on=False)
    assert await waited_for(running) == frozenset()

    await turn_on(running.services, flow_id, running.owner)
    assert await waited_for(running) == {connection_id}

    assert (await running.call(flow_id)).held
    await turn_off(running.services, flow_id, running.owner)
    assert await waited_for(running) == {connection_id}
