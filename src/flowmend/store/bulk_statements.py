"""Statements that write many rows at once, spoken to the driver itself.

Each takes its rows from one source named `v`. On SQLite that is a VALUES list, made in sizes of powers of two so that a
few prepared statements serve every number of rows. On PostgreSQL it is one array per column. Either way a group of
hundreds of rows is a handful of driver calls, which matters twice: each call costs Python time, and each gives the
interpreter lock away and has to win it back from a busy event loop (up to its switch interval of 5 ms, per row, with
`executemany` on SQLite).
"""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, Table, Text
from sqlalchemy.types import TypeDecorator

_MOST_ROWS = 256
#: SQLite's default limit of bound values is 32,766; 256 rows of 30 columns stay well below.
_ARRAY_TYPES = {BigInteger: "bigint[]", Text: "text[]", LargeBinary: "bytea[]", Boolean: "boolean[]"}


class Cursor(Protocol):
    """The part of a DBAPI cursor that is used."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: str, parameters: Any = ..., /) -> object: ...


class BulkStatement:
    """One statement over many rows.

    sql: with the place of the source as `{source}`. columns: of the source, in the order of a row's values; their
    types are those of the given table columns.
    """

    def __init__(self, sql: str, columns: Sequence[tuple[str, Column[Any]]], *, is_sqlite: bool) -> None:
        self._sql = sql
        self._columns = columns
        self._is_sqlite = is_sqlite
        self._texts: dict[int, str] = {}

    def run(self, cursor: Cursor, rows: Sequence[Sequence[Any]]) -> int:
        """Carry it out; the number of rows that were written."""
        if not self._is_sqlite:
            cursor.execute(self._text(1), [list(column) for column in zip(*rows, strict=True)])
            return cursor.rowcount
        written = position = 0
        while position < len(rows):
            size = min(_MOST_ROWS, 1 << ((len(rows) - position).bit_length() - 1))
            block = rows[position : position + size]
            cursor.execute(self._text(size), [value for row in block for value in row])
            written += cursor.rowcount
            position += size
        return written

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            source = self._sqlite_source(size) if self._is_sqlite else self._array_source()
            text = self._texts[size] = self._sql.format(source=source)
        return text

    def _sqlite_source(self, size: int) -> str:
        names = ", ".join(f"column{place} AS {name}" for place, (name, _) in enumerate(self._columns, 1))
        row = f"({', '.join('?' * len(self._columns))})"
        return f"(SELECT {names} FROM (VALUES {', '.join([row] * size)})) AS v"  # noqa: S608  # names are our own

    def _array_source(self) -> str:
        names = ", ".join(name for name, _ in self._columns)
        arrays = ", ".join(f"%b::{_ARRAY_TYPES[_plain(column)]}" for _, column in self._columns)
        return f"unnest({arrays}) AS v({names})"


def insert_rows(table: Table, *, is_sqlite: bool, on_conflict: str = "") -> BulkStatement:
    """Insert rows, one value per column in the table's order, but none for a key that counts by itself.

    on_conflict: an ON CONFLICT clause.
    """
    columns = [(name, column) for name, column in table.c.items() if column is not table.autoincrement_column]
    names = ", ".join(name for name, _ in columns)
    sql = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {{source}} WHERE true {on_conflict}"  # noqa: S608
    return BulkStatement(sql, columns, is_sqlite=is_sqlite)


def update_rows(table: Table, keys: Sequence[str], changed: Sequence[str], *, is_sqlite: bool) -> BulkStatement:
    """Set columns where the keys match; a row is the keys' values and then the new ones."""
    assignments = ", ".join(f"{name} = v.{name}" for name in changed)
    same = " AND ".join(f"{table.name}.{name} = v.{name}" for name in keys)
    # A column both matched and set would be named twice in the source; none is.
    sql = f"UPDATE {table.name} SET {assignments} FROM {{source}} WHERE {same}"  # noqa: S608
    return BulkStatement(sql, [(name, table.c[name]) for name in (*keys, *changed)], is_sqlite=is_sqlite)


def _plain(column: Column[Any]) -> type[Any]:
    kind = column.type
    plain = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return next(known for known in _ARRAY_TYPES if isinstance(plain, known))
