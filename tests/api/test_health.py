"""`/health`, and what callers hear while nothing can be written."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.types import Message

from flowmend.api.answers import error_answer
from flowmend.api.health import health_routes
from flowmend.core.errors import StoreUnavailable
from flowmend.store.condition import StoreCondition
from flowmend.use_cases.ports import Services

pytestmark = pytest.mark.anyio

FULL = StoreUnavailable("The disk is full.", code="StoreFull")


async def asked(condition: StoreCondition) -> tuple[int, dict[str, str], bytes]:
    services = cast(Services, SimpleNamespace(store=SimpleNamespace(condition=condition)))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/health", "headers": [], "query_string": b""}
    await Starlette(routes=health_routes(services))(scope, receive, send)
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


async def test_a_server_that_can_write_is_ready() -> None:
    status, _, body = await asked(StoreCondition())
    assert (status, body) == (200, b'{"status":"ready"}')


async def test_a_server_that_cannot_write_says_why_and_when_to_ask_again() -> None:
    condition = StoreCondition()
    condition.refused(FULL)
    status, headers, body = await asked(condition)
    assert (status, headers["retry-after"]) == (503, "10")
    assert b'"code":"StoreFull"' in body


def test_whoever_posts_to_a_full_store_is_told_when_to_try_again() -> None:
    answer = error_answer(FULL)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
