"""The contract of `store.connection_list`, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.store import Store
from flowmend.store.connection_list import ConnectionFilter
from flowmend.store.journal import StartRun

HOUR = timedelta(hours=1)
EVERYTHING = ConnectionFilter()


def add_all(store: Store, examples: Any) -> None:
    for state in HealthState:
        for name in ("Zebra", "ape", "Ape"):
            connection_id = f"{state.value}-{name}"
            store.connections.add(examples.connection(connection_id, display_name=name, health=state))


def pages(store: Store, wanted: ConnectionFilter, limit: int) -> list[list[str]]:
    found, cursor = [], ""
    while True:
        rows, cursor = store.connection_list.page(wanted, limit=limit, cursor=cursor)
        found.append([row.connection_id for row in rows])
        if not cursor:
            return found


def test_pages_show_each_once_those_in_need_first(store: Store, examples: Any) -> None:
    add_all(store, examples)
    (whole,) = pages(store, EVERYTHING, 100)
    assert len(whole) == len(set(whole)) == 18
    assert [name.partition("-")[0] for name in whole[:12:3]] == ["broken", "pending_consent", "repairing", "suspect"]
    assert whole[:3] == ["broken-Ape", "broken-ape", "broken-Zebra"]
    for limit in (1, 4, 18):
        assert [one for page in pages(store, EVERYTHING, limit) for one in page] == whole
    with pytest.raises(AskedWrongly):
        store.connection_list.page(EVERYTHING, limit=1, cursor="{}")


def test_a_list_is_narrowed_by_state_text_connector_and_end(store: Store, examples: Any) -> None:
    add_all(store, examples)
    soon = examples.noon + HOUR
    store.connections.change("connected-ape", lasts_until=soon, account_name="Ada_1@Example.com")
    store.connections.change("connected-Ape", connector_id="mail")
    broken = ConnectionFilter(states=(HealthState.BROKEN,))
    assert len(pages(store, broken, 100)[0]) == 3
    in_need = ConnectionFilter(states=(HealthState.BROKEN,), ends_before=soon + HOUR)
    assert "connected-ape" in pages(store, in_need, 100)[0]
    assert store.connection_list.count(in_need) == 4
    for text, expected in (("ADA_1", ["connected-ape"]), ("a_a", []), ("mail", ["connected-Ape"]), ("%", [])):
        assert pages(store, ConnectionFilter(text=text), 100) == [expected]
    assert pages(store, ConnectionFilter(connector_id="mail"), 100) == [["connected-Ape"]]
    assert store.connection_list.count_by_health() == dict.fromkeys(HealthState, 3)


def test_rows_come_in_the_order_asked_for(store: Store, examples: Any) -> None:
    for name in ("a", "b"):
        store.connections.add(examples.connection(name))
    assert [row.connection_id for row in store.connection_list.rows(["b", "gone", "a"])] == ["b", "a"]
    assert store.connection_list.rows([]) == []


def test_the_runs_of_a_page_are_counted_together(store: Store, examples: Any, write: Any) -> None:
    store.flows.add(examples.flow(), examples.version())
    for number, (connection_id, status) in enumerate(
        [
            ("shop", "Failed"),
            ("shop", "TimedOut"),
            ("shop", "Waiting"),
            ("shop", "Succeeded"),
            ("mail", "Waiting"),
            ("", "Failed"),
        ]
    ):
        ended_at = None if status == "Waiting" else examples.noon
        write(store, StartRun(examples.run(number, connection_id=connection_id, status=status, ended_at=ended_at)))
    counts = store.connection_list.run_counts(["shop", "mail", "quiet"])
    assert set(counts) == {"shop", "mail"}
    assert (counts["shop"].failed, counts["shop"].held, counts["mail"].held) == (2, 1, 1)
    newest = counts["shop"].newest_failed
    assert newest is not None
    assert newest.run_name == examples.run_name(1)
    assert counts["mail"].newest_failed is None


def test_the_hours_of_a_page_are_told_apart(store: Store, examples: Any, write: Any) -> None:
    for flow_id, connection_id in (("flow-1", "shop"), ("flow-2", "mail"), ("flow-3", "other")):
        store.flows.add(examples.flow(flow_id), examples.version(flow_id))
        store.connections.add(examples.connection(connection_id))
        store.flows.set_mapping(examples.mapping(flow_id, to=connection_id))
    for number, flow_id in enumerate(["flow-1", "flow-1", "flow-2", "flow-3"]):
        write(store, StartRun(examples.run(number, flow_id=flow_id, status="Failed", ended_at=examples.noon)))
    ticks = store.connection_list.hourly_ticks(examples.noon - HOUR, ["shop", "mail"])
    assert {name: [(one.status, one.count) for one in found] for name, found in ticks.items()} == {
        "shop": [("Failed", 2)],
        "mail": [("Failed", 1)],
    }
