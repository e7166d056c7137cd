"""What arrives at a trigger: signed URLs, flows that are off, answers to callers who wait, conditions."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from msgspec.structs import replace

from flowmend.core.errors import AskedWrongly, NotAllowed, NotFound
from flowmend.core.trigger.callback_url import sign_callback
from flowmend.use_cases.accept_event import TriggerRequest, invoke_trigger, run_now
from flowmend.use_cases.flows import turn_off
from running import REQUEST, LocalServer, Open, Running, after, compose, http, respond, until, wait_for

pytestmark = pytest.mark.anyio

NO_FLOW = "00000000-0000-0000-0000-000000000000"


def _expired(running: Running, flow_id: str) -> dict[str, str]:
    key = running.services.flows.latest(flow_id).access_key
    return dict(sign_callback("", flow_id, "manual", key=key, expires_at=running.clock.now).queries)


async def refusal(running: Running, flow_id: str, trigger: str, signature: dict[str, str]) -> NotAllowed:
    with pytest.raises(NotAllowed) as refused:
        await invoke_trigger(running.services, flow_id, trigger, TriggerRequest(), path_signature=signature)
    return refused.value


async def test_without_a_valid_signature_every_flow_known_or_not_answers_the_same(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    off_id = await running.add_flow({"A": compose(1)}, name="off", is_on=False)
    trigger, signature = running.signed(flow_id)
    _, other = running.signed(off_id)
    forged = sign_callback("", NO_FLOW, "manual", key=b"").queries

    refused = [
        await refusal(running, flow_id, trigger, {}),
        await refusal(running, flow_id, trigger, {**signature, "sig": signature["sig"][:-1]}),
        await refusal(running, flow_id, trigger, other),
        await refusal(running, flow_id, "other", signature),
        await refusal(running, off_id, trigger, signature),
        await refusal(running, NO_FLOW, trigger, signature),
        await refusal(running, NO_FLOW, trigger, {}),
        await refusal(running, NO_FLOW, trigger, dict(forged)),
        await refusal(running, "../../etc/passwd", trigger, signature),
    ]

    assert {(error.code, error.message, error.target) for error in refused} == {
        (refused[0].code, refused[0].message, None)
    }
    assert refused[0].code == "DirectApiAuthorizationRequired"
    assert running.runs() == []


async def test_an_expired_signature_is_refused(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    error = await refusal(running, flow_id, "manual", _expired(running, flow_id))
    assert "until" in error.message


async def test_what_ends_a_signature_cannot_be_moved(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    signature = _expired(running, flow_id) | {"se": "2099-01-01T00:00:00Z"}
    await refusal(running, flow_id, "manual", signature)


async def test_a_flow_whose_stored_definition_no_longer_reads_is_not_told_from_an_unknown_one(
    running: Running,
) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, is_on=False)
    row = running.services.store.flows.get(flow_id)
    version = running.services.store.flows.version(flow_id)
    assert row is not None
    assert version is not None
    broken = replace(version, version="v2", document={"definition": 5})
    running.services.store.flows.add_version(replace(row, version="v2"), broken)
    running.services.flows.forget(flow_id)

    unknown = await refusal(running, NO_FLOW, "manual", {"sig": "x"})
    error = await refusal(running, flow_id, "manual", {"sig": "x"})
    assert error.message == unknown.message


async def test_a_flow_that_is_off_says_so_to_who_may_know(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    await turn_off(running.services, flow_id, running.owner)
    with pytest.raises(AskedWrongly) as refused:
        await running.call(flow_id, {})
    assert refused.value.code == "WorkflowTriggerIsNotEnabled"
    with pytest.raises(AskedWrongly) as refused:
        await run_now(running.services, flow_id, None, running.owner)
    assert refused.value.code == "WorkflowTriggerIsNotEnabled"
    assert running.events(flow_id) == []


async def test_a_flow_without_a_response_answers_once_the_run_cannot_be_lost(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(1, "Hour")})

    accepted = await running.call(flow_id, {"number": 1})

    assert accepted.response is None
    assert running.run(accepted.run_name).status == "Running"
    assert [event.run_name for event in running.events(flow_id)] == [accepted.run_name]


async def test_a_response_action_answers_who_waits_and_the_run_goes_on(running: Running) -> None:
    flow_id = await running.add_flow(
        {
            "Answer": respond({"got": "@triggerBody()"}, statusCode=201, headers={"X-A": "1"}),
            "Then": after(compose("later"), "Answer"),
        }
    )

    accepted = await running.call(flow_id, {"n": 1})

    assert accepted.response is not None
    assert accepted.response.status_code == 201
    assert accepted.response.body == {"got": {"n": 1}}
    assert accepted.response.headers == {"X-A": "1"}
    await running.ended(accepted.run_name)
    assert (await running.records(accepted.run_name))["Then"].outputs == "later"


async def test_a_caller_whose_flow_answers_nothing_gets_502(running: Running) -> None:
    flow_id = await running.add_flow(
        {"Fail": compose("@int(string(triggerBody()))"), "Answer": after(respond("never"), "Fail")}
    )

    accepted = await running.call(flow_id)

    assert accepted.response is not None
    assert accepted.response.status_code == 502
    assert accepted.response.body["error"]["code"] == "NoResponse"
    assert (await running.records(accepted.run_name))["Answer"].status == "Skipped"


async def test_a_caller_hears_504_after_the_wait_and_the_run_goes_on_without_answering(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    go_on = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.json_response({})

    origin = await local_server(slow)
    running = await open_flowmend(caller_waits_seconds=0.1, allowed_private_hosts=frozenset({urlsplit(origin).netloc}))
    flow_id = await running.add_flow({"Slow": http("GET", origin), "Answer": after(respond("late"), "Slow")})

    accepted = await running.call(flow_id)

    assert accepted.response is not None
    assert accepted.response.status_code == 504
    assert accepted.response.body["error"]["code"] == "ActionResponseTimedOut"
    go_on.set()
    await running.ended(accepted.run_name)
    answer = (await running.records(accepted.run_name))["Answer"]
    assert (answer.status, answer.code) == ("Skipped", "ActionResponseSkipped")


async def test_a_caller_who_waits_through_a_long_delay_is_answered(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(90, "Second"), "Answer": after(respond("at last"), "Wait")})
    call = asyncio.create_task(running.call(flow_id))
    await until(lambda: running.runs() != [], lambda: "no run")
    await asyncio.sleep(0.1)
    assert running.application.run_loop.active_count == 1

    run = next(iter(running.application.run_loop._active.values()))
    running.clock.move(seconds=91)
    for key in list(run.timers):
        running.application.run_loop._fire(run, key)

    accepted = await call
    assert accepted.response is not None
    assert accepted.response.body == "at last"


async def test_a_caller_who_goes_away_takes_nothing_along(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(1, "Second"), "Then": after(compose(1), "Wait")})
    call = asyncio.create_task(running.call(flow_id))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    await until(lambda: bool(running.runs()), lambda: "no run")
    assert (await running.ended(running.runs()[0].run_name)).status == "Succeeded"


@pytest.mark.parametrize("body", [{"number": "x"}, None, []])
async def test_a_body_that_breaks_the_schema_starts_nothing(running: Running, body: Any) -> None:
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    trigger = {
        "manual": {
            "type": "Request",
            "kind": "Http",
            "inputs": {"schema": schema},
            "operationOptions": "EnableSchemaValidation",
        }
    }
    flow_id = await running.add_flow({"A": compose(1)}, triggers=trigger)
    with pytest.raises(AskedWrongly) as refused:
        await running.call(flow_id, body)
    assert refused.value.code == "TriggerInputSchemaMismatch"
    assert running.runs() == []


def conditional(expression: str) -> dict[str, Any]:
    return {"manual": {**REQUEST["manual"], "conditions": [{"expression": expression}]}}


async def test_an_event_whose_condition_is_not_met_is_skipped_in_the_history(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=conditional("@equals(triggerBody()?['go'], true)"))

    skipped = await running.call(flow_id, {"go": False})
    fired = await running.call(flow_id, {"go": True})

    assert skipped.run_name == ""
    assert skipped.response is None
    events = running.events(flow_id)
    assert [(event.status, event.fired, event.run_name) for event in events] == [
        ("Skipped", False, ""),
        ("Succeeded", True, fired.run_name),
    ]
    assert [row.run_name for row in running.runs()] == [fired.run_name]


async def test_an_event_whose_condition_cannot_be_evaluated_failed_with_the_reason(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=conditional("@int(triggerBody()?['go'])"))

    accepted = await running.call(flow_id, {"go": "far"})

    assert accepted.run_name == ""
    (event,) = running.events(flow_id)
    assert (event.status, event.fired) == ("Failed", False)
    assert event.error_code
    assert "int" in event.error_message


async def test_what_the_caller_names_its_request_is_kept(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@trigger()?['clientTrackingId']")})
    accepted = await running.call(flow_id, {}, client_tracking_id="order-7")
    await running.ended(accepted.run_name)
    assert running.run(accepted.run_name).client_tracking_id == "order-7"
    assert accepted.workflow_headers["x-ms-client-tracking-id"] == "order-7"


async def test_a_run_started_by_hand_gets_a_body_that_fits_the_schema(running: Running) -> None:
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    flow_id = await running.add_flow(
        {"A": compose("@triggerBody()")},
        triggers={"manual": {"type": "Request", "kind": "Button", "inputs": {"schema": schema}}},
    )
    accepted = await run_now(running.services, flow_id, None, running.owner)
    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert isinstance((await running.records(accepted.run_name))["A"].outputs["number"], int)


async def test_a_scheduled_flow_can_be_started_by_hand(running: Running) -> None:
    every_day = {
        "tick": {
            "type": "Recurrence",
            "recurrence": {"frequency": "Day", "interval": 1, "startTime": "2099-01-01T00:00:00Z"},
        }
    }
    flow_id = await running.add_flow({"A": compose(1)}, triggers=every_day)
    accepted = await run_now(running.services, flow_id, None, running.owner)
    assert (await running.ended(accepted.run_name)).status == "Succeeded"


async def test_a_flow_that_does_not_exist_is_not_found_by_hand(running: Running) -> None:
    with pytest.raises(NotFound):
        await run_now(running.services, NO_FLOW, None, running.owner)
