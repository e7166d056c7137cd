"""Runs that wait cost a row: neither memory nor a timer, and a restart does not read them."""

import asyncio

import pytest
from aiohttp import web

from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running, after, compose, create_order, http, until, wait_for
from worker.signed_urls import ask
from worker.test_run_loop import busy_writer
from worker.test_webhook_actions import Hooks, opened, subscribe_at

pytestmark = pytest.mark.anyio


async def test_what_waits_long_is_neither_in_memory_nor_read_at_the_start(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503) if request.path == "/later" else await hooks.answer(request)

    origin = await local_server(answer)
    first = await opened(open_flowmend, origin)
    await first.connect()
    retry = {"type": "fixed", "count": 3, "interval": "PT2H"}
    held = create_order("N1", metadata={"flowmend": {"onBrokenConnection": "holdAtAction"}})
    flows = {
        "delay": {"Wait": wait_for(3, "Day")},
        "callback": {"Wait": subscribe_at(origin)},
        "far retry": {"Ask": http("GET", f"{origin}/later", retryPolicy=retry)},
        "held": {"Order": held},
    }
    names = {}
    first.service.change("password", user="ada", password="changed")
    for name, actions in flows.items():
        flow_id = await first.add_flow({**actions, "Then": after(compose(name), *actions)}, name=name)
        names[name] = (await first.call(flow_id)).run_name
    await until(lambda: bool(hooks.urls), lambda: "nobody subscribed")
    await first.waiting(names["held"])
    await first.at_rest()
    await first.crash()

    second = await opened(open_flowmend, origin, clock=first.clock)
    assert second.services.store.runs.under_way() == []
    assert second.application.run_loop.active_count == 0
    rows = {name: second.run(run) for name, run in names.items()}
    assert {name: (row.status, row.wake_at is not None) for name, row in rows.items()} == {
        "delay": ("Running", True),
        "callback": ("Running", True),
        "far retry": ("Running", True),
        "held": ("Waiting", True),
    }
    assert all(row.epoch == 1 for row in rows.values())


async def test_a_held_run_at_rest_goes_on_after_the_repair_and_no_other_is_read(running: Running) -> None:
    connection_id = await running.connect()
    running.service.change("password", user="ada", password="changed")
    held = create_order("N1", metadata={"flowmend": {"onBrokenConnection": "holdAtAction"}})
    flow_id = await running.add_flow({"Order": held})
    run = (await running.call(flow_id)).run_name
    await running.waiting(run)
    await running.at_rest()
    resting = (await running.call(await running.add_flow({"Wait": wait_for(3, "Day")}, name="wait"))).run_name
    await running.at_rest()

    values = {"username": "ada", "password": "changed"}
    await verify_connection(running.services, connection_id, values, person_id=running.owner)

    assert (await running.ended(run)).status == "Succeeded"
    assert running.run(resting).epoch == 1


async def test_a_run_that_goes_on_while_it_is_leaving_is_no_longer_at_rest(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    subscribed, arrived, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path != "/slow":
            answered = await hooks.answer(request)
            await subscribed.wait()
            return answered
        arrived.set()
        await go_on.wait()
        return web.Response()

    origin = await local_server(answer)
    running = await opened(open_flowmend, origin)
    actions = {"W": subscribe_at(origin), "Slow": after(http("POST", f"{origin}/slow"), "W")}
    flow_id = await running.add_flow(actions)
    run = (await running.call(flow_id)).run_name
    loop = running.application.run_loop
    await until(lambda: bool(hooks.urls), lambda: "nobody subscribed")
    with busy_writer(running) as go_on_writing:
        subscribed.set()
        await until(
            lambda: run in loop._active and loop._active[run].is_at_rest, lambda: "the run is not on its way out"
        )
        called_back = asyncio.ensure_future(ask(running, "POST", hooks.urls[0], {"n": 1}))
        await asyncio.sleep(0.05)
        go_on_writing()
    assert (await called_back)[0] == 200
    await asyncio.wait_for(arrived.wait(), 5)
    await running.crash()

    again = await opened(open_flowmend, origin, clock=running.clock)
    go_on.set()
    row = again.run(run)
    assert row.wake_at is None
