"""What is held is seen with why, let go knowingly, and kept for as long as the settings say."""

import asyncio

import pytest

from flowmend.core.errors import AskedWrongly, NotFound, StoreUnavailable
from flowmend.store.trigger_events import change_held
from flowmend.use_cases.flow_settings import change_settings, read_settings
from flowmend.use_cases.flows import read_flow_detail, turn_off
from flowmend.use_cases.held_days import expire_held
from flowmend.use_cases.held_events import MOST_DISCARDED, discard_all_events, discard_event, discard_events
from flowmend.use_cases.held_lists import WaitsFor, list_held
from running import Running, compose, create_order, respond, until, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

KEY = {"metadata": {"flowmend": {"businessKey": "@triggerBody()?['number']"}}}
SECRET = "sesame-4711"


async def holding(running: Running, *, name: str = "flow", count: int = 3, **parts: object) -> str:
    """A flow that holds so many events, kept back by a plan."""
    flow_id = await running.add_flow({"A": compose(1)}, name=name, **(parts or KEY))
    running.services.held.keep_back([flow_id], f"plan of {name}", None)
    for number in range(count):
        assert (await running.call(flow_id, {"number": f"N{number}", "password": SECRET})).held
    return flow_id


async def test_events_are_seen_page_by_page_with_what_they_are_about_and_wait_for(running: Running) -> None:
    flow_id = await holding(running)
    off = await holding(running, name="off", count=1)
    await turn_off(running.services, off, running.owner)

    first = await list_held(running.services, limit=2)
    rest = await list_held(running.services, limit=2, cursor=first.cursor)

    assert [one.row.business_key for one in (*first.events, *rest.events)] == ["N0", "N1", "N2", "N0"]
    assert {flow.flow_id: (flow.count, flow.waits_for) for flow in first.flows} == {
        flow_id: (3, WaitsFor.PLAN),
        off: (1, WaitsFor.FLOW),
    }
    assert (first.count, rest.cursor) == (4, "")
    assert '"number": "N0"' in first.events[0].preview
    only = await list_held(running.services, flow_id=off)
    assert [one.waits_for for one in only.events] == [WaitsFor.FLOW]


