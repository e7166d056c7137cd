"""What cannot be written ends its run, with its reason; nobody goes on as if it were durable."""

from typing import Any

import pytest
from aiohttp import web

from running import LocalServer, Open, after, compose, http, respond

pytestmark = pytest.mark.anyio


def nested(inner: Any, depth: int) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


async def test_values_that_no_page_can_hold_end_their_run_before_any_effect(
    open_flowmend: Open, local_server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def service(request: web.Request) -> web.Response:
        seen.append(request.method)
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    deeper = {
        f"C{place}": after(compose(nested(f"@outputs('C{place - 1}')", 100)), f"C{place - 1}") for place in range(2, 13)
    }
    flow_id = await running.add_flow(
        {
            "Get": http("GET", origin),
            "C1": after(compose(nested("@body('Get')", 100)), "Get"),
            **deeper,
            "Post": after(http("POST", origin), "C12"),
            "Answer": after(respond("done"), "Post"),
        }
    )

    accepted = await running.call(flow_id)

    row = await running.ended(accepted.run_name)
    assert (row.status, row.error_code) == ("Failed", "InternalError")
    assert accepted.response is not None
    assert accepted.response.status_code == 502
    assert seen == ["GET"]
    assert "cannot be written" in caplog.text
    await running.at_rest()
