"""Recurrences that are expressions over parameters: scheduled as they come to, and anew when a parameter changes."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.use_cases.flows import read_flow_detail, turn_on
from flowmend.use_cases.set_parameters import set_parameters
from running import Open, Running, compose

pytestmark = pytest.mark.anyio

PARAMETERS = {"n": {"type": "Int", "defaultValue": 2}, "zone": {"type": "SecureString", "defaultValue": "UTC"}}


def every(interval: Any, **parts: Any) -> dict[str, Any]:
    start = {"frequency": "Hour", "startTime": "2026-01-01T00:00:00", "timeZone": "@parameters('zone')"}
    return {"T": {"type": "Recurrence", "recurrence": {**start, "interval": interval, **parts}}}


async def next_at(running: Running, flow_id: str) -> Any:
    return (await read_flow_detail(running.services, flow_id)).next_at


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_it_fires_as_its_parameters_say_and_follows_them(open_flowmend: Open, database: str) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow({"A": compose(1)}, triggers=every("@parameters('n')"), parameters=PARAMETERS)
    due_at = await next_at(running, flow_id)
    assert due_at.hour % 2 == 0
    running.clock.move(hours=2)
    await running.settled()
    assert len(await running.reached_count(flow_id, 1)) == 1
    assert await next_at(running, flow_id) - due_at == timedelta(hours=2)

    await set_parameters(running.services, flow_id, {"n": 12}, running.owner)
    assert (await next_at(running, flow_id)).hour % 12 == 0
    detail = await read_flow_detail(running.services, flow_id)
    assert detail.flow.definition.triggers["T"].recurrence["interval"] == 12


async def test_a_value_that_makes_no_recurrence_is_refused_while_the_flow_is_on(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow({"A": compose(1)}, triggers=every("@parameters('n')"), parameters=PARAMETERS)
    with pytest.raises(Conflict) as refusal:
        await set_parameters(running.services, flow_id, {"n": 0}, running.owner)
    assert refusal.value.target == "/definition/triggers/T/recurrence/interval"


async def test_what_only_a_run_knows_keeps_the_flow_off(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow({"A": compose(1)}, triggers=every("@length(triggerBody())"), is_on=False, parameters=PARAMETERS)  # fmt: skip
    with pytest.raises(Conflict, match="before any run begins") as refusal:
        await turn_on(running.services, flow_id, running.owner)
    assert refusal.value.target == "/definition/triggers/T/recurrence/interval"
