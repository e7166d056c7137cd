"""How many messages a broken account makes: one when it breaks, one when it is well again, over kills as without.

    python bench/messages.py [--runs 1000] [--no-kills]

Twelve connections of one account, used by three flows; its password is changed at the service, and every run of the flows
fails. A real mail server receives. `flowmend up` is a process of its own and is ended with SIGKILL: before the message of the
break is due, after it was sent, and between the repair and its message. Exit 0 where exactly one message of each came.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Self, cast

from aiosmtpd.controller import Controller

from fault_flows import Posted, post_events
from fault_server import Server
from flowmend.assembly import open_services
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import MailServer, Settings
from flowmend.store.notice_rows import DeliveryState
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.connections import install_connector
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import callback_url, map_connection, turn_on
from flowmend.use_cases.import_flow import import_flows
from flowmend.use_cases.message_routes import change_owner
from flowmend.use_cases.verify_connection import verify_connection
from servers import call, free_port, sample_service

SAMPLE = Path(__file__).parents[1] / "src" / "flowmend" / "sample"
SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
FLOWS, CONNECTIONS_EACH = 3, 4
DELAY_SECONDS = 4
NEW_PASSWORD = "quiet-forest"  # noqa: S105  # of the sample's service
WITHIN_SECONDS = 60.0
#: Long enough for a second message to come, if there were one.
QUIET_SECONDS = 6.0


class Inbox:
    """A mail server that keeps what comes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.mails.append(cast("EmailMessage", message_from_bytes(envelope.content, policy=default)))
        return "250 OK"


