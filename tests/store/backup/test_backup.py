"""A backup holds what the database held in one moment, and either database takes it."""

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from flowmend.core.errors import AskedWrongly, Conflict, NotFound, StoreUnavailable
from flowmend.store import Store, open_store
from flowmend.store.after_restore import RESTORED_CODE
from flowmend.store.backup import check_backup, make_backup, restore_backup
from flowmend.store.backup.contents import BackupReport
from flowmend.store.backup.standing_still import StandingStill
from flowmend.store.backup.table_shapes import shapes_of
from flowmend.store.journal import AddTracked, AppendPage, HoldEvent, StartRun
from flowmend.store.migrations import migrate
from flowmend.store.opening import LATEST_REVISION, engine_as_it_is, make_private
from flowmend.store.rows import FlowState, TrackedValueRow, TriggerStateRow
from flowmend.store.tables import alembic_version, metadata, runs

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
RUN = f"{10**29 - 2:029d}CU00"
LATER = NOON + timedelta(days=3)


@pytest.fixture
def filled(store: Store, examples: Any, write: Callable[..., None]) -> Store:
    """A store with something of each kind."""
    store.access.add_person(examples.person())
    store.flows.add(examples.flow(), examples.version())
    store.connections.add(examples.connection())
    store.flows.set_mapping(examples.mapping())
    store.triggers.put(
        TriggerStateRow(flow_id="flow-1", trigger_name="poll", memory={"Größe": "\u2028"}, next_at=None, poll_at=NOON)
    )
    store.triggers.put(TriggerStateRow(flow_id="flow-1", trigger_name="clock", memory={}, next_at=NOON))
    store.audit.note("owner", "turn_on", "flow-1", {"what": [1, 2.5, None]}, at=NOON)
    name = examples.run_name(1)
    write(store, StartRun(examples.run(1), examples.event(1)))
    write(store, HoldEvent(examples.event(2, status="Waiting", code="ConnectionNeedsRepair", fired=False)))
    for number in range(3):
        write(store, AppendPage(name, examples.run(1).epoch, number + 1, bytes(range(256)) * 40))
    write(store, AddTracked(TrackedValueRow(run_name=name, name="order", value="4711", flow_id="flow-1")))
    return store


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted."""
    with store._database.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def back_up(url: str, path: Path) -> BackupReport:
    return make_backup(url, path, made_at=NOON)


@pytest.fixture
def emptied(url: str) -> Callable[[], str]:
    """Takes every table away, and gives the URL: as a new database, or none yet."""

    def drop() -> str:
        if url.startswith("sqlite"):
            Path(url.removeprefix("sqlite:///")).unlink()
            return url
        engine = engine_as_it_is(url)
        with engine.begin() as connection:
            metadata.drop_all(connection)
            alembic_version.drop(connection)
        engine.dispose()
        return url

    return drop


@pytest.fixture(autouse=True)
def _tables_at_the_end(url: str, request: pytest.FixtureRequest) -> Any:
    """PostgreSQL's database is shared: what a test took away is there again for the next."""
    yield
    if url.startswith("postgresql"):
        engine = engine_as_it_is(url)
        with engine.begin() as connection:
            for name in (
                connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_%'"))
                .scalars()
                .all()
            ):
                connection.execute(text(f'DROP SCHEMA "{name}" CASCADE'))
        engine.dispose()
        open_store(url).close()


