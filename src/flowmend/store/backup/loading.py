"""Loading a backup: the tables of its revision made, its rows put in, and then migrated to today's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from flowmend.core.errors import AskedWrongly
from flowmend.store.backup.contents import BackupReport, Progress, check_backup
from flowmend.store.backup.snapshot import Snapshot, column_types
from flowmend.store.backup.table_shapes import TableShape, shapes_of
from flowmend.store.migrations import migrate


def load_backup(connection: Connection, path: Path, report: BackupReport, progress: Progress | None = None) -> None:
    """Make the tables and put the backup's rows into them, all within the connection's transaction.

    report: of a check before. Errors: as `check_backup`; what SQLAlchemy and the driver raise.
    """
    migrate(connection, to=report.revision)
    loader = _SqliteLoader(connection) if connection.dialect.name == "sqlite" else _PostgresqlLoader(connection)
    check_backup(path, see=loader.put, progress=progress)
    _check_loaded(connection, report)
    for shape in shapes_of(report.revision):
        if shape.counts_by_itself:
            loader.go_on_counting(shape)
    migrate(connection)


class _SqliteLoader:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, shape: TableShape, rows: Sequence[Sequence[Any]]) -> None:
        names = ", ".join(f'"{name}"' for name in shape.column_names)
        places = ", ".join("?" * len(shape.columns))
        cursor = self._connection.connection.cursor()
        try:
            cursor.executemany(f'INSERT INTO "{shape.name}" ({names}) VALUES ({places})', rows)  # noqa: S608  # names of our own tables
        finally:
            cursor.close()

    def go_on_counting(self, _shape: TableShape) -> None:
        """SQLite goes on from the largest by itself."""


class _PostgresqlLoader:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._types: dict[str, list[str]] = {}

    def put(self, shape: TableShape, rows: Sequence[Sequence[Any]]) -> None:
        types = self._types.get(shape.name)
        if types is None:
            types = self._types[shape.name] = column_types(self._connection, shape)
        names = ", ".join(f'"{name}"' for name in shape.column_names)
        cursor: Any = self._connection.connection.cursor()
        with cursor, cursor.copy(f'COPY "{shape.name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def go_on_counting(self, shape: TableShape) -> None:
        key = shape.counts_by_itself
        self._connection.execute(
            text(
                f'SELECT setval(pg_get_serial_sequence(:table, :key), max("{key}")) FROM "{shape.name}" '  # noqa: S608  # our own
                f'HAVING max("{key}") IS NOT NULL'
            ),
            {"table": shape.name, "key": key},
        )


def _check_loaded(connection: Connection, report: BackupReport) -> None:
    """Count what is there, and let SQLite check the whole file and what refers to what; PostgreSQL did so on the way."""
    moment = Snapshot(connection)
    for shape in shapes_of(report.revision):
        if (found := moment.count(shape)) != report.rows[shape.name]:
            raise _wrong(shape.name, f"{found} of {report.rows[shape.name]} rows arrived.")
    if connection.dialect.name != "sqlite":
        return
    stray = connection.execute(text("PRAGMA foreign_key_check")).first()
    if stray is not None:
        raise _wrong(str(stray[0]), f"A row refers to one of {stray[2]} that is not there.")
    if damage := moment.damage():
        raise _wrong("the database's own check", damage)


def _wrong(place: str, why: str) -> AskedWrongly:
    return AskedWrongly(
        f"The backup cannot be restored ({place}). {why} Nothing was changed.", code="InvalidBackup", target=place
    )
