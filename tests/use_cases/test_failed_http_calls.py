"""The safe form of an HTTP action's refused call: made again with the sign-in of its embedded connection."""

import base64
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe import ProbeKind
from flowmend.core.run.events import HttpCall
from flowmend.use_cases.failed_calls import failed_call
from flowmend.use_cases.prove_credential import plan_test
from flowmend.use_cases.prove_credential import test_credential as try_credential

pytestmark = pytest.mark.anyio
OLD, NEW = BasicCredential(user="ada", password="old"), BasicCredential(user="ada", password="new")


@pytest.fixture
async def asked(local_server: Any) -> tuple[list[str], str]:
    paths: list[str] = []

    async def service(request: web.Request) -> web.Response:
        paths.append(f"{request.method} {request.path_qs}")
        right = "Basic " + base64.b64encode(b"ada:new").decode()
        return web.json_response({}, status=200 if request.headers.get("Authorization") == right else 401)

    return paths, await local_server(service)


def http_call(method: str, uri: str, **parts: Any) -> HttpCall:
    values = {"headers": {}, "queries": {}, "body": None, "has_body": False, "authentication": None, **parts}
    return HttpCall(method=method, uri=uri, embedded="e", **values)


async def call(house: Any, wanted: HttpCall) -> Any:
    return await house.services.operations.call(
        wanted, flow_id="f", mappings={"e": "http-1"}, client_request_id="1", trace_headers={}, attempt=1
    )


async def test_the_refused_read_proves_the_new_password(house: Any, asked: tuple[list[str], str]) -> None:
    paths, origin = asked
    house.connect("http", OLD, parameter_set="Basic", parameters={"username": "ada"}, allowed_origins=[origin])
    headers = {"Authorization": "by hand", "X-Trace": "1"}
    outcome = await call(house, http_call("GET", f"{origin}/orders/4711", queries={"top": 1}, headers=headers))
    assert outcome.code == "Unauthorized"
    row = house.connection("http-1")
    assert row.health is HealthState.BROKEN
    kept = failed_call(house.services.vault, row)
    assert kept is not None
    assert kept.headers == {"X-Trace": "1"}
    connector = house.services.connectors.get("http")
    plan = plan_test(connector, row, failed=kept)
    assert plan is not None
    assert (plan.kind, plan.url_hint) == (ProbeKind.FAILED_CALL, origin)  # where, but not what a run asked there
    paths.clear()
    test = await try_credential(house.services, connector, row, NEW)
    assert (test.is_proven, test.replayed, paths) == (True, 200, ["GET /orders/4711?top=1"])


@pytest.mark.parametrize(
    ("method", "parts"), [("POST", {}), ("DELETE", {}), ("GET", {"body": {"a": 1}, "has_body": True}), ("PUT", {})]
)
async def test_what_may_change_something_is_not_kept(
    house: Any, asked: tuple[list[str], str], method: str, parts: dict[str, Any]
) -> None:
    _, origin = asked
    house.connect("http", OLD, parameter_set="Basic", parameters={"username": "ada"}, allowed_origins=[origin])
    await call(house, http_call(method, f"{origin}/orders", **parts))
    row = house.connection("http-1")
    assert row.health is HealthState.BROKEN
    assert row.sealed_failed_call is None
    test = await try_credential(house.services, house.services.connectors.get("http"), row, NEW)
    assert (test.is_testable, test.code) == (False, "NotTestable")
