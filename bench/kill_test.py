"""Kills a running Flowmend at random moments and counts what the service saw.

    python bench/kill_test.py [--runs 500] [--kills 10] [--seed N]

Starts the sample service and `flowmend up` as processes of their own on loopback, posts events to a flow that first
creates an order (the operation honours its key) and then writes a note (the operation ignores keys), and ends the
server with SIGKILL at random moments. Afterwards it checks, from the journal and the service's own counts:

- no accepted run is lost, and none is stuck without a stated reason;
- every order was created once, and each repeat carried the first key;
- no note was sent twice; the runs whose note is in doubt ask.

The seed is printed; the same seed gives the same moments. Exit 0 where everything holds.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp

from flowmend.assembly import Application, open_services
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.sample.demo import FIRST_PASSWORD, SampleService
from flowmend.settings import Settings, read_settings
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.connections import install_connector
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import callback_url, turn_on
from flowmend.use_cases.import_flow import import_flows

SAMPLE = Path(__file__).parents[1] / "src" / "flowmend" / "sample"
POSTERS = 64
SERVICE_LATENCY_MS = 1200
SETTLES_WITHIN_SECONDS = 120.0
START_SECONDS = 30.0


def flow_document() -> dict[str, object]:
    def call(operation: str, body: dict[str, object]) -> dict[str, object]:
        host = {
            "connectionName": "shared_sample_orders",
            "operationId": operation,
            "apiId": "/apis/shared_sample_orders",
        }
        return {"host": host, "parameters": {"body": body}}

    number = "@triggerBody()?['number']"
    order = {"number": number, "customer": "C-1", "lines": [{"sku": "HELM-010", "quantity": 1}]}
    return {
        "connectionReferences": {"shared_sample_orders": {"connectionName": "", "id": "/apis/shared_sample_orders"}},
        "definition": {
            "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
            "contentVersion": "1.0.0.0",
            "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
            "actions": {
                "Name": {"type": "Compose", "inputs": "Order @{triggerBody()?['number']}", "runAfter": {}},
                "Create_order": {
                    "type": "OpenApiConnection",
                    "inputs": call("CreateOrder", order),
                    "runAfter": {"Name": ["Succeeded"]},
                },
                "Write_note": {
                    "type": "OpenApiConnection",
                    "inputs": call("CreateNote", {"subject": number, "text": "@outputs('Name')"}),
                    "runAfter": {"Create_order": ["Succeeded"]},
                },
                "Done": {"type": "Compose", "inputs": "done", "runAfter": {"Write_note": ["Succeeded"]}},
            },
        },
    }


async def prepare(settings: Settings, service_url: str) -> str:
    """A data folder with connector, connection and the flow turned on; the flow's callback URL."""
    application = open_services(settings)
    services = application.services
    await application.start()
    try:
        owner = (await ensure_owner(services)).person_id
        await install_connector(services, SAMPLE / "connectors" / "sample_orders", owner)
        values = {"host_url": service_url, "username": "ada", "password": FIRST_PASSWORD}
        await create_connection(services, "sample_orders", "Orders", values, owner)
        content = json.dumps(flow_document()).encode()
        (imported,) = await import_flows(services, content, "kill_test.json", person_id=owner)
        await turn_on(services, imported.flow_id, owner)
        callback = callback_url(services, services.flows.latest(imported.flow_id))
        if callback is None:
            raise SystemExit("the flow has no callback URL")
        return callback.value
    finally:
        await application.stop()


class Server:
    """`flowmend up`, started and killed."""

    def __init__(self, settings: Settings, service_port: int) -> None:
        self._settings = settings
        self._environment = {
            **os.environ,
            "FLOWMEND_DATA": str(settings.data),
            "FLOWMEND_PORT": str(settings.port),
            "FLOWMEND_ALLOWED_PRIVATE_HOSTS": f"localhost:{service_port}",
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        log = (self._settings.data / "server.log").open("ab")
        self._process = subprocess.Popen(  # noqa: ASYNC220  # starting takes no time; waiting for it is async
            [sys.executable, "-m", "flowmend", "up"], env=self._environment, stdout=log, stderr=log
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._settings.port), 0.2).close()
                return
            await asyncio.sleep(0.05)
        said = (self._settings.data / "server.log").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"the server did not start within {START_SECONDS:g} s; it said:\n{said[-3000:]}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)


