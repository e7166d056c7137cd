"""A whole Flowmend without its server, on a real database, beside the real order service: only its clock can be moved."""

import asyncio
import json
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from aiohttp import web
from msgspec.structs import replace

from flowmend.assembly import Application, open_services
from flowmend.core.outcome import Status
from flowmend.core.run import ActionRecord
from flowmend.core.run.history import latest_records
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.sample.service.__main__ import listen
from flowmend.sample.service.application import build_application
from flowmend.sample.service.service import OrderService
from flowmend.sample.service.settings import ServiceSettings
from flowmend.settings import Settings
from flowmend.store.rows import ConnectionRow, RunRow, TriggerEventRow
from flowmend.use_cases.accept_event import TriggerRequest, invoke_trigger
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.connections import install_connector
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.fire_trigger import Accepted
from flowmend.use_cases.flows import callback_url, turn_on
from flowmend.use_cases.import_flow import import_flows
from flowmend.use_cases.ports import Services
from flowmend.use_cases.runs import run_entries
from flowmend.worker.system_clock import SystemClock

SAMPLE = Path(__file__).parents[1] / "src" / "flowmend" / "sample"
SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
REQUEST = {"manual": {"type": "Request", "kind": "Http", "inputs": {}}}
#: Long enough for a machine that many share; what happens sooner is not waited for.
_HAPPENS_WITHIN_SECONDS = 60.0


