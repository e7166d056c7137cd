"""The database under the queries: connections for reading and for writing, rows in and out as values."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Executable, Select, Table, delete, insert, select, update

from flowmend.core.errors import StoreUnavailable
from flowmend.store.condition import StoreCondition
from flowmend.store.failures import is_general, our_error, our_errors
from flowmend.store.rows import Row

AnyRow = TypeVar("AnyRow", bound=Row)

_CLOSES_WITHIN_SECONDS = 10.0


class Database:
    """What every query class works on. Errors of all methods: StoreUnavailable, and Conflict for writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.condition = StoreCondition()
        #: How often runs were deleted: whoever keeps counts of them counts anew.
        self.forgotten = 0
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._readers = engine if self.is_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writers = engine.execution_options(flowmend_writes=True)
        # SQLite lets one write at a time and makes others poll; a lock makes them queue.
        self._one_writer = threading.Lock() if self.is_sqlite else nullcontext()
        self._settled = threading.Condition()
        self._calls = 0
        self._is_closed = False

    def close(self) -> None:
        """Let the calls under way finish, then let all connections go; later calls fail. May be called twice."""
        with self._settled:
            self._is_closed = True
            self._settled.wait_for(lambda: self._calls == 0, _CLOSES_WITHIN_SECONDS)
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose every statement sees what is committed when it begins."""
        with self._call(), our_errors(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end or rolled back by an error."""
        with our_errors(), self.transaction() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As `writing`, but raises what SQLAlchemy and the driver raise."""
        try:
            with self._call(), self._one_writer, self._writers.begin() as connection:
                yield connection
        except Exception as error:
            if is_general(error) and isinstance(ours := our_error(error), StoreUnavailable):
                self.condition.refused(ours)
            raise
        self.condition.taken()

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self._settled:
            if self._is_closed:
                raise StoreUnavailable("The store is closed.")
            self._calls += 1
        try:
            yield
        finally:
            with self._settled:
                self._calls -= 1
                self._settled.notify_all()

    def first(self, statement: Select[Any], shape: type[AnyRow]) -> AnyRow | None:
        """The first row found, or None."""
        with self.reading() as connection:
            found = connection.execute(statement).mappings().first()
        return None if found is None else shape(**found)

    def every(self, statement: Select[Any], shape: type[AnyRow]) -> Sequence[AnyRow]:
        """All rows found, in the statement's order."""
        with self.reading() as connection:
            return [shape(**found) for found in connection.execute(statement).mappings()]

    def value(self, statement: Select[Any]) -> Any:
        """The first column of the first row, or None."""
        with self.reading() as connection:
            return connection.execute(statement).scalar()

    def tuples(self, statement: Executable) -> Sequence[Any]:
        """All rows found, as plain tuples."""
        with self.reading() as connection:
            return [tuple(found) for found in connection.execute(statement)]

    def add(self, table: Table, row: Row) -> None:
        """Insert a row."""
        with self.writing() as connection:
            connection.execute(insert(table), columns_of(row))

    def put(self, table: Table, row: Row) -> None:
        """Insert a row, or replace the one of the same primary key."""
        with self.writing() as connection:
            put(connection, table, row)

    def change(self, table: Table, where: ColumnElement[bool], changes: Mapping[str, Any]) -> bool:
        """Set columns of the rows that meet the condition; False where there is none."""
        with self.writing() as connection:
            return connection.execute(update(table).where(where).values(**changes)).rowcount > 0

    def changed(self, table: Table, where: ColumnElement[bool], changes: Mapping[str, Any]) -> int:
        """As `change`; how many rows there were."""
        with self.writing() as connection:
            return connection.execute(update(table).where(where).values(**changes)).rowcount

    def remove(self, table: Table, where: ColumnElement[bool]) -> int:
        """Delete the rows that meet the condition; how many there were."""
        with self.writing() as connection:
            return connection.execute(delete(table).where(where)).rowcount


def put(connection: Connection, table: Table, row: Row) -> None:
    """Within a transaction: insert a row, or replace the one of the same primary key."""
    columns = columns_of(row)
    same = [column == columns[column.name] for column in table.primary_key]
    if connection.execute(update(table).where(*same).values(**columns)).rowcount == 0:
        connection.execute(insert(table), columns)


def columns_of(row: Row) -> dict[str, Any]:
    """{column: value} of a row."""
    return msgspec.structs.asdict(row)


def select_row(table: Table, shape: type[Row]) -> Select[Any]:
    """A select of the table's columns that the row has."""
    return select(*(table.c[name] for name in shape.__struct_fields__ if name in table.c))
