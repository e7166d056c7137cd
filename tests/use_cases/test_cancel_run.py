"""Cancel: actions under way stop, nothing new begins, and what has ended stays as it was."""

import asyncio

import pytest
from aiohttp import web

from flowmend.core.errors import Conflict, NotFound
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.flow_settings import change_settings
from running import LocalServer, Open, Running, after, compose, create_order, http, respond, until, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def cancelled(running: Running, run_name: str) -> None:
    await cancel_run(running.services, run_name, running.owner)
    row = await running.ended(run_name)
    assert row.status == "Cancelled"
    assert row.ended_at is not None
    noted, _ = running.services.store.audit.list(run_name)
    assert [(one.person_id, one.verb) for one in noted] == [(running.owner, "cancel")]
    await running.at_rest()


async def test_a_run_at_rest_is_cancelled(running: Running) -> None:
    flow_id = await running.add_flow(
        {"First": compose(1), "Wait": after(wait_for(5, "Minute"), "First"), "Last": after(compose(2), "Wait")}
    )
    accepted = await running.call(flow_id)
    await running.at_rest()

    await cancelled(running, accepted.run_name)

    records = await running.records(accepted.run_name)
    assert {name: record.status for name, record in records.items()} == {
        "First": "Succeeded",
        "Wait": "Cancelled",
        "Last": "Skipped",
    }
    running.clock.move(minutes=6)
    await running.settled()
    assert running.run(accepted.run_name).status == "Cancelled"


async def test_a_call_under_way_breaks_off(open_flowmend: Open, local_server: LocalServer) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        arrived.set()
        await gone.wait()
        return web.json_response({})

    origin = await local_server(slow)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    flow_id = await running.add_flow({"Slow": http("GET", origin)})
    accepted = await running.call(flow_id)
    await asyncio.wait_for(arrived.wait(), 5)

    await cancelled(running, accepted.run_name)
    gone.set()

    assert (await running.records(accepted.run_name))["Slow"].status == "Cancelled"


async def test_a_caller_who_waits_for_a_cancelled_run_hears_that_there_is_no_answer(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(5, "Minute"), "Answer": after(respond(1), "Wait")})
    call = asyncio.create_task(running.call(flow_id))
    await until(lambda: bool(running.runs()), lambda: "no run")
    await cancelled(running, running.runs()[0].run_name)
    accepted = await call
    assert accepted.response is not None
    assert accepted.response.status_code == 502


async def test_a_run_that_waits_for_a_repair_is_cancelled(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "N1"})
    await running.waiting(accepted.run_name)
    await cancelled(running, accepted.run_name)


async def test_a_run_that_has_ended_cannot_be_cancelled(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    accepted = await running.call(flow_id)
    await running.ended(accepted.run_name)
    with pytest.raises(Conflict) as refused:
        await cancel_run(running.services, accepted.run_name, running.owner)
    assert refused.value.code == "WorkflowRunFinished"
    assert running.run(accepted.run_name).status == "Succeeded"


async def test_a_run_that_does_not_exist_cannot_be_cancelled(running: Running) -> None:
    with pytest.raises(NotFound):
        await cancel_run(running.services, "nobody", running.owner)
