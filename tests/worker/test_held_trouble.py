"""Held events go on though a service hangs, the store fails meanwhile, or somebody else settles one of them."""

import asyncio
import sqlite3

import pytest

from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.held_events import discard_event
from flowmend.use_cases.held_lists import WaitsFor, list_held
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running, after, compose, create_order, until, wait_for
from worker.holding import KEY, MOST_OF_ONE, PLAN, Service, all_ended, hold, opened, tell

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


async def test_a_flow_whose_service_hangs_leaves_others_their_places(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    service = Service()
    running, hanging = await opened(open_flowmend, local_server, service, metadata={})
    other = await running.add_flow({"A": compose(1)}, name="other")
    slow = await hold(running, hanging, range(2 * MOST_OF_ONE), about=1)
    running.services.held.let_go(PLAN)
    await until(lambda: len(service.numbers) == MOST_OF_ONE, lambda: f"{len(service.numbers)} began")

    names = await hold(running, other, range(30), about=1)
    running.services.held.let_go(PLAN)

    assert set(await all_ended(running, names)) == {"Succeeded"}
    assert len(service.numbers) == MOST_OF_ONE
    service.is_open.set()
    assert set(await all_ended(running, slow)) == {"Succeeded"}


@BOTH
async def test_what_could_not_be_read_when_its_turn_came_begins_once_it_can(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, **KEY)
    names = await hold(running, flow_id, range(12), about=4)
    database = running.services.store._database
    rename = "ALTER TABLE trigger_events RENAME COLUMN {} TO {}"  # names are read, bodies are not
    with database.writing() as connection:
        connection.exec_driver_sql(rename.format("outputs", "gone"))

    running.services.held.let_go(PLAN)
    await asyncio.sleep(0.3)
    assert running.runs(flow_id) == []
    assert running.services.held.lanes.is_empty
    with database.writing() as connection:
        connection.exec_driver_sql(rename.format("gone", "outputs"))

    assert set(await all_ended(running, names)) == {"Succeeded"}
    started = [row.run_name for row in running.runs(flow_id)]
    for thing in range(4):
        assert [name for name in started if name in names[thing::4]] == names[thing::4]


async def test_what_did_not_begin_frees_its_key_also_in_a_line_made_since(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, **KEY)
    names = await hold(running, flow_id, range(3), about=1)
    lanes = running.services.held.lanes
    other = sqlite3.connect(str(running.services.store._database.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # nothing is written until this is over
    discarding = asyncio.ensure_future(discard_event(running.services, flow_id, names[0], running.owner))
    await asyncio.sleep(0)
    running.services.held.let_go(PLAN)
    await until(lambda: names[0] in lanes, lambda: "it was not begun")
    running.services.held.keep_back([flow_id], PLAN, None)
    await asyncio.sleep(0.1)
    running.services.held.let_go(PLAN)
    await asyncio.sleep(0.1)

    other.execute("ROLLBACK")
    other.close()

    await discarding
    assert set(await all_ended(running, names[1:])) == {"Succeeded"}
    assert running.services.store.runs.get(names[0]) is None
    await until(lambda: not running.services.held.has_waiting(flow_id), lambda: "it is still said to wait")


async def test_an_event_behind_a_run_that_rests_names_it(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(2, "Hour")}, **KEY)
    names = await hold(running, flow_id, range(3), about=1)
    running.services.held.let_go(PLAN)
    await running.reached_count(flow_id, 1)
    await running.at_rest()

    page = await list_held(running.services, flow_id=flow_id)

    assert [(one.row.event_name, one.waits_for, one.behind_run) for one in page.events] == [
        (name, WaitsFor.TURN, names[0]) for name in names[1:]
    ]


async def test_a_run_that_went_on_from_its_action_keeps_its_key_though_nothing_is_held_any_more(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    service = Service()
    origin = await local_server(service.answer)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    connection_id = await running.connect()
    actions = {"Order": create_order("@triggerBody()?['about']"), "Tell": after(tell(origin), "Order")}
    flow_id = await running.add_flow(actions, **KEY)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    first = await running.call(flow_id, {"number": 0, "about": "x"})
    await running.waiting(first.run_name)
    await running.at_rest()
    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    await until(lambda: service.numbers == [0], lambda: f"{service.numbers}")
    await until(lambda: not running.application.held_release._flows, lambda: "its flow catches up still")

    second = await running.call(flow_id, {"number": 1, "about": "x"})

    assert second.held
    service.is_open.set()
    assert set(await all_ended(running, [first.run_name, second.event_name])) <= {"Succeeded", "Failed"}
    assert service.together == []
