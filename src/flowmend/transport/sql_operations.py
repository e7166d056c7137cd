"""What the SQL connectors do, said once for every database: each operation as one statement of a session.

Names of tables and columns are looked up in the catalogue, and what it says is quoted; values are bound, never spliced.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Protocol

import msgspec

from flowmend.core.connector.protocol_call import CURSOR, ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.operation_arguments import BadArgument, mapping, needed_text, number, refuse, text

#: Rows of one answer, and the bytes of their JSON.
MOST_ROWS = 5_000
LARGEST_BYTES = 20 * 1024 * 1024
_ROWS = 1_000
_ROWS_OF_A_POLL = 100
#: Rows a trigger remembers one by one while older transactions are still open.
_MOST_SEEN = 5_000


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """name: quoted, to stand in a statement. columns: {name: SQL type}. key: of the primary key.

    unique: columns that tell rows apart by themselves.
    """

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    unique: frozenset[str]


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """affected: how many rows a statement changed, None where it does not say. has_more: not all fitted."""

    rows: list[dict[str, Json]]
    affected: int | None = None
    has_more: bool = False


class SqlSession(Protocol):
    """A signed-in session. All of it may raise Unreachable, Refused and BadArgument. protocol: as diagnosis names it."""

    protocol: str

    async def table(self, name: str) -> Table | None:
        """What the catalogue says, None where there is no such table or view. name: `table` or `schema.table`."""
        ...

    def place(self, position: int, sql_type: str) -> str:
        """Where the value of that position, from 1, stands in a statement."""
        ...

    async def run(self, statement: str, values: Sequence[Json], *, most: int, is_read: bool) -> Rows:
        """Our own statement. values: for its places."""
        ...

    async def query(self, statement: str, values: Sequence[Json], *, most: int, is_read: bool) -> Rows:
        """A flow's statement: one, with placeholders of the database's own."""
        ...

    async def open_transactions(self) -> tuple[int, int] | None:
        """(the oldest one open, the next one to begin), as numbers that only grow; None where writers go one by one."""
        ...


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def perform_sql(session: SqlSession, operation_id: str, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    """Errors: BadArgument, Refused, Unreachable."""
    if operation_id in {"ExecuteQuery", "ReadQuery"}:
        return await _query(session, arguments, is_read=operation_id == "ReadQuery")
    name = needed_text(arguments, "table")
    table = await session.table(name)
    if table is None:
        refuse(session.protocol, 404, "TableNotFound", f"There is no table or view {name!r}, or it may not be seen.")
    if operation_id == "OnNewRow":
        return await _new_rows(session, table, arguments)
    if operation_id == "GetRows":
        return await _rows(session, table, arguments)
    if operation_id == "InsertRow":
        return await _inserted(session, table, mapping(arguments, "row"))
    return await _one_row(session, table, operation_id, arguments)


async def _query(session: SqlSession, arguments: Mapping[str, Json], *, is_read: bool) -> ProtocolAnswer:
    given = arguments.get("parameters")
    if given is not None and not isinstance(given, list):
        raise BadArgument("'parameters' must be a list of values.")
    most = number(arguments, "top", _ROWS, most=MOST_ROWS)
    statement = needed_text(arguments, "query")
    found = await session.query(statement, given or [], most=most, is_read=is_read)
    return ProtocolAnswer(
        body={"value": found.rows, "rowsAffected": found.affected, "isTruncated": found.has_more},
    )


async def _rows(session: SqlSession, table: Table, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    most = number(arguments, "top", _ROWS, most=MOST_ROWS)
    skip = number(arguments, "skip", 0, most=2**53) if arguments.get("skip") not in {None, 0, "0"} else 0
    wanted = [one.strip() for one in text(arguments, "select").split(",") if one.strip()]
    shown = ", ".join(quoted(_column(table, one)) for one in wanted) or "*"
    condition, values = _condition(session, table, mapping(arguments, "filter"))
    order = _order(table, text(arguments, "orderBy"))
    statement = f"SELECT {shown} FROM {table.name}{condition}{order} LIMIT {most + 1} OFFSET {skip}"  # noqa: S608  quoted
    found = await session.run(statement, values, most=most, is_read=True)
    return ProtocolAnswer(body={"value": found.rows, "isTruncated": found.has_more})


async def _inserted(session: SqlSession, table: Table, row: Mapping[str, Json]) -> ProtocolAnswer:
    names = [_column(table, name) for name in row]
    if not names:
        statement = f"INSERT INTO {table.name} DEFAULT VALUES RETURNING *"  # noqa: S608  quoted
    else:
        places = ", ".join(session.place(at, table.columns[name]) for at, name in enumerate(names, 1))
        columns = ", ".join(map(quoted, names))
        statement = f"INSERT INTO {table.name} ({columns}) VALUES ({places}) RETURNING *"  # noqa: S608  quoted
    found = await session.run(statement, list(row.values()), most=1, is_read=False)
    return ProtocolAnswer(body=found.rows[0] if found.rows else {}, status=201)


async def _one_row(
    session: SqlSession, table: Table, operation_id: str, arguments: Mapping[str, Json]
) -> ProtocolAnswer:
    """GetRow, UpdateRow and DeleteRow: the row that a unique column names."""
    key = _unique_column(table, text(arguments, "keyColumn"))
    sought = arguments.get("id")
    if sought is None or sought == "":
        raise BadArgument("'id' has no value.", "MissingParameter")
    values: list[Json] = [sought]
    where = f"WHERE {quoted(key)} = {session.place(1, table.columns[key])}"
    if operation_id == "GetRow":
        statement = f"SELECT * FROM {table.name} {where}"  # noqa: S608  quoted
    elif operation_id == "DeleteRow":
        statement = f"DELETE FROM {table.name} {where} RETURNING *"  # noqa: S608  quoted
    else:
        row = mapping(arguments, "row")
        names = [_column(table, name) for name in row]
        if not names:
            raise BadArgument("'row' names no column to change.", "MissingParameter")
        values += row.values()
        pairs = (f"{quoted(name)} = {session.place(at, table.columns[name])}" for at, name in enumerate(names, 2))
        statement = f"UPDATE {table.name} SET {', '.join(pairs)} {where} RETURNING *"  # noqa: S608  quoted
    found = await session.run(statement, values, most=1, is_read=operation_id == "GetRow")
    if not found.rows:
        refuse(session.protocol, 404, "RowNotFound", f"No row of {table.name} has {key} = {sought!r}.")
    return ProtocolAnswer(body=found.rows[0])


async def _new_rows(session: SqlSession, table: Table, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    """Rows whose column has grown beyond what was seen.

    A transaction that began earlier may commit a lower number later. So numbers count as done with only once every
    transaction that was open when they were seen has ended; until then the rows beyond are told apart one by one.
    cursor: {"low": all up to it is done with, "seen": [beyond it], "pending": [[number, the next transaction then], …]}
    """
    column = _unique_column(table, text(arguments, "column"))
    most = number(arguments, "top", _ROWS_OF_A_POLL, most=1_000)
    name = quoted(column)
    cursor = arguments.get(CURSOR)
    if not isinstance(cursor, dict):
        statement = f"SELECT max({name}) AS {name} FROM {table.name}"  # noqa: S608  quoted
        latest = await session.run(statement, [], most=1, is_read=True)
        low = latest.rows[0][column] if latest.rows else None
        return ProtocolAnswer(body={"value": []}, cursor={"low": low, "seen": [], "pending": []})
    before = await session.open_transactions()
    low, seen, pending = cursor.get("low"), list(cursor.get("seen") or ()), list(cursor.get("pending") or ())
    # A unique column may be empty in many rows, and nothing tells those apart.
    beyond = f"{name} > {session.place(1, table.columns[column])}" if low is not None else f"{name} IS NOT NULL"
    limit = most + len(seen)
    statement = f"SELECT * FROM {table.name} WHERE {beyond} ORDER BY {name} LIMIT {limit + 1}"  # noqa: S608  quoted
    found = await session.run(statement, [low] if low is not None else [], most=limit, is_read=True)
    # Once the oldest of them have ended there is always room: what they left must come for the place to move on.
    room = most if len(seen) < _MOST_SEEN or _has_ended(pending, before) else 0
    known = {_identity(one) for one in seen}
    unknown = [row for row in found.rows if _identity(row[column]) not in known]
    fresh = unknown[:room]
    is_cut = found.has_more or len(fresh) < len(unknown)
    known |= {_identity(row[column]) for row in fresh}
    prefix = [row[column] for row in takewhile(lambda row: _identity(row[column]) in known, found.rows)]
    looked_at = {_identity(one) for one in prefix}
    if not is_cut:  # what did not come again is done with, or was deleted
        seen = [one for one in seen if _identity(one) in looked_at]
    # Only now, for this very look saw all that those transactions left below the number.
    while _has_ended(pending, before):
        if is_cut and _identity(pending[0][0]) not in looked_at:
            break
        low = pending.pop(0)[0]
    if fresh:
        seen += [row[column] for row in fresh]
        after = await session.open_transactions()
        if after is None:
            low, seen = prefix[-1], []
        else:
            pending.append([prefix[-1], after[1]])
    return ProtocolAnswer(
        body={"value": fresh},
        cursor={"low": low, "seen": seen, "pending": pending},
        has_more=bool(fresh) and (is_cut or len(fresh) == room),
    )


def _has_ended(pending: Sequence[Any], before: tuple[int, int] | None) -> bool:
    """Whether every transaction that was open when the first of these numbers was seen has ended."""
    return bool(pending) and (before is None or int(pending[0][1]) <= before[0])


def _identity(value: Json) -> str:
    return msgspec.json.encode(value).decode()


def _condition(session: SqlSession, table: Table, wanted: Mapping[str, Json]) -> tuple[str, list[Any]]:
    parts, values = [], []
    for name, value in wanted.items():
        column = _column(table, name)
        if value is None:
            parts.append(f"{quoted(column)} IS NULL")
        else:
            values.append(value)
            parts.append(f"{quoted(column)} = {session.place(len(values), table.columns[column])}")
    return (" WHERE " + " AND ".join(parts) if parts else ""), values


def _order(table: Table, wanted: str) -> str:
    """` ORDER BY …` of `name, other desc`; by the primary key where nothing is wanted, so that pages fit together."""
    parts = []
    for one in wanted.split(","):
        name, _, direction = one.strip().rpartition(" ")
        if direction.lower() not in {"asc", "desc"}:
            name, direction = one.strip(), "asc"
        if name:
            parts.append(f"{quoted(_column(table, name.strip()))} {direction.upper()}")
    parts = parts or [quoted(one) for one in table.key]
    return " ORDER BY " + ", ".join(parts) if parts else ""


def _column(table: Table, name: str) -> str:
    """The column of that name, whatever its case where no other is meant. Errors: BadArgument."""
    if name in table.columns:
        return name
    alike = [one for one in table.columns if one.lower() == name.lower()]
    if len(alike) != 1:
        raise BadArgument(f"{table.name} has no column {name!r}. It has: {', '.join(table.columns)}.", "UnknownColumn")
    return alike[0]


def _unique_column(table: Table, name: str) -> str:
    if name:
        column = _column(table, name)
        if column not in table.unique:
            raise BadArgument(f"The column {column!r} of {table.name} does not tell rows apart: it is not unique.")
        return column
    if len(table.key) != 1:
        raise BadArgument(f"{table.name} has no primary key of one column; name a unique column.", "MissingParameter")
    return table.key[0]
