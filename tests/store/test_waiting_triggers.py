"""The contract of polls in `store.triggers` and of `store.subscriptions`, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.journal import HoldEvent
from flowmend.store.rows import SubscriptionRow, SubscriptionState, TriggerStateRow
from flowmend.store.triggers import note_polled

SECOND = timedelta(seconds=1)


@pytest.fixture
def stored(store: Store, examples: Any) -> Store:
    for name in ("flow-1", "flow-2"):
        store.flows.add(examples.flow(name), examples.version(name))
    return store


def state(name: str = "new_mail", flow_id: str = "flow-1", **columns: Any) -> TriggerStateRow:
    return TriggerStateRow(
        **{"flow_id": flow_id, "trigger_name": name, "next_at": None, "memory": {"poll": {"cursor": 1}}, **columns}
    )


class TestPolls:
    def test_polls_come_longest_due_first_and_clocks_are_none_of_them(self, stored: Store, examples: Any) -> None:
        at = examples.noon
        stored.triggers.put(state("a", poll_at=at))
        stored.triggers.put(state("b", poll_at=at - SECOND))
        stored.triggers.put(state("c", poll_at=at + SECOND))
        stored.triggers.put(state("clock", next_at=at))
        assert [one.trigger_name for one in stored.triggers.due_polls(at, 10)] == ["b", "a"]
        assert stored.triggers.next_poll(at) == at + SECOND
        assert [one.trigger_name for one in stored.triggers.due(at)] == ["clock"]

    def test_events_and_the_place_are_written_together_or_not_at_all(
        self, stored: Store, examples: Any, write: Any
    ) -> None:
        at = examples.noon
        stored.triggers.put(state(poll_at=at))
        after = state(poll_at=at + SECOND, memory={"poll": {"cursor": 2}}, problem="Unauthorized")
        write(stored, HoldEvent(examples.event(1)), note_polled(after, due_at=at))
        with pytest.raises(Conflict):  # somebody else polled, or turned it off
            write(stored, HoldEvent(examples.event(2)), note_polled(after, due_at=at))
        assert stored.trigger_events.get(examples.run_name(2)) is None
        assert stored.triggers.get("flow-1", "new_mail") == after
        assert [one.flow_id for one in stored.triggers.with_problems()] == ["flow-1"]

    def test_a_paused_poll_keeps_its_place_and_a_clock_does_not(self, stored: Store, examples: Any) -> None:
        stored.triggers.put(state(poll_at=examples.noon, problem="Unauthorized"))
        stored.triggers.put(state("clock", next_at=examples.noon))
        stored.triggers.put(state(flow_id="flow-2", poll_at=examples.noon))
        stored.triggers.pause("flow-1")
        assert stored.triggers.of_flow("flow-1") == [state()]
        assert stored.triggers.of_flow("flow-2") == [state(flow_id="flow-2", poll_at=examples.noon)]

    def test_a_poll_is_only_ever_brought_forward(self, stored: Store, examples: Any) -> None:
        stored.triggers.put(state())
        assert stored.triggers.poll_sooner("flow-1", "new_mail", examples.noon)
        assert not stored.triggers.poll_sooner("flow-1", "new_mail", examples.noon + SECOND)
        assert stored.triggers.poll_sooner("flow-1", "new_mail", examples.noon - SECOND)


def subscription(number: int, at: Any, **columns: Any) -> SubscriptionRow:
    return SubscriptionRow(
        **{
            "subscription_id": f"s{number}",
            "flow_id": "flow-1",
            "trigger_name": "new_order",
            "state": SubscriptionState.WANTED.value,
            "fingerprint": "f",
            "sealed_calls": b"sealed",
            "next_at": at,
            "created_at": at,
            **columns,
        }
    )


class TestSubscriptions:
    def test_what_is_due_comes_in_order_and_only_in_the_states_asked_for(self, store: Store, examples: Any) -> None:
        at = examples.noon
        store.subscriptions.add(subscription(1, at))
        store.subscriptions.add(subscription(2, at - SECOND))
        store.subscriptions.add(subscription(3, at + SECOND))
        store.subscriptions.add(subscription(4, None, created_at=at))
        assert [one.subscription_id for one in store.subscriptions.due(at, 10)] == ["s2", "s1"]
        assert store.subscriptions.next_due(at) == at + SECOND
        assert not store.subscriptions.change("s1", (SubscriptionState.ENDING,), attempts=1)
        assert store.subscriptions.change("s1", (SubscriptionState.WANTED,), state="active", next_at=None)
        assert store.subscriptions.get("s1") == subscription(1, None, state="active", created_at=at)

    def test_a_subscription_outlives_its_flow_and_is_ended_once(self, store: Store, examples: Any) -> None:
        at = examples.noon
        store.subscriptions.add(subscription(1, at, state="active", next_at=None, created_at=at))
        store.subscriptions.add(subscription(2, at, flow_id="gone"))
        assert store.subscriptions.end_all("gone", at) == 1
        assert store.subscriptions.end_all("gone", at + SECOND) == 0
        assert [one.state for one in store.subscriptions.of_flow("gone")] == ["ending"]
        store.subscriptions.remove("s2")
        assert store.subscriptions.get("s2") is None

    def test_what_waits_for_a_connection_is_woken_by_its_repair(self, store: Store, examples: Any) -> None:
        at = examples.noon
        store.subscriptions.add(subscription(1, at + SECOND, connection_id="c1", code="Unauthorized"))
        store.subscriptions.add(subscription(2, at + SECOND, connection_id="c2", code="Unauthorized"))
        assert store.subscriptions.wake("c1", at) == 1
        assert [one.subscription_id for one in store.subscriptions.due(at, 10)] == ["s1"]
