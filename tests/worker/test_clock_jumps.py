"""The system's clock is set forward and back: nothing is lost or doubled, and what is planned for a span does not wait for it.

What people chose by the clock on the wall, a schedule's time or a delay's, is kept by that clock.
"""

from datetime import timedelta

import pytest
from aiohttp import web

from flowmend.worker.set_back import SetBack
from news_service import News, connected, flow_with_news, polling
from running import LocalServer, Open, Running, after, compose, http, until, wait_for
from worker.test_polls import TITLE, asked, first_poll, look, opened, titles
from worker.test_timers import recurrence

pytestmark = pytest.mark.anyio

on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@on_both
async def test_a_trigger_goes_on_polling_when_the_clock_is_set_back(
    open_flowmend: Open, local_server: LocalServer, database: str
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnPlaced"), TITLE)
    await first_poll(running, news)
    for hours in (-5, 0, 48, -72):
        news.add(2)
        running.clock.move(hours=hours)
        await running.settled()
        count = len(news.items)
        await look(running, lambda count=count: len(running.runs(flow_id)) == count, seconds=61)  # type: ignore[misc]
    assert await titles(running, flow_id) == [f"News {number}" for number in range(8)]


async def test_a_clock_set_back_makes_nobody_poll_sooner_than_its_interval(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    await flow_with_news(running, await connected(running, origin), polling("OnPlaced"), TITLE)
    await first_poll(running, news)
    before = asked(news)
    for _ in range(10):
        running.clock.move(hours=-1)
        await running.settled()
    assert asked(news) == before


async def test_a_subscription_that_failed_is_tried_again_when_the_clock_is_set_back(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    asked_at: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked_at.append(request.path)
        return web.Response(status=503 if len(asked_at) < 3 else 201, headers={"Location": "/hooks/1"})

    origin = await local_server(answer)
    running = await opened(open_flowmend, origin)
    hook = {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": f"{origin}/hooks"}}}
    flow_id = await running.add_flow({"A": compose(1)}, triggers={"called": hook})
    await until(lambda: len(asked_at) >= 1, lambda: "nobody subscribed")
    running.clock.move(hours=-10)
    await running.settled()
    await look(running, lambda: len(asked_at) == 3, minutes=2)
    rows = running.services.store.subscriptions
    await until(lambda: [one.state for one in rows.of_flow(flow_id)] == ["active"], lambda: str(rows.of_flow(flow_id)))


@on_both
async def test_a_delay_keeps_to_the_clock_and_ends_once(running: Running) -> None:
    flow_id = await running.add_flow({"W": wait_for(2, "Hour"), "Z": after(compose(1), "W")})
    run = (await running.call(flow_id)).run_name
    await running.at_rest()
    running.clock.move(hours=-3)
    await running.settled()
    running.clock.move(hours=4)
    await running.settled()
    assert running.run(run).status == "Running"
    running.clock.move(hours=2)
    await running.settled()
    assert (await running.ended(run)).status == "Succeeded"
    running.clock.move(hours=-6)
    await running.settled()
    running.clock.move(hours=12)
    await running.settled()
    assert len([one for one in running.runs(flow_id) if one.status == "Succeeded"]) == 1


@on_both
async def test_a_schedule_fires_no_moment_twice(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@trigger()?['scheduledTime']")}, triggers=recurrence())
    await running.reached_count(flow_id, 1)
    for hours in (1.1, -1, 1, -0.5, 0.5, 30, -24, 24, 1.1):
        running.clock.move(hours=hours)
        await running.settled()
    times = [(await running.records((await running.ended(row.run_name)).run_name))["A"].outputs
             for row in running.runs(flow_id)]  # fmt: skip
    assert len(times) == len(set(times)) == 4
    assert times == sorted(times)


@on_both
async def test_a_window_is_neither_left_out_nor_taken_twice(running: Running) -> None:
    sliding = {"windows": {"type": "SlidingWindow", "recurrence": {"frequency": "Hour", "interval": 1}, "inputs": {}}}
    flow_id = await running.add_flow({"A": compose("@triggerBody()['windowStartTime']")}, triggers=sliding)
    for hours in (3.1, -2, 4, -1, 1):
        running.clock.move(hours=hours)
        await running.settled()
    await running.reached_count(flow_id, 5)
    times = [(await running.records((await running.ended(row.run_name)).run_name))["A"].outputs
             for row in running.runs(flow_id)]  # fmt: skip
    assert times == sorted(set(times))
    assert len(times) == 5


async def test_a_call_under_way_ends_whatever_the_clock_does(open_flowmend: Open, local_server: LocalServer) -> None:
    opened_at: list[Running] = []

    async def answer(_request: web.Request) -> web.Response:
        opened_at[0].clock.move(days=-2)
        return web.json_response({})

    origin = await local_server(answer)
    opened_at.append(await opened(open_flowmend, origin))
    running = opened_at[0]
    flow_id = await running.add_flow({"A": http("GET", origin), "B": after(http("GET", origin), "A")})
    assert (await running.ended((await running.call(flow_id)).run_name)).status == "Succeeded"


async def test_only_a_clock_set_back_is_noticed_and_once(running: Running) -> None:
    watch, clock = SetBack(), running.clock
    assert watch.since_last(clock.now) == timedelta()
    for moved, noticed in ((1, False), (-1, True), (0, False), (-0.001, False), (-24, True)):
        clock.move(hours=moved)
        back = watch.since_last(clock.now)
        assert bool(back) is noticed
        if noticed:
            assert abs(back + timedelta(hours=moved)) < timedelta(seconds=2)