def test_what_is_restored_is_what_was_there(
    filled: Store, url: str, emptied: Callable[[], str], tmp_path: Path
) -> None:
    before = everything(filled)
    filled.close()
    made = back_up(url, tmp_path / "a.backup")
    assert (made.row_count, made.revision, made.damage) == (sum(map(len, before.values())), LATEST_REVISION, "")
    assert stat.S_IMODE((tmp_path / "a.backup").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []

    restored = restore_backup(emptied(), check_backup(made.path), at=LATER, replace=False, go_on=True)

    assert (restored.kept_as, restored.still) == ("", StandingStill())
    again = open_store(url)
    after = everything(again)
    known = before.pop("audit")
    assert [row[3] for row in after.pop("audit") if row not in known] == ["restore"]
    assert after == before
    again.audit.note("owner", "turn_off", "flow-1", at=LATER)  # what counts by itself goes on counting
    again.close()


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_either_database_takes_a_backup_of_either(
    target: str, filled: Store, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = everything(filled)
    filled.close()
    made = back_up(url, tmp_path / "a.backup")
    to = f"sqlite:///{tmp_path / 'other.db'}" if target == "sqlite" else request.getfixturevalue("postgresql_url")

    restore_backup(to, made, at=LATER, replace=True, go_on=True)

    other = open_store(to)
    after = everything(other)
    other.close()
    assert {**after, "audit": []} == {**before, "audit": []}
    if target == "postgresql" and not url.startswith("postgresql"):
        restore_backup(to, back_up(to, tmp_path / "b.backup"), at=LATER + timedelta(1), replace=True, go_on=True)
        _clean_postgresql(to)


def _clean_postgresql(url: str) -> None:
    engine = engine_as_it_is(url)
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        for name in (
            connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_%'")).scalars().all()
        ):
            connection.execute(text(f'DROP SCHEMA "{name}" CASCADE'))
    engine.dispose()


def test_what_is_restored_stands_still_unless_it_is_told_to_go_on(
    filled: Store, url: str, emptied: Callable[[], str], tmp_path: Path
) -> None:
    filled.close()
    made = back_up(url, tmp_path / "a.backup")

    restored = restore_backup(emptied(), made, at=LATER, replace=False, go_on=False)

    again = open_store(url)
    flow, run = again.flows.get("flow-1"), again.runs.get(RUN)
    assert flow is not None
    assert run is not None
    assert restored.still == StandingStill(flows=("flow-1",), runs=1, events=1)
    assert (flow.state, run.status, run.code, run.wake_at) == (FlowState.OFF, "Waiting", RESTORED_CODE, None)
    assert [one.trigger_name for one in again.triggers.of_flow("flow-1")] == ["poll"]
    (note,), _ = again.audit.list("restore", limit=1)
    assert note.details == {"made_at": NOON.isoformat(), "flows": ["flow-1"], "runs": 1}
    again.close()


def test_what_is_there_is_refused_or_kept_aside(filled: Store, url: str, tmp_path: Path) -> None:
    before = everything(filled)
    made = back_up(url, tmp_path / "a.backup")
    filled.flows.delete("flow-1", LATER)
    filled.close()

    with pytest.raises(Conflict) as refused:
        restore_backup(url, made, at=LATER, replace=False, go_on=True)
    assert refused.value.code == "DatabaseNotEmpty"
    restored = restore_backup(url, made, at=LATER, replace=True, go_on=True)

    again = open_store(url)
    assert everything(again)["flow_versions"] == before["flow_versions"]
    again.close()
    if url.startswith("sqlite"):
        kept = open_store(f"sqlite:///{restored.kept_as}")
        assert kept.flows.get("flow-1") is None
        kept.close()
    else:
        assert restored.kept_as.startswith("schema before_restore_")


def test_a_database_that_opens_no_more_is_kept_aside_too(sqlite_template: Path, tmp_path: Path) -> None:
    made = back_up(f"sqlite:///{sqlite_template}", tmp_path / "a.backup")
    path = tmp_path / "flowmend.db"
    path.write_bytes(b"no database at all" * 500)
    path.with_name("flowmend.db-wal").write_bytes(b"a log")

    restored = restore_backup(f"sqlite:///{path}", made, at=LATER, replace=True, go_on=False)

    assert Path(restored.kept_as).read_bytes() == b"no database at all" * 500
    assert not path.with_name("flowmend.db-wal").exists()
    open_store(f"sqlite:///{path}").close()


def test_the_log_of_a_database_that_is_gone_does_not_ruin_the_restored_one(
    sqlite_template: Path, tmp_path: Path
) -> None:
    made = back_up(f"sqlite:///{sqlite_template}", tmp_path / "a.backup")
    path, url = tmp_path / "flowmend.db", f"sqlite:///{tmp_path / 'flowmend.db'}"
    shutil.copy(sqlite_template, path)
    lost = sqlite3.connect(path)
    lost.executescript("PRAGMA journal_mode=WAL; CREATE TABLE lost (a); INSERT INTO lost VALUES (randomblob(100000))")
    log = path.with_name("flowmend.db-wal")
    shutil.copy(log, tmp_path / "kept")
    lost.close()
    path.unlink()
    (tmp_path / "kept").rename(log)

    with pytest.raises(Conflict) as refused:
        restore_backup(url, made, at=LATER, replace=False, go_on=False)
    assert refused.value.code == "DatabaseNotEmpty"
    restored = restore_backup(url, made, at=LATER, replace=True, go_on=False)

    assert Path(restored.kept_as).stat().st_size > 100_000
    assert sqlite3.connect(path).execute("SELECT count(*) FROM sqlite_schema WHERE name = 'lost'").fetchone() == (0,)
    open_store(url).close()


def test_an_older_backup_is_migrated_and_a_newer_one_refused(
    url: str, emptied: Callable[[], str], tmp_path: Path
) -> None:
    emptied()
    if url.startswith("sqlite"):
        make_private(Path(url.removeprefix("sqlite:///")))
    engine = engine_as_it_is(url)
    with engine.begin() as connection:
        migrate(connection, to="0001")
        connection.execute(text("INSERT INTO people VALUES ('p', 'Ann', '', '', 1)"))
    made = back_up(url, tmp_path / "old.backup")
    with engine.begin() as connection:  # making it migrated nothing
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    assert made.revision == "0001"
    with pytest.raises(AskedWrongly) as refused:
        back_up(url, tmp_path / "new.backup")
    assert refused.value.code == "DatabaseTooNew"
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()

    restore_backup(url, made, at=LATER, replace=True, go_on=True)

    store = open_store(url)
    assert [one.name for one in store.access.people()] == ["Ann"]
    assert store.notices is not None
    store.close()


def test_a_backup_replaces_no_file_and_of_nothing_there_is_none(store: Store, url: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("dear")
    with pytest.raises(Conflict):
        back_up(url, tmp_path / "there")
    with pytest.raises(NotFound):
        back_up(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "a.backup")
    with pytest.raises(StoreUnavailable, match="cannot be written") as wrong:
        back_up(url, tmp_path / "no" / "folder" / "a.backup")
    assert wrong.value.code == "BackupNotWritable"  # it is not the database that is in trouble
    assert (tmp_path / "there").read_text() == "dear"
    assert not (tmp_path / "none.db").exists()


def test_what_a_killed_backup_left_is_taken_away_by_a_later_one(sqlite_template: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{sqlite_template}"
    whole = back_up(url, tmp_path / "whole.backup").path.read_bytes()
    left, empty, fresh, foreign = (
        tmp_path / f".{name}.backup.0a1b2c3d.part" for name in ("left", "empty", "fresh", "foreign")
    )
    hours_ago = time.time() - 7 * 3600
    for path, content, at in (
        (left, whole[:5000], hours_ago),
        (empty, b"", hours_ago),
        (fresh, whole[:5000], time.time()),
        (foreign, b"a" * 5000, hours_ago),
    ):
        path.write_bytes(content)
        os.utime(path, (at, at))

    back_up(url, tmp_path / "next.backup")

    assert [one.exists() for one in (left, empty, fresh, foreign)] == [False, False, True, True]


def test_what_is_written_while_a_backup_is_made_is_not_in_it(
    filled: Store, url: str, tmp_path: Path, examples: Any, write: Callable[..., None]
) -> None:
    seen: list[int] = []

    def write_more(done: int, _total: int) -> None:
        seen.append(done)
        with filled._database.writing() as connection:  # a writer is not held up by who reads
            connection.execute(update(runs).values(code="later"))

    for number in range(2, 1200):
        write(filled, StartRun(examples.run(number), examples.event(number)))
    made = make_backup(url, tmp_path / "a.backup", made_at=NOON, progress=write_more)
    codes: set[str] = set()
    shape = next(one for one in shapes_of(LATEST_REVISION) if one.name == "runs")
    place = shape.column_names.index("code")
    check_backup(made.path, see=lambda table, rows: codes.update(row[place] for row in rows if table.name == "runs"))
    assert seen
    assert codes == {""}
    assert made.rows["runs"] == 1199


def test_a_damaged_database_is_backed_up_and_said_to_be(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "flowmend.db"
    shutil.copy(sqlite_template, path)
    engine = engine_as_it_is(f"sqlite:///{path}")
    index = "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_audit_target'"
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO people VALUES ('p', 'Ann', '', '', 1)"))
        page = int(connection.execute(text(index)).scalar_one())
        size = int(connection.execute(text("PRAGMA page_size")).scalar_one())
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)
    made = back_up(f"sqlite:///{path}", tmp_path / "a.backup")
    assert made.damage
    assert made.rows["people"] == 1
