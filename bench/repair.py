"""Runs that a broken connection failed, put right by one repair plan: each exactly once, also where the server is killed.

    python bench/repair.py [--runs 5000] [--kill] [--second-break] [--seed N]

A service on loopback refuses the password of three flows, so their connection breaks and their runs fail. The password is
verified anew with a plan, and the plan is started. With --kill the server is ended with SIGKILL in the middle. With
--second-break the service refuses the password again in the middle: the plan stops by itself, is repaired and started again.
Every event is about one of so many customers (its business key). Afterwards: every order made exactly once, of each
customer in order of arrival, and after a second break five calls at most before the plan stops.

Prints how long planning takes and runs a second. Exit 0 where everything holds.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from counting_service import CountingService, Heard, free_port, unauthorized
from fault_flows import Document, after, call, flow, prepare, report
from fault_server import Server
from flowmend.assembly import open_services
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import Settings, read_settings
from held_events import break_connection, post, until
from servers import api_token
from servers import call as ask

FLOWS = 3
CUSTOMERS = 500
GOAL_A_SECOND = 200
MOST_CALLS_AFTER_BREAK = 5
SHOWN = 3


@dataclass(slots=True, kw_only=True)
class Watching:
    """How the service answers, and what it sees. refused_after: calls since the second break. made: the numbers of the orders as
    they were made; asked for again under the same key one is not made again. first: the number that was heard first.
    """

    is_refusing: bool = True
    break_at: int = 0
    refused_after: int = 0
    numbers: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    first: int | None = None
    keys: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def answer(
        self, _request: web.Request, heard: Heard, _times: int, do: Callable[[], dict[str, Any]]
    ) -> web.StreamResponse:
        if self.break_at and len(self.numbers) >= self.break_at:
            self.is_refusing, self.break_at = True, 0
            self.refused_after = 0
        if self.first is None:
            self.first = int(heard.number)
        if self.is_refusing:
            self.refused_after += 1
            return unauthorized()
        number = int(heard.number)
        self.numbers.append(number)
        if heard.key not in self.keys[number]:
            self.keys[number].add(heard.key)
            self.made.append(number)
        return web.json_response(do(), status=201)


def order(index: int) -> Document:
    """A flow that makes an order of each event; where it may not, its run fails. index: of the flow, its orders' own numbers."""
    number = f"@{{add(mul(triggerBody()['n'], {FLOWS}), {index})}}"
    body = {"number": number, "customer": "C-1", "lines": [{"sku": "HELM-010", "quantity": 1}]}
    document = flow(
        {
            "Name": {"type": "Compose", "inputs": "Order @{triggerBody()['n']}", "runAfter": {}},
            "Order": call("CreateOrder", body, run_after=after("Name")),
            "Done": {"type": "Compose", "inputs": "done", "runAfter": after("Order")},
        }
    )
    key = f"@{{mod(triggerBody()['n'], {CUSTOMERS})}}"
    document["definition"]["metadata"] = {"flowmend": {"businessKey": key, "onBrokenConnection": "fail"}}
    return document


class Repairer:
    """What a person does, over the API."""

    def __init__(self, settings: Settings, token: str, connection: str) -> None:
        self._base = f"http://127.0.0.1:{settings.port}/api/v1"
        self._token = token
        self._connection = connection

    async def verify(self) -> str:
        """Enter the password and plan the repair; the plan's id."""
        wanted = {"parameters": {"username": "ada", "password": FIRST_PASSWORD}, "then": "plan"}
        began = time.monotonic()
        verified = await self._ask(f"connections/{self._connection}/verify", wanted)
        plan = await self.plan(verified["repair_plan"])
        print(
            f"verified and planned in {time.monotonic() - began:.1f} s: {plan['counts']['to_go']} to go, "
            f"{plan['counts']['cannot']} cannot",
            flush=True,
        )
        return str(plan["id"])

    async def plan(self, plan_id: str) -> dict[str, Any]:
        return dict(await self._ask(f"repair_plans/{plan_id}"))

    async def start(self, plan_id: str) -> None:
        plan = await self.plan(plan_id)
        await self._ask(f"repair_plans/{plan_id}/start", {"version": plan["version"]})

    async def reaches(self, plan_id: str, *states: str, within: float = 600.0) -> dict[str, Any]:
        deadline = time.monotonic() + within
        while True:
            plan = await self.plan(plan_id)
            if plan["state"] in states:
                return plan
            if time.monotonic() > deadline:
                raise SystemExit(f"the plan is {plan['state']}, not {states}: {plan['counts']}")
            await asyncio.sleep(0.2)

    async def _ask(self, path: str, document: Any = None) -> Any:
        return await asyncio.to_thread(ask, f"{self._base}/{path}", document, token=self._token)


