"""A session at PostgreSQL for the operations of its connector.

Our own statements send every value as text and let the server read it as the column's type; a flow's query has its
values made into what the server expects of each placeholder.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec

from flowmend.core.connector import ProtocolRefusal
from flowmend.core.json_value import Json
from flowmend.transport.operation_arguments import BadArgument, Refused, content
from flowmend.transport.sql_operations import LARGEST_BYTES, Rows, Table, quoted
from flowmend.transport.sql_values import json_of, moment_of, text_of_json

_FIND_TABLE = """
SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND
  (($1 <> '' AND n.nspname = $1 AND c.relname = $2) OR
   ($1 = '' AND c.relname = $2 AND pg_catalog.pg_table_is_visible(c.oid)))
"""
_COLUMNS = """
SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_KEYS = """
SELECT i.indisprimary, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::smallint[])
WHERE i.indrelid = $1 AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid, i.indisprimary
"""
_SNAPSHOT = """
SELECT pg_catalog.pg_snapshot_xmin(s)::text::bigint, pg_catalog.pg_snapshot_xmax(s)::text::bigint
FROM pg_catalog.pg_current_snapshot() s
"""
#: Classes of SQLSTATE → what HTTP would say (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_STATUSES = MappingProxyType({"23": 409, "28": 403, "40": 503, "53": 503, "55": 409, "57": 503, "58": 503, "08": 503})


class PostgresqlSession:
    """connection: signed in."""

    protocol = "postgresql"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def table(self, name: str) -> Table | None:
        schema, _, bare = name.rpartition(".")
        found = await self._connection.fetchrow(_FIND_TABLE, schema, bare)
        if found is None:
            return None
        columns = {str(name): str(kind) for name, kind in await self._connection.fetch(_COLUMNS, found[0])}
        keys = await self._connection.fetch(_KEYS, found[0])
        return Table(
            name=f"{quoted(found[1])}.{quoted(found[2])}",
            columns=columns,
            key=next((tuple(names) for is_primary, names in keys if is_primary), ()),
            unique=frozenset(names[0] for _, names in keys if len(names) == 1),
        )

    def place(self, position: int, sql_type: str) -> str:
        return f"CAST(${position}::text AS {sql_type})"

    async def run(self, statement: str, values: Sequence[Json], *, most: int, is_read: bool) -> Rows:
        texts = [text_of_json(value, f"value {at}") for at, value in enumerate(values, 1)]
        return await self._performed(statement, lambda _kinds: texts, most=most, is_read=is_read)

    async def query(self, statement: str, values: Sequence[Json], *, most: int, is_read: bool) -> Rows:
        def bound(kinds: Sequence[str]) -> list[Any]:
            if len(kinds) != len(values):
                raise BadArgument(
                    f"The query has {len(kinds)} placeholders ($1, …), and {len(values)} parameters came."
                )
            return [
                _bound(value, kind, f"${at}") for at, (value, kind) in enumerate(zip(values, kinds, strict=True), 1)
            ]

        return await self._performed(statement, bound, most=most, is_read=is_read)

    async def open_transactions(self) -> tuple[int, int] | None:
        oldest, following = await self._connection.fetchrow(_SNAPSHOT)
        return int(oldest), int(following)

    async def _performed(
        self, statement: str, values: Callable[[Sequence[str]], Sequence[Any]], *, most: int, is_read: bool
    ) -> Rows:
        """One statement in a transaction of its own. values: for the types that the server tells of the placeholders."""
        try:
            async with self._connection.transaction(readonly=is_read):
                prepared = await self._connection.prepare(statement)
                bound = values([one.name for one in prepared.get_parameters()])
                if not prepared.get_attributes():
                    await prepared.fetch(*bound)
                    return Rows(rows=[], affected=_affected(prepared.get_statusmsg()))
                kinds = {one.name: one.type.name for one in prepared.get_attributes()}
                rows: list[dict[str, Json]] = []
                size, has_more = 0, False
                async for record in prepared.cursor(*bound, prefetch=200):
                    size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in record.values())
                    has_more = len(rows) >= most or size > LARGEST_BYTES
                    if has_more:
                        break
                    rows.append({name: _json_of(value, kinds[name]) for name, value in record.items()})
                return Rows(rows=rows, affected=_affected(prepared.get_statusmsg()), has_more=has_more)
        except asyncpg.PostgresError as error:
            if error.severity is None:
                raise
            raise Refused(_refusal_of(error)) from error
        except (asyncpg.DataError, asyncpg.InterfaceError, OverflowError) as error:
            if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError):
                raise
            raise BadArgument(f"The database's driver cannot send these values: {error}") from error


def _refusal_of(error: asyncpg.PostgresError) -> ProtocolRefusal:
    code = str(error.sqlstate or "")
    status = 403 if code == "42501" else 404 if code == "42P01" else _STATUSES.get(code[:2], 400)
    detail = f" DETAIL: {error.detail}" if error.detail else ""
    text = f"{error.severity}:  {error.message} (SQLSTATE {code}){detail}"
    return ProtocolRefusal(text=text, code=code, protocol="postgresql", status=status)


def _affected(message: Any) -> int | None:
    """3 of `INSERT 0 3`, None of what changes nothing."""
    words = str(message or "").split()
    return int(words[-1]) if words and words[-1].isdecimal() and words[0] != "SELECT" else None


def _json_of(value: Any, kind: str) -> Json:
    if kind in {"json", "jsonb"} and isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return json_of(value)


_KINDS: Mapping[str, Callable[[Json, str], Any]] = MappingProxyType({
    "numeric": lambda value, _: Decimal(str(value)),
    "float4": lambda value, _: float(value),
    "float8": lambda value, _: float(value),
    "uuid": lambda value, _: uuid.UUID(str(value)),
    "date": lambda value, _: date.fromisoformat(str(value)[:10]),
    "time": lambda value, _: time.fromisoformat(str(value)),
    "timestamp": lambda value, name: moment_of(value, name).replace(tzinfo=None),
    "timestamptz": moment_of,
    "bytea": lambda value, name: content(value, name)[0],
    **{kind: lambda value, _: int(value) for kind in ("int2", "int4", "int8", "oid")},
})  # fmt: skip


def _bound(value: Json, kind: str, name: str) -> Any:
    """A JSON value as the driver wants it for a placeholder of that type. Errors: BadArgument."""
    if value is None:
        return None
    if kind == "bool":
        if str(value).lower() not in {"true", "false"}:
            raise BadArgument(f"{name} must be true or false.")
        return str(value).lower() == "true"
    if kind.endswith("[]") or kind.startswith("_"):
        if not isinstance(value, list):
            raise BadArgument(f"{name} must be a list.")
        return [_bound(one, kind.removesuffix("[]").removeprefix("_"), name) for one in value]
    make = _KINDS.get(kind)
    try:
        return make(value, name) if make is not None else text_of_json(value, name)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise BadArgument(f"{name} must be a value of the type {kind}.") from error
