"""A flow stays in its owner's hands when the credential it needs is dead: off, on again, edited, its values changed."""

import json

import pytest

from flowmend.core.connection.health import HealthState
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.store.rows import FlowState
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.edit_flow import save_text
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.flows import delete_flow, map_connection, read_flow_detail, turn_off, turn_on
from running import Running, create_order, document

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def with_dead_credential(running: Running) -> tuple[str, str]:
    """(flow, connection): the password was changed at the service, a run met it, and an event is held."""
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "breaks"})
    await running.ended(accepted.run_name)
    assert running.connection(connection_id).health is HealthState.BROKEN
    assert (await running.call(flow_id, {"number": "held"})).held
    return flow_id, connection_id


def state(running: Running, flow_id: str) -> FlowState:
    row = running.services.store.flows.get(flow_id)
    assert row is not None
    return row.state


async def test_it_can_be_turned_off_and_on_again_and_keeps_what_it_holds(running: Running) -> None:
    flow_id, _ = await with_dead_credential(running)
    await turn_off(running.services, flow_id, running.owner)
    assert state(running, flow_id) is FlowState.OFF
    await turn_on(running.services, flow_id, running.owner)
    assert state(running, flow_id) is FlowState.ON
    assert len(running.services.store.trigger_events.held(flow_id)) == 1


async def test_it_can_be_edited_on_and_off_and_its_settings_changed(running: Running) -> None:
    flow_id, _ = await with_dead_credential(running)
    for number in ("edited", "again"):
        row = running.services.store.flows.get(flow_id)
        assert row is not None
        text = json.dumps(document({"Order": create_order(number)}))
        saved = await save_text(running.services, flow_id, text, row.version, running.owner)
        assert saved.version != row.version
        await turn_off(running.services, flow_id, running.owner)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    detail = await read_flow_detail(running.services, flow_id)
    assert detail.references[0].health == "broken"


async def test_it_can_be_given_another_connection_or_deleted(running: Running) -> None:
    flow_id, _ = await with_dead_credential(running)
    values = {"username": "ada", "password": "changed", "host_url": running.service.url}
    other = await create_connection(running.services, "sample_orders", "Other", values, running.owner)
    await map_connection(running.services, flow_id, "shared_sample_orders", other.row.connection_id, running.owner)
    runs = await running.reached_count(flow_id, 2)
    assert (await running.ended(runs[-1].run_name)).status == "Succeeded"
    assert FIRST_PASSWORD not in repr(other)
    await turn_off(running.services, flow_id, running.owner)
    await delete_flow(running.services, flow_id, running.owner)
    assert running.services.store.flows.get(flow_id) is None
