"""What every table is made of: the metadata they share, and the forms their columns and indexes have."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Text,
    event,
    literal_column,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Conditions of partial indexes are written out, never bound: a database uses such an index only where it can see
# that the query asks for the same.
NOTHING: ColumnElement[str] = literal_column("''")

serial = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY counts up on SQLite


def key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def part_of(name: str, other: str, *, is_key: bool = False) -> Column[str]:
    return Column(name, Text, ForeignKey(other, ondelete="CASCADE"), primary_key=is_key, nullable=False)


def must(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


def later(name: str, kind: Any, value: str) -> Column[Any]:
    """A column that came after its table: the rows of before got this value, so its default says so everywhere."""
    return Column(name, kind, nullable=False, server_default=text(value))


#: Indexes of some rows, and which these are.
_partial_indexes: list[tuple[Index, ColumnElement[bool]]] = []


def index_where(name: str, condition: ColumnElement[bool], *columns: Column[Any], is_unique: bool = False) -> None:
    """An index of the few rows that meet the condition: the many others cost it nothing. is_unique: among these."""
    index = Index(f"ix_{columns[0].table.name}_{name}", *columns, unique=is_unique, sqlite_where=condition)
    _partial_indexes.append((index, condition))


@event.listens_for(metadata, "before_create")
def _say_it_to_postgresql(_target: MetaData, connection: Connection, **_: Any) -> None:
    # Only where tables are made in PostgreSQL: naming its option loads its dialect, a twentieth of every start.
    if connection.dialect.name == "postgresql":
        for index, condition in _partial_indexes:
            index.dialect_options["postgresql"]["where"] = condition
