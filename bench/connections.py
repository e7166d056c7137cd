"""Ten thousand connections: how their probes spread over a period, and how long the server takes for their page.

    python bench/connections.py [--connections 10000] [--requests 30]

The pages are asked for through the whole server, signed in as its owner, in this process: what is measured is the time of
the server, without a network. A tenth of the connections is used by flows, one in a hundred is broken.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import insert
from starlette.types import ASGIApp, Message

from flowmend.assembly import Application, open_services
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe_schedule import next_slot
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import Settings
from flowmend.store.connection_tables import connection_mappings, connections
from flowmend.store.database import columns_of
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow, FlowRow, FlowState, FlowVersionRow
from flowmend.use_cases.access import issue_login_link, use_login_link
from flowmend.use_cases.connections import install_connector
from flowmend.use_cases.probe_connections import planned_at

CONNECTOR = Path(__file__).parents[1] / "src" / "flowmend" / "sample" / "connectors" / "sample_orders"
PAGES = ("/connections", "/connections?only=attention", "/connections?text=77", "/", "/leaving?person=person-7")
GOAL_MS = 100.0
BARS = 24
BAR_WIDTH = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flowmend-connections-") as name:
        sys.exit(asyncio.run(_measure(Path(name), given.connections, given.requests)))


async def _measure(folder: Path, count: int, requests: int) -> int:
    # Nothing is probed while the pages are measured: there is no service behind these connections.
    application = open_services(Settings(data=folder, probe_period_minutes=0))
    await application.start()
    try:
        await _fill(application, count)
        _print_histogram(application)
        return await _print_pages(application, requests)
    finally:
        await application.stop()


async def _fill(application: Application, count: int) -> None:
    services = application.services
    await install_connector(services, CONNECTOR, "owner")
    now = services.clock.now
    rows = [_row(number, now - timedelta(days=number % 300)) for number in range(count)]
    flow_rows = [
        FlowRow(
            flow_id=f"flow-{number}",
            name=f"Flow {number}",
            packaging="plain",
            state=FlowState.ON,
            version="1",
            owner_id=f"person-{number % 50}",
            sealed_access_key=b"",
            settings={},
            created_at=now,
            changed_at=now,
        )
        for number in range(count // 100)
    ]
    for row in flow_rows:
        version = FlowVersionRow(flow_id=row.flow_id, version="1", document={}, created_at=now)
        services.store.flows.add(row, version)
    mappings = [
        ConnectionMappingRow(
            flow_id=flow_rows[number % len(flow_rows)].flow_id, reference=f"r{number}", connection_id=f"c-{number}"
        )
        for number in range(count // 10)
        if flow_rows
    ]
    with services.store._database.writing() as connection:  # noqa: SLF001  # one by one would take minutes
        connection.execute(insert(connections), [columns_of(row) for row in rows])
        if mappings:
            connection.execute(insert(connection_mappings), [columns_of(row) for row in mappings])
    for one in rows:
        services.health.note(one.connection_id, one.health)


def _row(number: int, at: datetime) -> ConnectionRow:
    is_broken = number % 100 == 99
    return ConnectionRow(
        connection_id=f"c-{number}",
        connector_id="sample_orders",
        display_name=f"Orders of customer {number:05}",
        account_name=f"person-{number % 50}",
        owner_id=f"person-{number % 50}",
        parameters={"username": f"person-{number % 50}", "host_url": "http://localhost:9"},
        allowed_origins=["http://localhost:9"],
        sealed_credential=FIRST_PASSWORD.encode() * 20,  # as large as a sealed one
        health=HealthState.BROKEN if is_broken else HealthState.CONNECTED,
        health_changed_at=at,
        last_good_at=at,
        refused_at=at if is_broken else None,
        refused_code="Unauthorized" if is_broken else "",
        refused_category="wrong_password" if is_broken else "",
        refused_fixable_by="reverify" if is_broken else "",
        created_at=at,
        changed_at=at,
    )


def _print_histogram(application: Application) -> None:
    services, settings = application.services, Settings(data=Path())
    now, period = services.clock.now, timedelta(minutes=settings.probe_period_minutes)
    rows = services.store.connections.list()
    planned = [planned_at(settings, row, now, is_used=True) for row in rows]
    kept = [at for at in planned if at is not None]
    counts = [0] * BARS
    for at in kept:
        counts[min(BARS - 1, int((at - now) / (period / BARS)))] += 1
    print(f"{len(rows)} connections, {len(kept)} of them probed in each period of {period}; {period / BARS} a bar:")
    for number, count in enumerate(counts):
        print(f"  {number * period / BARS!s:>8}  {count:5}  {'█' * round(BAR_WIDTH * count / max(counts))}")
    print(f"  fewest {min(counts)}, most {max(counts)}, even {len(kept) / BARS:.0f}")
    seconds = sorted((at - now).total_seconds() for at in kept)
    print(
        f"  most within any 10 s: {_most_within(seconds, 10.0)}; a restart an hour later moves {_moved(rows, now, period)}"
    )


def _most_within(seconds: list[float], width: float) -> int:
    first = most = 0
    for last, at in enumerate(seconds):
        while at - seconds[first] > width:
            first += 1
        most = max(most, last - first + 1)
    return most


def _moved(rows: Iterable[ConnectionRow], now: datetime, period: timedelta) -> int:
    later = now + timedelta(hours=1)
    slots = [(next_slot(row.connection_id, now, period), row) for row in rows]
    return sum(
        at > later and abs(next_slot(row.connection_id, later, period) - at) > timedelta(milliseconds=1)
        for at, row in slots
    )


async def _print_pages(application: Application, requests: int) -> int:
    services = application.services
    link, _ = await issue_login_link(services)
    cookie, _ = await use_login_link(services, link.partition("link=")[2])
    server = application.asgi()
    worst = 0.0
    for address in PAGES:
        taken, size = [], 0
        for _ in range(requests):
            began = time.perf_counter()
            size = await _get(server, f"{services.settings.host}:{services.settings.port}", address, cookie)
            taken.append(1000 * (time.perf_counter() - began))
        taken.sort()
        slow = taken[int(0.95 * (len(taken) - 1))]
        worst = max(worst, median(taken))
        print(f"{address:32} median {median(taken):6.1f} ms, 95 % within {slow:6.1f} ms, {size / 1024:.0f} kB")
    is_good = worst < GOAL_MS
    print(f"Goal: a median under {GOAL_MS:.0f} ms of server time: {'met' if is_good else 'missed'}.")
    return 0 if is_good else 1


async def _get(server: ASGIApp, host: str, address: str, cookie: str) -> int:
    """The size of a page in bytes."""
    path, _, query = address.partition("?")
    headers = {"host": host, "cookie": f"flowmend_session={cookie}", "accept": "text/html"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await server(scope, receive, send)
    if sent[0]["status"] != 200:
        sys.exit(f"{address} answered {sent[0]['status']}.")
    return sum(len(message.get("body", b"")) for message in sent)


if __name__ == "__main__":
    main()