async def test_a_broken_connection_is_named(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    await running.ended((await running.call(flow_id, {"number": "breaks"})).run_name)
    await running.call(flow_id, {"number": "N1"})
    (flow,) = (await list_held(running.services)).flows
    assert (flow.waits_for, flow.connection_id, flow.connection_name) == (WaitsFor.REPAIR, connection_id, "Orders")


async def test_what_a_secure_trigger_brought_is_shown_to_nobody(running: Running) -> None:
    secure = {"runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}}
    trigger = {"manual": {"type": "Request", "kind": "Http", "inputs": {}, **secure}}
    await holding(running, count=1, triggers=trigger, **KEY)
    (event,) = (await list_held(running.services)).events
    assert (event.is_secret, event.preview, event.row.business_key) == (True, "", "")
    assert SECRET not in repr(event)


@pytest.mark.parametrize("cursor", ["nonsense", "~", "2026-99-99~x"])
async def test_a_cursor_that_no_page_gave_is_refused(running: Running, cursor: str) -> None:
    with pytest.raises(AskedWrongly) as refused:
        await list_held(running.services, cursor=cursor)
    assert refused.value.code == "InvalidCursor"
    with pytest.raises(NotFound):
        await list_held(running.services, flow_id="no flow")


async def test_chosen_events_are_discarded_with_a_record_of_who_did_it(running: Running) -> None:
    flow_id = await holding(running)
    names = [one.row.event_name for one in (await list_held(running.services)).events]

    assert await discard_events(running.services, [*names[:2], "strange"], running.owner) == 2
    assert await discard_events(running.services, names[:2], running.owner) == 0

    assert [one.row.event_name for one in (await list_held(running.services)).events] == names[2:]
    gone = running.services.store.trigger_events.get(names[0])
    assert gone is not None
    assert (gone.status, gone.code, gone.outputs) == ("Cancelled", "Discarded", b"")
    (noted,) = [one for one in running.services.store.audit.list(flow_id)[0] if one.verb == "discard_events"]
    assert (noted.person_id, noted.details) == (running.owner, {"events": sorted(names[:2]), "count": 2})
    with pytest.raises(AskedWrongly):
        await discard_events(running.services, [str(one) for one in range(MOST_DISCARDED + 1)], running.owner)


async def test_all_of_a_flow_go_but_what_came_after_the_question(running: Running) -> None:
    flow_id = await holding(running)
    asked_at = running.clock.now
    other = await holding(running, name="other", count=1)
    late = await running.call(flow_id, {"number": "late"})

    assert await discard_all_events(running.services, flow_id, running.owner, arrived_before=asked_at) == 3

    left = [one.row.event_name for one in (await list_held(running.services, flow_id=flow_id)).events]
    assert left == [late.event_name]
    assert running.services.store.trigger_events.count_held(other) == 1
    with pytest.raises(NotFound):
        await discard_all_events(running.services, "no flow", running.owner)


async def test_nothing_is_discarded_where_who_did_it_cannot_be_noted(running: Running) -> None:
    flow_id = await holding(running)
    names = [one.row.event_name for one in (await list_held(running.services)).events]
    database = running.services.store._database
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO not_the_audit")
    try:
        for discarding in (
            discard_event(running.services, flow_id, names[0], running.owner),
            discard_events(running.services, names[:2], running.owner),
            discard_all_events(running.services, flow_id, running.owner),
        ):
            with pytest.raises(StoreUnavailable):
                await discarding
    finally:
        with database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE not_the_audit RENAME TO audit")
    assert running.services.store.trigger_events.count_held(flow_id) == 3


async def test_those_discarded_are_counted_once_though_their_transaction_is_tried_again(running: Running) -> None:
    flow_id = await holding(running)
    names = [one.row.event_name for one in (await list_held(running.services)).events]
    failing = change_held("no event", status="Failed")

    counts = await asyncio.gather(  # of one group: it fails as a whole, then each part is tried alone
        running.services.store.journal.write(()),
        *(running.services.store.journal.write([failing]) for _ in range(3)),
        discard_events(running.services, names, running.owner),
        return_exceptions=True,
    )

    assert counts[-1] == 3
    (noted,) = [one for one in running.services.store.audit.list(flow_id)[0] if one.verb == "discard_events"]
    assert noted.details["count"] == 3


async def test_a_flow_whose_last_event_was_discarded_waits_for_nothing(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(2, "Hour")}, **KEY)
    running.services.held.keep_back([flow_id], "plan", None)
    assert running.services.held.kept_back_by(flow_id, running.clock.now) == ("plan", None)
    first, second = [(await running.call(flow_id, {"number": "N1"})).event_name for _ in range(2)]
    running.services.held.let_go("plan")
    await running.reached_count(flow_id, 1)
    await running.at_rest()
    assert running.services.held.has_waiting(flow_id)

    await discard_event(running.services, flow_id, second, running.owner)

    await until(lambda: not running.services.held.has_waiting(flow_id), lambda: "it is still said to wait")
    assert [row.run_name for row in running.runs(flow_id)] == [first]


async def test_what_only_waits_for_its_turn_does_not_expire(running: Running) -> None:
    trigger = {
        "manual": {
            "type": "Request",
            "kind": "Http",
            "inputs": {},
            "runtimeConfiguration": {"concurrency": {"runs": 1, "maximumWaitingRuns": 9}},
        }
    }
    flow_id = await running.add_flow({"Wait": wait_for(9, "Day")}, triggers=trigger)
    await change_settings(running.services, flow_id, {"held_days": 1}, running.owner)
    await running.call(flow_id, {})
    assert (await running.call(flow_id, {})).held
    running.clock.move(days=3)
    assert await expire_held(running.services, running.clock.now) == 0
    await turn_off(running.services, flow_id, running.owner)
    assert await expire_held(running.services, running.clock.now) == 1


async def test_events_expire_only_where_a_setting_says_so_and_leave_a_record(running: Running) -> None:
    flow_id = await holding(running)
    kept = await holding(running, name="kept")
    for one in ("plan of flow", "plan of kept"):
        running.services.held.keep_back([flow_id if one.endswith("flow") else kept], one, running.clock.now)
    for one in (flow_id, kept):
        await turn_off(running.services, one, running.owner)
    running.clock.move(days=31)
    assert await expire_held(running.services, running.clock.now) == 0

    await change_settings(running.services, flow_id, {"held_days": 30}, running.owner)
    assert await expire_held(running.services, running.clock.now) == 3

    assert running.services.store.held.counts() == {kept: 3}
    event = running.events(flow_id)[0]
    assert (event.status, event.code) == ("Cancelled", "Expired")
    assert "30 days" in event.error_message


async def test_what_a_plan_keeps_back_does_not_expire(running: Running) -> None:
    flow_id = await holding(running)
    await change_settings(running.services, flow_id, {"held_days": 1}, running.owner)
    running.clock.move(days=3)
    assert await expire_held(running.services, running.clock.now) == 0


async def test_what_a_flow_does_meanwhile_is_a_new_version_that_an_export_keeps(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, **KEY)
    before = running.services.flows.latest(flow_id).version
    settings = read_settings(running.services, flow_id)
    assert (settings.on_broken, settings.on_broken_is_chosen) == ("holdEvents", False)

    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)

    loaded = running.services.flows.latest(flow_id)
    assert loaded.version != before
    settings = read_settings(running.services, flow_id)
    assert (settings.on_broken, settings.on_broken_is_chosen) == ("fail", True)
    document = (await read_flow_detail(running.services, flow_id)).document
    assert document["definition"]["metadata"]["flowmend"] == {
        **KEY["metadata"]["flowmend"],
        "onBrokenConnection": "fail",
    }
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    assert running.services.flows.latest(flow_id).version == loaded.version
    await change_settings(running.services, flow_id, {"onBrokenConnection": None}, running.owner)
    assert not read_settings(running.services, flow_id).on_broken_is_chosen


async def test_a_flow_that_answers_fails_unless_somebody_chose(running: Running) -> None:
    flow_id = await running.add_flow({"A": respond(1)})
    settings = read_settings(running.services, flow_id)
    assert (settings.on_broken, settings.answers_caller, settings.on_broken_is_chosen) == ("fail", True, False)


async def test_days_are_chosen_for_one_flow_and_taken_back(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    await change_settings(running.services, flow_id, {"held_days": 30, "history_days": 0}, running.owner)
    settings = read_settings(running.services, flow_id)
    assert (settings.held_days, settings.held_days_is_chosen, settings.history_days_is_chosen) == (30, True, True)
    await change_settings(running.services, flow_id, {"held_days": None}, running.owner)
    assert not read_settings(running.services, flow_id).held_days_is_chosen
