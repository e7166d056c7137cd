"""What cannot be written ends its run, with its reason; nobody goes on as if it were durable."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
from aiohttp import web
from sqlalchemy import Connection, event

from running import LocalServer, Open, Running, after, compose, http, respond, until

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


def lose_answers_to_commits(running: Running) -> Callable[[], None]:
    """From now on each commit is carried out and reported as failed, as over a connection lost at the wrong moment.

    The function given back ends it.
    """
    engine = running.services.store._database.engine
    lost = sqlite3.OperationalError if engine.dialect.name == "sqlite" else psycopg.OperationalError

    def commit(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.commit()
        raise lost("the connection is lost")

    event.listen(engine, "commit", commit)
    return partial(event.remove, engine, "commit", commit)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_a_run_whose_commit_was_not_answered_goes_on_if_it_was_stored(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    flow_id = await running.add_flow({"Answer": respond("done")})
    find_answers = lose_answers_to_commits(running)

    called = asyncio.get_running_loop().create_task(running.call(flow_id))
    await until(lambda: "was stored though" in caplog.text, lambda: caplog.text)
    find_answers()

    accepted = await called
    assert accepted.response is not None
    assert (accepted.response.status_code, accepted.response.body) == (200, "done")
    assert [row.status for row in running.runs(flow_id)] == ["Succeeded"]
    await running.at_rest()