class MovableClock(SystemClock):
    """The system's clock, and as far ahead of it as it was moved."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        super().__init__()

    @property
    def now(self) -> datetime:
        return super().now + self._ahead

    def move(self, **by: float) -> None:
        self._ahead += timedelta(**by)


class RunningOrderService:
    """The sample's order service on a thread of its own, at another host name than Flowmend's."""

    def __init__(self) -> None:
        self._service = OrderService(ServiceSettings())
        self._sockets = listen("localhost", 0)
        config = uvicorn.Config(
            build_application(self._service), access_log=False, log_level="warning", ws="none", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": self._sockets})
        self.port: int = self._sockets[0].getsockname()[1]
        self.url = f"http://localhost:{self.port}"

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + _HAPPENS_WITHIN_SECONDS
        while not self._server.started:
            assert time.monotonic() < deadline, "the order service did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        for listener in self._sockets:
            listener.close()

    def change(self, what: str, **fields: Any) -> None:
        """`POST /admin/{what}`."""
        content = json.dumps(fields).encode()
        request = urllib.request.Request(
            f"{self.url}/admin/{what}", content, {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=60):
            pass

    @property
    def counts(self) -> Any:
        return self._service.counts()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Starts a real HTTP server on a free loopback port and gives its origin.
LocalServer = Callable[[Handler], Awaitable[str]]


@dataclass(kw_only=True)
class Running:
    """A started Flowmend. owner: the id of its owner."""

    application: Application
    clock: MovableClock
    service: RunningOrderService
    owner: str = ""
    _is_over: bool = field(default=False, repr=False)

    @property
    def services(self) -> Services:
        return self.application.services

    async def start(self) -> None:
        await self.application.start()
        self.owner = (await ensure_owner(self.services)).person_id

    async def stop(self) -> None:
        if not self._is_over:
            self._is_over = True
            await self.application.stop()

    async def crash(self) -> None:
        """End as a killed process does: nothing is finished, nothing more is written, every call breaks off."""
        self._is_over = True
        loop = self.application.run_loop
        loop._stopping = True
        for run in loop._active.values():
            for _, handle in run.timers.values():
                handle.cancel()
            for call in run.calls.values():
                call.cancel()
        await self.application.held_release.stop()
        await self.application.recovery.stop()
        await self.application.timers.stop()
        await self.application.polls.stop()
        await self.application.subscriptions.stop()
        await self.application.messages.stop()
        await self.services.http.close()
        self.services.store.close()
        await asyncio.sleep(0)

    # -- what a test sets up --

    async def connect(self, connector: str = "sample_orders", **values: str) -> str:
        """The id of a proven connection to the order service."""
        await install_connector(self.services, SAMPLE / "connectors" / connector, self.owner)
        if not values:
            values = {"username": "ada", "password": FIRST_PASSWORD}
        if "token:HostUrl" not in values:
            values.setdefault("host_url", self.service.url)
        view = await create_connection(self.services, connector, "Orders", values, self.owner)
        return view.row.connection_id

    async def add_flow(
        self,
        actions: Mapping[str, Any],
        *,
        name: str = "flow",
        triggers: Mapping[str, Any] = REQUEST,
        is_on: bool = True,
        **parts: Any,
    ) -> str:
        """The id of a new flow. parts: of the definition, besides triggers and actions."""
        content = json.dumps(document(actions, triggers=triggers, **parts)).encode()
        (imported,) = await import_flows(self.services, content, f"{name}.json", person_id=self.owner)
        if is_on:
            await turn_on(self.services, imported.flow_id, self.owner)
        return imported.flow_id

    def make_unreadable(self, flow_id: str) -> None:
        """Let the flow's stored definition be one that does not read."""
        row, version = self.services.store.flows.get(flow_id), self.services.store.flows.version(flow_id)
        assert row is not None
        assert version is not None
        unreadable = replace(version, version="v2", document={"definition": 5})
        self.services.store.flows.add_version(replace(row, version="v2"), unreadable)
        self.services.flows.forget(flow_id)

    # -- what callers and people do --

    def signed(self, flow_id: str) -> tuple[str, dict[str, str]]:
        """(trigger name, signature) of the flow's own URL."""
        callback = callback_url(self.services, self.services.flows.latest(flow_id))
        assert callback is not None
        parts = urlsplit(callback.value)
        return parts.path.split("/")[4], dict(parse_qsl(parts.query))

    async def call(self, flow_id: str, body: Any = None, **parts: Any) -> Accepted:
        """A call of the flow's URL with a JSON body."""
        trigger, signature = self.signed(flow_id)
        request = TriggerRequest(body=body, has_body=body is not None, **parts)
        return await invoke_trigger(self.services, flow_id, trigger, request, path_signature=signature)

    # -- what came of it --

    def run(self, run_name: str) -> RunRow:
        row = self.services.store.runs.get(run_name)
        assert row is not None, f"there is no run {run_name}"
        return row

    def connection(self, connection_id: str) -> ConnectionRow:
        row = self.services.store.connections.get(connection_id)
        assert row is not None
        return row

    def events(self, flow_id: str) -> list[TriggerEventRow]:
        """The flow's trigger history, oldest first."""
        found, _ = self.services.store.trigger_events.list(flow_id)
        return list(reversed(found))

    def runs(self, flow_id: str | None = None) -> list[RunRow]:
        """Runs, oldest first."""
        found, _ = self.services.store.runs.list(limit=500)
        return [row for row in reversed(found) if flow_id in {None, row.flow_id}]

    async def ended(self, run_name: str) -> RunRow:
        """The run once it has ended."""
        return await self.reached(run_name, lambda row: Status(row.status).is_terminal)

    async def waiting(self, run_name: str) -> RunRow:
        """The run once it waits for somebody."""
        return await self.reached(run_name, lambda row: row.status == Status.WAITING)

    async def reached(self, run_name: str, is_there: Callable[[RunRow], bool]) -> RunRow:
        """The run once it is there, which a held event's is within a moment, and as wanted."""
        seen: list[RunRow | None] = [None]

        def look() -> bool:
            seen[0] = self.services.store.runs.get(run_name)  # and not once more afterwards: it may go on
            return seen[0] is not None and is_there(seen[0])

        await until(look, lambda: f"the run {run_name} is {seen[0]}")
        assert seen[0] is not None
        return seen[0]

    async def records(self, run_name: str) -> dict[str, ActionRecord]:
        """The last record of each action outside loops."""
        entries = await run_entries(self.services, run_name)
        return {record.name: record for record in latest_records(entries).values()}

    async def recorded(self, run_name: str, action: str, status: str) -> None:
        """Until the stored history says so of an action."""
        deadline = time.monotonic() + _HAPPENS_WITHIN_SECONDS
        while True:
            record = (await self.records(run_name)).get(action)
            if record is not None and record.status == status:
                return
            assert time.monotonic() < deadline, f"{action} is {record}"
            await asyncio.sleep(0.02)

    async def reached_count(self, flow_id: str, count: int) -> list[RunRow]:
        """The flow's runs, once there are so many."""
        await until(lambda: len(self.runs(flow_id)) >= count, lambda: f"the runs are {self.runs(flow_id)}")
        return self.runs(flow_id)

    async def settled(self) -> None:
        """Until timers and polls have looked at the rows as they are now, and a moment more."""
        self.application.timers.schedule_changed()
        self.application.polls.heard("polls", {})
        self.application.subscriptions.heard("subscriptions", {})
        await asyncio.sleep(0.1)

    async def at_rest(self) -> None:
        """Until no run is in memory."""
        loop = self.application.run_loop
        await until(lambda: loop.active_count == 0, lambda: f"{loop.active_count} runs are in memory")


