"""Resubmit: the same trigger event once more, in a run of its own that knows where it comes from."""

import asyncio

import pytest

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.store.rows import FlowState
from flowmend.use_cases.flows import turn_off
from flowmend.use_cases.resubmit_runs import Resubmitted, cannot_resubmit_reason, resubmit_run
from flowmend.use_cases.run_choices import RunChoice, list_chosen
from flowmend.use_cases.runs import read_run
from flowmend.use_cases.verify_connection import verify_connection
from running import Open, Running, after, compose, create_order, respond, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def resubmit(running: Running, run_name: str, request_id: str = "", *, original: bool = False) -> Resubmitted:
    return await resubmit_run(
        running.services,
        run_name,
        person_id=running.owner,
        request_id=request_id,
        original_definition=original,
    )


async def ended_run(running: Running, flow_id: str, body: object = None, **parts: object) -> str:
    accepted = await running.call(flow_id, body, **parts)
    await running.ended(accepted.run_name)
    return accepted.run_name


async def test_the_story_ends_well(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    failed = await ended_run(running, flow_id, {"number": "4711"})
    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)

    again = await resubmit(running, failed)

    assert (await running.ended(again.run_name)).status == "Succeeded"
    assert running.service.counts["orders"]["created"] == 1
    row = running.run(again.run_name)
    assert (row.origin_run, row.resubmitted_by) == (failed, running.owner)
    assert running.run(failed).status == "Failed"
    event = running.events(flow_id)[-1]
    assert (event.run_name, event.origin_event) == (again.run_name, failed)
    for name in (failed, again.run_name):
        detail = await read_run(running.services, name)
        assert [one.run_name for one in detail.attempts] == [failed, again.run_name]


async def test_the_latest_definition_runs_unless_the_original_is_asked_for(running: Running) -> None:
    flow_id = await running.add_flow({"Said": compose("old")}, name="said")
    run_name = await ended_run(running, flow_id)
    old_version = running.run(run_name).version
    await running.add_flow({"Said": compose("new")}, name="said")

    latest, original = await resubmit(running, run_name), await resubmit(running, run_name, original=True)

    for made, said in ((latest, "new"), (original, "old")):
        await running.ended(made.run_name)
        assert (await running.records(made.run_name))["Said"].outputs == said
        assert running.run(made.run_name).version == made.version
    assert original.version == old_version != latest.version
    assert not (await read_run(running.services, run_name)).version_is_latest


async def test_the_trigger_event_is_the_same_but_for_what_named_the_first_request(running: Running) -> None:
    flow_id = await running.add_flow(
        {"Body": compose("@triggerBody()"), "Headers": compose("@triggerOutputs()['headers']")}
    )
    headers = {"X-Ms-Client-Tracking-Id": "first", "x-ms-client-request-id": "r1", "X-Color": "red"}
    run_name = await ended_run(running, flow_id, {"n": 1}, headers=headers, client_tracking_id="first")

    again = await resubmit(running, run_name)

    await running.ended(again.run_name)
    records = await running.records(again.run_name)
    assert records["Body"].outputs == {"n": 1}
    assert records["Headers"].outputs == {"X-Color": "red"}
    assert running.run(again.run_name).client_tracking_id == again.run_name
    before = (await read_run(running.services, run_name)).start.trigger
    now = (await read_run(running.services, again.run_name)).start.trigger
    assert now["originHistoryName"] == run_name
    assert now["trackingId"] != before["trackingId"]
    assert before["outputs"]["headers"] == headers


