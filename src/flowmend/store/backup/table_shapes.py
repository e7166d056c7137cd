"""What the tables of a revision look like: made by its own migrations, so that a backup of any revision can be read."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from sqlalchemy import Boolean, Column, Integer, LargeBinary, MetaData, create_engine

from flowmend.core.errors import AskedWrongly
from flowmend.store.opening import LATEST_REVISION
from flowmend.store.tables import alembic_version

_REVISION = re.compile(r"[0-9]{4}")
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class ColumnKind(StrEnum):
    """What a column holds, whatever a database calls it."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    BYTES = "bytes"


_PYTHON_TYPES: dict[ColumnKind, Any] = {
    ColumnKind.TEXT: str,
    ColumnKind.INTEGER: _Int64,
    ColumnKind.BOOLEAN: bool,
    ColumnKind.BYTES: bytes,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnShape:
    name: str
    kind: ColumnKind
    may_be_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """counts_by_itself: the key that a database gives new rows, "" for none."""

    name: str
    columns: tuple[ColumnShape, ...]
    counts_by_itself: str = ""

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def row_type(self) -> Any:
        """The type of its rows, for msgspec to check."""
        return tuple[  # type: ignore[misc]  # made of what is known only now
            tuple(
                _PYTHON_TYPES[column.kind] | None if column.may_be_null else _PYTHON_TYPES[column.kind]
                for column in self.columns
            )
        ]


@lru_cache(maxsize=4)
def shapes_of(revision: str) -> tuple[TableShape, ...]:
    """The tables of a revision, a table after those it refers to. Errors: AskedWrongly `DatabaseTooNew`."""
    if not _REVISION.fullmatch(revision) or revision > LATEST_REVISION:
        raise AskedWrongly(
            f"It was written by a newer Flowmend than this (its tables are of revision {revision!r:.20}, the newest known "
            f"here is {LATEST_REVISION}). Use that one, or a newer one.",
            code="DatabaseTooNew",
        )
    from flowmend.store.migrations import migrate  # Alembic is loaded only by those who need it

    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            migrate(connection, to=revision)
            found = MetaData()
            found.reflect(connection)
    finally:
        engine.dispose()
    return tuple(
        TableShape(
            name=str(table.name),
            columns=tuple(_column(column) for column in table.columns),
            counts_by_itself=next(
                (str(key.name) for key in table.primary_key if _counts(key, len(table.primary_key))), ""
            ),
        )
        for table in found.sorted_tables
        if table.name != alembic_version.name
    )


def _column(column: Column[Any]) -> ColumnShape:
    return ColumnShape(name=str(column.name), kind=_kind(column), may_be_null=bool(column.nullable))


def _kind(column: Column[Any]) -> ColumnKind:
    if isinstance(column.type, Boolean):
        return ColumnKind.BOOLEAN
    if isinstance(column.type, Integer):
        return ColumnKind.INTEGER
    return ColumnKind.BYTES if isinstance(column.type, LargeBinary) else ColumnKind.TEXT


def _counts(key: Column[Any], keys: int) -> bool:
    return keys == 1 and isinstance(key.type, Integer)
