"""What was held goes on by itself: in order of arrival, of one key one after another, few at once, through a crash."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.outcome import Status
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.flows import turn_off, turn_on
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running, after, compose, create_order, http, respond, until, wait_for
from worker.holding import KEY, MOST_OF_ONE, PLAN, Service, all_ended, hold, opened

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def test_of_one_key_one_after_another_and_few_at_once(open_flowmend: Open, local_server: LocalServer) -> None:
    service = Service()
    service.is_open.set()
    running, flow_id = await opened(open_flowmend, local_server, service)
    names = await hold(running, flow_id, range(150), about=30)
    assert {event.business_key for event in running.events(flow_id)} <= {f"thing {one}" for one in range(30)}

    running.services.held.let_go(PLAN)

    assert set(await all_ended(running, names)) == {"Succeeded"}
    assert service.together == []
    assert service.most <= 30
    assert sorted(service.numbers) == list(range(150))
    for thing in range(30):
        of_thing = [number for number in service.numbers if number % 30 == thing]
        assert of_thing == sorted(of_thing)
    await until(lambda: not running.services.held.has_waiting(flow_id), lambda: "it is still said to wait")


async def test_without_a_key_no_more_than_so_many_are_under_way_and_they_begin_in_order(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    service = Service()
    running, flow_id = await opened(open_flowmend, local_server, service, metadata={})
    names = await hold(running, flow_id, range(MOST_OF_ONE + 30), about=1)

    running.services.held.let_go(PLAN)
    await until(lambda: len(service.numbers) == MOST_OF_ONE, lambda: f"{len(service.numbers)} began")
    await asyncio.sleep(0.05)
    assert len(running.runs(flow_id)) == MOST_OF_ONE
    service.is_open.set()

    assert set(await all_ended(running, names)) == {"Succeeded"}
    assert service.most <= MOST_OF_ONE
    assert [row.run_name for row in running.runs(flow_id)] == names


async def test_what_arrives_meanwhile_stands_behind_and_a_caller_who_waits_does_not(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    service = Service()
    running, flow_id = await opened(open_flowmend, local_server, service)
    answering = await running.add_flow({"Answer": respond("now")}, name="answering")
    names = await hold(running, flow_id, range(3), about=1)
    running.services.held.keep_back([answering], "another plan", None)
    running.services.held.let_go(PLAN)
    await until(lambda: service.numbers == [0], lambda: f"{service.numbers}")

    later = await running.call(flow_id, {"number": 3, "about": "thing 0"})
    other = await running.call(flow_id, {"number": 4, "about": "another thing"})
    answered = await running.call(answering, {})

    assert (later.held, other.held) == (True, True)
    assert answered.response is not None
    assert (answered.response.body, answered.held) == ("now", False)
    service.is_open.set()
    assert set(await all_ended(running, [*names, later.event_name, other.event_name])) == {"Succeeded"}
    assert [number for number in service.numbers if number != 4] == [0, 1, 2, 3]
    await until(lambda: not running.services.held.has_waiting(flow_id), lambda: "it is still said to wait")
    await until(lambda: running.services.held.lanes.is_empty, lambda: "nobody has heard that they ended")
    assert not (await running.call(flow_id, {"number": 5, "about": "thing 0"})).held


async def test_an_event_of_a_key_that_still_runs_waits_for_it_though_nothing_is_held(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    service = Service()
    running, flow_id = await opened(open_flowmend, local_server, service)
    (first,) = await hold(running, flow_id, range(1), about=1)
    running.services.held.let_go(PLAN)
    await until(lambda: not running.services.held.has_waiting(flow_id), lambda: "it is still said to wait")

    same = await running.call(flow_id, {"number": 1, "about": "thing 0"})
    other = await running.call(flow_id, {"number": 2, "about": "another"})

    assert same.held
    await until(lambda: 2 in service.numbers, lambda: f"{service.numbers}")
    assert 1 not in service.numbers
    service.is_open.set()
    assert set(await all_ended(running, [first, same.event_name, other.event_name])) == {"Succeeded"}
    assert service.together == []


async def test_a_crash_in_the_middle_loses_nothing_and_begins_nothing_twice(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    service = Service()
    # A read: what was asked when the process ended is asked again, and not doubted.
    origin = await local_server(service_of_reads(service))
    hosts = frozenset({origin.removeprefix("http://")})
    first = await open_flowmend(allowed_private_hosts=hosts)
    ask = http("GET", f"{origin}/@{{triggerBody()['number']}}/@{{triggerBody()['about']}}")
    flow_id = await first.add_flow({"Ask": ask}, **KEY)
    names = await hold(first, flow_id, range(40), about=8)
    first.services.held.let_go(PLAN)
    await until(lambda: len(service.numbers) >= 8, lambda: f"{service.numbers}")
    await first.crash()
    service.is_open.set()
    await until(lambda: service.under_way.total() == 0, lambda: f"{service.under_way}")

    second = await open_flowmend(allowed_private_hosts=hosts)

    assert set(await all_ended(second, names)) == {"Succeeded"}
    assert sorted(row.run_name for row in second.runs(flow_id)) == sorted(names)
    assert second.services.store.trigger_events.count_held() == 0
    for thing in range(8):
        of_thing = [number for number in service.numbers if number % 8 == thing]
        assert of_thing == sorted(of_thing)
    assert service.together == []


def service_of_reads(service: Service) -> Any:
    async def answer(request: web.Request) -> web.Response:
        number, about = request.path.strip("/").split("/", 1)
        service.numbers.append(int(number))
        if service.under_way[about]:
            service.together.append(about)
        service.under_way[about] += 1
        await service.is_open.wait()
        service.under_way[about] -= 1
        return web.json_response({})

    return answer


async def test_a_flow_that_runs_one_at_a_time_still_does(open_flowmend: Open, local_server: LocalServer) -> None:
    service = Service()
    service.is_open.set()
    one_at_once = {"concurrency": {"runs": 1, "maximumWaitingRuns": 50}}
    trigger = {"manual": {"type": "Request", "kind": "Http", "inputs": {}, "runtimeConfiguration": one_at_once}}
    running, flow_id = await opened(open_flowmend, local_server, service, triggers=trigger, metadata={})
    names = await hold(running, flow_id, range(12), about=12)

    running.services.held.let_go(PLAN)

    assert set(await all_ended(running, names)) == {"Succeeded"}
    assert (service.most, service.numbers) == (1, list(range(12)))


async def test_a_flow_that_is_off_or_kept_back_keeps_what_it_holds(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    names = await hold(running, flow_id, range(2), about=1)
    await turn_off(running.services, flow_id, running.owner)
    running.services.held.let_go(PLAN)
    await asyncio.sleep(0.05)
    assert running.runs(flow_id) == []

    running.services.held.keep_back([flow_id], PLAN, running.clock.now + timedelta(minutes=15))
    await turn_on(running.services, flow_id, running.owner)
    await asyncio.sleep(0.05)
    assert running.runs(flow_id) == []

    running.clock.move(minutes=16)
    running.services.held.wake(flow_id)  # the drain's own sleep is in real time
    assert set(await all_ended(running, names)) == {"Succeeded"}


async def test_what_waits_for_long_takes_nobodys_place(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(2, "Hour")})
    names = await hold(running, flow_id, range(MOST_OF_ONE + 20), about=1)

    running.services.held.let_go(PLAN)

    await running.reached_count(flow_id, len(names))
    await until(lambda: running.services.held.lanes.is_empty, lambda: f"{running.services.held.lanes.awake()}")


async def test_what_waits_for_long_keeps_its_lane(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(2, "Hour")}, **KEY)
    names = await hold(running, flow_id, range(4), about=2)

    running.services.held.let_go(PLAN)
    await running.reached_count(flow_id, 2)
    await running.at_rest()
    await asyncio.sleep(1.2)
    assert [row.run_name for row in running.runs(flow_id)] == names[:2]

    running.clock.move(hours=3)
    running.application.timers.schedule_changed()
    assert set(await all_ended(running, names[:2])) == {"Succeeded"}
    await running.reached_count(flow_id, 4)


async def test_an_unreadable_flow_keeps_its_events_and_nobody_else_waiting(running: Running) -> None:
    odd = await running.add_flow({"A": compose(1)}, name="odd")
    flow_id = await running.add_flow({"A": compose(1)})
    await hold(running, odd, range(1), about=1)
    running.services.held.keep_back([odd, flow_id], PLAN, None)
    held = await running.call(flow_id, {"number": 1, "about": "x"})
    running.make_unreadable(odd)

    running.services.held.let_go(PLAN)

    assert (await running.ended(held.event_name)).status == "Succeeded"
    assert running.services.store.trigger_events.count_held(odd) == 1


async def test_an_event_that_cannot_start_stays_in_the_history_as_failed(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    names = await hold(running, flow_id, range(3), about=1)
    event = running.services.store.trigger_events.get(names[1])
    assert event is not None
    spoilt = {"outputs": b"\xc1"}
    with running.services.store._database.writing() as connection:
        from sqlalchemy import update

        from flowmend.store.tables import trigger_events

        connection.execute(update(trigger_events).where(trigger_events.c.event_name == names[1]).values(**spoilt))

    running.services.held.let_go(PLAN)

    assert set(await all_ended(running, [names[0], names[2]])) == {"Succeeded"}
    await until(lambda: running.services.store.trigger_events.count_held() == 0, lambda: "something is still held")
    failed = running.services.store.trigger_events.get(names[1])
    assert failed is not None
    assert (failed.status, bool(failed.error_message)) == (Status.FAILED, True)


async def test_runs_held_at_an_action_go_on_in_order_of_their_key(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"First": compose("once"), "Order": after(create_order(), "First")}, **KEY)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    accepted = [await running.call(flow_id, {"number": f"N{one}", "about": f"thing {one % 2}"}) for one in range(6)]
    names = [one.run_name for one in accepted]
    for name in names:
        await running.waiting(name)
    await running.at_rest()

    result = await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)

    assert result.released == 6
    assert set(await all_ended(running, names)) == {"Succeeded"}
    for thing in range(2):
        ended = [row.ended_at for row in running.runs(flow_id)[thing::2]]
        assert ended == sorted(ended, key=lambda at: at or running.clock.now)
    assert running.service.counts["orders"]["created"] == 6


async def test_a_second_break_in_the_middle_keeps_the_rest(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()}, **KEY)
    running.service.change("password", user="ada", password="changed")
    broke = await running.call(flow_id, {"number": "breaks", "about": "x"})
    await running.ended(broke.run_name)
    names = [(await running.call(flow_id, {"number": f"N{one}", "about": "one"})).event_name for one in range(10)]
    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    await running.ended(names[1])
    running.service.change("password", user="ada", password="again")

    await until(lambda: running.services.health.broken_count == 1, lambda: "it did not break")
    await running.at_rest()
    await asyncio.sleep(0.1)
    held = running.services.store.trigger_events.count_held(flow_id)
    assert 0 < held < 9
    failed = [row for row in running.runs(flow_id)[1:] if row.status == "Failed"]
    assert len(failed) <= 1

    await verify_connection(running.services, connection_id, {"password": "again"}, person_id=running.owner)
    statuses = Counter(await all_ended(running, names))
    assert statuses["Succeeded"] >= 9


async def test_where_the_password_is_wrong_again_one_event_fails_and_the_rest_stay_held(running: Running) -> None:
    connection_id = await running.connect()
    flows = [await running.add_flow({"Order": create_order()}, name=name) for name in ("one", "other")]
    running.service.change("password", user="ada", password="changed")
    await running.ended((await running.call(flows[0], {"number": "breaks"})).run_name)
    names = [(await running.call(flow_id, {"number": f"N{one}"})).event_name for one in range(9) for flow_id in flows]
    running.services.held.keep_back(flows, PLAN, None)
    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    running.service.change("password", user="ada", password="again")

    running.services.held.let_go(PLAN)

    await until(lambda: running.services.health.broken_count == 1, lambda: "it did not break")
    await running.at_rest()
    await asyncio.sleep(0.1)
    assert running.services.store.trigger_events.count_held() == 17
    assert sum(row.status == "Failed" for row in running.runs() if row.run_name in names) == 1

    await verify_connection(running.services, connection_id, {"password": "again"}, person_id=running.owner)
    assert Counter(await all_ended(running, names)) == {"Succeeded": 17, "Failed": 1}
    await until(lambda: running.services.held.lanes.is_empty, lambda: "nobody has heard that they ended")


async def test_one_that_waits_for_long_or_fails_otherwise_lets_the_others_begin(running: Running) -> None:
    await running.connect()
    odd = {"type": "Compose", "inputs": "@int(triggerBody()?['number'])"}
    wait = wait_for(2, "Hour")
    flow_id = await running.add_flow({"Odd": odd, "Order": after(create_order(), "Odd")})
    patient = await running.add_flow({"Wait": wait, "Order": after(create_order(), "Wait")}, name="patient")
    running.services.held.keep_back([flow_id, patient], PLAN, None)
    names = [(await running.call(flow_id, {"number": number})).event_name for number in ("odd", "2", "3", "4")]
    waiting = [(await running.call(patient, {"number": f"P{one}"})).event_name for one in range(3)]

    running.services.held.let_go(PLAN)

    assert Counter(await all_ended(running, names)) == {"Succeeded": 3, "Failed": 1}
    await running.reached_count(patient, len(waiting))
