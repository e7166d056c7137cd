"""The demonstration: a sample service beside Flowmend, sample flows, a good run, and then a changed password.

After it, the order connection needs repair and a run has failed with "Unauthorized": the story to walk.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from flowmend.core.errors import ServiceUnreachable
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.sample import connector_folders, flow_files
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.connections import install_connector
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.import_flow import import_flows
from flowmend.use_cases.ports import Services

#: The sample account's password, before and after the change; they open nothing but the sample service.
FIRST_PASSWORD = "sunny-harbour"  # noqa: S105
NEW_PASSWORD = "rainy-harbour"  # noqa: S105

_USER = "ada"
_KEY = "ada-key-1001"
_APP_SECRET = "sample-application-secret"  # noqa: S105  # opens the sample only
_ORDER_FLOW = "order_intake.json"
_WAITS_FOR_SIGN_IN = "nightly_customer_sync.json"
_SERVICE_STARTS_WITHIN_SECONDS = 20.0
_RUN_ENDS_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStory:
    """What the demonstration set up: the run that succeeded, and the one that failed when the password changed."""

    service_url: str
    orders_connection: str
    good_run: str
    failed_run: str


class SampleService:
    """The sample order service in a process of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://localhost:{port}"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Errors: ServiceUnreachable where it does not answer within 20 s, e.g. because its port is taken."""
        command = [sys.executable, "-m", "flowmend.sample.service", "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # our own module
        deadline = time.monotonic() + _SERVICE_STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=1):  # noqa: S310  # our own http address
                    return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise ServiceUnreachable(
            f"The sample service did not start on port {self._port}. Is the port taken? Try another --service-port.",
            code="SampleServiceNotStarted",
        )

    def change_password(self, password: str) -> None:
        self.change("password", {"user": _USER, "password": password})

    def change(self, what: str, fields: dict[str, Json]) -> None:
        """`POST /admin/{what}`: what a person can also do on the service's page."""
        request = urllib.request.Request(  # noqa: S310  # our own http address
            f"{self.url}/admin/{what}", json.dumps(fields).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


async def tell_story(services: Services, service: SampleService) -> DemoStory | None:
    """Set the sample up and break its password; None where the data folder holds the sample already."""
    owner = (await ensure_owner(services)).person_id
    if services.store.connectors.get("sample_orders") is not None:
        return None
    for folder in connector_folders():
        await install_connector(services, Path(str(folder)), owner)
    sign_in = {"host_url": service.url, "username": _USER, "password": FIRST_PASSWORD}
    orders = await create_connection(services, "sample_orders", "Sample orders", sign_in, owner)
    key = {"host_url": service.url, "api_key": _KEY}
    await create_connection(services, "sample_shipping", "Sample shipping", key, owner)
    address = {"token:HostUrl": service.url, "client_secret": _APP_SECRET}
    await create_connection(services, "sample_customers", "Sample customers", address, owner)
    order_flow = ""
    for file in flow_files():
        (imported,) = await import_flows(services, file.read_bytes(), file.name, person_id=owner)
        if file.name == _ORDER_FLOW:
            order_flow = imported.flow_id
        if file.name != _WAITS_FOR_SIGN_IN:  # it waits for what only a person can finish
            await turn_on(services, imported.flow_id, owner)
    good = await run_now(services, order_flow, _order("4710"), owner)
    await _ended(services, good.run_name)
    service.change_password(NEW_PASSWORD)
    failed = await run_now(services, order_flow, _order("4711"), owner)
    await _ended(services, failed.run_name)
    return DemoStory(
        service_url=service.url,
        orders_connection=orders.row.connection_id,
        good_run=good.run_name,
        failed_run=failed.run_name,
    )


def _order(number: str) -> Json:
    return {"orderNumber": number, "sku": "HELM-010", "quantity": 2, "customer": "C-1"}


async def _ended(services: Services, run_name: str) -> None:
    deadline = time.monotonic() + _RUN_ENDS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        row = services.store.runs.get(run_name)
        if row is not None and Status(row.status).is_terminal:
            return
        await asyncio.sleep(0.05)
