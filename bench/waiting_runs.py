"""What runs that wait for a later time cost a server, and whether each goes on exactly once.

    python bench/waiting_runs.py [--runs 100000] [--due 2000] [--json FILE]

A flow is started so many times by the engine itself; each of its runs waits, most of them for days. Then `flowmend up`
serves this store: how long it takes to answer, what it holds in memory, what it uses while nothing happens, before and
after a SIGKILL. The last runs to begin wait but a moment: when that comes each calls a service on loopback, which counts.
At the end every run that still waits is cancelled by one request, while `/health` is asked how long it takes to answer.
Exit 0 where every figure is below its goal and every run due went on once.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from flowmend.assembly import Application, open_services
from flowmend.core.outcome import Status
from flowmend.settings import Settings, read_settings
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.accept_event import TriggerRequest, invoke_authorised
from flowmend.use_cases.access import ensure_owner, issue_token
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.import_flow import import_flows
from kill_test import Server, free_port

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
#: {what is measured: what it must stay below}
GOALS = {
    "memory_mb": 300.0,
    "memory_after_mb": 300.0,
    "memory_cancelled_mb": 300.0,
    "idle_cpu_percent": 2.0,
    "restart_seconds": 5.0,
    "slowest_answer_seconds": 0.5,
}
AT_ONCE = 500
IDLE_SECONDS = 20.0
#: From the first of them that begins to wait; by then the server was started, watched and killed.
DUE_AFTER = timedelta(seconds=75)
GO_ON_WITHIN_SECONDS = 120.0


def flow(origin: str) -> dict[str, Any]:
    trigger = {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}
    wait = {"type": "Wait", "inputs": {"until": {"timestamp": "@triggerBody()?['at']"}}, "runAfter": {}}
    body = {"number": "@triggerBody()?['number']"}
    tell = {"type": "Http", "inputs": {"method": "POST", "uri": f"{origin}/done", "body": body}}
    actions = {"Wait": wait, "Tell": {**tell, "runAfter": {"Wait": ["Succeeded"]}}}
    definition = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "triggers": {"manual": trigger}, "actions": actions}
    return {"definition": definition}


async def prepare(settings: Settings, origin: str, far: int, due: int) -> tuple[str, datetime, str]:
    """The flow, when the last of the runs due go on, and a token. The runs begin through the engine, as any caller's."""
    application = open_services(settings)
    services = application.services
    await application.start()
    try:
        owner = (await ensure_owner(services)).person_id
        (imported,) = await import_flows(services, json.dumps(flow(origin)).encode(), "wait.json", person_id=owner)
        await turn_on(services, imported.flow_id, owner)
        began = time.perf_counter()
        days = [services.clock.now + timedelta(days=2, minutes=number) for number in range(far)]
        await begin(application, imported.flow_id, range(far), days)
        first = services.clock.now + DUE_AFTER
        moments = [first + timedelta(seconds=10 * number / due) for number in range(due)]
        await begin(application, imported.flow_id, range(far, far + due), moments)
        print(f"{far + due} runs began in {time.perf_counter() - began:.0f} s", flush=True)
        return imported.flow_id, moments[-1] if moments else first, await issue_token(services, "bench")
    finally:
        await application.stop()


async def begin(application: Application, flow_id: str, numbers: Sequence[int], moments: Sequence[datetime]) -> None:
    loaded = application.services.flows.latest(flow_id)
    for block in range(0, len(numbers), AT_ONCE):
        chosen = zip(numbers[block : block + AT_ONCE], moments[block : block + AT_ONCE], strict=True)
        requests = [
            TriggerRequest(body={"number": number, "at": moment.isoformat()}, has_body=True)
            for number, moment in chosen
        ]
        await asyncio.gather(
            *(invoke_authorised(application.services, loaded, "manual", request) for request in requests)
        )


async def first_answer(server: Server, address: str, flow_id: str) -> float:
    """Seconds from the start of the process until `/health` and the flow's page answer."""
    began = time.perf_counter()
    await server.start()
    async with aiohttp.ClientSession() as session:
        for path in ("/health", f"/flows/{flow_id}"):
            async with session.get(f"{address}{path}") as answer:
                await answer.read()
    return time.perf_counter() - began


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the server's memory cannot be read")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def idle(pid: int) -> float:
    """Percent of a core that the server uses while nothing happens."""
    await asyncio.sleep(3)
    before, began = cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    return 100 * (cpu_seconds(pid) - before) / (time.perf_counter() - began)


