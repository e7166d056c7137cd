"""Opening a database: engine, the settings of its connections, and tables of the right version."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from flowmend.core.errors import AskedWrongly, NotFound, StoreUnavailable
from flowmend.store.database import Database
from flowmend.store.failures import our_errors
from flowmend.store.tables import alembic_version, metadata

#: The newest migration, which `metadata` equals; a test holds both together.
LATEST_REVISION = "0003"

#: Whoever makes tables holds it: any number, as long as nobody else locks the same one in this database.
ADVISORY_LOCK = 0x666C6F776D656E64

_BUSY_TIMEOUT_SECONDS = 10
_POOL_SIZE = 8
#: One compiled statement per size of a group (journal_statements.py) and per query, kept by the driver.
_KEPT_STATEMENTS = 512


def open_database(url: str) -> Database:
    """The database at an SQLAlchemy URL, its tables made or migrated.

    Errors: AskedWrongly `InvalidSetting` for a URL that names no database of ours; StoreUnavailable.
    """
    engine = _make_engine(_read_url(url))
    try:
        with our_errors():
            _prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def engine_as_it_is(url: str) -> Engine:
    """The database at an SQLAlchemy URL with nothing made or migrated. Errors: AskedWrongly `InvalidSetting`; NotFound."""
    read = _read_url(url)
    if read.get_backend_name() == "sqlite" and not Path(str(read.database)).is_file():
        raise NotFound(f"There is no database file {read.database}.", code="NoDatabase", target=str(read.database))
    return _make_engine(read)


def _read_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise AskedWrongly("The database URL does not read.", code="InvalidSetting", target="database_url") from error
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in {"sqlite", "sqlite+pysqlite"} and url.database not in {None, "", ":memory:"}:
        return url.set(drivername="sqlite+pysqlite")
    raise AskedWrongly(
        f"A database of kind {url.drivername!r} cannot be used; give sqlite:///FILE or postgresql://HOST/NAME.",
        code="InvalidSetting",
        target="database_url",
    )


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url,
            pool_size=_POOL_SIZE,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"prepare_threshold": 2},
        )
    make_private(Path(str(url.database)))
    engine = create_engine(
        url,
        pool_size=_POOL_SIZE,
        hide_parameters=True,
        connect_args={"timeout": _BUSY_TIMEOUT_SECONDS, "cached_statements": _KEPT_STATEMENTS},
    )
    engine.dialect.statement_compiler = _HintingCompiler
    event.listen(engine, "connect", _prepare_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def make_private(path: Path) -> None:
    """A new database file that its owner alone may read, for it holds whole histories; one that is there stays as it is.

    SQLite gives the files beside it the same mode.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # or no folder, which opening it will say
    except OSError as error:
        raise StoreUnavailable(
            f"The database file {path} cannot be made: {error.strerror}.", target=str(path)
        ) from error


class _HintingCompiler(SQLiteCompiler):
    """Passes on which index a query is to be read from; SQLAlchemy knows SQLite's `INDEXED BY` for no version of it."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:  # noqa: ARG002  # any table has them
        return text


def _prepare_sqlite_connection(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, by name
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A read that turns into a write fails at once when another wrote in between; IMMEDIATE waits its turn instead.
    if connection.get_execution_options().get("flowmend_writes"):
        connection.connection.cursor().execute("BEGIN IMMEDIATE")  # by the driver: a tenth of the time


def _prepare(engine: Engine) -> None:
    with engine.connect() as connection:
        if _revision(connection) == LATEST_REVISION:
            return
    with engine.execution_options(flowmend_writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":  # SQLite has locked the file already
            connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        revision = _revision(connection)  # once more: another process may have been quicker
        if revision is None:
            metadata.create_all(connection)
            alembic_version.create(connection, checkfirst=True)
            connection.execute(insert(alembic_version), {"version_num": LATEST_REVISION})
        elif revision != LATEST_REVISION:
            from flowmend.store.migrations import migrate  # Alembic is loaded only by those who need it

            migrate(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalar()
