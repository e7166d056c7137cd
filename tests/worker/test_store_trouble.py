"""While the store takes no writes nothing hammers a service, nothing is put aside for it, and everything goes on soon after."""

import asyncio
import logging
from datetime import timedelta

import pytest

from flowmend.core.errors import StoreUnavailable
from flowmend.core.outcome import Status
from flowmend.worker import polls, row_watch
from flowmend.worker.row_watch import RowWatch
from news_service import News, connected, flow_with_news, polling
from running import LocalServer, Open, Running, SparseStore, compose, until, wait_for

pytestmark = pytest.mark.anyio


async def test_a_service_is_not_polled_without_end_while_its_news_cannot_be_kept(
    open_flowmend: Open, local_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "_STORE_TRIED_AGAIN_SECONDS", 0.5)
    news = News()
    origin = await local_server(news.answer)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    flow_id = await flow_with_news(running, await connected(running, origin), polling("OnTimed"), {"A": compose(1)})
    await until(lambda: _asked(news) >= 1 and not running.application.polls._polling, lambda: "nobody asked")
    store, before = SparseStore(running), _asked(news)
    news.add(2)
    store.refuse_writes()

    running.clock.move(minutes=1)
    await running.settled()
    await until(lambda: store.is_refusing, lambda: "nothing was written")
    await asyncio.sleep(0.2)
    assert 1 <= _asked(news) - before <= 2
    store.allow_writes()

    await running.reached_count(flow_id, 2)
    assert len(running.runs(flow_id)) == 2


def _asked(news: News) -> int:
    return sum(count for path, count in news.asked.items() if path != "/me")


async def test_a_run_that_is_due_is_not_put_aside_for_what_the_store_does_not_take(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(2, "Hour")})
    name = (await running.call(flow_id)).run_name
    await running.at_rest()
    store, before = SparseStore(running), running.run(name)
    store.refuse_writes()
    running.clock.move(hours=3)

    with pytest.raises(StoreUnavailable):
        await running.application.run_loop.wake(name)

    assert running.run(name) == before
    store.allow_writes()
    running.application.timers.schedule_changed()
    assert (await running.ended(name)).status == Status.SUCCEEDED


class Watch(RowWatch):
    """Cannot look at the store the first time."""

    def __init__(self, running: Running) -> None:
        super().__init__(
            lambda: running.services, name="a watch", look_again=timedelta(hours=1), soonest=timedelta(seconds=1)
        )
        self.looks = 0

    async def _look(self) -> timedelta:
        self.looks += 1
        if self.looks == 1:
            raise StoreUnavailable("It is away.")
        return timedelta(hours=1)


@pytest.mark.parametrize(("is_told", "level"), [(False, logging.WARNING), (True, logging.DEBUG)])
async def test_a_watch_that_could_not_look_tries_again_soon_and_says_what_is_not_said_yet(
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_told: bool,
    level: int,
) -> None:
    monkeypatch.setattr(row_watch, "_STORE_TRIED_AGAIN", timedelta(seconds=0.05))
    if is_told:
        running.services.store.condition.refused(StoreUnavailable("It is away."))
    watch = Watch(running)
    with caplog.at_level(logging.DEBUG, "flowmend.worker.row_watch"):
        watch.start()
        await until(lambda: watch.looks == 2, lambda: f"{watch.looks} looks")
    await watch.stop()
    assert [record.levelno for record in caplog.records if "a watch" in record.getMessage()] == [level]
