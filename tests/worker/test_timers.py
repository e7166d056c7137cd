"""Recurrences fire once at their time, runs at rest go on, and stopping always ends."""

import asyncio
from datetime import timedelta

import pytest

from flowmend.core.errors import Conflict
from flowmend.store.journal import AppendPage, ChangeRun
from flowmend.store.rows import TriggerStateRow
from flowmend.store.triggers import note_fired
from flowmend.use_cases.accept_event import start_scheduled
from flowmend.use_cases.flows import turn_off
from running import Open, Running, SparseStore, call_orders, compose, create_order, until, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

FAR = "2099-01-01T00:00:00Z"


def recurrence(**parts: object) -> dict[str, object]:
    return {"tick": {"type": "Recurrence", "recurrence": {"frequency": "Hour", "interval": 1, **parts}}}


async def move(running: Running, **by: float) -> None:
    running.clock.move(**by)
    await running.settled()


async def test_a_recurrence_fires_once_at_its_time_and_not_twice(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose("@trigger()?['scheduledTime']")}, triggers=recurrence())
    await running.reached_count(flow_id, 1)  # without a start time the first is at once
    await running.settled()
    assert len(running.runs(flow_id)) == 1

    await move(running, minutes=59)
    assert len(running.runs(flow_id)) == 1
    await move(running, minutes=2)
    await running.reached_count(flow_id, 2)
    await running.settled()
    await running.settled()

    runs = running.runs(flow_id)
    assert len(runs) == 2
    for row in runs:
        await running.ended(row.run_name)
    times = [(await running.records(row.run_name))["A"].outputs for row in runs]
    assert times[0] < times[1]


async def test_what_was_missed_while_the_process_was_down_fires_once(open_flowmend: Open) -> None:
    first = await open_flowmend()
    flow_id = await first.add_flow({"A": compose(1)}, triggers=recurrence())
    await first.reached_count(flow_id, 1)
    await first.settled()
    await first.crash()
    first.clock.move(hours=10)

    second = await open_flowmend(clock=first.clock)
    await second.reached_count(flow_id, 2)
    await second.settled()

    assert len(second.runs(flow_id)) == 2
    (state,) = second.services.store.triggers.of_flow(flow_id)
    assert state.next_at is not None
    assert state.next_at > second.clock.now


async def test_a_flow_that_was_turned_off_fires_no_more(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=recurrence())
    await running.reached_count(flow_id, 1)
    await turn_off(running.services, flow_id, running.owner)
    await move(running, hours=5)
    assert len(running.runs(flow_id)) == 1


async def test_a_start_time_in_the_future_is_waited_for(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=recurrence(startTime=FAR))
    await running.settled()
    assert running.runs(flow_id) == []


async def test_a_tick_of_a_flow_whose_connection_is_broken_is_held(running: Running) -> None:
    await running.connect()
    flow_id = await running.add_flow({"Order": create_order("N1")}, triggers=recurrence())
    (row,) = await running.reached_count(flow_id, 1)
    await running.ended(row.run_name)
    running.service.change("password", user="ada", password="changed")
    await move(running, hours=1, minutes=1)
    await running.ended((await running.reached_count(flow_id, 2))[-1].run_name)
    await move(running, hours=1)
    assert [event.status for event in running.events(flow_id)] == ["Succeeded", "Succeeded", "Waiting"]


