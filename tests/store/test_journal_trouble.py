"""What the journal does when the database itself is in trouble."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from sqlalchemy import Connection, text

from flowmend.core.errors import StoreUnavailable
from flowmend.store import Store, open_store
from flowmend.store.journal import StartRun, Statement, Write


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    return tmp_path / "flowmend.db"


@pytest.fixture
def sqlite_store(sqlite_file: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{sqlite_file}")
    yield store
    store.close()


def pragma(name: str) -> list[Write]:
    def carry_out(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {name}").close()

    return [Statement(carry_out)]


def test_a_full_disk_reaches_everyone_who_waits_and_the_writer_lives_on(
    sqlite_store: Store, examples: Any, settle: Any
) -> None:
    store = sqlite_store
    settle(store, [pragma("max_page_count=1")])  # no more pages than there are now
    errors = settle(store, [[StartRun(examples.run(number, start=b"x" * 100_000))] for number in range(1, 21)])
    assert [type(error) for error in errors] == [StoreUnavailable] * 20
    assert all(isinstance(error.__cause__, sqlite3.OperationalError) for error in errors if error)
    assert {error.code for error in errors if isinstance(error, StoreUnavailable)} == {"StoreFull"}
    assert store.condition.trouble is not None
    assert store.runs.count_by_status() == {}
    settle(store, [pragma("max_page_count=1000000")])
    assert settle(store, [[StartRun(examples.run())]]) == [None]
    assert store.runs.count_by_status() == {"Running": 1}


def test_a_lock_held_by_another_program_reaches_everyone_who_waits(
    sqlite_store: Store, sqlite_file: Path, examples: Any, settle: Any
) -> None:
    store = sqlite_store
    settle(store, [pragma("busy_timeout=20")])
    other = sqlite3.connect(sqlite_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    told: SimpleQueue[BaseException | None] = SimpleQueue()
    store.journal.submit([StartRun(examples.run())], told.put)
    assert isinstance(told.get(timeout=60), StoreUnavailable)
    other.execute("ROLLBACK")
    other.close()
    assert settle(store, [[StartRun(examples.run())]]) == [None]


def test_a_lost_connection_fails_its_group_and_the_next_one_has_a_new_connection(
    postgresql_url: str, examples: Any, settle: Any
) -> None:
    store = open_store(postgresql_url)
    cut = Statement(lambda connection: connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")))
    errors = settle(store, [[StartRun(examples.run(1))], [cut], [StartRun(examples.run(2))]])
    assert [type(error) for error in errors] == [StoreUnavailable] * 3
    delete = Statement(lambda connection: connection.execute(text("DELETE FROM journal_pages; DELETE FROM runs")))
    assert settle(store, [[StartRun(examples.run(3))], [delete]]) == [None, None]
    store.close()


def test_a_listener_that_fails_is_logged_and_silences_nobody(
    sqlite_store: Store, examples: Any, caplog: pytest.LogCaptureFixture, settle: Any
) -> None:
    def fall(_: BaseException | None) -> None:
        raise ZeroDivisionError

    sqlite_store.journal.submit([StartRun(examples.run(1))], fall)
    assert settle(sqlite_store, [[StartRun(examples.run(2))]]) == [None]
    assert "ZeroDivisionError" in caplog.text
