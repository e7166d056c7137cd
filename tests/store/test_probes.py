"""The contract of `store.probes`, on both databases."""

from datetime import timedelta
from typing import Any

from flowmend.core.connection.health import HealthState
from flowmend.store import Store
from flowmend.store.rows import FlowState, TriggerStateRow

HOUR = timedelta(hours=1)


def test_what_is_due_comes_longest_due_first(store: Store, examples: Any) -> None:
    for name, hours in (("a", -1), ("b", -2), ("c", 1), ("d", None)):
        at = None if hours is None else examples.noon + hours * HOUR
        store.connections.add(examples.connection(name, next_probe_at=at))
    assert [row.connection_id for row in store.probes.due(examples.noon, 10)] == ["b", "a"]
    assert [row.connection_id for row in store.probes.due(examples.noon, 1)] == ["b"]
    assert store.probes.next_due() == examples.noon - 2 * HOUR


def test_what_has_no_time_is_unplanned_unless_nobody_can_ask(store: Store, examples: Any) -> None:
    for state in HealthState:
        store.connections.add(examples.connection(state.value, health=state))
    store.connections.add(examples.connection("planned", next_probe_at=examples.noon))
    assert [row.connection_id for row in store.probes.unplanned()] == ["broken", "connected", "suspect", "untested"]
    store.probes.plan_all([("broken", None), ("connected", examples.noon), ("nobody", examples.noon)])
    assert store.probes.plan("suspect", examples.noon, doubts=2)
    assert not store.probes.plan("nobody", examples.noon)
    assert [row.connection_id for row in store.probes.unplanned()] == ["broken", "untested"]
    assert {row.connection_id: row.doubts for row in store.probes.due(examples.noon, 9)} == {
        "connected": 0,
        "planned": 0,
        "suspect": 2,
    }


def test_nothing_is_due_where_nothing_is_planned(store: Store, examples: Any) -> None:
    store.connections.add(examples.connection())
    assert store.probes.next_due() is None
    assert store.probes.due(examples.noon, 9) == []


def test_what_flows_use_is_told_from_what_nobody_uses(store: Store, examples: Any) -> None:
    store.flows.add(examples.flow(), examples.version())
    for name in ("shop", "mail"):
        store.connections.add(examples.connection(name))
    store.flows.set_mapping(examples.mapping())
    assert store.probes.used(["shop", "mail", "nobody"]) == {"shop"}
    assert store.probes.used([]) == frozenset()


def test_the_connections_of_runs_ahead_come_with_the_nearest_run(store: Store, examples: Any) -> None:
    for number, (state, hours) in enumerate([(FlowState.ON, 1), (FlowState.ON, 3), (FlowState.OFF, 0.5)]):
        flow_id = f"flow-{number}"
        store.flows.add(examples.flow(flow_id, state=state), examples.version(flow_id))
        at = examples.noon + hours * HOUR
        store.triggers.put(TriggerStateRow(flow_id=flow_id, trigger_name="tick", next_at=at))
    for name in ("shop", "mail", "off"):
        store.connections.add(examples.connection(name))
    for flow_id, reference, to in (
        ("flow-0", "a", "shop"),
        ("flow-1", "a", "shop"),
        ("flow-1", "b", "mail"),
        ("flow-2", "a", "off"),
    ):
        store.flows.set_mapping(examples.mapping(flow_id, reference, to))
    assert [
        (one.row.connection_id, one.run_at) for one in store.probes.ahead(examples.noon, examples.noon + 2 * HOUR)
    ] == [("shop", examples.noon + HOUR)]
    ahead = store.probes.ahead(examples.noon, examples.noon + 3 * HOUR)
    assert [(one.row.connection_id, one.run_at - examples.noon) for one in ahead] == [
        ("shop", HOUR),
        ("mail", 3 * HOUR),
    ]
    assert store.probes.ahead(examples.noon + 3 * HOUR, examples.noon + 9 * HOUR) == []
