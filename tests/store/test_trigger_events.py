"""The contract of `store.trigger_events` and `store.triggers`, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.core.outcome import Status
from flowmend.store import Store
from flowmend.store.journal import HoldEvent
from flowmend.store.rows import TriggerStateRow

SECOND = timedelta(seconds=1)


class TestHistory:
    def test_a_flows_history_comes_newest_first_page_by_page(self, store: Store, examples: Any, write: Any) -> None:
        write(store, *(HoldEvent(examples.event(number)) for number in range(1, 6)))
        write(store, HoldEvent(examples.event(6, flow_id="flow-2")))
        first, cursor = store.trigger_events.list("flow-1", limit=3)
        second, end = store.trigger_events.list("flow-1", limit=3, cursor=cursor)
        expected = [examples.run_name(number) for number in (5, 4, 3, 2, 1)]
        assert [event.event_name for event in (*first, *second)] == expected
        assert (len(first), end) == (3, "")

    def test_history_can_be_narrowed_to_statuses_and_a_trigger(self, store: Store, examples: Any, write: Any) -> None:
        write(
            store,
            HoldEvent(examples.event(1, status="Skipped", fired=False, run_name="")),
            HoldEvent(examples.event(2)),
            HoldEvent(examples.event(3, trigger_name="other")),
        )
        skipped, _ = store.trigger_events.list("flow-1", statuses=(Status.SKIPPED,))
        assert [event.event_name for event in skipped] == [examples.run_name(1)]
        other, _ = store.trigger_events.list("flow-1", trigger_name="other")
        assert [event.event_name for event in other] == [examples.run_name(3)]

    def test_checks_that_found_nothing_come_without_the_others(self, store: Store, examples: Any, write: Any) -> None:
        for number, status in enumerate(("Skipped", "Succeeded", "Skipped", "Failed", "Waiting", "Skipped")):
            write(store, HoldEvent(examples.event(number, status=status, fired=False, run_name="")))
        write(store, HoldEvent(examples.event(9, status="Skipped", fired=False, run_name="", flow_id="flow-2")))
        first, cursor = store.trigger_events.that_found_nothing("flow-1", 2)
        assert [one.event_name for one in first] == [examples.run_name(5), examples.run_name(2)]
        rest, cursor = store.trigger_events.that_found_nothing("flow-1", 2, cursor)
        assert ([one.event_name for one in rest], cursor) == ([examples.run_name(0)], "")

    def test_an_unknown_event_is_none(self, store: Store) -> None:
        assert store.trigger_events.get("nobody") is None


class TestHeldEvents:
    def test_held_events_come_in_the_order_of_their_arrival(self, store: Store, examples: Any, write: Any) -> None:
        waiting = {"status": Status.WAITING, "fired": False, "run_name": ""}
        same_moment = {**waiting, "started_at": examples.noon}
        write(
            store,
            HoldEvent(examples.event(4, **waiting)),
            HoldEvent(examples.event(3, **same_moment)),
            HoldEvent(examples.event(1, **same_moment)),
            HoldEvent(examples.event(2, **same_moment, flow_id="flow-2")),
            HoldEvent(examples.event(5)),
        )
        names = [event.event_name for event in store.trigger_events.held()]
        assert names == [examples.run_name(number) for number in (1, 2, 3, 4)]
        assert len(store.trigger_events.held("flow-1")) == 3
        assert len(store.trigger_events.held(limit=2)) == 2
        assert store.trigger_events.count_held() == 4
        assert store.trigger_events.count_held("flow-2") == 1
        assert store.trigger_events.count_held("flow-3") == 0
        assert store.trigger_events.held_of_each_flow() == {"flow-1": 3, "flow-2": 1}

    def test_the_first_held_event_that_repeats_a_run_is_found(self, store: Store, examples: Any, write: Any) -> None:
        waiting = {"status": Status.WAITING, "fired": False, "run_name": "", "origin_event": examples.run_name(1)}
        write(
            store,
            HoldEvent(examples.event(3, **waiting)),
            HoldEvent(examples.event(2, **waiting)),
            HoldEvent(examples.event(4, **waiting, flow_id="flow-2")),
            HoldEvent(examples.event(5, origin_event=examples.run_name(2))),
        )
        found = store.trigger_events.held_resubmission("flow-1", examples.run_name(1))
        assert found is not None
        assert found.event_name == examples.run_name(2)
        assert store.trigger_events.held_resubmission("flow-1", examples.run_name(2)) is None


class TestRepeats:
    def test_a_repeat_is_known_by_the_callers_request_id(self, store: Store, examples: Any, write: Any) -> None:
        first, again, unnamed = (
            examples.event(1, client_request_id="r"),
            examples.event(2, client_request_id="r"),
            examples.event(3),
        )
        write(store, *map(HoldEvent, (first, again, unnamed)))
        find = store.trigger_events.by_client_request
        assert find("flow-1", "manual", "r", first.started_at) == first
        assert find("flow-1", "manual", "r", first.started_at + SECOND) == again
        assert find("flow-1", "manual", "r", again.started_at + SECOND) is None
        assert find("flow-1", "other", "r", first.started_at) is None
        assert find("flow-2", "manual", "r", first.started_at) is None
        assert find("flow-1", "manual", "", first.started_at) is None


class TestTriggerStates:
    def state(self, name: str, **parts: Any) -> TriggerStateRow:
        return TriggerStateRow(**{"flow_id": "flow-1", "trigger_name": name, "next_at": None, **parts})

    def test_a_state_is_replaced_by_a_later_one(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        later = self.state("daily", next_at=examples.noon, last_at=examples.noon - SECOND, memory={"etag": [1]})
        store.triggers.put(self.state("daily"))
        assert store.triggers.get("flow-1", "daily") == self.state("daily")
        store.triggers.put(later)
        assert store.triggers.get("flow-1", "daily") == later
        assert store.triggers.of_flow("flow-1") == [later]

    def test_due_triggers_come_longest_due_first(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        assert store.triggers.next_due() is None
        for name, next_at in (
            ("b", examples.noon),
            ("a", examples.noon - SECOND),
            ("c", examples.noon + SECOND),
            ("d", None),
        ):
            store.triggers.put(self.state(name, next_at=next_at))
        assert [state.trigger_name for state in store.triggers.due(examples.noon)] == ["a", "b"]
        assert [state.trigger_name for state in store.triggers.due(examples.noon, 1)] == ["a"]
        assert store.triggers.next_due() == examples.noon - SECOND

    def test_states_are_removed_by_one_or_all(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        for name in "abc":
            store.triggers.put(self.state(name))
        assert store.triggers.remove("flow-1", "a") == 1
        assert store.triggers.remove("flow-1", "a") == 0
        assert store.triggers.remove("flow-1") == 2

    def test_a_state_of_no_flow_is_refused(self, store: Store) -> None:
        with pytest.raises(Conflict):
            store.triggers.put(self.state("daily"))