async def test_a_flow_that_no_longer_reads_does_not_keep_the_others_waiting(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    broken_id = await running.add_flow({"A": compose(1)}, triggers=recurrence(), name="broken")
    other_id = await running.add_flow({"A": compose(1)}, triggers=recurrence(), name="other")
    await running.reached_count(broken_id, 1)
    await running.reached_count(other_id, 1)
    running.make_unreadable(broken_id)

    await move(running, hours=1, minutes=1)

    await running.reached_count(other_id, 2)
    assert broken_id in caplog.text


async def test_held_events_of_a_flow_that_no_longer_reads_stop_no_schedule(running: Running) -> None:
    await running.connect()
    broken_id = await running.add_flow({"Get": call_orders("ListOrders")}, name="broken")
    other_id = await running.add_flow({"A": compose(1)}, triggers=recurrence(), name="other")
    await running.reached_count(other_id, 1)
    running.service.change("password", user="ada", password="changed")
    await running.ended((await running.call(broken_id)).run_name)
    assert (await running.call(broken_id)).held
    running.make_unreadable(broken_id)

    await move(running, hours=1, minutes=1)

    await running.reached_count(other_id, 2)
    assert [event.status for event in running.events(broken_id)] == ["Succeeded", "Waiting"]


async def test_a_tick_that_the_store_cannot_take_is_due_until_it_can(running: Running) -> None:
    if not running.services.store._database.is_sqlite:
        pytest.skip("PostgreSQL is not told to refuse")
    flow_id = await running.add_flow({"A": compose("@trigger()?['scheduledTime']")}, triggers=recurrence())
    (first,) = await running.reached_count(flow_id, 1)
    await running.ended(first.run_name)
    (before,) = running.services.store.triggers.of_flow(flow_id)
    store = SparseStore(running)
    store.refuse_writes()
    await move(running, hours=1, minutes=1)
    await until(lambda: running.application.run_loop.active_count == 0, lambda: "the run is still in memory")
    assert running.services.store.triggers.of_flow(flow_id) == [before]

    store.allow_writes()
    await running.settled()

    _, second = await running.reached_count(flow_id, 2)
    await running.ended(second.run_name)
    (after,) = running.services.store.triggers.of_flow(flow_id)
    assert after.last_at == before.next_at
    assert len(running.runs(flow_id)) == 2


async def test_a_tick_of_a_trigger_that_was_scheduled_anew_starts_no_run(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=recurrence())
    await running.reached_count(flow_id, 1)
    await running.settled()
    (state,) = running.services.store.triggers.of_flow(flow_id)
    assert state.next_at is not None
    early = state.next_at - timedelta(minutes=1)

    with pytest.raises(Conflict):
        await start_scheduled(
            running.services, flow_id, "tick", early, together_with=(note_fired(state, due_at=early),)
        )

    assert len(running.runs(flow_id)) == 1
    assert running.services.store.triggers.of_flow(flow_id) == [state]


async def test_a_state_that_makes_no_sense_stops_only_itself(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    other_id = await running.add_flow({"Wait": wait_for(2, "Minute")}, name="other")
    accepted = await running.call(other_id)
    await running.at_rest()
    flow_id = await running.add_flow({"A": compose(1)}, triggers=recurrence(startTime=FAR), name="odd")
    odd = TriggerStateRow(flow_id=flow_id, trigger_name="tick", next_at=running.clock.now, memory={})
    running.services.store.triggers.put(odd)

    await move(running, minutes=3)

    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert flow_id in caplog.text


async def test_stopping_right_after_the_schedule_changed_ends(running: Running) -> None:
    timers = running.application.timers
    for pause in (0, 0.001, 0.01):
        timers.schedule_changed()
        await asyncio.sleep(pause)
        timers.schedule_changed()
        await asyncio.wait_for(timers.stop(), 2)
        assert timers._task is not None
        assert timers._task.done()
        timers.start()


async def test_a_flow_turned_off_while_others_fire_stays_off(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, triggers=recurrence())
    await running.reached_count(flow_id, 1)
    await running.settled()
    (listed,) = running.services.store.triggers.of_flow(flow_id)
    await turn_off(running.services, flow_id, running.owner)

    await running.application.timers._fire_trigger(running.services, listed, running.clock.now)

    assert len(running.runs(flow_id)) == 1
    assert running.services.store.triggers.of_flow(flow_id) == []


async def test_a_run_that_cannot_be_read_says_why_and_the_timers_rest(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(2, "Minute")})
    accepted = await running.call(flow_id)
    await running.at_rest()
    epoch = running.run(accepted.run_name).epoch
    damaged = AppendPage(accepted.run_name, epoch, 2, b"\x00no page")
    await running.services.store.journal.write([damaged])

    await move(running, minutes=3)
    await running.settled()

    row = running.run(accepted.run_name)
    assert (row.status, row.code, row.error_code) == ("Waiting", "PayloadDamaged", "PayloadDamaged")
    assert row.wake_at is not None
    assert row.wake_at > running.clock.now
    assert caplog.text.count("cannot go on") == 1


async def test_timers_that_slept_with_the_computer_fire_once_it_wakes(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(50, "Second")})
    accepted = await running.call(flow_id)
    run = running.application.run_loop._active[accepted.run_name]
    await running.services.store.journal.write(
        [ChangeRun(run.name, run.epoch, {"wake_at": running.clock.now + timedelta(seconds=50)})]
    )

    await move(running, minutes=1)

    row = await running.ended(accepted.run_name)
    assert (row.status, row.wake_at) == ("Succeeded", None)
