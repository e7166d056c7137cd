"""An event that arrives again within a day has the same answer and no second run, whatever happens between."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flowmend.use_cases.accept_event import TriggerRequest, invoke_trigger
from flowmend.use_cases.arrivals import Arrivals
from flowmend.use_cases.fire_trigger import Accepted
from flowmend.use_cases.verify_connection import verify_connection
from flowmend.worker.housekeeping import tidy_up
from running import REQUEST, Open, Running, after, compose, create_order, respond, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

NAMED = {"x-ms-client-request-id": "r-1"}
ECHO = {"A": compose("@triggerBody()")}


def answer(accepted: Accepted) -> tuple[Any, ...]:
    return (accepted.run_name, accepted.event_name, accepted.workflow_headers, accepted.response, accepted.held)


async def test_the_same_request_again_is_the_same_event(running: Running) -> None:
    flow_id = await running.add_flow(ECHO)
    first = await running.call(flow_id, {"n": 1}, headers=NAMED)
    await running.ended(first.run_name)
    again = await running.call(flow_id, {"n": 1}, headers={"X-Ms-Client-Request-Id": "r-1"})

    assert answer(again) == answer(first)
    assert len(running.runs(flow_id)) == len(running.events(flow_id)) == 1


async def test_two_that_come_at_once_are_one(running: Running) -> None:
    flow_id = await running.add_flow(ECHO)
    answers = await asyncio.gather(*(running.call(flow_id, {"n": 1}, headers=NAMED) for _ in range(20)))
    assert len({one.run_name for one in answers}) == 1
    assert len(running.runs(flow_id)) == 1


async def test_two_that_come_to_two_processes_at_once_are_one(running: Running) -> None:
    for actions in (ECHO, {"R": respond({"number": "@guid()"})}):
        flow_id = await running.add_flow(actions, name=f"flow {len(actions)} {next(iter(actions))}")
        trigger, signature = running.signed(flow_id)
        request = TriggerRequest(body={"n": 1}, has_body=True, headers=NAMED)
        processes = [replace(running.services, arrivals=Arrivals()) for _ in range(3)]
        answers = await asyncio.gather(
            *(invoke_trigger(one, flow_id, trigger, request, path_signature=signature) for one in processes)
        )
        assert len({one.run_name for one in answers}) == 1
        assert len({str(one.response.body) for one in answers if one.response is not None}) <= 1
        assert len(running.runs(flow_id)) == 1


async def test_another_body_is_another_event_and_the_history_warns(running: Running) -> None:
    flow_id = await running.add_flow(ECHO)
    first = await running.call(flow_id, {"n": 1}, headers=NAMED)
    second = await running.call(flow_id, {"n": 2}, headers=NAMED)
    repeated = [await running.call(flow_id, {"n": number}, headers=NAMED) for number in (1, 2)]

    assert first.run_name != second.run_name
    assert [one.run_name for one in repeated] == [first.run_name, second.run_name]
    codes = {event.event_name: event.error_code for event in running.events(flow_id)}
    assert codes == {first.event_name: "", second.event_name: "ClientRequestIdReused"}
    warned = running.events(flow_id)[1]
    assert warned.status == "Succeeded"
    assert first.event_name in warned.error_message


async def test_another_flow_or_nobodys_name_or_a_day_later_is_another_event(running: Running) -> None:
    flow_id = await running.add_flow(ECHO)
    other = await running.add_flow(ECHO, name="other")
    names = [(await running.call(flow, {"n": 1}, headers=NAMED)).run_name for flow in (flow_id, other)]
    names += [(await running.call(flow_id, {"n": 1})).run_name for _ in range(2)]
    running.clock.move(hours=25)
    names.append((await running.call(flow_id, {"n": 1}, headers=NAMED)).run_name)
    assert len(set(names)) == 5
    assert running.events(flow_id)[-1].error_code == ""


async def test_a_caller_who_asks_again_hears_the_same_answer(running: Running) -> None:
    flow_id = await running.add_flow({"R": respond({"number": "@guid()"})})
    first = await running.call(flow_id, {"n": 1}, headers=NAMED)
    again = await running.call(flow_id, {"n": 1}, headers=NAMED)
    at_once = await asyncio.gather(*(running.call(flow_id, {"n": 2}, headers=NAMED) for _ in range(3)))

    assert first.response is not None
    assert again.response is not None
    assert first.response.body["number"] == again.response.body["number"]
    assert len({one.response.body["number"] for one in at_once if one.response}) == 1
    assert len(running.runs(flow_id)) == 2


async def test_a_caller_who_left_before_the_answer_asks_again_and_hears_it(open_flowmend: Open) -> None:
    running = await open_flowmend(caller_waits_seconds=5)
    flow_id = await running.add_flow({"W": wait_for(1, "Second"), "R": after(respond("late"), "W")})
    leaving = asyncio.ensure_future(running.call(flow_id, {"n": 1}, headers=NAMED))
    await asyncio.sleep(0.2)
    leaving.cancel()
    again = await running.call(flow_id, {"n": 1}, headers=NAMED)
    assert again.response is not None
    assert again.response.body == "late"
    assert len(running.runs(flow_id)) == 1


async def test_it_is_known_after_a_crash_too(open_flowmend: Open) -> None:
    first = await open_flowmend()
    flow_id = await first.add_flow({"W": wait_for(1, "Second"), "R": after(respond("late"), "W")})
    asked = asyncio.ensure_future(first.call(flow_id, {"n": 1}, headers=NAMED))
    await first.reached_count(flow_id, 1)
    await first.crash()
    asked.cancel()
    second = await open_flowmend(clock=first.clock)
    again = await second.call(flow_id, {"n": 1}, headers=NAMED)
    assert again.response is not None  # a run whose caller went down with the server answers nobody, and that is said
    assert (again.response.status_code, again.response.body["error"]["code"]) == (502, "NoResponse")
    assert [row.run_name for row in second.runs(flow_id)] == [again.run_name]


async def test_a_held_event_is_not_held_twice_and_runs_once(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    await running.ended((await running.call(flow_id, {"number": "N0"})).run_name)
    held = [await running.call(flow_id, {"number": "N1"}, headers=NAMED) for _ in range(3)]
    assert {(one.held, one.event_name) for one in held} == {(True, held[0].event_name)}
    assert running.services.store.trigger_events.count_held(flow_id) == 1

    values = {"username": "ada", "password": "changed"}
    await verify_connection(running.services, connection_id, values, person_id=running.owner)
    await running.reached_count(flow_id, 2)
    again = await running.call(flow_id, {"number": "N1"}, headers=NAMED)
    assert (again.held, again.run_name) == (False, held[0].event_name)
    await running.ended(again.run_name)
    assert running.service.counts["orders"]["requests_by_number"]["N1"] == 1


async def test_an_event_with_many_items_starts_each_once(running: Running) -> None:
    trigger = {"manual": {**REQUEST["manual"], "splitOn": "@triggerBody()?['items']"}}
    flow_id = await running.add_flow(ECHO, triggers=trigger)
    answers = await asyncio.gather(
        *(running.call(flow_id, {"items": list(range(10))}, headers=NAMED) for _ in range(3))
    )
    answers.append(await running.call(flow_id, {"items": list(range(10))}, headers=NAMED))
    assert len({one.event_name for one in answers}) == 1
    assert len(await running.reached_count(flow_id, 10)) == 10
    assert running.runs(flow_id)[0].run_name == answers[0].run_name


async def test_an_event_that_was_skipped_is_not_checked_again(running: Running) -> None:
    trigger = {"manual": {**REQUEST["manual"], "conditions": [{"expression": "@equals(1, 2)"}]}}
    flow_id = await running.add_flow(ECHO, triggers=trigger)
    answers = [await running.call(flow_id, {"n": 1}, headers=NAMED) for _ in range(2)]
    assert answers[0].event_name == answers[1].event_name
    assert [event.status for event in running.events(flow_id)] == ["Skipped"]


async def test_a_providers_event_is_one_however_its_delivery_differs(running: Running) -> None:
    flow_id = await running.add_flow(ECHO)
    for attempt in range(3):
        headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(attempt), "x-ms-client-request-id": str(attempt)}
        await running.call(flow_id, {"n": 1}, headers=headers)
    assert len(running.runs(flow_id)) == 1


async def test_what_was_refused_may_be_sent_again(running: Running) -> None:
    limited = {"manual": {**REQUEST["manual"], "runtimeConfiguration": {"concurrency": {"runs": 1}}}}
    actions = {"W": wait_for(2, "Minute"), "R": after(respond(1), "W")}
    flow_id = await running.add_flow(actions, triggers=limited)
    waiting = asyncio.ensure_future(running.call(flow_id, {"n": 1}))
    await running.reached_count(flow_id, 1)
    for _ in range(2):
        with pytest.raises(Exception, match="limit"):
            await running.call(flow_id, {"n": 2}, headers=NAMED)
    waiting.cancel()
    assert len(running.runs(flow_id)) == 1


async def test_names_are_forgotten_after_a_day(running: Running) -> None:
    flow_id = await running.add_flow(ECHO)
    for number in range(3):
        await running.call(flow_id, {"n": number}, headers={"x-ms-client-request-id": str(number)})
    store = running.services.store.received_events
    await tidy_up(running.services)
    assert store.forget(running.clock.now - timedelta(days=2)) == 0
    running.clock.move(hours=25)
    await tidy_up(running.services)
    assert store.forget(running.clock.now + timedelta(days=1)) == 0