async def run(runs: int, seed: int, *, with_kill: bool, with_second_break: bool) -> int:
    print(f"seed {seed}: {runs} failed runs over {FLOWS} flows", flush=True)
    draws = random.Random(seed)
    watching = Watching()
    service = CountingService(manner=watching.answer)
    await service.start()
    with tempfile.TemporaryDirectory(prefix="flowmend-repair-") as name:
        folder = Path(name)
        hosts = frozenset({f"localhost:{service.port}"})
        settings = read_settings({}, data=folder / "data", port=free_port(), allowed_private_hosts=hosts)
        server = Server(settings, log_file=folder / "server.log")
        try:
            urls = await prepare(settings, service.url, {f"orders{index}": order(index) for index in range(FLOWS)})
            await server.start()
            token = api_token(folder)
            failed, connection = await fail(settings, list(urls.values()), token, runs)
            watching.is_refusing = False
            repairer = Repairer(settings, token, connection)
            plan_id = await repairer.verify()
            moment = int(draws.uniform(0.3, 0.7) * failed)
            wrong: list[str] = []
            if with_second_break:
                wrong += await break_again(repairer, watching, plan_id, moment)
                plan_id = await repairer.verify()
            kill_after = draws.uniform(0.3, 0.7) if with_kill else 0.0
            await recover(repairer, server, watching, plan_id, failed, kill_after=kill_after)
            server.stop()
            wrong += [*check_orders(watching, failed), *check_rows(settings, failed)]
        finally:
            server.stop()
            await service.stop()
    return report(wrong)


async def fail(settings: Settings, urls: list[str], token: str, runs: int) -> tuple[int, str]:
    """(how many runs failed, the connection that failed them)."""
    connection = await break_connection(settings, urls[0], token)
    each = runs // len(urls)
    for url in urls:
        await post(url, each)
    base = f"http://127.0.0.1:{settings.port}/api/v1/incidents?state=open"
    deadline = time.monotonic() + 120
    while True:
        (incident,) = (await asyncio.to_thread(ask, base, token=token))["value"]
        if incident["failed_runs"] == each * len(urls) + 1:
            return incident["failed_runs"], connection
        if time.monotonic() > deadline:
            raise SystemExit(f"only {incident['failed_runs']} runs failed")
        await asyncio.sleep(0.2)


async def break_again(repairer: Repairer, watching: Watching, plan_id: str, moment: int) -> Iterator[str]:
    """The password is refused again in the middle."""
    watching.break_at = moment
    await repairer.start(plan_id)
    plan = await repairer.reaches(plan_id, "stopped", "done")
    await asyncio.sleep(1)
    calls = watching.refused_after
    print(f"second break after {moment} orders: {calls} calls after it, the plan is {plan['state']}", flush=True)
    watching.is_refusing = False
    return iter(
        [] if plan["state"] == "stopped" and calls <= MOST_CALLS_AFTER_BREAK else [f"{calls} calls, {plan['state']}"]
    )


async def recover(
    repairer: Repairer, server: Server, watching: Watching, plan_id: str, failed: int, *, kill_after: float
) -> None:
    """Start the plan and wait for its end. kill_after: after which part of what is left the server is ended, 0 for not at all."""
    before, began = len(watching.numbers), time.monotonic()
    await repairer.start(plan_id)
    if kill_after:
        moment = before + kill_after * (failed - before)
        await until(lambda: len(watching.numbers) >= moment, "the moment of the kill")
        server.kill()
        print(f"killed after {len(watching.numbers)} orders", flush=True)
        await server.start()
    plan = await repairer.reaches(plan_id, "done", "stopped")
    taken = time.monotonic() - began
    count = len(watching.numbers) - before
    is_enough = "" if count / taken >= GOAL_A_SECOND else f" (goal: {GOAL_A_SECOND})"
    print(
        f"{plan['state']}: {plan['counts']['succeeded']} of {failed} succeeded, {count} orders in {taken:.1f} s: "
        f"{count / taken:.0f} a second{is_enough}",
        flush=True,
    )


def check_orders(watching: Watching, failed: int) -> Iterator[str]:
    """Each order made once; of each customer and flow in order of arrival."""
    times = Counter(len(keys) for keys in watching.keys.values())
    made = sum(count * number for count, number in times.items())
    print(f"{len(watching.numbers)} accepted requests under {made} keys for {failed} failed runs")
    if made != failed:
        yield f"{made} orders were made for {failed} failed runs"
    # Events of one customer are posted hundreds apart, so they arrive in the order of their numbers; the one that broke the
    # connection came before all of them, with a number of another count.
    of_customers: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number in watching.made:
        of_customers[number % FLOWS, number // FLOWS % CUSTOMERS].append(number)
    late = [
        made_for
        for made_for in of_customers.values()
        if made_for != sorted(made_for, key=lambda one: (one != watching.first, one))
    ]
    if late:
        yield f"orders of {len(late)} customers were made out of order: {late[:SHOWN]}"


def check_rows(settings: Settings, failed: int) -> Iterator[str]:
    """For each failed run one attempt that succeeded, and no run that ended otherwise."""
    reader = open_services(settings)
    store = reader.services.store
    try:
        counts = store.runs.count_by_status()
        if counts.get("Succeeded") != failed or counts.keys() - {"Succeeded", "Failed"}:
            yield f"the runs ended otherwise: {counts}"
        (incident, *_) = store.incidents.list()[0][-1:]
        print(f"runs by status: {dict(counts)}, incident {incident.state.value}")
    finally:
        store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--second-break", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.runs, chosen.seed, with_kill=chosen.kill, with_second_break=chosen.second_break)))
