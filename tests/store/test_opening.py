"""Opening a database: its tables, its settings, and what is not loaded for it."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from flowmend.core.errors import AskedWrongly, Conflict, StoreUnavailable
from flowmend.store import Store, open_store
from flowmend.store.migrations import migrate
from flowmend.store.opening import LATEST_REVISION


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, beside the one of `url`."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE empty"))
    yield url.replace("/postgres?", "/empty?")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE empty WITH (FORCE)"))
    engine.dispose()


def plain(index: Any) -> dict[str, Any]:
    """An index with its condition as text."""
    return {**index, "dialect_options": {key: str(value) for key, value in index.get("dialect_options", {}).items()}}


def schema(connection: Connection) -> dict[str, Any]:
    """{table: everything about it}"""
    inspector = inspect(connection)
    return {
        name: {
            "columns": [{**column, "type": repr(column["type"])} for column in inspector.get_columns(name)],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": sorted(inspector.get_foreign_keys(name), key=str),
            "unique": sorted(inspector.get_unique_constraints(name), key=str),
            "indexes": sorted(map(plain, inspector.get_indexes(name)), key=str),
        }
        for name in inspector.get_table_names()
    }


class TestTables:
    def test_migrating_from_nothing_makes_the_tables_that_a_new_database_gets(
        self, store: Store, empty_url: str
    ) -> None:
        engine = create_engine(empty_url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            migrate(connection)
            migrated = schema(connection)
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        engine.dispose()
        with store._database.reading() as connection:
            made = schema(connection)
        assert made.keys() == migrated.keys()
        for table, parts in made.items():
            assert parts == migrated[table], table
        assert revision == LATEST_REVISION

    def test_a_database_of_a_newer_flowmend_is_refused_and_left_alone(self, empty_url: str) -> None:
        store = open_store(empty_url)
        with store._database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        store.close()
        for _ in range(2):
            with pytest.raises(AskedWrongly) as refused:
                open_store(empty_url)
            assert refused.value.code == "DatabaseTooNew"

    def test_many_first_starts_at_once_make_one_set_of_tables(self, empty_url: str, examples: Any) -> None:
        failures: list[BaseException] = []
        barrier = threading.Barrier(4)

        def start(number: int) -> None:
            barrier.wait()
            try:
                store = open_store(empty_url)
                store.flows.add(examples.flow(f"flow-{number}"), examples.version(f"flow-{number}"))
                store.close()
            except BaseException as error:  # noqa: BLE001  # shown by the main thread
                failures.append(error)

        threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        store = open_store(empty_url)
        assert len(store.flows.list()) == 4
        store.close()


class TestSQLite:
    def test_every_connection_is_safe_against_power_cuts_and_keeps_references(self, sqlite_template: Path) -> None:
        store = open_store(f"sqlite:///{sqlite_template}")
        for open_one in (store._database.reading, store._database.writing):
            with open_one() as connection:
                pragmas = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys")
                }
            assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        store.close()

    def test_nothing_heavy_is_loaded_for_it(self, tmp_path: Path) -> None:
        program = f"""
import sys
from flowmend.store import open_store
open_store("sqlite:///{(tmp_path / "new.db").as_posix()}").close()
open_store("sqlite:///{(tmp_path / "new.db").as_posix()}").close()
print([name for name in ("alembic", "psycopg") if name in sys.modules])
"""
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == "[]"


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        ["", "flowmend.db", "mysql://localhost/flowmend", "sqlite://", "sqlite:///:memory:", "postgresql+pg8000:/x"],
    )
    def test_a_url_of_no_database_of_ours_is_refused(self, url: str) -> None:
        with pytest.raises(AskedWrongly) as refused:
            open_store(url)
        assert refused.value.code == "InvalidSetting"

    def test_a_password_in_a_url_is_in_no_error(self) -> None:
        with pytest.raises(StoreUnavailable) as refused:
            open_store("postgresql://flowmend:hunter2@127.0.0.1:1/flowmend")
        assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"

    def test_a_file_that_is_no_database_is_named_as_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "flowmend.db").write_text("no database at all, though long enough to look like one" * 50)
        with pytest.raises(StoreUnavailable):
            open_store(f"sqlite:///{tmp_path / 'flowmend.db'}")

    def test_the_folder_of_a_new_file_is_made(self, tmp_path: Path) -> None:
        open_store(f"sqlite:///{tmp_path / 'a' / 'b' / 'flowmend.db'}").close()
        assert (tmp_path / "a" / "b" / "flowmend.db").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps access in lists")
def test_a_new_database_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "flowmend.db"
    before = os.umask(0o022)
    try:
        store = open_store(f"sqlite:///{path}")
        store.access.people()
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (path.parent, *path.parent.iterdir())}
        store.close()
    finally:
        os.umask(before)
    assert modes.pop("data") == 0o700
    assert set(modes.values()) == {0o600}


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'data' / 'flowmend.db'}")


def test_closing_waits_for_calls_under_way_and_refuses_later_ones(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'flowmend.db'}")
    is_reading, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def read() -> None:
        with store._database.reading():
            is_reading.set()
            go_on.wait(5)
            order.append("read")

    def close() -> None:
        store.close()
        order.append("closed")

    reader, closer = threading.Thread(target=read), threading.Thread(target=close)
    reader.start()
    assert is_reading.wait(5)
    closer.start()
    closer.join(0.1)
    assert order == []
    go_on.set()
    reader.join(5)
    closer.join(5)

    assert order == ["read", "closed"]
    with pytest.raises(StoreUnavailable, match="closed"):
        store.flows.list()
    store.close()


def test_a_postgresql_database_has_one_server_at_a_time(postgresql_url: str) -> None:
    first, second = open_store(postgresql_url), open_store(postgresql_url)
    first.sole_server.claim(0)
    first.sole_server.claim(0)

    with pytest.raises(Conflict, match="Another Flowmend runs on this database") as refused:
        second.sole_server.claim(0.2)

    assert refused.value.code == "DatabaseInUse"
    second.flows.list()  # commands go on beside it
    first.close()
    second.sole_server.claim(3)
    second.close()
