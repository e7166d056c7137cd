"""Events that arrive while a connection is broken: all accepted, all held, all run after the repair, once and in order.

    python bench/held_events.py [--events 50000] [--keys 500] [--kill] [--seed N]

A service on loopback refuses a flow's password, so its connection breaks; then events are posted over HTTP as fast as they are
answered. The password is verified anew, and what was held runs. Every event is about one of so many things (its business
key), and the service remembers what it was asked in which order. Afterwards: nothing lost, nothing done twice, of each thing one
after another in order of arrival. With --kill the server is ended with SIGKILL in the middle of the drain.

Prints accepted events and drained runs a second, and the most memory the server held. Exit 0 where everything holds.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from counting_service import ORDER, CountingService, Heard, free_port, unauthorized
from fault_flows import Document, call, flow, prepare, report
from fault_server import Server
from flowmend.assembly import open_services
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import Settings, read_settings
from measure import cpu_seconds, peak_megabytes, resident_megabytes
from servers import api_token
from servers import call as ask

HERE = Path(__file__).parent
CALLERS = 32
#: An order takes the service so long: long enough for two of one thing to meet, were they begun at once.
LATENCY_SECONDS = 0.005
WITHIN_SECONDS = 1200.0
SHOWN = 3


@dataclass(slots=True, kw_only=True)
class Watching:
    """How the service answers, and what it sees. under_way: {thing: how many of its orders are being made just now}."""

    keys: int
    is_refusing: bool = True
    numbers: list[int] = field(default_factory=list)
    under_way: Counter[int] = field(default_factory=Counter)
    together: list[int] = field(default_factory=list)

    async def answer(
        self, _request: web.Request, heard: Heard, _times: int, do: Callable[[], dict[str, Any]]
    ) -> web.StreamResponse:
        if self.is_refusing:
            return unauthorized()
        number = int(heard.number)
        thing = number % self.keys
        self.numbers.append(number)
        if self.under_way[thing]:
            self.together.append(number)
        self.under_way[thing] += 1
        try:
            await asyncio.sleep(LATENCY_SECONDS)
            return web.json_response(do(), status=201)
        finally:
            self.under_way[thing] -= 1


def order(keys: int) -> Document:
    """A flow that makes an order of each event."""
    body = {"number": "@{triggerBody()['n']}", "customer": "C-1", "lines": [{"sku": "HELM-010", "quantity": 1}]}
    document = flow({"Order": call("CreateOrder", body, run_after={})})
    key = f"@{{mod(triggerBody()['n'], {keys})}}"
    document["definition"]["metadata"] = {"flowmend": {"businessKey": key}}
    return document


async def post(url: str, events: int) -> dict[str, Any]:
    """Post so many events from a process of its own; what came back."""
    command = [sys.executable, str(HERE / "load.py"), url, "--concurrency", str(CALLERS), "--seconds", "1200"]
    command += ["--max-requests", str(events), "--body", '{"n": {n}}']
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    printed, _ = await process.communicate()
    return dict(json.loads(printed))


async def until(holds: Callable[[], bool], what: str, *, within: float = WITHIN_SECONDS) -> None:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {within:g} s: {what}")
        await asyncio.sleep(0.02)


async def run(events: int, keys: int, seed: int, *, with_kill: bool) -> int:
    print(f"seed {seed}: {events} events about {keys} things{', one kill' if with_kill else ''}", flush=True)
    draws = random.Random(seed)
    watching = Watching(keys=keys)
    service = CountingService(manner=watching.answer)
    await service.start()
    with tempfile.TemporaryDirectory(prefix="flowmend-held-") as name:
        folder = Path(name)
        hosts = frozenset({f"localhost:{service.port}"})
        settings = read_settings({}, data=folder / "data", port=free_port(), allowed_private_hosts=hosts)
        server = Server(settings, log_file=folder / "server.log")
        try:
            url = (await prepare(settings, service.url, {"orders": order(keys)}))["orders"]
            await server.start()
            token = api_token(folder)
            connection = await break_connection(settings, url, token)
            accepted = await hold(server, url, events)
            watching.is_refusing = False
            peak = await drain(
                server,
                watching,
                settings,
                connection,
                token,
                kill_at=draws.uniform(0.2, 0.8) * events if with_kill else 0.0,
                events=events,
            )
            print(f"the server held at most {peak:.0f} MB")
            await until(lambda: count_unfinished(settings) == 0, "every run has ended", within=60)
            server.stop()
            wrong = [
                *check_answers(accepted, events),
                *check_orders(watching, service, events),
                *check_rows(settings, events),
            ]
        finally:
            server.stop()
            await service.stop()
    return report(wrong)


async def break_connection(settings: Settings, url: str, token: str) -> str:
    """One event meets the refusal; the id of the connection once it is broken."""
    await post(url, 1)
    base = f"http://127.0.0.1:{settings.port}/api/v1/connections"
    (connection,) = (await asyncio.to_thread(ask, base, token=token))["value"]
    found: dict[str, Any] = {}

    def is_broken() -> bool:
        found.update(ask(f"{base}/{connection['id']}", token=token))
        return "broken" in json.dumps(found)

    deadline = time.monotonic() + 20
    while not await asyncio.to_thread(is_broken):
        if time.monotonic() > deadline:
            raise SystemExit(f"the connection did not break: {found}")
        await asyncio.sleep(0.1)
    return str(connection["id"])


async def hold(server: Server, url: str, events: int) -> dict[str, Any]:
    cpu, before = cpu_seconds(server.pid), resident_megabytes(server.pid)
    accepted = await post(url, events)
    print(
        f"{accepted['runs']} accepted in {accepted['seconds']:.1f} s: {accepted['runs'] / accepted['seconds']:.0f} a second, "
        f"half within {accepted['p50_ms']:.1f} ms, 99 % within {accepted['p99_ms']:.1f} ms, "
        f"{1000 * (cpu_seconds(server.pid) - cpu) / events:.2f} ms of CPU each; "
        f"{before:.0f} MB before, {resident_megabytes(server.pid):.0f} MB after",
        flush=True,
    )
    return accepted


async def drain(
    server: Server, watching: Watching, settings: Settings, connection: str, token: str, *, kill_at: float, events: int
) -> float:
    """Repair the connection and wait for every order; the most memory a process of the server held, in MB."""
    address = f"http://127.0.0.1:{settings.port}/api/v1/connections/{connection}/verify"
    cpu, began = cpu_seconds(server.pid), time.monotonic()
    verified = await asyncio.to_thread(
        ask, address, {"parameters": {"username": "ada", "password": FIRST_PASSWORD}}, token=token
    )
    print(f"verified in {time.monotonic() - began:.2f} s: {verified['released']} go on", flush=True)
    began = time.monotonic()
    peaks = [0.0]
    if kill_at:
        await until(lambda: len(watching.numbers) >= kill_at, "the moment of the kill")
        peaks.append(peak_megabytes(server.pid))
        server.kill()
        print(f"killed after {len(watching.numbers)} orders", flush=True)
        await server.start()
        cpu = cpu_seconds(server.pid)
    distinct: set[int] = set()
    seen = [0]

    def is_done() -> bool:
        distinct.update(watching.numbers[seen[0] :])
        seen[0] = len(watching.numbers)
        return len(distinct) >= events

    await until(is_done, f"{events} orders")
    taken = time.monotonic() - began
    print(
        f"{events} drained in {taken:.1f} s: {events / taken:.0f} a second, "
        f"{1000 * (cpu_seconds(server.pid) - cpu) / events:.2f} ms of CPU each",
        flush=True,
    )
    peaks.append(peak_megabytes(server.pid))
    return max(peaks)


def count_unfinished(settings: Settings) -> int:
    reader = open_services(settings)
    try:
        counts = reader.services.store.runs.count_by_status()
        return counts.get("Running", 0) + counts.get("Waiting", 0)
    finally:
        reader.services.store.close()


def check_answers(accepted: dict[str, Any], events: int) -> Iterator[str]:
    if accepted["statuses"] != {"202": events}:
        yield f"not every event was accepted: {accepted['statuses']}"


def check_orders(watching: Watching, service: CountingService, events: int) -> Iterator[str]:
    """Each order made once, and of each thing one after another in order of arrival."""
    keys_of = {number: {one.key for one in heard} for number, heard in service.by_number(ORDER).items()}
    made = Counter(service.done.values())
    if made != {1: events}:
        yield f"{events} orders were to be made once each; made so often: {dict(made)}"
    several = [number for number, keys in keys_of.items() if len(keys) > 1]
    if several:
        yield f"{len(several)} orders were asked for under more than one key, e.g. {several[:SHOWN]}"
    if watching.together:
        yield f"{len(watching.together)} orders met another of the same thing, e.g. {watching.together[:SHOWN]}"
    last: dict[int, int] = {}
    for number in watching.numbers:
        thing = number % watching.keys
        if number < last.get(thing, 0):
            yield f"order {number} of thing {thing} came after {last[thing]}"
        last[thing] = number
    print(f"{len(watching.numbers)} requests for {len(set(watching.numbers))} orders")


def check_rows(settings: Settings, events: int) -> Iterator[str]:
    """Each event fired and its run succeeded; nothing is held any more."""
    reader = open_services(settings)
    store = reader.services.store
    try:
        if held := store.trigger_events.count_held():
            yield f"{held} events are held still"
        counts = store.runs.count_by_status()
        if counts != {"Succeeded": events, "Failed": 1}:  # one broke the connection
            yield f"the runs ended otherwise: {counts}"
    finally:
        store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--kill", action="store_true", help="end the server in the middle of the drain")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.events, chosen.keys, chosen.seed, with_kill=chosen.kill)))
