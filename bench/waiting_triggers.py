"""Kills a Flowmend whose triggers poll and are subscribed, and counts what their services saw.

    python bench/waiting_triggers.py [--items 1000] [--subscriptions 2000] [--kills 10] [--seed N]

A service on loopback gets news while `flowmend up` is ended with SIGKILL at random moments; a flow polls for them each second.
The same service is subscribed to by many flows and fails one call in three, half of those after it did what was asked. Then all
flows are turned off. Afterwards it checks:

- every item started exactly one run, and the runs stand in the order of the items;
- while the flows are on every one is subscribed, once; when they are off the service knows of no subscription any more.

The seed is printed; the same seed gives the same failures and moments. Exit 0 where everything holds.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web

from counting_service import free_port
from fault_flows import SCHEMA, report, until
from fault_server import KILL_TAKES, Server, kill_at_random
from flowmend.assembly import Application, open_services
from flowmend.settings import Settings, read_settings
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.flows import turn_off, turn_on
from flowmend.use_cases.import_flow import import_flows

PAGE = 20
FAILING = 1 / 3
SETTLES_WITHIN_SECONDS = 600.0


class Service:
    """News to poll, by `Location`, and hooks to subscribe to.

    there: the subscriptions it knows, {id: callback URL}. is_followed: whoever polls has kept the place that an answer told.
    """

    def __init__(self, draws: random.Random) -> None:
        self.items = 0
        self.polls = 0
        self.is_followed = False
        self.calls = 0
        self.there: dict[str, str] = {}
        self.made = 0
        self._known: dict[str, str] = {}
        self._draws = draws

    async def news(self, request: web.Request) -> web.Response:
        self.polls += 1
        self.is_followed = self.is_followed or "triggerstate" in request.query
        place = int(request.query.get("triggerstate", self.items))
        found = [{"id": number} for number in range(place, min(place + PAGE, self.items))]
        headers = {"Location": f"/news?triggerstate={place + len(found)}"}
        if not found:
            return web.Response(status=202, headers=headers)
        return web.json_response({"value": found}, headers={**headers, "Retry-After": "0"})

    async def hooks(self, request: web.Request) -> web.Response:
        self.calls += 1
        draw = self._draws.random()
        if draw < FAILING / 2:
            return web.Response(status=503)
        if request.method == "DELETE":
            was_there = self.there.pop(request.match_info["name"], None) is not None
            answer = web.Response(status=204 if was_there else 404)
        else:
            key = request.headers["x-ms-client-request-id"]
            if key not in self._known:
                self.made += 1
                self._known[key] = f"h{self.made}"
                self.there[self._known[key]] = (await request.json())["url"]
            answer = web.json_response({}, status=201, headers={"Location": f"/hooks/{self._known[key]}"})
        if draw < FAILING and request.transport is not None:
            request.transport.close()  # it did what was asked, and nobody hears of it
        return answer


def news_flow(origin: str) -> dict[str, Any]:
    trigger = {
        "type": "Http",
        "inputs": {"method": "GET", "uri": f"{origin}/news"},
        "recurrence": {"frequency": "Second", "interval": 1},
        "splitOn": "@triggerBody()?['value']",
        "splitOnConfiguration": {"correlation": {"clientTrackingId": "item-@{triggerBody()?['id']}"}},
    }
    return _flow({"new": trigger})


def hook_flow(origin: str) -> dict[str, Any]:
    location = "@{triggerOutputs()?['headers']?['Location']}"
    subscribe = {"method": "POST", "uri": f"{origin}/hooks", "body": {"url": "@listCallbackUrl()"}}
    unsubscribe = {"method": "DELETE", "uri": f"{origin}{location}"}
    return _flow({"called": {"type": "HttpWebhook", "inputs": {"subscribe": subscribe, "unsubscribe": unsubscribe}}})


def _flow(triggers: dict[str, Any]) -> dict[str, Any]:
    actions = {"A": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}}
    return {"definition": {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "triggers": triggers, "actions": actions}}


async def add_flows(settings: Settings, origin: str, subscriptions: int) -> tuple[str, list[str]]:
    """(the flow that polls, the flows that are subscribed), all of them on."""
    application = open_services(settings)
    await application.start()
    try:
        owner = (await ensure_owner(application.services)).person_id
        names = {"news": news_flow(origin), **{f"hook-{n}": hook_flow(origin) for n in range(subscriptions)}}
        flows = []
        for name, document in names.items():
            content = json.dumps(document).encode()
            (imported,) = await import_flows(application.services, content, f"{name}.json", person_id=owner)
            await turn_on(application.services, imported.flow_id, owner)
            flows.append(imported.flow_id)
        return flows[0], flows[1:]
    finally:
        await application.stop()


async def turn_all_off(settings: Settings, flows: list[str]) -> None:
    """Turn flows off and stop at once, whatever is under way."""
    application = open_services(settings)
    await application.start()
    owner = (await ensure_owner(application.services)).person_id
    for flow_id in flows:
        await turn_off(application.services, flow_id, owner)
    await application.stop()


async def bring_news(service: Service, items: int, seconds: float) -> None:
    for _ in range(20):
        await asyncio.sleep(seconds / 20)
        service.items += items // 20
    service.items += items % 20


def items_run(application: Application, flow_id: str) -> list[int]:
    """The items that started runs, in the order of these."""
    found: list[int] = []
    cursor = ""
    while True:
        rows, cursor = application.services.store.runs.list(RunFilter(flow_id=flow_id), limit=500, cursor=cursor)
        found += [int(row.client_tracking_id.removeprefix("item-")) for row in rows]
        if not cursor:
            return found[::-1]


def verdict(application: Application, service: Service, news: str) -> list[str]:
    """What does not hold of the news, as sentences."""
    found = items_run(application, news)
    wrong = []
    if missing := set(range(service.items)) - set(found):
        wrong.append(f"{len(missing)} items started no run, e.g. {sorted(missing)[:3]}")
    if len(found) != len(set(found)):
        wrong.append(f"{len(found) - len(set(found))} items started more than one run")
    if found != sorted(found):
        wrong.append("the runs are not in the order of the items")
    return wrong


async def run(items: int, subscriptions: int, kills: int, seed: int) -> int:
    draws = random.Random(seed)
    print(f"seed {seed}: {items} items, {subscriptions} subscriptions, {kills} kills", flush=True)
    service = Service(random.Random(seed + 1))
    routes = web.Application()
    routes.router.add_get("/news", service.news)
    routes.router.add_post("/hooks", service.hooks)
    routes.router.add_delete("/hooks/{name}", service.hooks)
    runner = web.AppRunner(routes, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "localhost", port).start()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="flowmend-kill-") as folder:
        hosts = frozenset({f"localhost:{port}"})
        settings = read_settings({}, data=Path(folder), port=free_port(), allowed_private_hosts=hosts)
        server = Server(settings)
        reader = open_services(settings)
        try:
            news, hooked = await add_flows(settings, f"http://localhost:{port}", subscriptions)
            await asyncio.gather(bring_news(service, items, kills * KILL_TAKES), kill_at_random(server, draws, kills))
            if not await until(lambda: len(items_run(reader, news)) >= service.items, SETTLES_WITHIN_SECONDS):
                wrong.append("not every item started a run in time")
            await asyncio.sleep(3)  # one that comes twice comes now
            wrong += verdict(reader, service, news)
            rows = reader.services.store.subscriptions
            if not await until(
                lambda: all(one.state == "active" for flow in hooked for one in rows.of_flow(flow)),
                SETTLES_WITHIN_SECONDS,
            ):
                wrong.append("not every flow is subscribed")
            if not (len(service.there) == service.made == subscriptions):
                wrong.append(f"{len(service.there)} subscriptions for {subscriptions} flows, {service.made} were made")
            server.stop()
            await turn_all_off(settings, hooked)
            await kill_at_random(server, draws, kills // 2)
            if (
                not await until(lambda: not any(rows.of_flow(flow) for flow in hooked), SETTLES_WITHIN_SECONDS)
                or service.there
            ):
                wrong.append(f"{len(service.there)} subscriptions are left behind")
        finally:
            reader.services.store.close()
            server.stop()
    await runner.cleanup()
    print(f"{service.items} items by {service.polls} polls; {service.made} subscriptions by {service.calls} calls")
    return report(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--subscriptions", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.items, chosen.subscriptions, chosen.kills, chosen.seed)))
