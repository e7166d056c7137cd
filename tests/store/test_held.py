"""The contract of `store.held`, on both databases."""

from datetime import timedelta
from typing import Any

from flowmend.core.outcome import Status
from flowmend.store import Store
from flowmend.store.held import HeldRun, Place
from flowmend.store.journal import AddTracked, ChangeRun, HoldEvent, StartRun
from flowmend.store.rows import TrackedValueRow

SECOND = timedelta(seconds=1)
REPAIR = "ConnectionNeedsRepair"
HELD = {"status": Status.WAITING, "fired": False, "run_name": "", "ended_at": None, "code": REPAIR}


def held(examples: Any, number: int, **parts: Any) -> HoldEvent:
    """Event `number`, which came so many seconds after noon."""
    started_at = parts.pop("started_at", examples.noon + number * SECOND)
    return HoldEvent(examples.event(number, **{**HELD, "started_at": started_at, "outputs": b"much", **parts}))


def waiting_run(examples: Any, number: int, connection_id: str = "shop", **parts: Any) -> list[Any]:
    row = examples.run(number, **parts)
    waits = {"status": Status.WAITING.value, "code": REPAIR, "connection_id": connection_id}
    return [StartRun(row), ChangeRun(row.run_name, row.epoch, waits)]


def key(examples: Any, number: int, value: str) -> AddTracked:
    return AddTracked(
        TrackedValueRow(run_name=examples.run_name(number), flow_id="flow-1", name="businessKey", value=value)
    )


class TestEvents:
    def test_they_are_read_in_blocks_in_order_of_arrival(self, store: Store, examples: Any, write: Any) -> None:
        same = {"started_at": examples.noon}
        write(
            store,
            held(examples, 5, business_key="K"),
            held(examples, 3, **same),
            held(examples, 2, **same),
            held(examples, 4),
            held(examples, 6, flow_id="flow-2"),
            HoldEvent(examples.event(7)),
        )
        first = store.held.events_after("flow-1", None, 3)
        assert [one.event_name for one in first] == [examples.run_name(number) for number in (2, 3, 4)]
        rest = store.held.events_after("flow-1", Place(first[-1].started_at, first[-1].event_name), 3)
        assert [(one.event_name, one.business_key) for one in rest] == [(examples.run_name(5), "K")]
        between = store.held.events_after("flow-1", Place(first[0].started_at, first[0].event_name), 1)
        assert [one.event_name for one in between] == [examples.run_name(3)]

    def test_what_waits_for_its_turn_can_be_read_alone(self, store: Store, examples: Any, write: Any) -> None:
        write(store, held(examples, 1), held(examples, 2, code="TriggerConcurrencyLimitReached"))
        found = store.held.events_after("flow-1", None, 5, without_code=REPAIR)
        assert [one.event_name for one in found] == [examples.run_name(2)]

    def test_bodies_are_read_by_name_of_those_still_held(self, store: Store, examples: Any, write: Any) -> None:
        write(store, held(examples, 1), HoldEvent(examples.event(2)))
        found = store.held.events([examples.run_name(number) for number in (1, 2, 3)])
        assert {name: event.outputs for name, event in found.items()} == {examples.run_name(1): b"much"}

    def test_pages_of_all_flows_hold_no_bodies_and_say_where_they_go_on(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        write(store, *(held(examples, number, flow_id=f"flow-{number % 2}") for number in range(1, 6)))
        first, place = store.held.list_events(None, 3)
        assert ([one.event_name for one in first], {one.outputs for one in first}) == (
            [examples.run_name(number) for number in (1, 2, 3)],
            {b""},
        )
        rest, end = store.held.list_events(None, 3, place)
        assert ([one.event_name for one in rest], end) == ([examples.run_name(number) for number in (4, 5)], None)
        of_one, _ = store.held.list_events(["flow-1"], 10, arrived_before=examples.noon + 4 * SECOND)
        assert [one.event_name for one in of_one] == [examples.run_name(number) for number in (1, 3)]

    def test_they_are_counted_by_flow_and_by_what_they_wait_for(self, store: Store, examples: Any, write: Any) -> None:
        store.flows.add(examples.flow("flow-1"), examples.version("flow-1"))
        write(store, held(examples, 1), held(examples, 2, code="Turn"), held(examples, 3, flow_id="flow-2"))
        assert store.held.counts() == {"flow-1": 2, "flow-2": 1}
        assert store.held.counts(REPAIR) == {"flow-1": 1, "flow-2": 1}
        assert store.held.oldest() == {
            "flow-1": examples.noon + SECOND,
            "flow-2": examples.noon + 3 * SECOND,
        }
        assert store.held.flow_names() == {"flow-1": "Order received"}


class TestRuns:
    def test_those_that_wait_for_a_connection_come_oldest_first_with_their_keys(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        write(
            store,
            *waiting_run(examples, 2),
            *waiting_run(examples, 1, "other"),
            *waiting_run(examples, 3),
            *waiting_run(examples, 4, flow_id="flow-2"),
            StartRun(examples.run(5)),
            key(examples, 2, "4711"),
        )
        first = store.held.runs_after("flow-1", "", 2, key_name="businessKey")
        assert first == [
            HeldRun(run_name=examples.run_name(1), connection_id="other", business_key=""),
            HeldRun(run_name=examples.run_name(2), connection_id="shop", business_key="4711"),
        ]
        rest = store.held.runs_after("flow-1", first[-1].run_name, 2, key_name="businessKey")
        assert [one.run_name for one in rest] == [examples.run_name(3)]
        assert store.held.flows_with_runs() == {"flow-1": 3, "flow-2": 1}
        assert store.held.flows_with_runs("other") == {"flow-1": 1}

    def test_the_keys_of_what_has_not_ended_are_known(self, store: Store, examples: Any, write: Any) -> None:
        ended = examples.run(3)
        write(
            store,
            StartRun(examples.run(1)),
            *waiting_run(examples, 2),
            StartRun(ended),
            ChangeRun(ended.run_name, ended.epoch, {"status": Status.FAILED.value, "ended_at": examples.noon}),
            *(key(examples, number, f"K{number}") for number in (1, 2, 3)),
        )
        found = store.held.keys_under_way("flow-1", key_name="businessKey")
        assert sorted(found) == sorted([(examples.run_name(1), "K1"), (examples.run_name(2), "K2")])
        names = [examples.run_name(number) for number in (1, 3, 9)]
        assert store.held.unended(names) == {examples.run_name(1)}
