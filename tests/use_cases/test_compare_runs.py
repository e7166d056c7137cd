"""Two runs of a flow beside each other."""

from typing import Any

import pytest

from flowmend.core.errors import AskedWrongly
from flowmend.core.run.comparison import ValueDifference
from flowmend.use_cases.compare_runs import ComparedAction, RunComparison, compare_runs
from running import Running, after, compose

pytestmark = pytest.mark.anyio


async def ran(running: Running, flow_id: str, body: Any = None) -> str:
    accepted = await running.call(flow_id, body)
    return (await running.ended(accepted.run_name)).run_name


def action(found: RunComparison, name: str) -> ComparedAction:
    return next(one for one in found.actions if one.name == name)


async def test_a_run_does_not_differ_from_one_that_did_the_same(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@triggerBody()"), "B": after(compose(1), "A")})
    left, right = [await ran(running, flow_id, {"n": 1}) for _ in range(2)]
    found = await compare_runs(running.services, left, right)
    assert found.differing == ()
    assert not found.trigger
    assert action(found, "A").has_same_values


async def test_a_failed_run_is_compared_with_the_last_that_succeeded(running: Running) -> None:
    actions = {"A": compose("@div(6, triggerBody()['n'])"), "B": after(compose("b"), "A")}
    flow_id = await running.add_flow(actions)
    good, failed = await ran(running, flow_id, {"n": 2}), await ran(running, flow_id, {"n": 0})
    found = await compare_runs(running.services, failed)
    assert found.right.row.run_name == good
    assert found.trigger.found == (ValueDifference(path="/body/n", left=0, right=2),)
    first, second = action(found, "A"), action(found, "B")
    assert first.left is not None
    assert first.right is not None
    assert (first.left.status, first.right.status) == ("Failed", "Succeeded")
    assert second.ended_otherwise
    assert not second.inputs


async def test_of_a_loop_the_first_pass_that_went_otherwise_is_compared_or_the_one_asked_for(running: Running) -> None:
    item = compose("@if(equals(item(), triggerBody()['bad']), div(1, sub(item(), item())), item())")
    each = {"type": "Foreach", "foreach": "@range(0, 5)", "actions": {"Item": item}, "runAfter": {}}
    flow_id = await running.add_flow({"Each": {**each, "operationOptions": "Sequential"}})
    good, failed = await ran(running, flow_id, {"bad": 9}), await ran(running, flow_id, {"bad": 3})
    found = await compare_runs(running.services, failed, good)
    assert found.chosen == {"Each": 3}
    loop = action(found, "Each").loop
    assert loop is not None
    assert (loop.left_passes, loop.left_failed, loop.right_failed) == (5, 1, 0)
    asked = await compare_runs(running.services, failed, good, {"Each": 1})
    assert action(asked, "Item").repetition == (1,)
    assert not action(asked, "Item").differs


async def test_values_hidden_in_one_run_are_shown_of_neither(running: Running) -> None:
    secret = compose("@triggerBody()", runtimeConfiguration={"secureData": {"properties": ["inputs", "outputs"]}})
    flow_id = await running.add_flow({"A": secret})
    left, right = [await ran(running, flow_id, {"password": word}) for word in ("hush", "quiet")]
    found = action(await compare_runs(running.services, left, right), "A")
    assert found.inputs.is_hidden
    assert not found.differs
    assert "hush" not in repr(found)


async def test_runs_of_two_versions_are_compared_by_the_names_of_their_actions(running: Running) -> None:
    flow_id = await running.add_flow({"Same": compose(1), "Old": compose(2)}, name="flow")
    old = await ran(running, flow_id)
    assert await running.add_flow({"Same": compose(1), "New": compose(3)}, name="flow") == flow_id
    new = await ran(running, flow_id)
    found = await compare_runs(running.services, old, new)
    assert not found.is_of_one_version
    assert {one.name: (one.left is None, one.right is None) for one in found.actions} == {
        "Same": (False, False),
        "Old": (False, True),
        "New": (True, False),
    }
    assert {one.name for one in found.differing} == {"Old", "New"}


async def test_only_runs_of_one_flow_are_compared_and_a_first_run_has_no_other(running: Running) -> None:
    flows = [await running.add_flow({"A": compose(1)}, name=name) for name in ("a", "b")]
    runs = [await ran(running, flow_id) for flow_id in flows]
    with pytest.raises(AskedWrongly) as refused:
        await compare_runs(running.services, *runs)
    assert refused.value.code == "RunsOfDifferentFlows"
    with pytest.raises(AskedWrongly) as alone:
        await compare_runs(running.services, runs[0])
    assert alone.value.code == "NothingToCompare"
