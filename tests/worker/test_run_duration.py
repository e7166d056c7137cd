"""Runs that take longer than they may, in memory and at rest: they end TimedOut and let others know."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from flowmend.use_cases.cancel_run import cancel_run
from running import REQUEST, LocalServer, Open, Running, after, compose, create_order, http, respond, until, wait_for
from worker.signed_urls import ask
from worker.test_child_flows import parent_of
from worker.test_webhook_actions import Hooks, opened, started

pytestmark = pytest.mark.anyio

on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
HOUR: dict[str, Any] = {"metadata": {"flowmend": {"runDuration": "PT1H"}}}


async def overdue(running: Running, run_name: str, **moved: float) -> None:
    running.clock.move(**moved)
    await running.settled()
    row = await running.ended(run_name)
    assert (row.status, row.code, row.error_code, row.wake_at) == (
        "TimedOut",
        "WorkflowRunTimedOut",
        "WorkflowRunTimedOut",
        None,
    )


async def resting_child(running: Running, flow_id: str) -> str:
    """The name of the flow's only run, once it has left memory."""
    await until(lambda: bool(running.runs(flow_id)), lambda: "no child began")
    name = running.runs(flow_id)[0].run_name
    await until(lambda: not running.application.run_loop.is_active(name), lambda: "the child stays in memory")
    return name


@on_both
async def test_a_run_at_rest_is_woken_to_end(open_flowmend: Open, database: str) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow({"W": wait_for(60, "Day"), "Z": after(compose(1), "W")})
    run = (await running.call(flow_id)).run_name
    await running.at_rest()
    running.clock.move(days=59)
    await running.settled()
    assert running.run(run).status == "Running"
    await running.at_rest()
    running.clock.move(days=2)
    await running.settled()
    assert (await running.ended(run)).status == "Succeeded"

    longer = await running.add_flow({"W": wait_for(91, "Day"), "Z": after(compose(1), "W")}, name="longer")
    run = (await running.call(longer)).run_name
    await running.at_rest()
    await overdue(running, run, days=90)
    records = await running.records(run)
    assert (records["W"].status, records["Z"].status) == ("Cancelled", "Skipped")


