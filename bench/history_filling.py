"""Fills a store with a long history: some runs through the real engine, the rest multiplied with varied values."""

import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flowmend.core.connection.health import HealthState
from flowmend.core.run.naming import countdown_ticks, run_name
from flowmend.store import RunFilter, Store, open_store
from flowmend.store.column_types import microseconds
from flowmend.store.incidents import Refusal
from flowmend.store.journal_packing import MOST_RUNS, pack
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow
from servers import HERE, api_token, flowmend_server, import_flow, sample_service

#: The tables that hold history.
HISTORY = ("runs", "journal_pages", "journal_blocks", "trigger_events", "tracked_values", "secret_uses", "run_requests")
FLOWS, CONNECTIONS, CLOSED_INCIDENTS, DAYS = 20, 12, 100, 90
#: Runs and held events of the last day that failed, or wait, for the connections of the open incident.
FAILED_TODAY, HELD = 0.1, 0.005
CUSTOMERS = 50
CATEGORIES = ("expired", "wrong_password", "insufficient_permission", "client_secret_expired", "mfa")
_ENDS = (
    # share, status, error code, whether a connection failed it
    (0.900, "Succeeded", "", False),
    (0.050, "Failed", "Unauthorized", True),
    (0.030, "Failed", "BadRequest", False),
    (0.012, "Cancelled", "", False),
    (0.005, "Failed", "TooManyRequests", False),
    (0.003, "TimedOut", "WorkflowRunTimedOut", False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What is there to be asked for. bytes_per_run: of the runs of the engine, with everything that is kept of them.

    some_runs: of all times. real_runs: of the engine.
    """

    runs: int
    bytes_per_run: float
    flow_ids: tuple[str, ...]
    connection_ids: tuple[str, ...]
    incident_ids: tuple[str, ...]
    some_runs: tuple[str, ...]
    real_runs: tuple[str, ...]
    began_at: datetime
    now: datetime


def fill(folder: Path, count: int, *, through_engine: int) -> Filled:
    """A data folder with `count` runs, `through_engine` of them really run."""
    data = folder / "data"
    database = data / "flowmend.db"
    flow_ids = _run_for_real(folder, through_engine)
    now = datetime.now(UTC)
    began_at = now - timedelta(days=DAYS)
    store = open_store(f"sqlite:///{database}")
    _pack(store, now)
    bytes_per_run = _bytes_per_run(database, through_engine)
    owner = store.access.people()[0].person_id
    incidents = _add_connections(store, owner, flow_ids, now)
    templates = _templates(store)
    real_runs = tuple(row.run_name for row in store.runs.list(limit=200)[0])
    store.close()
    _multiply(database, count - through_engine, templates, began_at, now)
    with closing(sqlite3.connect(database)) as connection:
        some = connection.execute("SELECT run_name FROM runs WHERE rowid % ? = 0", (max(1, count // 200),))
        some_runs = tuple(name for (name,) in some)
    return Filled(
        runs=count,
        bytes_per_run=bytes_per_run,
        flow_ids=tuple(flow_ids),
        connection_ids=tuple(f"connection-{number}" for number in range(CONNECTIONS)),
        incident_ids=tuple(incidents),
        some_runs=some_runs,
        real_runs=real_runs,
        began_at=began_at,
        now=now,
    )


def _run_for_real(folder: Path, count: int) -> list[str]:
    """The ids of the flows whose runs these are."""
    document = json.loads((HERE / "flow.json").read_text(encoding="utf-8"))
    with sample_service(folder / "service") as service, flowmend_server(folder, service.address) as server:
        document["parameters"]["service_url"]["value"] = service.address
        token = api_token(folder)
        flow_ids = []
        for number in range(FLOWS):
            url = import_flow(server, token, document, f"Orders-{number:02d}.json")
            flow_ids.append(url.split("/workflows/")[1].split("/")[0])
            share = count // FLOWS + (number < count % FLOWS)
            command = [sys.executable, str(HERE / "load.py"), url, "--concurrency", "16", "--seconds", "600"]
            command += ["--max-requests", str(share), "--body", f'{{"orderNumber":"R{number}-{{n}}"}}']
            if share:
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return flow_ids


def _pack(store: Store, before: datetime) -> None:
    """What the server does by itself a while after runs have ended."""
    while store.history.pack(before, 100):
        pass


def _bytes_per_run(database: Path, count: int) -> float:
    """What the runs take of the file as it is, with indexes and half-filled pages; free pages are used by the next runs."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        used = _used_bytes(connection)
        connection.execute("BEGIN")
        for table in HISTORY:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  # names of ours
        rest = _used_bytes(connection)
        connection.execute("ROLLBACK")
    return (used - rest) / max(1, count)


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _add_connections(store: Store, owner: str, flow_ids: list[str], now: datetime) -> list[str]:
    """Twelve connections, an open incident of all of them, and closed ones; ids of incidents, the open one first."""
    began = now - timedelta(hours=20)
    for number in range(CONNECTIONS):
        store.connections.add(_connection(number, owner, began))
        for place, flow_id in enumerate(flow_ids):
            if place % CONNECTIONS == number:
                store.flows.set_mapping(
                    ConnectionMappingRow(flow_id=flow_id, reference=f"r{number}", connection_id=f"connection-{number}")
                )
    found: dict[str, None] = {}
    for number in range(CLOSED_INCIDENTS):
        back = timedelta(days=2 + number * (DAYS - 4) / CLOSED_INCIDENTS)
        broken = _connection(number % CONNECTIONS, owner, now - back)
        incident = store.incidents.fold(broken, _refusal(now - back), f"closed-{number}")
        if incident is None:
            continue
        for member in store.incidents.connections_of(incident.incident_id):
            store.connections.change(member.connection_id, health=HealthState.CONNECTED)
            store.incidents.prove(member.connection_id, now - back + timedelta(hours=12))
            store.connections.change(member.connection_id, health=HealthState.BROKEN)
        found[incident.incident_id] = None
    for number in range(CONNECTIONS):
        store.incidents.fold(_connection(number, owner, began), _refusal(began), "open")
    return ["open", *found]


def _connection(number: int, owner: str, at: datetime) -> ConnectionRow:
    return ConnectionRow(
        connection_id=f"connection-{number}",
        connector_id="http",
        display_name=f"Order service {number}",
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


def _refusal(at: datetime) -> Refusal:
    return Refusal(
        at=at,
        since=at,
        category="client_secret_expired",
        fixable_by="admin",
        remedy="ask_admin",
        code="invalid_client",
        message="The provided client secret keys are expired.",
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """One run: its row and what belongs to it, as columns of the tables."""

    run: dict[str, Any]
    tracked: list[tuple[str, str]]


def _multiply(
    database: Path, count: int, templates: dict[str, list[list[bytes]]], began_at: datetime, now: datetime
) -> None:
    flow_ids = list(templates)
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-200000"):
        connection.execute(f"PRAGMA {pragma}").close()
    versions = dict(connection.execute("SELECT flow_id, version FROM flows"))
    variety = _Variety(
        count=count,
        versions={flow_id: versions[flow_id] for flow_id in flow_ids},
        began_at=began_at,
        now=now,
        chance=random.Random(7),
    )
    block: list[_Made] = []
    for number in range(count):
        block.append(variety.made(number))
        if len(block) == 20_000 or number == count - 1:
            _write(connection, block, templates)
            block.clear()
    _hold(connection, max(1, int(count * HELD)), flow_ids[0], now)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()


def _templates(store: Store) -> dict[str, list[list[bytes]]]:
    """Journals of some real runs, by flow."""
    found: dict[str, list[list[bytes]]] = {}
    for flow in store.flows.list():
        rows, _ = store.runs.list(RunFilter(flow_id=flow.flow_id), limit=MOST_RUNS)
        whole = [store.runs.get(row.run_name) for row in rows]
        found[flow.flow_id] = [
            [run.start, *(page for _, page in store.runs.pages(run.run_name))] for run in whole if run is not None
        ]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variety:
    """What the runs are to be like. versions: {flow id: its version}."""

    count: int
    versions: dict[str, str]
    began_at: datetime
    now: datetime
    chance: random.Random

    def made(self, number: int) -> _Made:
        """The run of this number, in order of time."""
        count, now, chance, flow_ids = self.count, self.now, self.chance, list(self.versions)
        is_of_today = number >= count * (1 - FAILED_TODAY)
        if is_of_today:
            begin, length = now - timedelta(hours=20), timedelta(hours=19)
            place = (number - count * (1 - FAILED_TODAY)) / (count * FAILED_TODAY)
            end = ("Failed", "Unauthorized", True)
        else:
            begin, length = self.began_at, timedelta(days=DAYS - 1)
            place = number / (count * (1 - FAILED_TODAY))
            drawn, total = chance.random(), 0.0
            end = _ENDS[-1][1:]
            for share, *told in _ENDS:
                total += share
                if drawn < total:
                    end = tuple(told)  # type: ignore[assignment]
                    break
        status, error_code, by_connection = end
        started_at = begin + length * place
        name = run_name(countdown_ticks(started_at), chance.random())
        # A few flows run most of the time, as they do.
        flow_id = flow_ids[min(int(chance.expovariate(0.25)), len(flow_ids) - 1)]
        category = "client_secret_expired" if is_of_today else chance.choice(CATEGORIES)
        run = {
            "run_name": name,
            "flow_id": flow_id,
            "version": self.versions[flow_id],
            "trigger_name": "manual",
            "status": status,
            "code": status,
            "error_code": error_code,
            "error_message": f"The service refused order {number} ({error_code})." if error_code else "",
            "started_at": microseconds(started_at),
            "ended_at": microseconds(started_at + timedelta(milliseconds=chance.randrange(5, 4000))),
            "client_tracking_id": f"call-{number}" if chance.random() < 0.1 else name,
            "origin_run": "",
            "resubmitted_by": "",
            "failed_action": "Place_order" if error_code else "",
            "diagnosis_category": category if by_connection else "",
            "connection_id": f"connection-{chance.randrange(CONNECTIONS)}" if by_connection else "",
            "epoch": 1,
            "journal_block": None,
        }
        return _Made(run, [("Order number", f"N{number}"), ("Customer", f"C-{chance.randrange(CUSTOMERS)}")])


def _write(connection: sqlite3.Connection, block: list[_Made], templates: dict[str, list[list[bytes]]]) -> None:
    connection.execute("BEGIN")
    by_flow: dict[str, list[_Made]] = {}
    for made in block:
        by_flow.setdefault(made.run["flow_id"], []).append(made)
    for flow_id, of_flow in by_flow.items():
        journals = templates[flow_id]
        for first in range(0, len(of_flow), MOST_RUNS):
            together = of_flow[first : first + MOST_RUNS]
            packed = pack({one.run["run_name"]: journals[place % len(journals)] for place, one in enumerate(together)})
            block_id = connection.execute("INSERT INTO journal_blocks (content) VALUES (?)", (packed,)).lastrowid
            for one in together:
                one.run["journal_block"] = block_id
    columns = list(block[0].run)
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO runs ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608  # names of ours
        (list(made.run.values()) for made in block),
    )
    connection.executemany(
        "INSERT INTO tracked_values (run_name, name, value, flow_id) VALUES (?, ?, ?, ?)",
        ((made.run["run_name"], name, value, made.run["flow_id"]) for made in block for name, value in made.tracked),
    )
    connection.executemany(
        _EVENT,
        (
            (
                made.run["run_name"],
                made.run["flow_id"],
                "Succeeded",
                "",
                True,
                made.run["started_at"],
                made.run["run_name"],
            )
            for made in block
        ),
    )
    connection.execute("COMMIT")


def _hold(connection: sqlite3.Connection, count: int, flow_id: str, now: datetime) -> None:
    """Events that wait for the connection of a flow; it is turned off, so that they wait while it is measured."""
    began = now - timedelta(hours=19)
    events = []
    for number in range(count):
        at = began + timedelta(hours=18) * number / count
        name = run_name(countdown_ticks(at), 0.999)
        events.append((name, flow_id, "Waiting", "ConnectionNeedsRepair", False, microseconds(at), ""))
    connection.execute("BEGIN")
    connection.execute("UPDATE flows SET state = 'Off' WHERE flow_id = ?", (flow_id,))
    connection.executemany(_EVENT, events)
    connection.execute("COMMIT")


_EVENT = """
    INSERT INTO trigger_events (event_name, flow_id, trigger_name, status, code, fired, started_at, run_name, tracking_id,
        client_tracking_id, client_request_id, origin_event, error_code, error_message, inputs, outputs)
    VALUES (?, ?, 'manual', ?, ?, ?, ?, ?, 'tracking', '', '', '', '', '', x'', x'')
    """
