"""What a database or its driver raises becomes one of ours, by its own name for it."""

import sqlite3

import psycopg
import pytest

from flowmend.core.errors import Conflict, StoreUnavailable
from flowmend.store.failures import is_general, our_error


def of_sqlite(name: str) -> Exception:
    error = sqlite3.OperationalError("said by SQLite")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("raised", "code", "is_trouble"),
    [
        (of_sqlite("SQLITE_FULL"), "StoreFull", True),
        (of_sqlite("SQLITE_READONLY"), "StoreUnavailable", True),
        (of_sqlite("SQLITE_TOOBIG"), "ValueNotStorable", False),
        (psycopg.errors.DiskFull("said by PostgreSQL"), "StoreFull", True),
        (psycopg.errors.AdminShutdown("said by PostgreSQL"), "StoreUnavailable", True),
        (psycopg.errors.DeadlockDetected("said by PostgreSQL"), "StoreUnavailable", False),
        (psycopg.errors.ProgramLimitExceeded("said by PostgreSQL"), "ValueNotStorable", False),
        (psycopg.OperationalError("the connection is lost"), "StoreUnavailable", True),
    ],
    ids=lambda one: getattr(one, "sqlite_errorname", None) or type(one).__name__,
)
def test_a_full_disk_an_absent_database_and_a_value_no_row_holds_are_told_apart(
    raised: Exception, code: str, is_trouble: bool
) -> None:
    ours = our_error(raised)
    assert isinstance(ours, StoreUnavailable)
    assert (ours.code, is_general(raised)) == (code, is_trouble)
    assert "said by" not in ours.message


def test_a_rule_of_the_tables_that_is_broken_is_a_conflict_and_what_is_not_the_databases_stays() -> None:
    assert isinstance(our_error(sqlite3.IntegrityError("UNIQUE")), Conflict)
    defect = ValueError("ours")
    assert our_error(defect) is defect
