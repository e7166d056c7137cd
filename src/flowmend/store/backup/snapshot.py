"""A database as it is in one moment, read row by row while others write.

SQLite: a read transaction of the write-ahead log, which holds up no writer; the log only grows until it ends. PostgreSQL:
REPEATABLE READ. Either way one row is in memory at a time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, inspect, select, text

from flowmend.core.errors import NotFound
from flowmend.store.backup.table_shapes import ColumnKind, TableShape
from flowmend.store.failures import our_errors
from flowmend.store.tables import alembic_version


class Snapshot:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.database = connection.dialect.name
        self._damage: str | None = None

    def revision(self) -> str:
        """Which tables they are. Errors: NotFound where the database has none of ours."""
        if not inspect(self._connection).has_table(alembic_version.name):
            raise NotFound("There is nothing to back up: the database has no tables of Flowmend's.", code="NoDatabase")
        return str(self._connection.execute(select(alembic_version.c.version_num)).scalar())

    def count(self, shape: TableShape) -> int:
        """How many rows a table has."""
        # Counting an index is quick; where one may be damaged, the rows themselves are counted.
        source = f'"{shape.name}"' + (" NOT INDEXED" if self.damage() else "")
        return int(self._connection.execute(text(f"SELECT count(*) FROM {source}")).scalar_one())  # noqa: S608  # our own

    def rows(self, shape: TableShape) -> Iterator[Sequence[Any]]:
        """The rows of a table, their values in the order of its columns."""
        names = ", ".join(f'"{name}"' for name in shape.column_names)
        chosen = f'SELECT {names} FROM "{shape.name}"'  # noqa: S608  # names of our own tables
        return self._sqlite_rows(chosen, shape) if self.database == "sqlite" else self._copied_rows(chosen, shape)

    def damage(self) -> str:
        """What the database's own check finds, "" for nothing. PostgreSQL has none but its checksums, met on reading."""
        if self._damage is None:
            found = ["ok"]
            if self.database == "sqlite":
                found = [str(row[0]) for row in self._connection.execute(text("PRAGMA quick_check(5)"))]
            self._damage = "" if found == ["ok"] else "; ".join(found)
        return self._damage

    def _sqlite_rows(self, chosen: str, shape: TableShape) -> Iterator[Sequence[Any]]:
        truths = [place for place, column in enumerate(shape.columns) if column.kind is ColumnKind.BOOLEAN]
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute(chosen)
            for row in iter(cursor.fetchone, None):
                yield _with_truths(row, truths) if truths else row
        finally:
            cursor.close()

    def _copied_rows(self, chosen: str, shape: TableShape) -> Iterator[Sequence[Any]]:
        types = column_types(self._connection, shape)
        cursor: Any = self._connection.connection.cursor()
        with cursor, cursor.copy(f"COPY ({chosen}) TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(types)
            yield from copy.rows()


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """What the database holds now, for as long as this is open. Errors: StoreUnavailable."""
    options = (
        {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    )
    with our_errors(), engine.connect().execution_options(**options) as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        yield Snapshot(connection)
        connection.rollback()
        if engine.dialect.name == "sqlite":
            # The log has grown meanwhile. Whoever commits next would put all of it into the file, and wait for that; done
            # here at once, it holds up nobody.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").close()


def column_types(connection: Connection, shape: TableShape) -> list[str]:
    """What PostgreSQL calls the types of a table's columns."""
    asked = text(
        "SELECT column_name, udt_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = :name"
    )
    types: dict[str, str] = dict(connection.execute(asked, {"name": shape.name}).tuples().all())
    return [types[name] for name in shape.column_names]


def _with_truths(row: Sequence[Any], places: Sequence[int]) -> list[Any]:
    changed = list(row)
    for place in places:
        changed[place] = None if changed[place] is None else bool(changed[place])
    return changed