async def run(runs: int, *, with_kills: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="flowmend-mail-") as name, Inbox() as inbox:
        folder = Path(name)
        with sample_service(folder / "service") as service:
            settings = Settings(
                data=folder / "data",
                port=free_port(),
                allowed_private_hosts=frozenset({service.address.removeprefix("http://")}),
                mail=MailServer(host="127.0.0.1", port=inbox.port, security="none"),
                mail_from="flowmend@example.com",
                notice_delay_seconds=DELAY_SECONDS,
            )
            connections, urls = await prepare(settings, service.address)
            os.environ.update(environment_of(settings))  # the server's process inherits it
            server = Server(settings)
            try:
                await server.start()
                call(f"{service.address}/admin/password", {"user": "ada", "password": NEW_PASSWORD})
                began = time.monotonic()
                accepted = sum(
                    [await posted(url, runs // FLOWS + (number < runs % FLOWS)) for number, url in enumerate(urls)]
                )
                print(f"{accepted} runs accepted in {time.monotonic() - began:.1f} s", flush=True)
                if with_kills:
                    await killed(server)
                await until(lambda: len(inbox.mails) >= 1)
                await asyncio.sleep(QUIET_SECONDS)
                if with_kills:
                    await killed(server)
                await asyncio.sleep(QUIET_SECONDS)
                print(f"after the break: {subjects(inbox)}", flush=True)
                server.stop()
                await repair(settings, connections)  # by a server that ends before it tells anybody
                await server.start()
                await until(lambda: len(inbox.mails) >= 2)
                await asyncio.sleep(QUIET_SECONDS)
            finally:
                server.stop()
            print(f"after the repair: {subjects(inbox)}")
            return judge(settings, inbox, runs, accepted)


def environment_of(settings: Settings) -> dict[str, str]:
    where = settings.mail
    return {
        "FLOWMEND_SMTP_URL": f"smtp://127.0.0.1:{where.port if where else 0}?security=none",
        "FLOWMEND_MAIL_FROM": settings.mail_from,
        "FLOWMEND_NOTICE_DELAY_SECONDS": str(settings.notice_delay_seconds),
    }


async def prepare(settings: Settings, service_url: str) -> tuple[list[str], list[str]]:
    """(connections, the flows' callback URLs)."""
    application = open_services(settings)
    services = application.services
    await application.start()
    try:
        owner = (await ensure_owner(services)).person_id
        await change_owner(services, email="owner@example.com", person_id=owner)
        await install_connector(services, SAMPLE / "connectors" / "sample_orders", owner)
        values = {"host_url": service_url, "username": "ada", "password": FIRST_PASSWORD}
        connections = []
        for number in range(FLOWS * CONNECTIONS_EACH):
            view = await create_connection(services, "sample_orders", f"Orders {number}", values, owner)
            services.store.connections.change(view.row.connection_id, account_name="ada")
            connections.append(view.row.connection_id)
        urls = []
        for number in range(FLOWS):
            content = json.dumps(flow()).encode()
            (imported,) = await import_flows(services, content, f"flow-{number}.json", person_id=owner)
            for place in range(CONNECTIONS_EACH):
                chosen = connections[number * CONNECTIONS_EACH + place]
                await map_connection(services, imported.flow_id, f"orders_{place}", chosen, owner)
            await turn_on(services, imported.flow_id, owner)
            callback = callback_url(services, services.flows.latest(imported.flow_id))
            urls.append(callback.value if callback is not None else "")
        return connections, urls
    finally:
        await application.stop()


def flow() -> dict[str, Any]:
    """Orders by one of four connections, whichever the event's number says; runs fail rather than wait."""
    order = {"number": "@triggerBody()?['number']", "customer": "C-1", "lines": [{"sku": "HELM-010", "quantity": 1}]}
    cases = {
        f"Case_{place}": {"case": place, "actions": {f"Order_{place}": _create(f"orders_{place}", order)}}
        for place in range(CONNECTIONS_EACH)
    }
    expression = f"@mod(length(triggerBody()?['number']), {CONNECTIONS_EACH})"
    return {
        "connectionReferences": {
            f"orders_{place}": {"connectionName": "", "id": "/apis/shared_sample_orders"}
            for place in range(CONNECTIONS_EACH)
        },
        "definition": {
            "$schema": SCHEMA,
            "contentVersion": "1.0.0.0",
            "metadata": {"flowmend": {"onBrokenConnection": "fail"}},
            "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
            "actions": {"Which": {"type": "Switch", "expression": expression, "cases": cases, "runAfter": {}}},
        },
    }


def _create(reference: str, order: dict[str, Any]) -> dict[str, Any]:
    host = {"connectionName": reference, "operationId": "CreateOrder", "apiId": "/apis/shared_sample_orders"}
    return {
        "type": "OpenApiConnection",
        "inputs": {"host": host, "parameters": {"body": order}, "retryPolicy": {"type": "none"}},
        "runAfter": {},
    }


async def posted(url: str, count: int) -> int:
    """Post so many events; how many were accepted."""
    told = Posted()
    numbers = [f"N{index}{'x' * (index % CONNECTIONS_EACH)}" for index in range(count)]
    await post_events(url, numbers, seconds=3.0, at_once=count // 2, posted=told)
    return len(told.accepted)


async def repair(settings: Settings, connections: list[str]) -> None:
    """A good password, by a server that is gone before it has told anybody."""
    application = open_services(settings)
    await application.start()
    await application.messages.stop()
    try:
        owner = (await ensure_owner(application.services)).person_id
        proof = await verify_connection(
            application.services, connections[0], {"password": NEW_PASSWORD}, person_id=owner
        )
        left = application.services.store.incidents.count_open()
        print(f"repair: {'proven' if proof.is_proven else proof.code}, {left} incidents open")
    finally:
        await application.stop()


async def killed(server: Server) -> None:
    server.kill()
    print("killed", flush=True)
    await server.start()


async def until(holds: Any) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not holds() and time.monotonic() < deadline:  # noqa: ASYNC110  # another process makes it true
        await asyncio.sleep(0.1)


def subjects(inbox: Inbox) -> list[str]:
    return [str(mail["Subject"]) for mail in inbox.mails]


def judge(settings: Settings, inbox: Inbox, runs: int, accepted: int) -> int:
    application = open_services(settings)
    store = application.services.store
    incidents, _ = store.incidents.list()
    members = store.incidents.connections_of(incidents[0].incident_id) if incidents else ()
    failed = store.blast_radius.failed_for_other_reasons(incidents[0].opened_at, incidents[0].last_bad_at)
    states = [one.delivery.state for one in store.deliveries.latest(10)]
    store.close()
    wrong = []
    if [len(incidents), len(members)] != [1, FLOWS * CONNECTIONS_EACH]:
        wrong.append(f"{len(incidents)} incidents, {len(members)} connections in the last")
    if len(inbox.mails) != 2 or inbox.mails[1]["In-Reply-To"] != inbox.mails[0]["Message-ID"]:
        wrong.append(f"the mails are {subjects(inbox)}")
    if states != [DeliveryState.SENT] * 2:
        wrong.append(f"the deliveries are {states}")
    if accepted != runs or failed:
        wrong.append(f"{accepted} of {runs} runs were accepted, and for other reasons failed {list(failed)}")
    for line in wrong:
        print(f"WRONG: {line}")
    if not wrong:
        print(
            f"{runs} failed runs, {FLOWS} flows, {len(members)} connections: one message of the break, one of its end"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--no-kills", action="store_true")
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.runs, with_kills=not chosen.no_kills)))
