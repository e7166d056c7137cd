"""Triggers that poll, on a running Flowmend against a real service: each item once, in order, whatever happens."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from flowmend.store.tables import trigger_events
from flowmend.use_cases.flows import read_flow_detail, turn_off, turn_on
from flowmend.use_cases.swap_connection import swap_connection
from flowmend.use_cases.verify_connection import verify_connection
from news_service import News, connected, flow_with_news, polling
from running import LocalServer, Open, Running, compose, until
from worker.signed_urls import ask

pytestmark = pytest.mark.anyio

TITLE = {"A": compose("@triggerBody()?['title']")}


async def opened(open_flowmend: Open, origin: str, **settings: Any) -> Running:
    return await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}), **settings)


async def titles(running: Running, flow_id: str) -> list[str]:
    return [
        (await running.records((await running.ended(run.run_name)).run_name))["A"].outputs
        for run in running.runs(flow_id)
    ]


async def look(running: Running, holds: Callable[[], bool], **by: float) -> None:
    """Let time pass until something holds."""
    for _ in range(200):
        if holds():
            return
        running.clock.move(**(by or {"minutes": 1}))
        await running.settled()
    raise AssertionError("it never came")


def asked(news: News) -> int:
    return sum(count for path, count in news.asked.items() if path != "/me")


async def first_poll(running: Running, news: News) -> None:
    """Until the first answer was taken in: what it held is not new."""
    polling = running.application.polls._polling
    await until(lambda: asked(news) >= 1 and not polling, lambda: "nobody asked")


@pytest.mark.parametrize("operation", ["OnTimed", "OnPlaced"])
async def test_each_item_starts_a_run_in_order_and_what_was_there_before_does_not(
    open_flowmend: Open, local_server: LocalServer, operation: str
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    if operation == "OnPlaced":  # a list without dates has no items from the future
        news.add(4)
    before = len(news.items)
    flow_id = await flow_with_news(running, await connected(running, origin), polling(operation), TITLE)
    await first_poll(running, news)
    news.add(7)
    await look(running, lambda: len(running.runs(flow_id)) == 7)
    news.add(2)
    await look(running, lambda: len(running.runs(flow_id)) == 9)
    assert await titles(running, flow_id) == [f"News {number}" for number in range(before, before + 9)]


async def test_checks_without_news_are_one_entry_of_the_history(open_flowmend: Open, local_server: LocalServer) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnTimed"), TITLE)
    await look(running, lambda: asked(news) >= 5)
    await until(lambda: running.events(flow_id)[0].checks >= 5, lambda: str(running.events(flow_id)))
    (event,) = running.events(flow_id)
    assert (event.status, event.code, event.fired) == ("Skipped", "NoNewItems", False)
    news.add(1)
    await look(running, lambda: len(running.runs(flow_id)) == 1)
    await look(running, lambda: len(running.events(flow_id)) == 3)
    assert [one.status for one in running.events(flow_id)] == ["Skipped", "Succeeded", "Skipped"]


async def test_checks_go_on_after_the_history_was_deleted(open_flowmend: Open, local_server: LocalServer) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnTimed"), TITLE)
    await look(running, lambda: bool(running.events(flow_id)))
    running.services.store._database.remove(trigger_events, trigger_events.c.flow_id == flow_id)
    await look(running, lambda: bool(running.events(flow_id)))
    assert running.events(flow_id)[0].code == "NoNewItems"


async def test_a_broken_connection_stops_the_polls_and_its_repair_catches_up(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    connection_id = await connected(running, origin)
    flow_id = await flow_with_news(running, connection_id, polling("OnTimed"), TITLE)
    await until(lambda: asked(news) == 1, lambda: "nobody asked")
    news.password = "second"
    await look(running, lambda: running.connection(connection_id).health == "broken")
    news.add(250)
    refused = asked(news)
    for _ in range(20):
        running.clock.move(minutes=10)
        await running.settled()
    assert asked(news) == refused  # a dead password is not tried again and again
    detail = await read_flow_detail(running.services, flow_id)
    assert detail.summary.state == "On"
    problem = detail.summary.trigger_problem
    assert problem is not None
    assert (problem.code, problem.connection_id) == ("Unauthorized", connection_id)
    assert running.events(flow_id)[-1].status == "Failed"
    assert running.services.store.incidents.count_open() == 1

    await verify_connection(running.services, connection_id, {"password": "second"}, person_id=running.owner)
    await look(running, lambda: len(running.runs(flow_id)) == 250)
    assert await titles(running, flow_id) == [f"News {number}" for number in range(250)]
    assert (await read_flow_detail(running.services, flow_id)).summary.trigger_problem is None


@pytest.mark.parametrize(
    ("operation", "trouble"), [("OnTimed", "refused"), ("OnPlaced", "refused"), ("OnPlaced", "unavailable")]
)
async def test_two_hundred_polls_that_could_not_be_are_caught_up_each_item_once_and_in_order(
    open_flowmend: Open, local_server: LocalServer, operation: str, trouble: str
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    connection_id = await connected(running, origin)
    flow_id = await flow_with_news(running, connection_id, polling(operation), TITLE)
    await first_poll(running, news)
    polls = running.application.polls
    if trouble == "refused":
        news.password = "second"
    else:
        news.status = 503
    before = asked(news)
    for poll in range(200):
        if poll % 2:
            news.add(3)
        running.clock.move(minutes=16)  # so far apart they come while the service does not answer
        polls.heard("polls", {})
        if trouble == "unavailable" or poll == 0:
            due = before + poll + 1
            await until(lambda due=due: asked(news) >= due and not polls._polling, lambda: "nobody asked")  # type: ignore[misc]
    assert running.runs(flow_id) == []
    if trouble == "refused":
        assert running.connection(connection_id).health == "broken"
        assert asked(news) - before < 5  # a dead password is not tried two hundred times

    news.status = 0
    if trouble == "refused":
        await verify_connection(running.services, connection_id, {"password": "second"}, person_id=running.owner)
    await look(running, lambda: len(running.runs(flow_id)) == 300)
    running.clock.move(minutes=5)
    await running.settled()

    assert await titles(running, flow_id) == [f"News {number}" for number in range(300)]
    assert (await read_flow_detail(running.services, flow_id)).summary.trigger_problem is None


async def test_a_flow_turned_off_asks_nothing_and_goes_on_from_its_place(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnPlaced"), TITLE)
    await first_poll(running, news)
    await turn_off(running.services, flow_id, running.owner)
    running.clock.move(hours=1)
    await running.settled()
    assert asked(news) == 1
    news.add(3)
    await turn_on(running.services, flow_id, running.owner)
    await look(running, lambda: len(running.runs(flow_id)) == 3)
    assert await titles(running, flow_id) == ["News 0", "News 1", "News 2"]


async def test_nothing_is_missed_or_doubled_over_restarts(open_flowmend: Open, local_server: LocalServer) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnTimed"), TITLE)
    await first_poll(running, news)
    for crash in range(6):
        news.add(50)
        before = asked(news)
        running.clock.move(minutes=1)
        await running.settled()
        await until(lambda before=before: asked(news) > before, lambda: "nobody asked")  # type: ignore[misc]
        await asyncio.sleep(0.01 * crash)
        await running.crash()
        running = await opened(open_flowmend, origin, clock=running.clock)
    await look(running, lambda: len(running.runs(flow_id)) >= 300)
    assert await titles(running, flow_id) == [f"News {number}" for number in range(300)]


async def test_a_slow_service_keeps_no_other_trigger_waiting(open_flowmend: Open, local_server: LocalServer) -> None:
    let_go = asyncio.Event()
    counts = {"/slow": 0, "/quick": 0}

    async def answer(request: web.Request) -> web.Response:
        counts[request.path] += 1
        if request.path == "/slow":
            await let_go.wait()
        return web.json_response({"at": request.path})

    origin = await local_server(answer)
    running = await opened(open_flowmend, origin)
    for path in counts:
        triggers = {
            "poll": {
                "type": "Http",
                "inputs": {"method": "GET", "uri": f"{origin}{path}"},
                "recurrence": {"frequency": "Second", "interval": 30},
            }
        }
        await running.add_flow({"A": compose("@triggerBody()")}, triggers=triggers, name=path.strip("/"))
    await look(running, lambda: counts["/quick"] == 5, seconds=31)
    assert counts["/slow"] == 1  # and its polls do not pile up
    let_go.set()


async def test_an_http_trigger_fires_on_200_alone_unless_its_condition_asks_for_the_status(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    statuses = {"/a": 404, "/b": 404}

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path}, status=statuses[request.path])

    origin = await local_server(answer)
    running = await opened(open_flowmend, origin)
    condition = {"conditions": [{"expression": "@equals(triggerOutputs()['statusCode'], 404)"}]}
    flows = {}
    for path, more in {"/a": {}, "/b": condition}.items():
        trigger = {"type": "Http", "inputs": {"method": "GET", "uri": f"{origin}{path}"}, **more}
        trigger["recurrence"] = {"frequency": "Hour", "interval": 1}
        flows[path] = await running.add_flow({"A": compose(1)}, triggers={"poll": trigger}, name=path.strip("/"))
    await running.reached_count(flows["/b"], 1)
    await until(lambda: bool(running.events(flows["/a"])), lambda: "it was not asked")
    (failed,) = running.events(flows["/a"])
    assert (failed.status, failed.code, running.runs(flows["/a"])) == ("Failed", "NotFound", [])
    problem = (await read_flow_detail(running.services, flows["/a"])).summary.trigger_problem
    assert problem is not None
    statuses["/a"] = 200
    await look(running, lambda: len(running.runs(flows["/a"])) == 1, minutes=30)


async def test_a_trigger_that_is_full_asks_only_when_there_is_room(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    limited = {"runtimeConfiguration": {"concurrency": {"runs": 1, "maximumWaitingRuns": 2}}}
    wait = {"A": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}, "runAfter": {}}}
    connection_id = await connected(running, origin)
    flow_id = await flow_with_news(running, connection_id, polling("OnPlaced", **limited), wait)
    await first_poll(running, news)
    news.add(3)
    await look(running, lambda: len(running.events(flow_id)) >= 4)
    count = asked(news)
    news.add(1)
    for _ in range(5):
        running.clock.move(minutes=1)
        await running.settled()
    assert asked(news) <= count + 1
    statuses = [one.status for one in running.events(flow_id)]
    assert statuses.count("Waiting") == 2
    await look(running, lambda: len(running.runs(flow_id)) == 4, minutes=20)


async def test_another_connection_polls_on_from_the_same_place(open_flowmend: Open, local_server: LocalServer) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    first = await connected(running, origin)
    flow_id = await flow_with_news(running, first, polling("OnTimed"), TITLE)
    await until(lambda: asked(news) == 1, lambda: "nobody asked")
    news.password = "second"
    await look(running, lambda: running.connection(first).health == "broken")
    news.add(5)
    second = await connected(running, origin, "second")
    await swap_connection(running.services, first, second, person_id=running.owner, confirmed=True)
    await look(running, lambda: len(running.runs(flow_id)) == 5)
    assert await titles(running, flow_id) == [f"News {number}" for number in range(5)]


async def test_a_date_may_be_chosen_from_which_on_items_are_new(open_flowmend: Open, local_server: LocalServer) -> None:
    news = News()
    news.start = datetime(2026, 1, 1, tzinfo=UTC)
    news.add(9)
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin)
    chosen = {"metadata": {"flowmend": {"pollFrom": "2026-01-01T00:00:02Z"}}}
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnTimed", **chosen), TITLE)
    await look(running, lambda: len(running.runs(flow_id)) == 3)
    assert await titles(running, flow_id) == ["News 6", "News 7", "News 8"]
    since = (await read_flow_detail(running.services, flow_id)).asks_since
    assert since == datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)


async def test_a_service_that_says_there_is_news_is_asked_at_once(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    news = News()
    origin = await local_server(news.answer)
    running = await opened(open_flowmend, origin, public_url="https://flows.example.com")
    connection_id = await connected(running, origin)
    notified = {
        "new": {
            "type": "ApiConnectionNotification",
            "inputs": {
                "host": {"connection": {"referenceName": "shared_news"}},
                "fetch": {"method": "get", "pathTemplate": {"template": "/{kind}", "parameters": {"kind": "timed"}}},
                "subscribe": {"method": "post", "path": "/hooks", "body": {"NotificationUrl": "@listCallbackUrl()"}},
            },
            "recurrence": {"frequency": "Day", "interval": 1},
            "splitOn": "@triggerBody()?['value']",
        }
    }
    flow_id = await flow_with_news(running, connection_id, notified, TITLE)
    await until(lambda: len(news.hooks) == 1, lambda: "nobody subscribed")
    await first_poll(running, news)
    news.add(2)
    assert (await ask(running, "POST", news.hooks[0], {"changed": True}))[0] == 202
    await running.reached_count(flow_id, 2)
    assert await titles(running, flow_id) == ["News 0", "News 1"]
