"""Sets the clock of a running Flowmend forward and back, and counts what the service saw.

    python bench/clock_jumps.py [--jumps 25] [--waits 1800] [--seed N]

The server runs in this process, on a clock of its own. Every second or so that clock jumps, by seconds or by days, forward or
back, while events arrive whose runs wait for a while (until a time, or for a span) before they create an order and write a note;
one flow runs each ten minutes, one takes an hour's window after the other, one polls each second. In the end the clock stands
where it was latest. Checked:

- every event's run ends well; each order and note happened once; no wait was over before its time;
- while the clock is set back, what needs no time goes on at once;
- no time of a schedule fired twice, the windows have neither gap nor overlap, every item polled came once and in order.

The seed is printed; the same seed gives the same jumps. Exit 0 where everything holds.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiohttp import web

from counting_service import CountingService, free_port
from fault_checks import check_accepted, check_ends, check_orders_and_notes, entries_of
from fault_flows import after, all_runs, flow, order_and_note, prepare, report, settled, until
from flowmend.assembly import Application, open_services
from flowmend.core.run.record import ActionRecord
from flowmend.settings import read_settings
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.accept_event import TriggerRequest, invoke_authorised
from flowmend.use_cases.journal_pages import decode_start
from flowmend.worker.system_clock import SystemClock
from waiting_triggers import Service as News
from waiting_triggers import news_flow, verdict

#: Jumps are of seconds, minutes, hours and days, as often of one as of the other.
JUMPS_UP_TO = (timedelta(seconds=20), timedelta(minutes=20), timedelta(hours=5), timedelta(days=2))
WINDOW = timedelta(hours=1)
#: Posted between two jumps.
EVENTS = 6
BETWEEN_JUMPS_SECONDS = 1.0
GOES_ON_WITHIN_SECONDS = 10.0
#: A wait of up to a minute is a timer of this process, which the clock does not hurry.
SETTLES_WITHIN_SECONDS = 100.0


class JumpingClock(SystemClock):
    """The system's, and so much later or earlier."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = self.latest = timedelta()

    @property
    def now(self) -> datetime:
        return super().now + self.offset

    def jump(self, by: timedelta) -> None:
        self.offset += by
        self.latest = max(self.latest, self.offset)


def flows(news: str) -> dict[str, dict[str, Any]]:
    waits = {
        "Span": {"count": "@triggerBody()?['seconds']", "unit": "Second"},
        "Moment": {"timestamp": "@triggerBody()?['at']"},
    }
    found = {"quick": order_and_note()}
    for name, inputs in (("span", {"interval": waits["Span"]}), ("moment", {"until": waits["Moment"]})):
        document = order_and_note()
        actions = document["definition"]["actions"]
        actions["Wait"] = {"type": "Wait", "inputs": inputs, "runAfter": after("Name")}
        actions["Create_order"]["runAfter"] = after("Wait")
        found[name] = document
    nothing = {"Nothing": {"type": "Compose", "inputs": 1, "runAfter": {}}}
    every = {"type": "Recurrence", "recurrence": {"frequency": "Minute", "interval": 10}}
    window = {"type": "SlidingWindow", "recurrence": {"frequency": "Hour", "interval": 1}}
    return found | {"every": flow(nothing, every), "window": flow(nothing, window), "news": news_flow(news)}


class Poster:
    """Sends events in. accepted: {number: its run}. due: {run: when its wait may be over}."""

    def __init__(
        self, application: Application, ids: dict[str, str], draws: random.Random, *, longest_seconds: int
    ) -> None:
        self.accepted: dict[str, str] = {}
        self.due: dict[str, datetime] = {}
        self._services = application.services
        self._ids = ids
        self._draws = draws
        self._longest = longest_seconds

    async def post(self, name: str) -> str:
        """An event to the flow of this name; its run."""
        number = f"J-{len(self.accepted):05d}"
        seconds = int(self._longest ** self._draws.random())
        at = self._services.clock.now + timedelta(seconds=seconds)
        body = {"number": number, "seconds": seconds, "at": at.isoformat()}
        loaded = self._services.flows.latest(self._ids[name])
        answer = await invoke_authorised(self._services, loaded, "manual", TriggerRequest(body=body, has_body=True))
        self.accepted[number] = answer.run_name
        if name != "quick":
            self.due[answer.run_name] = at
        return answer.run_name


async def jump_about(
    application: Application, clock: JumpingClock, poster: Poster, news: News, jumps: Sequence[timedelta]
) -> list[str]:
    """What did not go on while the clock stood elsewhere."""
    wrong = []
    for by in jumps:
        clock.jump(by)
        for number in range(EVENTS):
            await poster.post(("span", "moment")[number % 2])
        run, began = await poster.post("quick"), time.monotonic()
        if not await until(lambda run=run: _has_ended(application, run), GOES_ON_WITHIN_SECONDS):
            wrong.append(f"after a jump by {by} a run that waits for nothing did not end")
        news.items += 2
        await asyncio.sleep(max(0.0, began + BETWEEN_JUMPS_SECONDS - time.monotonic()))
    return wrong


