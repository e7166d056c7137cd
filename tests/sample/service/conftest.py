"""The order service for real: uvicorn on a free loopback port, spoken to over HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn

from flowmend.sample.service.__main__ import listen
from flowmend.sample.service.application import build_application
from flowmend.sample.service.service import OrderService
from flowmend.sample.service.settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Speaks to the service as any client would. port: the service's."""

    port: int

    def get(self, path: str, **headers_or_more: Any) -> Reply:
        return self.send("GET", path, **headers_or_more)

    def post(
        self,
        path: str,
        document: Any = None,
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        kind = "application/json" if form is None else "application/x-www-form-urlencoded"
        body = json.dumps({} if document is None else document) if form is None else urlencode(form)
        return self.send("POST", path, headers={"Content-Type": kind, **(headers or {})}, body=body)

    def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: str | bytes | None = None
    ) -> Reply:
        connection = HTTPConnection("localhost", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Reply(status=answer.status, headers=answer.headers, text=answer.read().decode())
        finally:
            connection.close()

    def counts(self) -> Any:
        return self.get("/admin/counts").json


@pytest.fixture(scope="session")
def running_service() -> Iterator[tuple[OrderService, int]]:
    service = OrderService(ServiceSettings())
    sockets = listen("localhost", 0)
    config = uvicorn.Config(
        build_application(service), access_log=False, log_level="warning", ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets})
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.01)
    yield service, sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(timeout=60)
    for listener in sockets:
        listener.close()


@pytest.fixture
def caller(running_service: tuple[OrderService, int]) -> Caller:
    """A caller of a service that is as at the start."""
    caller = Caller(port=running_service[1])
    assert caller.post("/admin/reset").status == 200
    return caller
