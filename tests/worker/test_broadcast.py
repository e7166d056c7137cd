"""News of this process: listeners hear at once, readers in order, slow ones lose the oldest."""

import asyncio
from typing import Any

import pytest

from flowmend.worker.broadcast import Broadcast
from running import Running, compose

pytestmark = pytest.mark.anyio


async def test_a_listener_hears_at_once() -> None:
    heard: list[tuple[str, Any]] = []
    changes = Broadcast()
    changes.listen(lambda topic, facts: heard.append((topic, facts)))
    changes.publish("flow", flow_id="f")
    assert heard == [("flow", {"flow_id": "f"})]


async def test_a_reader_gets_the_news_in_order_from_when_it_began() -> None:
    changes = Broadcast()
    changes.publish("run", n=0)
    news = changes.subscribe()
    first = asyncio.ensure_future(anext(news))
    await asyncio.sleep(0)
    for n in (1, 2, 3):
        changes.publish("run", n=n)
    assert [(await first)["facts"]["n"], (await anext(news))["facts"]["n"], (await anext(news))["facts"]["n"]] == [
        1,
        2,
        3,
    ]
    await news.aclose()


async def test_a_reader_that_is_too_slow_loses_the_oldest_and_holds_nobody_up() -> None:
    changes = Broadcast()
    news = changes.subscribe()
    first = asyncio.ensure_future(anext(news))
    await asyncio.sleep(0)
    for n in range(1000):
        changes.publish("run", n=n)
    await first
    left = [(await anext(news))["facts"]["n"] for _ in range(255)]
    assert left[-1] == 999
    assert left == sorted(left)
    await news.aclose()


async def test_changes_are_counted_whether_or_not_anybody_reads() -> None:
    changes = Broadcast()
    assert changes.count == 0
    changes.publish("run", n=1)
    changes.publish("flow", n=2)
    assert changes.count == 2


async def test_a_reader_that_stopped_is_forgotten() -> None:
    changes = Broadcast()
    news = changes.subscribe()
    waiting = asyncio.ensure_future(anext(news))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await news.aclose()
    assert changes._queues == set()


async def test_a_run_tells_its_beginning_and_its_end_and_never_a_value(running: Running) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    running.application.broadcast.listen(lambda topic, facts: told.append((topic, facts)))
    flow_id = await running.add_flow({"A": compose("@triggerBody()")})
    accepted = await running.call(flow_id, {"private": "hush-hush"})
    await running.ended(accepted.run_name)
    await running.at_rest()
    statuses = [facts["status"] for topic, facts in told if topic == "run" and facts["run_name"] == accepted.run_name]
    assert statuses[0] == "Running"
    assert statuses[-1] == "Succeeded"
    assert "hush-hush" not in repr(told)
