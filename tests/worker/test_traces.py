"""A service can tell which run and action called it (rest-api §7), unless the flow would rather not say."""

import pytest
from aiohttp import web

from running import LocalServer, Open, after, http

pytestmark = pytest.mark.anyio


async def test_calls_name_their_run_and_action(open_flowmend: Open, local_server: LocalServer) -> None:
    seen: list[dict[str, str]] = []

    async def service(request: web.Request) -> web.Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    silent = {**http("GET", origin), "operationOptions": "SuppressWorkflowHeaders"}
    flow_id = await running.add_flow({"取得": http("GET", origin), "Silent": after(silent, "取得")})
    accepted = await running.call(flow_id)
    await running.ended(accepted.run_name)

    told, silent_call = seen
    assert told["x-ms-workflow-run-id"] == accepted.run_name
    assert told["x-ms-workflow-id"] == flow_id
    assert told["x-ms-workflow-operation-name"] == "%E5%8F%96%E5%BE%97"
    assert told["x-ms-client-tracking-id"] == accepted.client_tracking_id
    assert told["x-ms-action-tracking-id"]
    assert "x-ms-request-id" not in told
    assert not [name for name in silent_call if name.startswith("x-ms-workflow")]
