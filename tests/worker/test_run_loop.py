"""Runs at rest leave memory, shared pages survive who waits for them, and a store in trouble only makes runs wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.errors import StoreUnavailable
from flowmend.store.journal import Statement
from flowmend.worker import run_loop
from running import (
    LocalServer,
    Open,
    Running,
    SparseStore,
    after,
    compose,
    create_order,
    http,
    respond,
    until,
    wait_for,
)

pytestmark = pytest.mark.anyio

on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@contextmanager
def busy_writer(running: Running) -> Iterator[Callable[[], None]]:
    """The journal's writer does nothing until the function is called, or the block is left."""
    go_on = threading.Event()
    running.services.store.journal.submit([Statement(lambda _: go_on.wait(10))], lambda _: None)
    try:
        yield go_on.set
    finally:
        go_on.set()


@on_both
async def test_a_long_delay_leaves_memory_and_wakes_from_its_row(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(61, "Second"), "Then": after(compose("later"), "Wait")})
    accepted = await running.call(flow_id)

    await running.at_rest()
    row = running.run(accepted.run_name)
    assert row.status == "Running"
    assert row.wake_at is not None
    await running.settled()
    assert running.application.run_loop.active_count == 0

    running.clock.move(seconds=62)
    await running.settled()
    row = await running.ended(accepted.run_name)
    assert (row.status, row.wake_at) == ("Succeeded", None)
    assert (await running.records(accepted.run_name))["Then"].outputs == "later"
    await running.at_rest()


@on_both
async def test_a_short_delay_stays_in_memory(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(1, "Second"), "Then": after(compose(1), "Wait")})
    accepted = await running.call(flow_id)
    await running.settled()
    assert running.application.run_loop.active_count == 1
    assert (await running.ended(accepted.run_name)).status == "Succeeded"


@on_both
async def test_a_run_that_was_woken_is_due_no_more(open_flowmend: Open, local_server: LocalServer) -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        arrived.set()
        await go_on.wait()
        return web.json_response({})

    origin = await local_server(slow)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    flow_id = await running.add_flow({"Wait": wait_for(5, "Minute"), "Post": after(http("POST", origin), "Wait")})
    accepted = await running.call(flow_id)
    await running.at_rest()
    running.clock.move(minutes=6)
    running.application.timers.schedule_changed()
    await asyncio.wait_for(arrived.wait(), 5)

    assert running.services.store.runs.due(running.clock.now) == []
    assert running.services.store.runs.next_due() is None
    go_on.set()
    await running.ended(accepted.run_name)


@on_both
async def test_two_delays_side_by_side_end_each_at_its_time(running: Running) -> None:
    flow_id = await running.add_flow(
        {
            "Long": wait_for(10, "Minute"),
            "Short": wait_for(2, "Minute"),
            "After_short": after(compose(1), "Short"),
        }
    )
    accepted = await running.call(flow_id)
    await running.at_rest()

    running.clock.move(minutes=2, seconds=1)
    await running.settled()
    await running.at_rest()
    records = await running.records(accepted.run_name)
    assert (records["After_short"].status, records["Long"].status) == ("Succeeded", "Waiting")

    running.clock.move(minutes=8)
    await running.settled()
    assert (await running.ended(accepted.run_name)).status == "Succeeded"