def _has_fired(application: Application, flow_id: str) -> bool:
    rows, _ = application.services.store.trigger_events.list(flow_id, limit=2)
    return len(rows) == 2


def _has_ended(application: Application, run_name: str) -> bool:
    row = application.services.store.runs.get(run_name)
    return row is not None and row.ended_at is not None


def check_waits(application: Application, due: dict[str, datetime]) -> Iterator[str]:
    early = []
    for run_name, at in due.items():
        _, entries = entries_of(application, run_name)
        ends = [
            one.ended_at for one in entries if isinstance(one, ActionRecord) and one.name == "Wait" and one.ended_at
        ]
        early += [run_name for ended_at in ends if ended_at < at]
    if early:
        yield f"{len(early)} waits were over before their time, e.g. {early[:3]}"


def check_schedule(application: Application, flow_id: str) -> Iterator[str]:
    rows, _ = application.services.store.trigger_events.list(flow_id, limit=1000)
    times = [row.scheduled_at for row in rows if row.scheduled_at is not None]
    if len(times) != len(set(times)):
        yield f"{len(times) - len(set(times))} times of the schedule fired twice"
    if len(times) < 2:
        yield "the schedule did not fire"


def check_windows(application: Application, flow_id: str) -> Iterator[str]:
    windows = []
    for row in all_runs(application, RunFilter(flow_id=flow_id)):
        whole = application.services.store.runs.get(row.run_name)
        if whole is not None:
            outputs = decode_start(whole.start, application.services.vault).trigger["outputs"]
            windows.append(tuple(_time(outputs["body"][name]) for name in ("windowStartTime", "windowEndTime")))
    windows.sort()
    if any(end != start for (_, end), (start, _) in pairwise(windows)):
        yield "the windows have gaps or overlap"
    if any(end - start != WINDOW for start, end in windows) or not windows:
        yield f"{len(windows)} windows, not all of an hour"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


async def run(jumps: int, longest_seconds: int, seed: int) -> int:
    draws = random.Random(seed)
    print(f"seed {seed}: {jumps} jumps of the clock", flush=True)
    service, news, clock = CountingService(latency_seconds=0.1), News(draws), JumpingClock()
    await service.start()
    routes = web.Application()
    routes.router.add_get("/news", news.news)
    runner = web.AppRunner(routes, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "localhost", port).start()
    with tempfile.TemporaryDirectory(prefix="flowmend-clock-") as folder:
        hosts = frozenset({f"localhost:{service.port}", f"localhost:{port}"})
        settings = read_settings({}, data=Path(folder), port=free_port(), allowed_private_hosts=hosts)
        await prepare(settings, service.url, flows(f"http://localhost:{port}"))
        application = open_services(settings, clock=clock)
        await application.start()
        try:
            ids = {row.name: row.flow_id for row in application.services.store.flows.list()}
            await until(lambda: news.is_followed, seconds=30)
            poster = Poster(application, ids, draws, longest_seconds=longest_seconds)
            chosen_jumps = [draws.choice(JUMPS_UP_TO) * draws.uniform(-1, 1) for _ in range(jumps)]
            wrong = await jump_about(application, clock, poster, news, chosen_jumps)
            clock.jump(clock.latest + timedelta(seconds=longest_seconds, hours=2) - clock.offset)
            await until(lambda: all(_has_ended(application, run) for run in poster.due), SETTLES_WITHIN_SECONDS)
            by_status = await settled(application)
            await until(lambda: len(list(all_runs(application, RunFilter(flow_id=ids["news"])))) >= news.items, 30)
            for name in ("every", "window"):  # their clock is looked at twice a minute
                await until(lambda flow_id=ids[name]: _has_fired(application, flow_id), seconds=60)
            await asyncio.sleep(2.0)  # what comes twice comes now
            wrong += [
                *check_accepted(application, poster.accepted),
                *check_ends(by_status, {"Succeeded"}),
                *check_waits(application, poster.due),
                *check_schedule(application, ids["every"]),
                *check_windows(application, ids["window"]),
                *verdict(application, news, ids["news"]),
                *check_orders_and_notes(
                    application, service, flow_ids=[ids[name] for name in ("quick", "span", "moment")]
                ),
            ]
        finally:
            await application.stop()
            await service.stop()
            await runner.cleanup()
    print(
        f"{len(poster.accepted)} events, {sum(by_status.values())} runs: {dict(by_status)}; {news.items} items by {news.polls} polls"
    )
    print(
        f"the clock went up to {clock.latest} ahead; {len(service.heard)} requests, {sum(service.done.values())} effects"
    )
    return report(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jumps", type=int, default=25)
    parser.add_argument("--waits", type=int, default=1800, help="the longest wait in seconds")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.jumps, chosen.waits, chosen.seed)))
