"""A run read piece by piece gives what reading all of it gives: under way, ended, packed, with secrets and with retries."""

import pytest
from aiohttp import web

from flowmend.core.errors import NotFound
from flowmend.core.run.history import latest_records
from flowmend.use_cases.history import pack_journals
from flowmend.use_cases.runs import read_run_head, run_entries
from running import LocalServer, Open, Running, after, compose, http, wait_for

pytestmark = pytest.mark.anyio

SECRET = compose("@triggerBody()", runtimeConfiguration={"secureData": {"properties": ["inputs", "outputs"]}})
LOOP = {"type": "Foreach", "foreach": "@range(0, 5)", "actions": {"Item": compose("@item()")}, "runAfter": {}}


async def assert_reads_alike(running: Running, run_name: str) -> None:
    services = running.services
    journal = await services.journals.open(services.store, services.vault, run_name)
    latest = latest_records(await run_entries(services, run_name))
    assert set(journal.map.keys()) == set(latest)
    for key, record in latest.items():
        assert journal.record(key) == record
        head = journal.head(key)
        assert head is not None
        assert (head.status, head.code, head.attempts, head.error) == (
            record.status,
            record.code,
            record.attempts,
            record.error,
        )


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_a_run_reads_alike_while_it_waits_when_it_has_ended_and_when_it_is_packed(running: Running) -> None:
    choice = {"type": "If", "expression": True, "actions": {"Taken": compose(1)}, "runAfter": {}}
    flow_id = await running.add_flow({"S": SECRET, "L": LOOP, "If": choice, "W": after(wait_for(1, "Hour"), "L")})
    run_name = (await running.call(flow_id, {"password": "hush"})).run_name
    await running.recorded(run_name, "W", "Waiting")
    await assert_reads_alike(running, run_name)
    running.clock.move(hours=2)
    await running.settled()
    await running.ended(run_name)
    await assert_reads_alike(running, run_name)
    journal = await running.services.journals.open(running.services.store, running.services.vault, run_name)
    head = journal.head(("If", ()))
    assert head is not None
    assert head.branch == "actions"
    assert journal.record(("Nothing", ())) is None
    running.clock.move(minutes=11)
    assert await pack_journals(running.services, running.clock.now) == 1
    await assert_reads_alike(running, run_name)


async def test_a_call_that_was_tried_again_reads_with_its_inputs(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    async def busy(_request: web.Request) -> web.Response:
        return web.json_response({"error": "busy"}, status=503)

    origin = await local_server(busy)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    policy = {"type": "fixed", "interval": "PT5S", "count": 1}
    flow_id = await running.add_flow({"Call": http("POST", origin, body={"n": 1}, retryPolicy=policy)})
    run_name = (await running.call(flow_id)).run_name
    running.clock.move(seconds=6)
    await running.ended(run_name)
    await assert_reads_alike(running, run_name)
    journal = await running.services.journals.open(running.services.store, running.services.vault, run_name)
    assert journal.status_number(("Call", ())) == 503
    assert journal.status_number(("Other", ())) == 0


async def test_there_is_no_head_of_a_run_that_is_not_there(running: Running) -> None:
    with pytest.raises(NotFound):
        await read_run_head(running.services, "nothing")