async def post_events(
    url: str, numbers: list[str], seconds: float, accepted: dict[str, str], unknown: Counter[str]
) -> None:
    """Post one event per number: the first half at once, the other evenly over `seconds`, so that each kill finds runs
    at every stage. A refused connection is tried again; a broken one leaves its event unknown.
    """
    began, half = time.monotonic(), len(numbers) // 2
    due = {number: began + seconds * index / max(1, half) for index, number in enumerate(numbers[half:])}
    queue = list(reversed(numbers))

    async def poster(session: aiohttp.ClientSession) -> None:
        while queue:
            number = queue.pop()
            await asyncio.sleep(max(0.0, due.get(number, began) - time.monotonic()))
            for _ in range(600):
                try:
                    async with session.post(url, json={"number": number}) as answer:
                        if answer.status == 202:
                            accepted[number] = answer.headers["x-ms-workflow-run-id"]
                        else:
                            unknown[f"HTTP {answer.status}"] += 1
                        break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.05)
                except (aiohttp.ClientError, TimeoutError) as error:
                    unknown[type(error).__name__] += 1
                    break

    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(poster(session) for _ in range(POSTERS)))


async def kill_at_random(server: Server, draws: random.Random, kills: int) -> None:
    for count in range(kills):
        await asyncio.sleep(draws.uniform(0.2, 2.5 * SERVICE_LATENCY_MS / 1000))
        server.kill()
        print(f"kill {count + 1} of {kills}", flush=True)
        await server.start()


async def settled(application: Application) -> Counter[str]:
    """Wait until no run is Running; the runs by status and code."""
    deadline = time.monotonic() + SETTLES_WITHIN_SECONDS
    while True:
        running, _ = application.services.store.runs.list(RunFilter(statuses=(Status.RUNNING,)), limit=1)
        if not running or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    found: Counter[str] = Counter()
    cursor = ""
    while True:
        rows, cursor = application.services.store.runs.list(limit=500, cursor=cursor)
        found.update(f"{row.status} {row.code}".strip() for row in rows)
        if not cursor:
            return found


async def counts_of(service: SampleService) -> Json:
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/admin/counts") as answer:
        return await answer.json()


def verdict(application: Application, accepted: dict[str, str], by_status: Counter[str], counts: Json) -> list[str]:
    """What does not hold, as sentences; empty where everything does."""
    wrong: list[str] = []
    lost = [number for number, run in accepted.items() if application.services.store.runs.get(run) is None]
    if lost:
        wrong.append(f"{len(lost)} accepted runs are lost, e.g. {lost[:3]}")
    stuck = {
        status: count for status, count in by_status.items() if status not in {"Succeeded", "Waiting ActionInDoubt"}
    }
    if stuck:
        wrong.append(f"runs that ended or wait otherwise: {stuck}")
    twice = {name: times for name, times in counts["notes"]["requests_by_subject"].items() if times > 1}
    if twice:
        wrong.append(f"notes sent twice: {twice}")
    orders, keys = counts["orders"], counts["idempotency"]["distinct_keys"]
    if not orders["created"] == orders["distinct_numbers"] == keys:
        wrong.append(f"{orders['created']} orders for {orders['distinct_numbers']} numbers under {keys} keys")
    return wrong


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def run(runs: int, kills: int, seed: int) -> int:
    draws = random.Random(seed)
    print(f"seed {seed}: {runs} runs, {kills} kills", flush=True)
    service = SampleService(free_port())
    service.start()
    service_port = int(service.url.rpartition(":")[2])
    with tempfile.TemporaryDirectory(prefix="flowmend-kill-") as folder:
        settings = read_settings(
            {}, data=Path(folder), port=free_port(), allowed_private_hosts=frozenset({f"localhost:{service_port}"})
        )
        server = Server(settings, service_port)
        try:
            url = await prepare(settings, service.url)
            service.change("latency", {"ms": SERVICE_LATENCY_MS})
            await server.start()
            accepted: dict[str, str] = {}
            unknown: Counter[str] = Counter()
            numbers = [f"K-{index:05d}" for index in range(runs)]
            # A kill and the start after it take about two latencies on average.
            seconds = kills * 2 * SERVICE_LATENCY_MS / 1000
            await asyncio.gather(
                post_events(url, numbers, seconds, accepted, unknown), kill_at_random(server, draws, kills)
            )
            application = open_services(settings)
            by_status = await settled(application)
            counts = await counts_of(service)
            wrong = verdict(application, accepted, by_status, counts)
            application.services.store.close()
        finally:
            server.stop()
            service.stop()
    print(f"accepted {len(accepted)}, not accepted {dict(unknown) or 0}, runs stored {sum(by_status.values())}")
    for status, count in sorted(by_status.items()):
        print(f"  {status}: {count}")
    requests = sum(counts["orders"]["requests_by_number"].values())
    repeated = counts["idempotency"]["repeated_requests"]
    print(
        f"orders: {requests} requests ({repeated} repeated a key), {counts['idempotency']['distinct_keys']} distinct keys"
    )
    notes = counts["notes"]
    print(f"notes: {notes['requests']} requests for {len(notes['requests_by_subject'])} subjects")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print("everything holds" if not wrong else "not everything holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.runs, chosen.kills, chosen.seed)))
