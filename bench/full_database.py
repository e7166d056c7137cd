"""Fills the database of a Flowmend under load, and makes room again after a while.

    python bench/full_database.py [--seconds 30] [--rate 40] [--by pages|tmpfs|both] [--seed N]

Events are posted all the time, to a flow that waits a moment, creates an order, calls another flow and writes a note; beside
it one flow runs by a schedule and one polls for news. `pages`: SQLite may have no page more than it has (`max_page_count`).
`tmpfs`: the data folder is a small file system of its own that something else fills; that needs the right to mount. Checked:

- an event answered with 2xx has its run, which ends well; one answered with 503 has none;
- meanwhile callers hear promptly that the disk is full, and when to try again; the log says it once, `/health` too;
- nothing in memory grows without bound, nobody's service is asked again and again;
- once there is room everything goes on by itself within seconds, and nothing happened twice.

Exit 0 where everything holds.
"""

import argparse
import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from counting_service import CountingService, free_port
from fault_checks import check_accepted, check_ends, check_orders_and_notes
from fault_flows import Posted, after, all_runs, flow, order_and_note, post_one, prepare, report, settled, until
from fault_server import Server
from fault_serving import NO_LIMIT
from flowmend.assembly import Application, open_services
from flowmend.settings import read_settings
from flowmend.store.run_filter import RunFilter
from waiting_triggers import Service as News
from waiting_triggers import news_flow, verdict

#: Before the database is full, and after there is room again; less where it is full for a shorter time.
BEFORE_SECONDS, AFTER_SECONDS = 6.0, 8.0
RECOVERS_WITHIN_SECONDS = 8.0
SLOWEST_ANSWER_SECONDS = 5.0
MOST_LINES = 25
MOST_GROWTH_MB = 60.0
#: While nothing new can be kept a trigger still asks, but not without end.
MOST_POLLS_A_SECOND = 2.0
TMPFS_MB = 48


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was seen from outside while nothing could be kept. first_accepted_after: seconds from the moment there was room."""

    memory_before: float = 0.0
    memory_after: float = 0.0
    polls: int = 0
    lines: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    first_accepted_after: float | None = None
    settled_after: float = 0.0


def flows(news: str) -> dict[str, dict[str, Any]]:
    """The flows, those that others call first."""
    answer = {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": "seen"}, "runAfter": {}}
    main = order_and_note()
    actions = main["definition"]["actions"]
    actions["Wait"] = {
        "type": "Wait",
        "inputs": {"interval": {"count": 1, "unit": "Second"}},
        "runAfter": after("Name"),
    }
    actions["Create_order"]["runAfter"] = after("Wait")
    host = {"triggerName": "manual", "workflow": {"id": "audit"}}
    actions["Audit"] = {"type": "Workflow", "inputs": {"host": host, "body": 1}, "runAfter": after("Create_order")}
    actions["Write_note"]["runAfter"] = after("Audit")
    every = {"type": "Recurrence", "recurrence": {"frequency": "Second", "interval": 2}}
    scheduled = flow({"Tick": {"type": "Compose", "inputs": 1, "runAfter": {}}}, every)
    return {"audit": flow({"Answer": answer}), "orders": main, "ticks": scheduled, "news": news_flow(news)}


@contextlib.contextmanager
def by_pages(folder: Path) -> Iterator[tuple[Path, tuple[str, ...], Callable[[bool], None]]]:
    """(data folder, the server's command, what makes it full or not)."""
    limit = folder / "pages"

    def set_full(is_full: bool) -> None:
        limit.write_text(f"{1 if is_full else NO_LIMIT}\n", encoding="ascii")

    set_full(False)
    yield folder / "data", (str(Path(__file__).with_name("fault_serving.py")), str(limit)), set_full


@contextlib.contextmanager
def by_tmpfs(folder: Path) -> Iterator[tuple[Path, tuple[str, ...], Callable[[bool], None]]]:
    """As `by_pages`, with a real file system. Raises OSError where it may not be mounted."""
    data = folder / "small"
    data.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "tmpfs", str(data)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        raise OSError(mounted.stderr.decode(errors="replace").strip())
    ballast = data / "ballast"

    def set_full(is_full: bool) -> None:
        ballast.unlink(missing_ok=True)
        if is_full:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)

    try:
        yield data, ("-m", "flowmend", "up"), set_full
    finally:
        subprocess.run(["umount", str(data)], check=False)