class SparseStore:
    """A SQLite file that grows no further, or takes no writes at all."""

    def __init__(self, running: Running) -> None:
        self._database = running.services.store._database

    def fill(self) -> None:
        with sqlite3.connect(self._path) as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
        self._limit(pages)

    def empty(self) -> None:
        self._limit(2**30)

    @property
    def _path(self) -> str:
        return str(self._database.engine.url.database)

    @property
    def is_refusing(self) -> bool:
        """Whether a write was refused just now."""
        return self._database.condition.trouble is not None

    def refuse_writes(self) -> None:
        self._tell("PRAGMA query_only = 1")

    def allow_writes(self) -> None:
        self._tell("PRAGMA query_only = 0")

    def _limit(self, pages: int) -> None:
        self._tell(f"PRAGMA max_page_count = {pages}")

    def _tell(self, pragma: str) -> None:
        # It belongs to a connection, so every pooled one is told.
        engine = self._database.engine
        connections = [engine.connect() for _ in range(engine.pool.size())]
        for connection in connections:
            connection.exec_driver_sql(pragma)
        for connection in connections:
            connection.close()


#: Starts a Flowmend on the test's folder and database; takes `clock` and settings.
Open = Callable[..., Awaitable[Running]]


async def until(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Wait for something that happens by itself."""
    deadline = time.monotonic() + _HAPPENS_WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(0.01)


async def turns_meanwhile(work: Awaitable[Any]) -> int:
    """How often the event loop came round while this was done; once or twice where it was blocked."""
    working = asyncio.ensure_future(work)
    turns = 0
    while not working.done():
        await asyncio.sleep(0.002)
        turns += 1
    working.result()
    return turns


def open_running(
    data: Path, service: RunningOrderService, *, database_url: str, clock: MovableClock | None = None, **settings: Any
) -> Running:
    """A Flowmend on this folder and database, not started. Private hosts it may call: the order service, and those given."""
    allowed = settings.pop("allowed_private_hosts", frozenset()) | {f"localhost:{service.port}"}
    clock = clock or MovableClock()
    settings.setdefault("probe_period_minutes", 0)  # a test of probes says so
    chosen = Settings(data=data, database_url=database_url, allowed_private_hosts=allowed, **settings)
    return Running(application=open_services(chosen, clock=clock), clock=clock, service=service)


def document(actions: Mapping[str, Any], *, triggers: Mapping[str, Any] = REQUEST, **parts: Any) -> dict[str, Any]:
    """A definition with the sample's connection references."""
    references = {
        key: {"connectionName": "", "id": f"/apis/{key}"}
        for key in ("shared_sample_orders", "shared_sample_shipping", "shared_sample_customers")
        if f'"{key}"' in json.dumps([actions, triggers])
    }
    definition = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "triggers": triggers, "actions": actions, **parts}
    return {"connectionReferences": references, "definition": definition}


def after(action: Mapping[str, Any], *names: str, when: str = "Succeeded") -> dict[str, Any]:
    """The action, to run after these."""
    return {**action, "runAfter": {name: [when] for name in names}}


def compose(inputs: Any, **parts: Any) -> dict[str, Any]:
    return {"type": "Compose", "inputs": inputs, "runAfter": {}, **parts}


def respond(body: Any, **inputs: Any) -> dict[str, Any]:
    return {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": body, **inputs}, "runAfter": {}}


def wait_for(count: int, unit: str) -> dict[str, Any]:
    return {"type": "Wait", "inputs": {"interval": {"count": count, "unit": unit}}, "runAfter": {}}


def http(method: str, uri: str, **inputs: Any) -> dict[str, Any]:
    never = {"type": "none"}
    return {"type": "Http", "inputs": {"method": method, "uri": uri, "retryPolicy": never, **inputs}, "runAfter": {}}


def call_orders(operation: str, parameters: Mapping[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """An action that calls the order service by a connector; it is never tried again."""
    host = {
        "connectionName": "shared_sample_orders",
        "operationId": operation,
        "apiId": "/apis/shared_sample_orders",
    }
    inputs = {"host": host, "parameters": dict(parameters or {}), "retryPolicy": {"type": "none"}}
    return {"type": "OpenApiConnection", "inputs": inputs, "runAfter": {}, **parts}


def create_order(number: str = "@triggerBody()?['number']", **parts: Any) -> dict[str, Any]:
    order = {"number": number, "customer": "C-1", "lines": [{"sku": "HELM-010", "quantity": 1}]}
    return call_orders("CreateOrder", {"body": order}, **parts)