async def test_a_call_that_is_abandoned_takes_no_page_of_others_along(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    async def never(_request: web.Request) -> web.Response:
        return web.json_response({})

    origin = await local_server(never)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    scope = {"type": "Scope", "actions": {"Post": http("POST", origin)}, "runAfter": {}, "limit": {"timeout": "PT1S"}}
    answer = after(respond("it took too long"), "Try", when="TimedOut")
    flow_id = await running.add_flow({"Try": scope, "Answer": answer})

    with busy_writer(running) as go_on:
        call = asyncio.create_task(running.call(flow_id))
        await asyncio.sleep(1.3)  # the POST waits for its page until its scope has run out of time
        go_on()
        accepted = await call

    assert accepted.response is not None
    assert (accepted.response.status_code, accepted.response.body) == (200, "it took too long")
    row = await running.ended(accepted.run_name)
    assert row.status == "Succeeded"


async def test_an_effect_waits_until_its_intent_is_written(open_flowmend: Open, local_server: LocalServer) -> None:
    seen: list[str] = []

    async def service(request: web.Request) -> web.Response:
        seen.append(request.method)
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    flow_id = await running.add_flow({"Get": http("GET", origin), "Post": after(http("POST", origin), "Get")})

    with busy_writer(running):
        call = asyncio.create_task(running.call(flow_id))
        await until(lambda: seen == ["GET"], lambda: f"{seen} arrived")
        await asyncio.sleep(0.1)
        assert seen == ["GET"]
        assert not call.done()
    accepted = await call
    await running.ended(accepted.run_name)
    assert seen == ["GET", "POST"]


async def test_what_a_read_gave_shows_within_a_moment(open_flowmend: Open, local_server: LocalServer) -> None:
    go_on = asyncio.Event()

    async def service(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await go_on.wait()
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    flow_id = await running.add_flow(
        {"First": http("GET", origin), "Next": after(http("GET", f"{origin}/slow"), "First")}
    )
    first, second = [await running.call(flow_id) for _ in range(2)]

    for accepted in (first, second):
        await running.recorded(accepted.run_name, "First", "Succeeded")
        await running.recorded(accepted.run_name, "Next", "Running")
    go_on.set()
    for accepted in (first, second):
        assert (await running.ended(accepted.run_name)).status == "Succeeded"


@on_both
async def test_many_runs_at_once_all_end_and_leave_memory(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@triggerBody()"), "B": after(compose("@outputs('A')"), "A")})
    accepted = await asyncio.gather(*(running.call(flow_id, {"n": n}) for n in range(60)))
    for one in accepted:
        assert (await running.ended(one.run_name)).status == "Succeeded"
    await running.at_rest()
    assert len({one.run_name for one in accepted}) == 60


@on_both
async def test_a_run_of_very_many_steps_lets_others_go_on(running: Running) -> None:
    each = {"type": "Foreach", "foreach": "@range(0, 3000)", "actions": {"Note": compose("@item()")}, "runAfter": {}}
    long_id = await running.add_flow({"Each": each}, name="long")
    short_id = await running.add_flow({"A": compose(1)}, name="short")

    long, short = await asyncio.gather(running.call(long_id), running.call(short_id))

    ended = [await running.ended(one.run_name) for one in (short, long)]
    assert [row.status for row in ended] == ["Succeeded", "Succeeded"]
    assert ended[0].ended_at < ended[1].ended_at  # type: ignore[operator]  # both have ended


# -- a clock that is set --


async def test_a_wait_in_memory_ends_in_time_though_the_clock_went_back_and_forth(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_loop, "LOOK_AT_CLOCK_SECONDS", 0.1)
    flow_id = await running.add_flow({"W": wait_for(1, "Second"), "A": after(compose("end"), "W")})
    accepted = await running.call(flow_id)
    await running.recorded(accepted.run_name, "W", "Waiting")
    running.clock.move(hours=-5)
    await asyncio.sleep(1.3)  # the wait is looked at, and is five hours away
    assert running.run(accepted.run_name).ended_at is None

    running.clock.move(hours=6)

    assert (await running.ended(accepted.run_name)).status == "Succeeded"


# -- a store in trouble --


async def test_a_full_store_refuses_new_events_and_takes_them_again_later(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@triggerBody()")})
    store = SparseStore(running)
    store.fill()

    bodies = [{"text": f"{index}" + "x" * 100_000} for index in range(20)]
    answers = await asyncio.gather(*(running.call(flow_id, body) for body in bodies), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, StoreUnavailable)]
    stored = len(running.runs())
    assert refused
    assert len(refused) + stored == 20
    await until(lambda: running.application.run_loop.active_count == 0, lambda: "a refused run is still in memory")
    store.empty()
    accepted = await running.call(flow_id, {"text": "y" * 100_000})
    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert len(running.runs()) == stored + 1


async def test_a_run_waits_while_the_store_is_full_and_goes_on_when_there_is_space(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    go_on = asyncio.Event()
    posted: list[Any] = []

    async def service(request: web.Request) -> web.Response:
        if request.method == "GET":
            await go_on.wait()
            return web.json_response({"text": "z" * 400_000})
        posted.append(await request.json())
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    text = "@concat(guid(), guid(), " + ", ".join(["guid()"] * 200) + ")"
    flow_id = await running.add_flow(
        {
            "Get": http("GET", origin),
            "Random": after(compose(text), "Get"),
            "Post": after(http("POST", origin, body={"n": 1, "r": "@outputs('Random')"}), "Random"),
            "Last": after(compose("end"), "Post"),
        }
    )
    accepted = await running.call(flow_id)
    store = SparseStore(running)
    store.fill()
    go_on.set()
    await until(lambda: store.is_refusing, lambda: "the store took it")
    await asyncio.sleep(0.2)
    assert posted == []  # no effect whose intent is not written
    assert running.run(accepted.run_name).status == "Running"

    store.empty()

    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert len(posted) == 1
    assert (await running.records(accepted.run_name))["Last"].outputs == "end"


async def test_what_is_decided_while_the_store_is_full_is_written_before_its_effect(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    first_get, second_get = asyncio.Event(), asyncio.Event()
    intents_at_post: list[bool] = []
    running_now: list[Running] = []

    async def service(request: web.Request) -> web.Response:
        if request.path == "/first":
            await first_get.wait()
            return web.json_response({"text": "".join(map(str, range(60_000)))})
        if request.path == "/second":
            await second_get.wait()
            return web.json_response({})
        records = await running_now[0].records(running_now[0].runs()[0].run_name)
        intents_at_post.append("Post" in records)
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    running_now.append(running)
    flow_id = await running.add_flow(
        {
            "First": http("GET", f"{origin}/first"),
            "Second": http("GET", f"{origin}/second"),
            "Post": after(http("POST", f"{origin}/post"), "Second"),
        }
    )
    accepted = await running.call(flow_id)
    store = SparseStore(running)
    store.fill()
    first_get.set()
    await until(lambda: store.is_refusing, lambda: "the store took it")
    second_get.set()
    await asyncio.sleep(0.2)
    store.empty()

    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert intents_at_post == [True]


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_call_keeps_its_outcome_though_the_connection_cannot_be_told(
    running: Running, *, is_refused: bool
) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    if is_refused:
        running.service.change("password", user="ada", password="changed")
    running.service.change("latency", ms=300)
    running.clock.move(minutes=5)  # so that a good answer is news of the connection's health
    before = running.connection(connection_id)
    accepted = await running.call(flow_id, {"number": "N1"})
    store = SparseStore(running)
    await asyncio.sleep(0.15)
    store.refuse_writes()
    await asyncio.sleep(0.4)
    store.allow_writes()

    row = await running.ended(accepted.run_name)

    assert (row.status, row.error_code) == (("Failed", "Unauthorized") if is_refused else ("Succeeded", ""))
    assert running.connection(connection_id) == before
    running.service.change("latency", ms=0)
    again = await running.ended((await running.call(flow_id, {"number": "N2"})).run_name)
    assert again.status == row.status
    health = "broken" if is_refused else "connected"
    assert running.connection(connection_id).health == health