async def went_on(settings: Settings, flow_id: str, due: int) -> tuple[float, dict[str, int]]:
    """Seconds until no run due is left, and the flow's runs by status."""
    reader = open_services(settings)
    try:
        began = time.perf_counter()
        while time.perf_counter() - began < GO_ON_WITHIN_SECONDS:
            counts = reader.services.store.runs.count_by_status(flow_id)
            if counts.get(Status.SUCCEEDED.value, 0) >= due:
                break
            await asyncio.sleep(0.2)
        taken = time.perf_counter() - began
        await asyncio.sleep(3)  # one that goes on twice does so now
        rows, _ = reader.services.store.runs.list(RunFilter(flow_id=flow_id, statuses=(Status.FAILED,)), limit=3)
        for row in rows:
            print(f"{row.run_name} failed: {row.error_message}")
        return taken, dict(reader.services.store.runs.count_by_status(flow_id))
    finally:
        reader.services.store.close()


async def cancel_all(address: str, flow_id: str, token: str) -> tuple[float, float]:
    """(seconds until no run is left, the longest that `/health` took meanwhile)"""
    began, slowest = time.perf_counter(), 0.0
    place = f"{address}/api/v1/flows/{flow_id}/cancel_runs"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        async with session.post(place) as answer:
            left = (await answer.json())["left"]
        while left:
            for _ in range(20):
                asked = time.perf_counter()
                async with session.get(f"{address}/health") as answer:
                    await answer.read()
                slowest = max(slowest, time.perf_counter() - asked)
                await asyncio.sleep(0.02)
            async with session.get(place) as answer:
                left = (await answer.json())["left"]
    return time.perf_counter() - began, slowest


async def run(runs: int, due: int) -> tuple[dict[str, float], list[str]]:
    """(what was measured, what does not hold as sentences)"""
    told: Counter[int] = Counter()

    async def done(request: web.Request) -> web.Response:
        told[(await request.json())["number"]] += 1
        return web.json_response({})

    routes = web.Application()
    routes.router.add_post("/done", done)
    runner = web.AppRunner(routes, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "localhost", port).start()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="flowmend-waiting-") as folder:
        hosts = frozenset({f"localhost:{port}"})
        settings = read_settings({}, data=Path(folder), port=free_port(), allowed_private_hosts=hosts)
        flow_id, last_due, token = await prepare(settings, f"http://localhost:{port}", runs - due, due)
        server = Server(settings)
        address = f"http://127.0.0.1:{settings.port}"
        try:
            figures["start_seconds"] = await first_answer(server, address, flow_id)
            figures["idle_cpu_percent"] = await idle(server.pid)
            figures["memory_mb"] = memory_mb(server.pid)
            server.kill()
            figures["restart_seconds"] = await first_answer(server, address, flow_id)
            await asyncio.sleep(max(0.0, last_due.timestamp() - time.time()))
            figures["late_seconds"], counts = await went_on(settings, flow_id, due)
            figures["memory_after_mb"] = memory_mb(server.pid)
            figures["cancel_seconds"], figures["slowest_answer_seconds"] = await cancel_all(address, flow_id, token)
            figures["memory_cancelled_mb"] = memory_mb(server.pid)
        finally:
            server.stop()
    await runner.cleanup()
    wrong = [
        f"{name} is {figures[name]:.2f}, the goal {goal:g}" for name, goal in GOALS.items() if figures[name] > goal
    ]
    expected = {Status.SUCCEEDED.value: due, Status.RUNNING.value: runs - due}
    if counts != {status: count for status, count in expected.items() if count}:
        wrong.append(f"the runs stand as {counts}, not as {expected}")
    if told != Counter(range(runs - due, runs)):
        twice = sum(count > 1 for count in told.values())
        wrong.append(f"of {due} runs due {len(told)} told the service, {twice} of them more than once")
    return figures, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    figures, wrong = asyncio.run(run(chosen.runs, chosen.due))
    for name, figure in figures.items():
        print(f"{name:22} {figure:8.2f}")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print("everything holds" if not wrong else "not everything holds")
    if chosen.json:
        measured = {"runs": chosen.runs, "due": chosen.due, "goals": GOALS, "figures": figures}
        chosen.json.write_text(json.dumps(measured, indent=2))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
