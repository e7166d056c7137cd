"""What a run's row says of its failure: the action people look for, not the container around it."""

import pytest

from running import Running, after, compose

pytestmark = pytest.mark.anyio


def scope(**actions: object) -> dict[str, object]:
    return {"type": "Scope", "actions": actions, "runAfter": {}}


async def test_a_failure_without_a_diagnosis_is_named_too(running: Running) -> None:
    flow_id = await running.add_flow({"Try": scope(Divide=compose("@div(1, coalesce(triggerBody()?['x'], 0))"))})
    accepted = await running.call(flow_id)
    row = await running.ended(accepted.run_name)
    assert (row.status, row.failed_action, row.error_code) == ("Failed", "Divide", "BadRequest")
    assert "divide" in row.error_message


async def test_a_failure_that_was_handled_is_not_the_runs(running: Running) -> None:
    handled = {**compose("@int(string(triggerBody()))"), "runAfter": {}}
    flow_id = await running.add_flow(
        {
            "Handled": handled,
            "Handler": {**compose("fine"), "runAfter": {"Handled": ["Failed"]}},
            "Later": after(compose("@div(1, coalesce(triggerBody()?['x'], 0))"), "Handler"),
        }
    )
    accepted = await running.call(flow_id)
    row = await running.ended(accepted.run_name)
    assert (row.status, row.failed_action) == ("Failed", "Later")