@on_both
async def test_a_run_in_memory_is_ended_and_its_call_abandoned(
    open_flowmend: Open, local_server: LocalServer, database: str
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        arrived.set()
        await go_on.wait()
        return web.Response()

    origin = await local_server(slow)
    running = await opened(open_flowmend, origin)
    run = (await running.call(await running.add_flow({"H": http("GET", origin)}, **HOUR))).run_name
    await arrived.wait()
    await overdue(running, run, hours=1)
    go_on.set()
    assert (await running.records(run))["H"].status == "Cancelled"
    assert running.application.run_loop.active_count == 0


@on_both
async def test_the_setting_counts_where_the_flow_says_nothing(open_flowmend: Open, database: str) -> None:
    running = await open_flowmend(run_duration_days=2)
    flow_id = await running.add_flow({"W": wait_for(9, "Day")})
    run = (await running.call(flow_id)).run_name
    await running.at_rest()
    await overdue(running, run, days=2)


async def test_without_a_limit_a_run_goes_on(open_flowmend: Open) -> None:
    running = await open_flowmend(run_duration_days=0)
    run = (await running.call(await running.add_flow({"W": wait_for(400, "Day")}))).run_name
    await running.at_rest()
    running.clock.move(days=399)
    await running.settled()
    assert running.run(run).status == "Running"
    await cancel_run(running.services, run, running.owner)


async def test_a_run_that_was_overdue_while_nobody_was_there_ends_at_the_start(open_flowmend: Open) -> None:
    first = await open_flowmend()
    run = (await first.call(await first.add_flow({"W": wait_for(5, "Hour")}, **HOUR))).run_name
    await first.at_rest()
    await first.crash()
    first.clock.move(hours=6)
    second = await open_flowmend(clock=first.clock)
    assert (await second.ended(run)).status == "TimedOut"


async def test_a_run_that_waits_for_a_callback_ends_and_unsubscribes(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, url = await started(running, origin, hooks)
    await overdue(running, run, days=90)
    assert (await ask(running, "POST", url, {"decision": "too late"}))[0] == 404
    await until(lambda: hooks.deleted == ["/hooks/1"], lambda: f"unsubscribed: {hooks.deleted}")


async def test_a_parent_hears_that_its_childs_time_was_over(open_flowmend: Open) -> None:
    running = await open_flowmend()
    child = await running.add_flow({"W": wait_for(5, "Hour"), "R": after(respond(1), "W")}, name="child", **HOUR)
    parent = (await running.call(await parent_of(running))).run_name
    await overdue(running, await resting_child(running, child), hours=1)
    assert (await running.ended(parent)).status == "Failed"
    record = (await running.records(parent))["C"]
    assert (record.status, record.code) == ("Failed", "BadGateway")


async def test_a_child_goes_on_when_its_parents_time_is_over(open_flowmend: Open) -> None:
    running = await open_flowmend()
    child = await running.add_flow({"W": wait_for(120, "Day"), "R": after(respond(1), "W")}, name="child",
                                   metadata={"flowmend": {"runDuration": "P400D"}})  # fmt: skip
    parent = (await running.call(await parent_of(running))).run_name
    began = await resting_child(running, child)
    await overdue(running, parent, days=90)
    running.clock.move(days=31)
    await running.settled()
    assert (await running.ended(began)).status == "Succeeded"


async def test_a_run_that_waits_for_a_repair_ends_and_is_no_longer_held(open_flowmend: Open) -> None:
    running = await open_flowmend()
    connection_id = await running.connect()
    running.service.change("password", user="ada", password="changed")
    actions = {"C": create_order("N1", metadata={"flowmend": {"onBrokenConnection": "holdAtAction"}})}
    run = (await running.call(await running.add_flow(actions, **HOUR))).run_name
    assert (await running.waiting(run)).code == "ConnectionNeedsRepair"
    await overdue(running, run, hours=1)
    assert running.services.store.runs.held_by(connection_id) == []


@on_both
async def test_an_event_that_was_held_has_its_whole_time_once_it_runs(open_flowmend: Open, database: str) -> None:
    running = await open_flowmend()
    one_at_once = {"manual": {**REQUEST["manual"], "runtimeConfiguration": {"concurrency": {"runs": 1}}}}
    flow_id = await running.add_flow({"W": wait_for(40, "Minute")}, triggers=one_at_once, **HOUR)
    first = (await running.call(flow_id)).run_name
    await running.call(flow_id)
    await running.at_rest()
    running.clock.move(minutes=41)
    await running.settled()
    await running.ended(first)
    second = (await running.reached_count(flow_id, 2))[-1].run_name
    await until(lambda: not running.application.run_loop.is_active(second), lambda: "the second stays in memory")
    running.clock.move(minutes=41)
    await running.settled()
    row = await running.ended(second)
    assert row.status == "Succeeded"
    assert row.held_for is not None
    assert timedelta(minutes=41) <= row.held_for < timedelta(minutes=42)
    assert running.run(first).begun_at is None


async def test_of_several_runs_each_ends_at_its_own_time(open_flowmend: Open, local_server: LocalServer) -> None:
    go_on = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response()

    origin = await local_server(slow)
    running = await opened(open_flowmend, origin)
    names = {}
    for hours in (3, 1, 2):
        limit = {"metadata": {"flowmend": {"runDuration": f"PT{hours}H"}}}
        flow_id = await running.add_flow({"H": http("GET", origin)}, name=f"of {hours} hours", **limit)
        names[hours] = (await running.call(flow_id)).run_name
    for hours in (1, 2, 3):
        await overdue(running, names[hours], hours=1)
        assert {one for one, name in names.items() if running.run(name).status == "Running"} == set(range(hours + 1, 4))
    go_on.set()