async def post_all_the_time(url: str, rate: float, until: float, posted: Posted, times: dict[str, float]) -> None:
    """One event after another at this rate, each on a task of its own. times: {number: when it was answered}."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:

        async def post(number: str) -> None:
            await post_one(session, url, number, posted)
            times[number] = time.monotonic()

        posting, began, count = set(), time.monotonic(), 0
        while time.monotonic() < until:
            count += 1
            task = asyncio.create_task(post(f"F-{count:05d}"))
            posting.add(task)
            task.add_done_callback(posting.discard)
            await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))
        await asyncio.gather(*posting)


async def fill(
    server: Server, port: int, set_full: Callable[[bool], None], seconds: float, polls: Callable[[], int]
) -> tuple[float, Seen]:
    """Make the database full for a time; (when there was room again, what was seen)."""
    await asyncio.sleep(min(BEFORE_SECONDS, seconds))
    seen, said, polled = Seen(), len(server.said().splitlines()), polls()
    set_full(True)
    await asyncio.sleep(2.0)
    seen.memory_before = server.memory_mb()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/health") as answer,
    ):
        seen.health = (str(answer.status), await answer.text())
    await asyncio.sleep(seconds - 2.0)
    seen.memory_after = server.memory_mb()
    seen.polls = polls() - polled
    set_full(False)
    freed_at = time.monotonic()
    await asyncio.sleep(min(AFTER_SECONDS, seconds))
    seen.lines = tuple(server.said().splitlines()[said:])
    return freed_at, seen


def check_answers(posted: Posted) -> Iterator[str]:
    if posted.asked_again or posted.unanswered:
        yield f"events without an answer: {posted.asked_again + posted.unanswered}"
    others = {said: count for said, count in posted.refused.items() if said != (503, "StoreFull")}
    if others or not posted.refused:
        yield f"callers heard otherwise than that the disk is full: {others or 'all were accepted'}"
    if not all(value.isdecimal() for value in posted.retry_after):
        yield f"callers were not told when to try again: {dict(posted.retry_after)}"
    if posted.slowest_seconds > SLOWEST_ANSWER_SECONDS:
        yield f"an answer took {posted.slowest_seconds:.1f} s"


def check_seen(seen: Seen, seconds: float) -> Iterator[str]:
    if seen.health[:1] != ("503",) or "StoreFull" not in seen.health[1]:
        yield f"/health did not say that the disk is full: {seen.health}"
    if seen.memory_after - seen.memory_before > MOST_GROWTH_MB:
        yield f"memory grew from {seen.memory_before:.0f} to {seen.memory_after:.0f} MB"
    if seen.polls > MOST_POLLS_A_SECOND * seconds:
        yield f"the service was polled {seen.polls} times while nothing could be kept"
    full = [line for line in seen.lines if "is full" in line]
    if len(full) != 1 or len(seen.lines) > MOST_LINES:
        counted = Counter(line.partition(" ")[2].partition(": ")[0][12:100] for line in seen.lines)
        yield f"the log says {len(full)} times that the disk is full, in {len(seen.lines)} lines: {counted.most_common(8)}"
    if seen.first_accepted_after is None or seen.first_accepted_after > RECOVERS_WITHIN_SECONDS:
        yield f"the first event was accepted {seen.first_accepted_after} s after there was room"
    if seen.settled_after > RECOVERS_WITHIN_SECONDS + AFTER_SECONDS + 6:
        yield f"the runs had ended only {seen.settled_after:.0f} s after there was room"


def check_ticks(application: Application, flow_id: str, freed_at: float, now: float) -> Iterator[str]:
    """No tick twice, and the schedule goes on."""
    rows, _ = application.services.store.trigger_events.list(flow_id, limit=500)
    ticks = [row.scheduled_at for row in rows if row.scheduled_at is not None]
    if len(ticks) != len(set(ticks)):
        yield "a tick of the schedule fired twice"
    due = (now - freed_at - RECOVERS_WITHIN_SECONDS) / 2
    since = application.services.clock.now.timestamp() - (now - freed_at)
    fired = sum(tick.timestamp() > since for tick in ticks)
    if fired < due - 1:
        yield f"the schedule fired {fired} times since there was room, and should have fired {due:.0f} times"


async def fill_once(way: Any, *, seconds: float, rate: float, draws: random.Random) -> list[str]:
    service, news, posted = CountingService(latency_seconds=0.2), News(draws), Posted()
    await service.start()
    routes = web.Application()
    routes.router.add_get("/news", news.news)
    runner = web.AppRunner(routes, shutdown_timeout=0.1)
    await runner.setup()
    news_port = free_port()
    await web.TCPSite(runner, "localhost", news_port).start()
    with tempfile.TemporaryDirectory(prefix="flowmend-full-") as folder, way(Path(folder)) as (data, command, set_full):
        hosts = frozenset({f"localhost:{service.port}", f"localhost:{news_port}"})
        settings = read_settings({}, data=data, port=free_port(), allowed_private_hosts=hosts)
        server = Server(settings, command, log_file=Path(folder) / "server.log")
        application: Application | None = None
        try:
            urls = await prepare(settings, service.url, flows(f"http://localhost:{news_port}"))
            await server.start()
            times: dict[str, float] = {}
            end = time.monotonic() + min(BEFORE_SECONDS, seconds) + seconds + min(AFTER_SECONDS, seconds)

            async def bring() -> None:
                await until(lambda: news.is_followed, seconds=30)  # what was there before the first poll is not news
                while time.monotonic() < end:
                    news.items += 3
                    await asyncio.sleep(1.0)

            (freed_at, seen), _, _ = await asyncio.gather(
                fill(server, settings.port, set_full, seconds, lambda: news.polls),
                post_all_the_time(urls["orders"], rate, end, posted, times),
                bring(),
            )
            accepted_at = [at for number, at in times.items() if number in posted.accepted and at > freed_at]
            seen.first_accepted_after = min(accepted_at) - freed_at if accepted_at else None
            application = open_services(settings)
            by_status = await settled(application)
            seen.settled_after = time.monotonic() - freed_at
            await asyncio.sleep(2.0)
            ids = {row.name: row.flow_id for row in application.services.store.flows.list()}
            server.stop()
            orders = RunFilter(flow_id=ids["orders"])
            unasked = {row.run_name for row in all_runs(application, orders)} - set(posted.accepted.values())
            wrong = [
                *check_accepted(application, posted.accepted),
                *check_ends(by_status, {"Succeeded"}),
                *check_orders_and_notes(application, service, flow_ids=[ids["orders"]]),
                *check_answers(posted),
                *check_seen(seen, seconds),
                *check_ticks(application, ids["ticks"], freed_at, time.monotonic()),
                *verdict(application, news, ids["news"]),
            ]
            if unasked:
                wrong.append(f"{len(unasked)} events have a run though they were refused")
        finally:
            if application is not None:
                application.services.store.close()
            server.stop()
            await service.stop()
            await runner.cleanup()
    print(f"accepted {len(posted.accepted)}, refused {dict(posted.refused)}, retry-after {dict(posted.retry_after)}")
    print(f"runs: {dict(by_status)}; slowest answer {posted.slowest_seconds:.2f} s; polls meanwhile {seen.polls}")
    print(
        f"memory {seen.memory_before:.0f} → {seen.memory_after:.0f} MB; {len(seen.lines)} lines of log; health {seen.health}"
    )
    print(
        f"accepted again after {seen.first_accepted_after or -1:.1f} s, all ended {seen.settled_after:.0f} s after there was room"
    )
    return wrong


async def run(seconds: float, rate: float, by: str, seed: int) -> int:
    print(f"seed {seed}: full for {seconds:g} s, {rate:g} events a second", flush=True)
    wrong: list[str] = []
    for name, way in {"pages": by_pages, "tmpfs": by_tmpfs}.items():
        if by in {name, "both"}:
            print(f"-- by {name}", flush=True)
            try:
                wrong += await fill_once(way, seconds=seconds, rate=rate, draws=random.Random(seed))
            except OSError as error:
                print(f"left out: {error}")
    return report(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=40.0)
    parser.add_argument("--by", choices=("pages", "tmpfs", "both"), default="both")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.seconds, chosen.rate, chosen.by, chosen.seed)))
