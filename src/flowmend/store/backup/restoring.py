"""Restoring: a backup built up beside what is there, checked, and only then put in its place.

A file of SQLite's is built beside and renamed. In PostgreSQL all is one transaction. A kill at any moment leaves what was
there, or what was restored. Whoever calls holds the data folder alone, so that no server runs on it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from flowmend.core.errors import Conflict, StoreUnavailable
from flowmend.store.backup.contents import BackupReport, Progress
from flowmend.store.backup.loading import load_backup
from flowmend.store.backup.making import flush_folder
from flowmend.store.backup.standing_still import StandingStill, note_restored, stand_still
from flowmend.store.failures import our_errors
from flowmend.store.opening import ADVISORY_LOCK, engine_as_it_is, make_private
from flowmend.store.tables import alembic_version, metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """kept_as: where what was there before is kept, "" where nothing was. still: what waits for somebody to let it go on."""

    kept_as: str
    still: StandingStill


def restore_backup(
    url: str, report: BackupReport, *, at: datetime, replace: bool, go_on: bool, progress: Progress | None = None
) -> Restored:
    """Put what a checked backup holds into the database at an SQLAlchemy URL.

    replace: keep what is there aside instead of refusing. go_on: let flows be on and runs go on as they were; else they
    stand still. Errors: Conflict `DatabaseNotEmpty`, `DatabaseInUse`; AskedWrongly `InvalidBackup`; StoreUnavailable. Then
    nothing is changed.
    """
    loading = _Loading(report=report, at=at, go_on=go_on, progress=progress)
    read = make_url(url)
    if read.get_backend_name() == "sqlite":
        return _into_file(Path(str(read.database)), loading, replace=replace)
    return _into_postgresql(url, loading, replace=replace)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loading:
    report: BackupReport
    at: datetime
    go_on: bool
    progress: Progress | None

    @property
    def aside(self) -> str:
        return f"before_restore_{self.at:%Y%m%d_%H%M%S_%f}"

    def carry_out(self, connection: Connection) -> StandingStill:
        load_backup(connection, self.report.path, self.report, self.progress)
        still = StandingStill() if self.go_on else stand_still(connection)
        note_restored(connection, still, made_at=self.report.made_at, at=self.at)
        return still


def _into_file(path: Path, loading: _Loading, *, replace: bool) -> Restored:
    if not replace and any(one.exists() for one in (path, *_companions(path))):
        raise _not_empty(str(path))
    beside = path.with_name(f".{path.name}.restoring")
    _remove(beside)
    try:
        make_private(beside)
        with _engine(f"sqlite:///{beside}") as engine, our_errors():
            with engine.connect() as connection:  # no log: a file that is not whole is thrown away
                connection.exec_driver_sql("PRAGMA journal_mode=OFF")
                connection.exec_driver_sql("PRAGMA synchronous=OFF")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                still = loading.carry_out(connection)
                connection.commit()
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        kept = _keep_files_aside(path, loading.aside)
        beside.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be restored: {error.strerror}.", target=str(path)) from error
    finally:
        _remove(beside)
    return Restored(kept_as=kept, still=still)


def _keep_files_aside(path: Path, aside: str) -> str:
    """Give the old files other names. What is returned: the first of them, "" where there were none."""
    kept = path.with_name(f"{aside}.db")
    if path.exists() and _takes_its_log(path) and any(one.exists() for one in _companions(path)):
        raise _in_use(path)
    # Where the database is gone, or too damaged to take its log, that is still here: beside the new one it would ruin it.
    logs = [
        (one, kept.with_name(one.name.replace(path.name, kept.name, 1))) for one in _companions(path) if one.exists()
    ]
    for log, name in logs:
        log.rename(name)
    if not path.exists():
        return str(logs[0][1]) if logs else ""
    try:
        kept.hardlink_to(path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: for a moment the name is free
        path.rename(kept)
    return str(kept)


def _takes_its_log(path: Path) -> bool:
    """Put the log into the database; False where that is too damaged to be one. Errors: Conflict where another has it open."""
    try:
        with _engine(f"sqlite:///{path}") as engine, our_errors(), engine.connect() as connection:
            is_busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    except StoreUnavailable as error:
        if _sqlite_code(error) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            return False
        raise
    if is_busy:
        raise _in_use(path)
    return True


def _sqlite_code(error: StoreUnavailable) -> int:
    """SQLite's code of the error behind it, 0 for none."""
    cause = error.__cause__
    cause = cause.orig if isinstance(cause, DBAPIError) else cause
    return int(getattr(cause, "sqlite_errorcode", 0)) & 0xFF  # without what it says in detail


def _into_postgresql(url: str, loading: _Loading, *, replace: bool) -> Restored:
    with _engine(url) as engine, our_errors(), engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        names = [*(table.name for table in metadata.sorted_tables), alembic_version.name]
        there = sorted(set(names) & set(inspect(connection).get_table_names(schema)))
        if there and not replace:
            raise _not_empty(str(connection.engine.url.database))
        if there:
            connection.execute(text(f'CREATE SCHEMA "{loading.aside}"'))
            for name in there:
                connection.execute(text(f'ALTER TABLE "{name}" SET SCHEMA "{loading.aside}"'))
        still = loading.carry_out(connection)
    kept = f"schema {loading.aside}" if there else ""
    return Restored(kept_as=kept, still=still)


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = engine_as_it_is(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _not_empty(what: str) -> Conflict:
    return Conflict(
        f"{what} holds a Flowmend already. Restore to another data folder, or add --replace, which keeps what is there "
        "aside.",
        code="DatabaseNotEmpty",
        target=what,
    )


def _in_use(path: Path) -> Conflict:
    return Conflict(
        f"Another program has {path} open. End it first; nothing was changed.", code="DatabaseInUse", target=str(path)
    )


def _companions(path: Path) -> list[Path]:
    """What SQLite may keep beside a database, and belongs to it alone."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]


def _remove(path: Path) -> None:
    for one in (path, *_companions(path)):
        one.unlink(missing_ok=True)
