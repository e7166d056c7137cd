"""A broken connection holds what would meet it; once it works, everything goes on in order of arrival."""

import asyncio
from datetime import timedelta

import pytest

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict, NotFound, TheyFailed
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.flows import delete_flow, map_connection, turn_off, turn_on
from flowmend.use_cases.held_events import discard_event, list_held_events, release_held
from flowmend.use_cases.start_run import start_held_event
from flowmend.use_cases.verify_connection import verify_connection
from running import Open, Running, after, call_orders, compose, create_order, respond, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

REMEMBERS = {"Order": create_order()}


async def break_it(running: Running, flow_id: str) -> str:
    """The run that met the changed password."""
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "breaks"})
    assert (await running.ended(accepted.run_name)).status == "Failed"
    return accepted.run_name


async def repair(running: Running, connection_id: str, password: str = "changed") -> int:
    result = await verify_connection(running.services, connection_id, {"password": password}, person_id=running.owner)
    assert result.is_proven
    return result.released


async def test_a_401_breaks_the_connection_and_the_run_says_why(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    assert running.connection(connection_id).health is HealthState.CONNECTED

    row = running.run(await break_it(running, flow_id))

    assert (row.status, row.error_code, row.failed_action) == ("Failed", "Unauthorized", "Order")
    assert (row.diagnosis_category, row.connection_id) == ("wrong_password", connection_id)
    connection = running.connection(connection_id)
    assert connection.health is HealthState.BROKEN
    assert connection.refused_code == "Unauthorized"
    assert connection.refused_at is not None
    assert running.services.health.broken_count == 1


async def test_new_events_are_held_and_go_on_in_order_of_arrival(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    before = running.service.counts
    held = [await running.call(flow_id, {"number": f"N{index}"}) for index in range(5)]

    assert all(accepted.held and not accepted.run_name for accepted in held)
    assert [event.status for event in running.events(flow_id)[1:]] == ["Waiting"] * 5
    assert {event.code for event in running.events(flow_id)[1:]} == {"ConnectionNeedsRepair"}
    assert running.service.counts == before  # a password known to be refused is not sent

    assert await repair(running, connection_id) == 5

    runs = await running.reached_count(flow_id, 6)
    for row in runs[1:]:
        assert (await running.ended(row.run_name)).status == "Succeeded"
    assert [row.run_name for row in runs[1:]] == [accepted.event_name for accepted in held]
    started = [row.started_at for row in runs[1:]]
    assert started == sorted(started)
    assert [event.status for event in running.events(flow_id)[1:]] == ["Succeeded"] * 5
    assert [event.run_name for event in running.events(flow_id)[1:]] == [one.event_name for one in held]
    assert running.service.counts["orders"]["created"] == 5


async def test_a_run_counts_its_duration_from_when_it_began_and_knows_how_long_it_was_held(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    broke = running.run(await break_it(running, flow_id))
    held = await running.call(flow_id, {"number": "N1"})
    arrived = running.events(flow_id)[-1].started_at
    running.clock.move(minutes=3)

    await repair(running, connection_id)

    await running.reached_count(flow_id, 2)
    row = await running.ended(held.event_name)
    assert (row.status, row.started_at) == ("Succeeded", arrived)
    assert row.begun_at == row.timed_from
    assert row.held_for is not None
    assert timedelta(minutes=3) <= row.held_for < timedelta(minutes=4)
    assert row.ended_at is not None
    assert row.ended_at - row.timed_from < timedelta(minutes=1)
    assert (broke.begun_at, broke.timed_from, broke.held_for) == (None, broke.started_at, None)


async def test_a_caller_who_waits_is_told_at_once_that_the_flow_cannot_answer(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow({"Order": create_order(), "Answer": after(respond("done"), "Order")})
    running.service.change("password", user="ada", password="changed")
    await running.call(flow_id, {"number": "breaks"})

    with pytest.raises(TheyFailed) as refused:
        await running.call(flow_id, {"number": "N1"})

    assert refused.value.code == "ConnectionNeedsRepair"
    assert "changed" not in refused.value.message
    event = running.events(flow_id)[-1]
    assert (event.status, event.fired, event.code) == ("Failed", False, "ConnectionNeedsRepair")


async def test_a_held_event_answers_nobody_once_it_goes_on(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order(), "Answer": after(respond("done"), "Order")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdEvents"}, running.owner)
    await break_it(running, flow_id)
    held = await running.call(flow_id, {"number": "N1"})
    assert (held.held, held.response) == (True, None)

    await repair(running, connection_id)

    row = await running.ended(held.event_name)
    assert (row.status, (await running.records(row.run_name))["Answer"].status) == ("Succeeded", "Skipped")


async def test_a_flow_set_to_fail_runs_into_the_stored_refusal_without_a_request(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    await break_it(running, flow_id)
    before = running.service.counts

    row = await running.ended((await running.call(flow_id, {"number": "N1"})).run_name)

    assert (row.status, row.error_code) == ("Failed", "Unauthorized")
    assert running.service.counts == before


async def test_a_flow_set_to_hold_at_the_action_waits_there_and_goes_on(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"First": compose("once"), "Order": after(create_order(), "First")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("password", user="ada", password="changed")

    accepted = await running.call(flow_id, {"number": "N1"})
    row = await running.waiting(accepted.run_name)

    assert (row.code, row.connection_id, row.failed_action) == ("ConnectionNeedsRepair", connection_id, "Order")
    await running.at_rest()
    assert await repair(running, connection_id) == 1
    row = await running.ended(accepted.run_name)
    assert (row.status, row.code) == ("Succeeded", "")
    assert (row.error_code, row.connection_id) == ("", "")
    assert running.service.counts["orders"]["created"] == 1


async def test_events_of_a_flow_that_was_turned_off_wait_until_it_is_on_again(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    await running.call(flow_id, {"number": "N1"})
    await turn_off(running.services, flow_id, running.owner)

    assert await repair(running, connection_id) == 0
    assert running.events(flow_id)[-1].status == "Waiting"

    await turn_on(running.services, flow_id, running.owner)
    runs = await running.reached_count(flow_id, 2)
    assert (await running.ended(runs[-1].run_name)).status == "Succeeded"


async def test_events_wait_while_another_connection_of_their_flow_is_broken(running: Running) -> None:
    orders = await running.connect()
    shipping = await running.connect("sample_shipping", api_key="ada-key-1001")
    stock = call_orders("GetAccount")
    stock["inputs"]["host"] |= {"connectionName": "shared_sample_shipping", "apiId": "/apis/shared_sample_shipping"}
    flow_id = await running.add_flow({"Order": create_order(), "Other": stock})
    running.service.change("password", user="ada", password="changed")
    running.service.change("key", user="ada", key="changed")
    accepted = await running.call(flow_id, {"number": "breaks"})
    await running.ended(accepted.run_name)
    assert running.connection(shipping).health is HealthState.BROKEN
    await running.call(flow_id, {"number": "N1"})

    assert await repair(running, orders) == 0
    result = await verify_connection(running.services, shipping, {"api_key": "changed"}, person_id=running.owner)
    assert result.released == 1
    started = (await running.reached_count(flow_id, 2))[-1]
    assert (await running.ended(started.run_name)).status == "Succeeded"


async def test_mapping_the_reference_to_a_connection_that_works_lets_everything_go_on(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    await running.call(flow_id, {"number": "N1"})
    other = await running.connect(username="ben", password="quiet-forest")

    await map_connection(running.services, flow_id, "shared_sample_orders", other, running.owner)

    runs = await running.reached_count(flow_id, 2)
    assert (await running.ended(runs[-1].run_name)).status == "Succeeded"


async def test_a_run_held_at_an_action_goes_on_with_the_connection_chosen_instead(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "N1"})
    await running.waiting(accepted.run_name)
    await running.at_rest()
    other = await running.connect(username="ben", password="quiet-forest")

    await map_connection(running.services, flow_id, "shared_sample_orders", other, running.owner)

    assert (await running.ended(accepted.run_name)).status == "Succeeded"


async def test_two_releases_at_once_start_each_event_once(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    for index in range(4):
        await running.call(flow_id, {"number": f"N{index}"})
    running.service.change("password", user="ada", password=FIRST_PASSWORD)
    running.services.store.connections.change(connection_id, health=HealthState.CONNECTED)
    running.services.changes.publish("connection", connection_id=connection_id, health="connected")

    await asyncio.gather(*(release_held(running.services, connection_id) for _ in range(3)))

    for row in (await running.reached_count(flow_id, 5))[1:]:
        assert (await running.ended(row.run_name)).status == "Succeeded"
    assert running.service.counts["orders"]["created"] == 4


async def test_a_discarded_event_never_starts_and_keeps_its_record(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    held = await running.call(flow_id, {"number": "N1"})

    await discard_event(running.services, flow_id, held.event_name, running.owner)

    assert await repair(running, connection_id) == 0
    assert running.events(flow_id)[-1].status == "Cancelled"
    noted, _ = running.services.store.audit.list(held.event_name)
    assert [(one.person_id, one.verb) for one in noted] == [(running.owner, "discard_event")]


async def test_of_a_release_and_a_discard_at_once_one_alone_happens(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    held = [(await running.call(flow_id, {"number": f"N{number}"})).event_name for number in range(6)]
    running.service.change("password", user="ada", password=FIRST_PASSWORD)
    running.services.store.connections.change(connection_id, health=HealthState.CONNECTED)
    running.services.changes.publish("connection", connection_id=connection_id, health="connected")

    discards = [discard_event(running.services, flow_id, name, running.owner) for name in reversed(held)]
    _released, *settled = await asyncio.gather(
        release_held(running.services, connection_id), *discards, return_exceptions=True
    )

    lost = [one for one in settled if isinstance(one, Conflict)]
    assert all(one is None or one in lost for one in settled)
    assert {one.code for one in lost} <= {"EventNotHeld"}
    await running.at_rest()
    statuses = {event.event_name: event.status for event in running.events(flow_id) if event.event_name in held}
    started = {row.run_name for row in running.runs(flow_id)}
    assert {name for name, status in statuses.items() if status == "Succeeded"} == started & set(held)
    assert sorted(statuses.values()) == ["Cancelled"] * (6 - len(lost)) + ["Succeeded"] * len(lost)
    await running.at_rest()
    assert running.service.counts["orders"]["created"] == len(lost)


async def test_an_event_discarded_while_its_run_is_on_its_way_does_not_run(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    held = await running.call(flow_id, {"number": "N1"})
    event = running.services.store.trigger_events.get(held.event_name)
    assert event is not None
    await discard_event(running.services, flow_id, held.event_name, running.owner)

    begun = start_held_event(running.services, event)

    assert begun.durable is not None
    with pytest.raises(Conflict) as refused:
        await begun.durable
    assert refused.value.code == "EventNotHeld"
    assert running.services.store.runs.get(held.event_name) is None
    with pytest.raises(Conflict):
        await discard_event(running.services, flow_id, held.event_name, running.owner)
    with pytest.raises(NotFound):
        await discard_event(running.services, "another", held.event_name, running.owner)


async def test_a_flow_is_not_deleted_while_it_holds_events(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await break_it(running, flow_id)
    held = [(await running.call(flow_id, {"number": f"N{number}"})).event_name for number in range(2)]
    await turn_off(running.services, flow_id, running.owner)

    with pytest.raises(Conflict, match="holds 2 events") as refused:
        await delete_flow(running.services, flow_id, running.owner)

    assert refused.value.code == "FlowHoldsEvents"
    assert [event.event_name for event in await list_held_events(running.services, flow_id)] == held
    for name in held:
        await discard_event(running.services, flow_id, name, running.owner)
    assert await list_held_events(running.services, flow_id) == []
    await delete_flow(running.services, flow_id, running.owner)


async def test_what_a_crash_left_held_goes_on_at_the_next_start(open_flowmend: Open) -> None:
    first = await open_flowmend()
    connection_id = await first.connect()
    flow_id = await first.add_flow(REMEMBERS)
    await break_it(first, flow_id)
    await first.call(flow_id, {"number": "N1"})
    # The new credential was kept, and the process ended before the events were released.
    first.service.change("password", user="ada", password=FIRST_PASSWORD)
    first.services.store.connections.change(connection_id, health=HealthState.CONNECTED)
    await first.crash()

    second = await open_flowmend()

    runs = await second.reached_count(flow_id, 2)
    assert (await second.ended(runs[-1].run_name)).status == "Succeeded"
    await release_held(second.services, connection_id)
    await second.at_rest()
    assert len(second.runs(flow_id)) == 2


async def test_held_events_survive_a_restart_and_their_flow_still_holds(open_flowmend: Open) -> None:
    first = await open_flowmend()
    connection_id = await first.connect()
    flow_id = await first.add_flow(REMEMBERS)
    await break_it(first, flow_id)
    await first.call(flow_id, {"number": "N1"})
    await first.stop()

    second = await open_flowmend()
    assert (await second.call(flow_id, {"number": "N2"})).held
    assert await repair(second, connection_id) == 2
    for row in (await second.reached_count(flow_id, 3))[1:]:
        assert (await second.ended(row.run_name)).status == "Succeeded"


async def test_a_held_event_runs_the_definition_of_the_day_it_goes_on(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS, name="orders")
    await break_it(running, flow_id)
    await running.call(flow_id, {"number": "N1"})
    await running.add_flow({**REMEMBERS, "New": after(compose("new"), "Order")}, name="orders")

    await repair(running, connection_id)

    row = (await running.reached_count(flow_id, 2))[-1]
    assert (await running.ended(row.run_name)).status == "Succeeded"
    assert (await running.records(row.run_name))["New"].outputs == "new"


async def test_a_run_whose_refusal_arrives_after_the_repair_is_not_forgotten(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "N1"})
    row = await running.waiting(accepted.run_name)
    running.service.change("password", user="ada", password=FIRST_PASSWORD)
    running.services.store.connections.change(row.connection_id, health=HealthState.CONNECTED)
    running.services.changes.publish("connection", connection_id=row.connection_id, health="connected")

    running.clock.move(seconds=31)
    running.application.held_release._changed.set()

    assert (await running.ended(accepted.run_name)).status == "Succeeded"


async def test_a_run_waits_under_the_connection_it_waits_for_whatever_failed_before(running: Running) -> None:
    shipping = await running.connect("sample_shipping", api_key="ada-key-1001")
    connection_id = await running.connect()
    first = call_orders("GetAccount", metadata={"flowmend": {"onBrokenConnection": "fail"}})
    first["inputs"]["host"] |= {"connectionName": "shared_sample_shipping", "apiId": "/apis/shared_sample_shipping"}
    flow_id = await running.add_flow({"First": first, "Order": after(create_order(), "First", when="Failed")})
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.service.change("key", user="ada", key="changed")
    running.service.change("password", user="ada", password="changed")

    accepted = await running.call(flow_id, {"number": "N1"})

    assert (await running.waiting(accepted.run_name)).connection_id == connection_id
    assert running.connection(shipping).health is HealthState.BROKEN
    assert await repair(running, connection_id) == 1
    assert (await running.ended(accepted.run_name)).status == "Succeeded"


async def test_a_run_under_way_uses_the_connection_chosen_meanwhile(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow({"Wait": wait_for(1, "Second"), "Order": after(create_order(), "Wait")})
    accepted = await running.call(flow_id, {"number": "N1"})
    values = {"username": "ada", "password": FIRST_PASSWORD, "host_url": running.service.url}
    other = await create_connection(running.services, "sample_orders", "Other", values, running.owner)

    await map_connection(running.services, flow_id, "shared_sample_orders", other.row.connection_id, running.owner)

    await running.ended(accepted.run_name)
    record = (await running.records(accepted.run_name))["Order"]
    assert (record.status, record.connection_id) == ("Succeeded", other.row.connection_id)


async def test_what_arrives_while_runs_wait_at_the_action_stands_behind_what_is_held(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow(REMEMBERS)
    await change_settings(running.services, flow_id, {"onBrokenConnection": "holdAtAction"}, running.owner)
    running.services.held.keep_back([flow_id], "a plan", None)
    held = await running.call(flow_id, {"number": "N0"})
    running.service.change("password", user="ada", password="changed")
    meets = await running.add_flow(REMEMBERS, name="meets the refusal")
    await running.ended((await running.call(meets, {"number": "breaks"})).run_name)

    later = await running.call(flow_id, {"number": "N1"})

    assert (held.held, later.held) == (True, True)
    running.services.held.let_go("a plan")
    await repair(running, connection_id)
    for one in (held, later):
        assert (await running.ended(one.event_name)).status == "Succeeded"
