"""How long the pages of incidents take beside a hundred thousand failed runs.

    python bench/incidents.py [--runs 100000] [--rounds 15] [--json FILE]

One sign-in app's secret expires under twelve connections; every run of three flows fails for it. Beside that a hundred
incidents were closed before. The pages are asked for over loopback; the figures are medians, the slowest in brackets.
"""

import argparse
import asyncio
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import uvicorn

from flowmend.assembly import Application, open_services
from flowmend.core.connection.health import HealthState
from flowmend.settings import Settings
from flowmend.store.incidents import Refusal
from flowmend.store.journal import AddTracked, StartRun, Write
from flowmend.store.rows import (
    ConnectionMappingRow,
    ConnectionRow,
    FlowRow,
    FlowState,
    FlowVersionRow,
    RunRow,
    TrackedValueRow,
)
from flowmend.use_cases.access import SESSION_COOKIE, ensure_owner, issue_login_link, use_login_link

CONNECTIONS, FLOWS, CLOSED = 12, 3, 100
GOAL_MS = 100.0
_BLOCK = 5_000


def main() -> None:
    given = _read_arguments()
    with tempfile.TemporaryDirectory() as folder:
        application = open_services(Settings(data=Path(folder), port=0))
        incident_id = _fill(application, given.runs)
        figures = {}
        with _serving(application) as (port, cookie):
            for name, path in (
                ("incident", f"/incidents/{incident_id}"),
                ("incidents", "/incidents"),
                ("home", "/"),
                ("api incident", f"/api/v1/incidents/{incident_id}"),
            ):
                taken = [_ask(port, path, cookie) for _ in range(given.rounds)]
                figures[name] = {"median_ms": round(median(taken), 1), "slowest_ms": round(max(taken), 1)}
                print(f"{name:14} {figures[name]['median_ms']:7.1f} ms  ({figures[name]['slowest_ms']:.1f})")
        if given.json:
            given.json.write_text(json.dumps({"runs": given.runs, "goal_ms": GOAL_MS, "pages": figures}, indent=2))


def _fill(application: Application, count: int) -> str:
    """Connections, flows, runs and incidents; the id of the open one."""
    services = application.services
    store, now = services.store, services.clock.now
    owner = asyncio.run(ensure_owner(services)).person_id
    began = now - timedelta(hours=6)
    for number in range(FLOWS):
        head = FlowRow(
            flow_id=f"flow-{number}",
            name=f"Flow {number}",
            packaging="bare",
            state=FlowState.OFF,
            version="v1",
            owner_id=owner,
            sealed_access_key=b"",
            settings=None,
            created_at=began,
            changed_at=began,
        )
        store.flows.add(head, FlowVersionRow(flow_id=head.flow_id, version="v1", document={}, created_at=began))
    for number in range(CONNECTIONS):
        row = _connection(number, owner, began)
        store.connections.add(row)
        store.flows.set_mapping(
            ConnectionMappingRow(
                flow_id=f"flow-{number % FLOWS}", reference=f"r{number}", connection_id=row.connection_id
            )
        )
    for number in range(CLOSED):
        incident = store.incidents.fold(
            _connection(number % CONNECTIONS, owner, began),
            _refusal(began - timedelta(days=number + 1)),
            f"closed-{number}",
        )
        assert incident is not None
        for member in store.incidents.connections_of(incident.incident_id):
            store.connections.change(member.connection_id, health=HealthState.CONNECTED)
            store.incidents.prove(member.connection_id, began - timedelta(days=number, hours=12))
            store.connections.change(member.connection_id, health=HealthState.BROKEN)
    for number in range(CONNECTIONS):
        incident = store.incidents.fold(_connection(number, owner, began), _refusal(began), "open")
    _add_runs(application, count, began)
    return "open"


def _connection(number: int, owner: str, at: Any) -> ConnectionRow:
    return ConnectionRow(
        connection_id=f"connection-{number}",
        connector_id="http",
        display_name=f"Connection {number}",
        app_id="app",
        owner_id=owner,
        parameters={},
        allowed_origins=[],
        health=HealthState.BROKEN,
        health_changed_at=at,
        refused_at=at,
        refused_category="client_secret_expired",
        refused_fixable_by="admin",
        remedy="ask_admin",
        created_at=at,
        changed_at=at,
    )


def _refusal(at: Any) -> Refusal:
    return Refusal(
        at=at,
        since=at,
        category="client_secret_expired",
        fixable_by="admin",
        remedy="ask_admin",
        code="invalid_client",
        message="The provided client secret keys are expired.",
    )


def _add_runs(application: Application, count: int, began: Any) -> None:
    step, journal = timedelta(hours=5) / count, application.services.store.journal
    for first in range(0, count, _BLOCK):
        writes = [
            one for number in range(first, min(first + _BLOCK, count)) for one in _run(number, began + step * number)
        ]
        asyncio.run(journal.write(writes))


def _run(number: int, at: Any) -> tuple[Write, ...]:
    row = RunRow(
        run_name=f"{10**19 - number:020d}000000000CU00",
        flow_id=f"flow-{number % FLOWS}",
        version="v1",
        trigger_name="manual",
        status="Failed",
        error_code="Unauthorized",
        error_message="The provided client secret keys are expired.",
        started_at=at,
        ended_at=at + timedelta(seconds=1),
        client_tracking_id=f"{number}",
        failed_action="Get_items",
        diagnosis_category="client_secret_expired",
        connection_id=f"connection-{number % CONNECTIONS}",
        start=b"",
    )
    key = TrackedValueRow(run_name=row.run_name, flow_id=row.flow_id, name="businessKey", value=f"N{number}")
    return StartRun(row, None), AddTracked(key)


@contextmanager
def _serving(application: Application) -> Iterator[tuple[int, str]]:
    """(port, cookie of somebody signed in) of the application, served on a thread."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    server = uvicorn.Server(
        uvicorn.Config(application.asgi(), port=0, access_log=False, log_level="warning", lifespan="off", ws="none")
    )

    async def serve() -> None:
        await application.start()
        try:
            await server.serve()
        finally:
            await application.stop()

    async def sign_in() -> str:
        link, _ = await issue_login_link(application.services)
        cookie, _ = await use_login_link(application.services, link.partition("link=")[2])
        return cookie

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    ready.set()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield port, asyncio.run_coroutine_threadsafe(sign_in(), loop).result()
    finally:
        server.should_exit = True
        thread.join()


def _ask(port: int, path: str, cookie: str) -> float:
    """Milliseconds until the page is read whole."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": f"{SESSION_COOKIE}={cookie}"})
    answer = connection.getresponse()
    answer.read()
    taken = (time.perf_counter() - began) * 1000
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}")
    return taken


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
