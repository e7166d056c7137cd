"""A flow that is deleted is gone for everybody at once, and its history little by little. On both databases."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, event, func, insert, select

from flowmend.core.errors import Conflict
from flowmend.store import RunFilter, Store
from flowmend.store.blast_radius import Window
from flowmend.store.database import columns_of
from flowmend.store.journal import AddTracked, AppendPage, StartRun
from flowmend.store.payloads import encode_payload
from flowmend.store.rows import TrackedValueRow
from flowmend.store.tables import journal_blocks, journal_pages, runs, tracked_values, trigger_events

DAY = timedelta(days=1)
OF_HISTORY = (runs, journal_pages, journal_blocks, tracked_values, trigger_events)


@pytest.fixture
def failed(store: Store, examples: Any, write: Any) -> Callable[..., str]:
    """Adds a run of a flow that failed for the shop's connection, so many minutes after noon; gives its name."""

    def failed(number: int, flow_id: str = "flow-1") -> str:
        run = examples.run(
            number,
            flow_id=flow_id,
            status="Failed",
            connection_id="shop",
            error_code="Unauthorized",
            ended_at=examples.noon + timedelta(minutes=number),
            start=encode_payload({"n": number}),
        )
        value = TrackedValueRow(run_name=run.run_name, flow_id=flow_id, name="order", value=f"N{number}")
        write(
            store,
            StartRun(run, examples.event(number, flow_id=flow_id)),
            AppendPage(run.run_name, 1, 1, encode_payload([number])),
            AddTracked(value),
        )
        return str(run.run_name)

    return failed


@pytest.fixture
def two_flows(store: Store, examples: Any) -> Store:
    for flow_id in ("flow-1", "flow-2"):
        store.flows.add(examples.flow(flow_id), examples.version(flow_id))
    return store


def rows(store: Store, table: Table) -> int:
    with store._database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def forget(store: Store, most: int) -> int:
    """All that is left of flow-1, in steps; of how many runs and events."""
    gone = 0
    while (step := store.history.forget_flow("flow-1", most)).cursor:
        gone += step.count
    return gone