async def test_the_same_request_answers_with_the_same_run(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    run_name = await ended_run(running, flow_id)

    made = await asyncio.gather(*(resubmit(running, run_name, "request-1") for _ in range(3)))
    again = await resubmit(running, run_name, "request-1")
    other = await resubmit(running, run_name, "request-2")

    assert {one.run_name for one in (*made, again)} == {made[0].run_name}
    assert other.run_name != made[0].run_name
    assert len(running.runs()) == 3
    with_no_name = {(await resubmit(running, run_name)).run_name for _ in range(2)}
    assert len(with_no_name) == 2


async def test_a_request_repeated_after_a_restart_still_answers_with_its_run(open_flowmend: Open) -> None:
    first = await open_flowmend()
    flow_id = await first.add_flow({"A": compose(1)})
    run_name = await ended_run(first, flow_id)
    made = await resubmit(first, run_name, "request-1")
    await first.ended(made.run_name)
    await first.crash()
    second = await open_flowmend()
    assert (await resubmit(second, run_name, "request-1")).run_name == made.run_name


async def test_a_resubmission_is_held_while_its_connection_is_broken(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    failed = await ended_run(running, flow_id, {"number": "4711"})

    held = await resubmit(running, failed, "request-1")
    assert held.held
    assert (await resubmit(running, failed, "request-1")) == held
    assert (await resubmit(running, failed, "request-2")) == held
    assert (await resubmit(running, failed)) == held
    assert [event.status for event in running.events(flow_id)].count("Waiting") == 1
    assert (await read_run(running.services, failed)).held_resubmission == held.run_name

    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    row = await running.ended(held.run_name)
    assert (row.status, row.origin_run) == ("Succeeded", failed)
    assert running.service.counts["orders"]["created"] == 1
    assert (await read_run(running.services, failed)).held_resubmission == ""
    assert (await resubmit(running, failed, "request-1")).run_name == held.run_name


async def test_a_run_that_has_not_ended_is_refused(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(5, "Minute")})
    accepted = await running.call(flow_id)
    with pytest.raises(Conflict) as refused:
        await resubmit(running, accepted.run_name)
    assert refused.value.code == "WorkflowRunInProgress"
    detail = await read_run(running.services, accepted.run_name)
    assert not detail.can_resubmit
    assert detail.cannot_resubmit_reason == refused.value.message


async def test_a_flow_that_is_off_is_refused(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    run_name = await ended_run(running, flow_id)
    await turn_off(running.services, flow_id, running.owner)
    with pytest.raises(AskedWrongly) as refused:
        await resubmit(running, run_name)
    assert refused.value.code == "WorkflowTriggerIsNotEnabled"
    assert len(running.runs()) == 1


async def test_a_run_that_does_not_exist_is_not_found(running: Running) -> None:
    with pytest.raises(NotFound):
        await resubmit(running, "08584000000000000000000000000CU00")


async def test_a_resubmission_answers_nobody(running: Running) -> None:
    flow_id = await running.add_flow({"Answer": respond("hello"), "Then": after(compose(1), "Answer", when="Skipped")})
    run_name = await ended_run(running, flow_id)
    again = await resubmit(running, run_name)
    row = await running.ended(again.run_name)
    assert row.status == "Succeeded"
    assert (await running.records(again.run_name))["Answer"].code == "ActionResponseSkipped"


@pytest.mark.parametrize(
    ("status", "state", "part"),
    [
        ("Failed", FlowState.ON, ""),
        ("Succeeded", FlowState.ON, ""),
        ("Running", FlowState.ON, "not finished"),
        ("Waiting", FlowState.ON, "not finished"),
        ("Failed", FlowState.OFF, "turned off"),
    ],
)
def test_the_reason_is_a_sentence_or_none(status: str, state: FlowState, part: str, database: str) -> None:
    reason = cannot_resubmit_reason(status, state)
    assert part in reason
    assert bool(reason) == bool(part)


async def test_runs_are_listed_by_what_a_person_knows_of_them(running: Running) -> None:
    tracked = compose(1, trackedProperties={"order": "@{triggerBody()?['n']}"})
    flow_id = await running.add_flow({"A": tracked})
    names = [await ended_run(running, flow_id, {"n": n}, client_tracking_id=f"track-{n}") for n in range(5)]

    first = await list_chosen(running.services, RunChoice(), limit=2)
    rest = await list_chosen(running.services, RunChoice(), limit=10, cursor=first.next_cursor)

    assert [row.run_name for row in [*first.rows, *rest.rows]] == list(reversed(names))
    assert rest.next_cursor == ""
    for found in (
        await list_chosen(running.services, RunChoice(client_tracking_id="track-3")),
        await list_chosen(running.services, RunChoice(tracked_name="order", tracked_value="3")),
        await list_chosen(running.services, RunChoice(text="track-3")),
    ):
        assert [row.run_name for row in found.rows] == [names[3]]
    assert (await list_chosen(running.services, RunChoice(status="Failed"))).rows == []
    assert (await read_run(running.services, names[3])).tracked == {"order": "3"}
