"""A whole Flowmend behind a real server, shared by the tests of the API."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from flowmend.assembly import Application, open_services
from flowmend.settings import Settings
from flowmend.use_cases.access import issue_login_link, issue_token, use_login_link


@dataclass(frozen=True)
class Answer:
    """What came back. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error_code(self) -> str:
        return str(self.json["error"]["code"])


@dataclass
class Flowmend:
    """A running Flowmend. token, cookie: of its owner."""

    application: Application
    loop: asyncio.AbstractEventLoop
    port: int
    token: str = field(repr=False)
    cookie: str = field(repr=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        address: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: Any = None,
    ) -> Answer:
        """One request, nobody signed in. address: a path, or a whole URL of this server."""
        parts = urlsplit(address)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = dict(headers or {})
            if body is not None:
                content = json.dumps(body).encode()
                sent.setdefault("Content-Type", "application/json")
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """One request with the owner's token below `/api/v1`."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self.ask(method, f"/api/v1{path}", body, headers=headers, **more)

    def run(self, coroutine: Any) -> Any:
        """The result of a coroutine on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)


@pytest.fixture(scope="session")
def flowmend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flowmend]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = Settings(data=tmp_path_factory.mktemp("data"), port=port, max_trigger_body_bytes=100_000)
    ready: threading.Event = threading.Event()
    made: list[Flowmend] = []
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        application = open_services(settings)
        await application.start()
        config = uvicorn.Config(
            application.asgi(), log_config=None, lifespan="off", server_header=False, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        servers.append(server)
        link, _ = await issue_login_link(application.services)
        cookie, _ = await use_login_link(application.services, link.partition("link=")[2])
        made.append(
            Flowmend(
                application=application,
                loop=asyncio.get_running_loop(),
                port=port,
                token=await issue_token(application.services, "tests"),
                cookie=cookie,
            )
        )
        ready.set()
        await server.serve(sockets=[listener])
        await application.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20), "the server did not start"
    yield made[0]
    servers[0].should_exit = True
    thread.join(20)


@pytest.fixture
def open_door(flowmend: Flowmend) -> Iterator[None]:
    """The door of links turns nobody away when the test begins, and for its tries nobody afterwards."""
    turned_away = flowmend.application.services.repair_door._times
    turned_away.clear()
    yield
    turned_away.clear()


def definition(actions: dict[str, Any], **trigger: Any) -> dict[str, Any]:
    """A flow started by a request."""
    return {
        "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}, **trigger}}},
        "actions": actions,
    }


def imported(flowmend: Flowmend, name: str, actions: dict[str, Any], **trigger: Any) -> str:
    """The id of a new flow, turned on."""
    content = json.dumps(definition(actions, **trigger)).encode()
    (flow,) = flowmend.api("POST", f"/flows?file_name={name}.json", content=content).json["value"]
    answer = flowmend.api("POST", f"/flows/{flow['id']}/turn_on")
    assert answer.status == 200, answer.content
    return str(flow["id"])


def ended(flowmend: Flowmend, run_name: str) -> dict[str, Any]:
    """The run once it is over."""
    for _ in range(3_000):
        run = flowmend.api("GET", f"/runs/{run_name}").json
        if run["properties"]["status"] not in {"Running", "Waiting"}:
            return dict(run)
        time.sleep(0.02)
    raise AssertionError(run)


ECHO = {
    "Response": {
        "type": "Response",
        "kind": "Http",
        "runAfter": {},
        "inputs": {
            "statusCode": 201,
            "headers": {"X-Seen": "@{triggerOutputs()['headers']['X-Given']}", "Set-Cookie": "flowmend_session=stolen"},
            "body": {"got": "@triggerBody()", "queries": "@triggerOutputs()?['queries']"},
        },
    }
}


@pytest.fixture(scope="session")
def echo_flow(flowmend: Flowmend) -> str:
    """A flow that answers with what it was sent."""
    return imported(flowmend, "echo", ECHO)


@pytest.fixture(scope="session")
def echo_url(flowmend: Flowmend, echo_flow: str) -> str:
    """Its signed address."""
    return str(flowmend.api("POST", f"/flows/{echo_flow}/callback_url").json["value"])
