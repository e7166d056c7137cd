"""Performs operations on an SQLite file of this machine, on threads.

Only the very file is reached: statements that would attach or write another, load code or change how the file is kept are
refused by SQLite itself, through its authorizer. Source: https://www.sqlite.org/c3ref/set_authorizer.html
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.expression.content import is_envelope
from flowmend.core.json_value import Json
from flowmend.transport.allowed_folders import allowed_path
from flowmend.transport.operation_arguments import BadArgument, Refused, content, refuse
from flowmend.transport.sql_operations import LARGEST_BYTES, Rows, Table, perform_sql, quoted
from flowmend.transport.sql_values import json_of, text_of_json

_T = TypeVar("_T")
_WAITS_FOR_A_LOCK_SECONDS = 15.0
_LONGEST_STATEMENT_SECONDS = 100.0
#: Of one text or blob; a few words of SQL make one as large as memory.
_LARGEST_VALUE_BYTES = 64 * 1024 * 1024
_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 50_000
_NEVER = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA})
_STATUSES = {
    sqlite3.SQLITE_CONSTRAINT: 409,
    sqlite3.SQLITE_BUSY: 503,
    sqlite3.SQLITE_LOCKED: 503,
    sqlite3.SQLITE_READONLY: 403,
    sqlite3.SQLITE_AUTH: 403,
    sqlite3.SQLITE_PERM: 403,
    sqlite3.SQLITE_FULL: 507,
    sqlite3.SQLITE_INTERRUPT: 408,
    sqlite3.SQLITE_TOOBIG: 413,
}


class SqliteTransport:
    """roots: of the setting; the file must lie in one of them."""

    def __init__(self, roots: Collection[Path]) -> None:
        self._roots = roots

    async def sign_in(
        self,
        server: Server,
        credential: BasicCredential,  # noqa: ARG002  nobody signs in to a file
    ) -> SignedIn | ProtocolRefusal:
        try:
            session = SqliteSession(self._file(server))
            await session.query("SELECT count(*) FROM sqlite_master", [], most=1, is_read=True)
        except Refused as error:
            return error.refusal
        return SignedIn()

    async def perform(
        self,
        server: Server,
        operation_id: str,
        arguments: Mapping[str, Json],
        credential: BasicCredential,  # noqa: ARG002  nobody signs in to a file
        key: str,  # noqa: ARG002  a statement carries no name of its own
    ) -> ProtocolAnswer | ProtocolRefusal:
        return await perform_sql(SqliteSession(self._file(server)), operation_id, arguments)

    def close(self) -> None:
        pass

    def _file(self, server: Server) -> Path:
        file = allowed_path(self._roots, server.path)
        if not file.is_file():
            refuse("sqlite", 404, "FileNotFound", f"There is no database file {server.path!r}.")
        return file


class SqliteSession:
    """Each statement opens the file anew: connections of SQLite are cheap, and none is shared between threads."""

    protocol = "sqlite"

    def __init__(self, file: Path) -> None:
        self._file = file

    async def table(self, name: str) -> Table | None:
        def read(connection: sqlite3.Connection) -> Table | None:
            found = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND lower(name) = lower(?)", [name]
            ).fetchone()
            if found is None:
                return None
            columns = connection.execute("SELECT name, type, pk FROM pragma_table_info(?)", [found[0]]).fetchall()
            alone = connection.execute(
                "SELECT max(c.name) FROM pragma_index_list(?) i, pragma_index_info(i.name) c "
                'WHERE i."unique" AND NOT i.partial GROUP BY i.name HAVING count(*) = 1',
                [found[0]],
            ).fetchall()
            key = tuple(column for column, _, place in sorted(columns, key=lambda row: row[2]) if place)
            return Table(
                name=quoted(found[0]),
                columns={column: kind for column, kind, _ in columns},
                key=key,
                unique=frozenset({*(row[0] for row in alone if row[0]), *(key if len(key) == 1 else ())}),
            )

        return await self._on_thread(read, is_read=True, is_guarded=False)

    def place(self, position: int, sql_type: str) -> str:  # noqa: ARG002  a column converts what it is given
        return f"?{position}"

    async def run(self, statement: str, values: Sequence[Json], *, most: int, is_read: bool) -> Rows:
        return await self.query(statement, values, most=most, is_read=is_read)

    async def query(self, statement: str, values: Sequence[Json], *, most: int, is_read: bool) -> Rows:
        bound = [_bound(value, f"?{at}") for at, value in enumerate(values, 1)]

        def perform(connection: sqlite3.Connection) -> Rows:
            cursor = connection.execute(statement, bound)
            if cursor.description is None:
                return Rows(rows=[], affected=max(cursor.rowcount, 0))
            names = [column[0] for column in cursor.description]
            rows: list[dict[str, Json]] = []
            size, has_more = 0, False
            for row in cursor:
                size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
                if len(rows) >= most or size > LARGEST_BYTES:
                    has_more = True
                    if is_read:
                        break
                    continue  # RETURNING: every row is changed, also those that are not shown
                rows.append({name: json_of(value) for name, value in zip(names, row, strict=True)})
            return Rows(rows=rows, affected=cursor.rowcount if cursor.rowcount >= 0 else None, has_more=has_more)

        return await self._on_thread(perform, is_read=is_read)

    async def open_transactions(self) -> tuple[int, int] | None:
        return None

    async def _on_thread(
        self, work: Callable[[sqlite3.Connection], _T], *, is_read: bool, is_guarded: bool = True
    ) -> _T:
        def performed() -> _T:
            with self._opened(is_read=is_read) as connection:
                if is_guarded:
                    connection.set_authorizer(_may)
                return work(connection)

        try:
            return await asyncio.to_thread(performed)
        except (
            sqlite3.ProgrammingError,
            OverflowError,
        ) as error:  # not one statement, or not as many values as it has places
            raise BadArgument(f"The query cannot be executed: {error}") from error
        except sqlite3.Error as error:
            code = str(getattr(error, "sqlite_errorname", "") or "SQLITE_ERROR")
            base = int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF
            refuse("sqlite", _STATUSES.get(base, 400), code, f"{error} ({code})")

    @contextmanager
    def _opened(self, *, is_read: bool) -> Iterator[sqlite3.Connection]:
        """In a transaction that is committed where the work ends well."""
        uri = f"{self._file.as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=_WAITS_FOR_A_LOCK_SECONDS, isolation_level=None)
        until = time.monotonic() + _LONGEST_STATEMENT_SECONDS
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE_BYTES)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA query_only = {int(is_read)}")
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK)
            connection.execute("BEGIN" if is_read else "BEGIN IMMEDIATE")
            yield connection
            connection.set_authorizer(None)
            if connection.in_transaction:
                connection.execute("COMMIT")
        finally:
            connection.close()


def _may(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    is_code = action == sqlite3.SQLITE_FUNCTION and str(second or first).lower() in {"load_extension", "fts3_tokenizer"}
    is_transaction = action in {sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT}
    return sqlite3.SQLITE_DENY if action in _NEVER or is_code or is_transaction else sqlite3.SQLITE_OK


def _bound(value: Json, name: str) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    return content(value, name)[0] if is_envelope(value) else text_of_json(value, name)