@contextmanager
def counting(store: Store) -> Iterator[list[int]]:
    """How many rows each transaction wrote."""
    written, under_way = [], 0

    def note(_connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        nonlocal under_way
        if statement.lstrip().upper().startswith(("DELETE", "UPDATE", "INSERT")):
            under_way += max(0, cursor.rowcount)

    def committed(_connection: Connection) -> None:
        nonlocal under_way
        written.append(under_way)
        under_way = 0

    engine = store._database.engine
    event.listen(engine, "after_cursor_execute", note)
    event.listen(engine, "commit", committed)
    try:
        yield written
    finally:
        event.remove(engine, "after_cursor_execute", note)
        event.remove(engine, "commit", committed)


def test_nothing_shows_its_runs_while_they_are_still_kept(
    two_flows: Store, examples: Any, failed: Callable[..., str]
) -> None:
    store, window = two_flows, Window(connection_id="shop", since=examples.noon)
    gone, stays = [failed(1), failed(3)], failed(2, "flow-2")
    assert store.runs.count_by_status(None, examples.noon) == {"Failed": 3}
    store.flows.delete("flow-1", examples.noon + DAY)

    for wanted in (
        RunFilter(),
        RunFilter(statuses=("Failed",)),
        RunFilter(text="N"),
        RunFilter(tracked_name="order"),
        RunFilter(connection_id="shop"),
        RunFilter(failed_in=(window,)),
    ):
        assert [run.run_name for run in store.runs.list(wanted)[0]] == [stays], wanted
        assert store.runs.count(wanted, 10) == 1, wanted
        assert [run.run_name for run in store.repair_subjects.matching(wanted)] == [stays], wanted
    for wanted in (
        RunFilter(flow_id="flow-1"),
        RunFilter(tracked_value="N1"),
        RunFilter(text="N1"),
        RunFilter(text=gone[0]),
    ):
        assert store.runs.list(wanted)[0] == [], wanted
    assert store.runs.counts(RunFilter(), ("Failed",), 10) == {"Failed": 1}
    assert store.runs.tracked_names("flow-1") == []
    assert [store.runs.get(name) for name in gone] == [None, None]
    assert not store.runs.has(gone[0])
    assert store.repair_subjects.named([*gone, stays]) == store.repair_subjects.failed([window])
    assert store.runs.count_by_status() == {"Failed": 1}
    assert store.runs.count_by_status(None, examples.noon) == {"Failed": 1}
    assert store.runs.counts_of_each_flow().keys() == store.runs.last_of_each_flow().keys() == {"flow-2"}
    assert store.runs.of_connection("shop") == {"Failed": 1}
    assert store.blast_radius.failed_by_flow([window]) == {"flow-2": 1}
    assert store.blast_radius.failed_by_connection(["shop"]) == {"shop": 1}
    assert [run.run_name for run in store.blast_radius.newest_failed([window], 5)] == [stays]
    assert store.blast_radius.tracked([window], "order", 5) == ["N2"]
    assert store.blast_radius.failed_for_other_reasons(examples.noon, examples.noon + DAY) == [
        ("flow-2", "Unauthorized", 1)
    ]
    assert store.connection_list.run_counts(["shop"])["shop"].newest_failed == store.runs.list(RunFilter())[0][0]


def test_twenty_thousand_runs_go_in_transactions_of_few_rows(two_flows: Store, examples: Any) -> None:
    store, many = two_flows, 20_000
    ended = {"status": "Succeeded", "ended_at": examples.noon}
    made = [examples.run(number, **ended) for number in range(many)]
    with store._database.writing() as connection:
        connection.execute(
            insert(runs), [{name: value for name, value in columns_of(run).items() if name != "start"} for run in made]
        )
        pages = [{"run_name": run.run_name, "sequence": 0, "page": b"start"} for run in made]
        connection.execute(insert(journal_pages), pages)
    with counting(store) as written:
        store.flows.delete("flow-1", examples.noon)
    assert sum(written) <= 3  # its row and what was noted; its version goes by the database itself
    with counting(store) as written:
        assert forget(store, 500) == many
    assert sum(written) == 2 * many + 1
    assert max(written) <= 2 * 500
    assert [rows(store, table) for table in (runs, journal_pages)] == [0, 0]


def test_all_goes_that_was_kept_of_it_packed_or_not_and_nothing_of_others(
    two_flows: Store, examples: Any, failed: Callable[..., str], write: Any
) -> None:
    store = two_flows
    for number in range(5):
        failed(number)
    failed(10, "flow-2")
    store.history.pack(examples.noon + DAY, 10)
    failed(20)
    write(store, StartRun(examples.run(21), examples.event(21)))  # begun while the flow was being deleted
    store.flows.delete("flow-1", examples.noon + DAY)

    step = store.history.forget_flow("flow-1", 2)  # runs that are packed together go in several steps

    assert (step.count, step.cursor) == (2, "flow-1")
    assert forget(store, 2) == 5
    assert [rows(store, table) for table in OF_HISTORY] == [1, 0, 1, 1, 1]
    assert store.flows.deleted() == []
    assert store.runs.count_by_status() == {"Failed": 1}
    assert store.history.forget_flow("flow-2", 10).count == 0
    (kept,), _ = store.runs.list(RunFilter())
    assert len(store.runs.pages(kept.run_name)) == 1


def test_a_flow_of_the_same_id_waits_until_nothing_is_left(
    two_flows: Store, examples: Any, failed: Callable[..., str]
) -> None:
    store = two_flows
    failed(1)
    store.flows.delete("flow-1", examples.noon)
    with pytest.raises(Conflict) as refused:
        store.flows.add(examples.flow(), examples.version())
    assert refused.value.code == "FlowBeingDeleted"
    forget(store, 10)
    store.flows.add(examples.flow(), examples.version())
    name = failed(2)
    assert forget(store, 10) == 0
    assert [run.run_name for run in store.runs.list(RunFilter(flow_id="flow-1"))[0]] == [name]


#: Lets go of a deleted flow, one run after another, and says so after each.
PROGRAM = """
import sys
from flowmend.store import open_store

store = open_store(sys.argv[1])
while store.history.forget_flow("flow-1", 1).cursor:
    print("gone", flush=True)
"""


def test_a_process_that_is_killed_meanwhile_leaves_the_rest_to_the_next(
    two_flows: Store, examples: Any, url: str, failed: Callable[..., str], opened: Callable[[], Store]
) -> None:
    for number in range(200):
        failed(number)
    failed(500, "flow-2")
    two_flows.flows.delete("flow-1", examples.noon + DAY)
    two_flows.close()
    with subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "gone\n"
        process.kill()
    store = opened()
    assert store.flows.deleted() == ["flow-1"]
    assert 0 < rows(store, runs) - 1 <= 197
    assert store.runs.count_by_status() == {"Failed": 1}
    forget(store, 50)
    assert [rows(store, table) for table in OF_HISTORY] == [1, 2, 0, 1, 1]
    assert store.flows.deleted() == []
