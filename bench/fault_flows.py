"""What every fault needs: flows turned on in a data folder, events posted to them, and their runs counted."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from flowmend.assembly import Application, open_services
from flowmend.core.outcome import Status
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import Settings
from flowmend.store.rows import RunRow
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.connections import install_connector
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import callback_url, turn_on
from flowmend.use_cases.import_flow import import_flows

SAMPLE = Path(__file__).parents[1] / "src" / "flowmend" / "sample"
SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
REFERENCE = "shared_sample_orders"
POSTERS = 64
ASKS_FOR_SECONDS = 240.0
_REQUEST_ID = "x-ms-client-request-id"
SETTLES_WITHIN_SECONDS = 180.0

Document = dict[str, Any]


def flow(actions: Document, trigger: Document | None = None) -> Document:
    """A flow with one trigger, by default a Request's, that may use the sample's connector."""
    triggers = {"manual": trigger or {"type": "Request", "kind": "Http", "inputs": {}}}
    definition = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "triggers": triggers, "actions": actions}
    reference = {"connectionName": "", "id": f"/apis/{REFERENCE}"}
    return {"connectionReferences": {REFERENCE: reference}, "definition": definition}


def after(*names: str) -> Document:
    return {name: ["Succeeded"] for name in names}


def call(operation: str, body: Document, *, run_after: Document, **more: Any) -> Document:
    """An action of the sample's connector. more: beside body and host, in its inputs."""
    host = {"connectionName": REFERENCE, "operationId": operation, "apiId": f"/apis/{REFERENCE}"}
    return {
        "type": "OpenApiConnection",
        "inputs": {"host": host, "parameters": {"body": body}, **more},
        "runAfter": run_after,
    }


def order_and_note() -> Document:
    """An order, whose operation honours its key, and then a note, whose operation does not.

    The name holds a new id, so that one evaluated a second time would show at the service.
    """
    number = "@triggerBody()?['number']"
    order = {"number": number, "customer": "C-1", "lines": [{"sku": "HELM-010", "quantity": 1}]}
    note = {"subject": number, "text": "@outputs('Name')"}
    return flow(
        {
            "Name": {"type": "Compose", "inputs": "@concat(triggerBody()?['number'], ' ', guid())", "runAfter": {}},
            "Create_order": call("CreateOrder", order, run_after=after("Name")),
            "Write_note": call("CreateNote", note, run_after=after("Create_order")),
            "Done": {"type": "Compose", "inputs": "done", "runAfter": after("Write_note")},
        }
    )


async def prepare(settings: Settings, service_url: str, flows: Mapping[str, Document]) -> dict[str, str]:
    """A data folder with connector, connection and the flows turned on; {flow's name: its callback URL, "" for none}."""
    application = open_services(settings)
    services = application.services
    await application.start()
    try:
        owner = (await ensure_owner(services)).person_id
        await install_connector(services, SAMPLE / "connectors" / "sample_orders", owner)
        values = {"host_url": service_url, "username": "ada", "password": FIRST_PASSWORD}
        await create_connection(services, "sample_orders", "Orders", values, owner)
        urls = {}
        for name, document in flows.items():
            (imported,) = await import_flows(services, json.dumps(document).encode(), f"{name}.json", person_id=owner)
            await turn_on(services, imported.flow_id, owner)
            callback = callback_url(services, services.flows.latest(imported.flow_id))
            urls[name] = callback.value if callback is not None else ""
        return urls
    finally:
        await application.stop()


@dataclass(slots=True)
class Posted:
    """What became of posted events. accepted: {number: its run}. refused: (status, code). asked_again: the answer was lost.
    unanswered: however often it was asked.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    retry_after: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    asked_again: int = 0
    unanswered: int = 0


async def post_events(url: str, numbers: list[str], *, seconds: float, at_once: int, posted: Posted) -> None:
    """Post one event per number: some at once, the others evenly over `seconds`, so that each kill finds runs at every stage.

    A refused connection is tried again, and so is one that broke before the answer.
    """
    began, others = time.monotonic(), max(1, len(numbers) - at_once)
    due = {number: began + seconds * index / others for index, number in enumerate(numbers[at_once:])}
    queue = list(reversed(numbers))

    async def poster(session: aiohttp.ClientSession) -> None:
        while queue:
            number = queue.pop()
            await asyncio.sleep(max(0.0, due.get(number, began) - time.monotonic()))
            await post_one(session, url, number, posted)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        await asyncio.gather(*(poster(session) for _ in range(POSTERS)))


async def post_one(session: aiohttp.ClientSession, url: str, number: str, posted: Posted) -> None:
    """Post an event until it is answered, however long a server takes that is killed while it starts."""
    give_up_at = time.monotonic() + ASKS_FOR_SECONDS
    while time.monotonic() < give_up_at:
        began = time.monotonic()
        try:
            async with session.post(url, json={"number": number}, headers={_REQUEST_ID: number}) as answer:
                if answer.status in {200, 202}:
                    posted.accepted[number] = answer.headers.get("x-ms-workflow-run-id", "")
                else:
                    posted.refused[answer.status, (await answer.json())["error"]["code"]] += 1
                    posted.retry_after[answer.headers.get("retry-after", "")] += 1
                posted.slowest_seconds = max(posted.slowest_seconds, time.monotonic() - began)
                return
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.05)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.05)
            posted.asked_again += 1  # what became of it is unknown, and the same request again is the same event
    posted.unanswered += 1


async def until(holds: Callable[[], object], seconds: float) -> bool:
    """Wait until something holds; False where it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.3)
    return True


def all_runs(application: Application, wanted: RunFilter | None = None) -> Iterator[RunRow]:
    """Newest first."""
    cursor = ""
    while True:
        rows, cursor = application.services.store.runs.list(wanted, limit=500, cursor=cursor)
        yield from rows
        if not cursor:
            return


async def settled(application: Application) -> Counter[str]:
    """Wait until no run is Running; the runs by status and code, of failed ones with the action and its error."""
    deadline = time.monotonic() + SETTLES_WITHIN_SECONDS
    while True:
        running, _ = application.services.store.runs.list(RunFilter(statuses=(Status.RUNNING,)), limit=1)
        if not running or time.monotonic() > deadline:
            return Counter(_said_of(row) for row in all_runs(application))
        await asyncio.sleep(0.2)


def _said_of(row: RunRow) -> str:
    why = f"({row.failed_action} {row.error_code})" if row.status == Status.FAILED else ""
    return " ".join(part for part in (row.status, row.code, why) if part)


def report(wrong: list[str]) -> int:
    """Print what does not hold; the exit code."""
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print("everything holds" if not wrong else "not everything holds", flush=True)
    return 1 if wrong else 0
