"""What the page of a stored run finds beside its records."""

import pytest

from flowmend.portal.graph import walk
from flowmend.portal.run_picture import child_run_of, read_picture
from flowmend.use_cases.runs import read_run_head
from running import Running, after, compose, respond

pytestmark = pytest.mark.anyio


async def test_a_call_of_another_flow_leads_to_the_run_it_began(running: Running) -> None:
    child = await running.add_flow({"Response": respond({"done": True})}, name="child")
    inputs = {"host": {"workflow": {"id": f"/workflows/{child}"}, "triggerName": "manual"}, "body": {}}
    call = {"type": "Workflow", "inputs": inputs, "runAfter": {}}
    parent = await running.add_flow({"Call": call, "Next": after(compose(1), "Call")}, name="parent")
    run_name = (await running.call(parent)).run_name
    await running.ended(run_name)
    head = await read_run_head(running.services, run_name)
    picture = await read_picture(running.services, head, {})
    found = {step.name: child_run_of(running.services, picture, step, head) for _, step in walk(picture.steps)}
    (began,) = running.runs(child)
    assert found == {"manual": "", "Call": began.run_name, "Next": ""}
