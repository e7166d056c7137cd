"""Lists of connections: a page at a time, and what belongs to each of a page in few questions."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Integer, Select, and_, case, func, literal, or_, select

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.core.outcome import Status
from flowmend.store.blast_radius import BlastRadius
from flowmend.store.connection_tables import connections
from flowmend.store.database import Database, select_row
from flowmend.store.hourly_ticks import EndedRuns, Tick
from flowmend.store.rows import ConnectionRow, RunRow
from flowmend.store.tables import HAS_CONNECTION, IS_THERE, runs

_FAILED = (Status.FAILED.value, Status.TIMED_OUT.value)
#: Those that need somebody come first.
_ORDER = (HealthState.BROKEN, HealthState.PENDING_CONSENT, HealthState.REPAIRING, HealthState.SUSPECT)
#: What does not work any more cannot end.
_ENDED = (HealthState.BROKEN, HealthState.PENDING_CONSENT, HealthState.REPAIRING)
_RANK: Any = case(
    *((connections.c.health == state, literal(place, Integer)) for place, state in enumerate(_ORDER)),
    else_=literal(len(_ORDER), Integer),
)
_NAME: Any = func.lower(connections.c.display_name)


class ConnectionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection must meet to be listed; a part left empty asks for nothing.

    states, ends_before, ids: one of these states, or, where it is set, its sign-in says that it ends before that, or one of
    these connections. text: found anywhere in name, account, connector or id, letter case ignored.
    """

    states: Sequence[HealthState] = ()
    ends_before: datetime | None = None
    ids: Sequence[str] = ()
    text: str = ""
    connector_id: str = ""


class RunCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Of the runs that name a connection in their failure. newest_failed: the head of the last that failed."""

    failed: int = 0
    held: int = 0
    newest_failed: RunRow | None = None


class ConnectionList:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database, blast_radius: BlastRadius) -> None:
        self._database = database
        self._blast_radius = blast_radius
        self._ended = EndedRuns(database)

    def page(self, wanted: ConnectionFilter, *, limit: int, cursor: str = "") -> tuple[Sequence[ConnectionRow], str]:
        """Connections that need somebody first, then by name; and the cursor of the next page, "" at the end.

        cursor: what the page before gave. Errors: also AskedWrongly `InvalidCursor`.
        """
        chosen = select(_RANK, _NAME, connections.c.connection_id).where(*_matching(wanted))
        if cursor:
            chosen = chosen.where(_after(cursor))
        # Ids first: the rows with their sealed bytes are read only for the page.
        places = self._database.tuples(chosen.order_by(_RANK, _NAME, connections.c.connection_id).limit(limit + 1))
        ids = [connection_id for _, _, connection_id in places[:limit]]
        following = msgspec.json.encode(list(places[limit - 1])).decode() if len(places) > limit else ""
        return self.rows(ids), following

    def rows(self, connection_ids: Sequence[str]) -> Sequence[ConnectionRow]:
        """The connections of these ids, in their order; those that are gone left out."""
        if not connection_ids:
            return []
        found = self._database.every(
            select_row(connections, ConnectionRow).where(connections.c.connection_id.in_(connection_ids)),
            ConnectionRow,
        )
        by_id = {row.connection_id: row for row in found}
        return [by_id[one] for one in connection_ids if one in by_id]

    def count_by_health(self) -> Mapping[HealthState, int]:
        """How many connections are in each state; states of none left out."""
        counted = select(connections.c.health, func.count()).group_by(connections.c.health)
        return {HealthState(state): count for state, count in self._database.tuples(counted)}

    def count(self, wanted: ConnectionFilter) -> int:
        return int(self._database.value(select(func.count()).select_from(connections).where(*_matching(wanted))) or 0)

    def ending(self, before: datetime, *, idle_since: datetime, app_ids: Collection[str]) -> Sequence[ConnectionRow]:
        """Connections that work and whose sign-in may end before this: it says so itself, has tokens nobody renewed since
        `idle_since`, or acts as one of these sign-in apps. By id.
        """
        may_end = or_(
            connections.c.lasts_until < before,
            connections.c.refreshed_at < idle_since,
            and_(connections.c.expires_at < before, connections.c.refreshed_at.is_(None)),
            connections.c.app_id.in_(sorted(app_ids)),
        )
        chosen = select_row(connections, ConnectionRow).where(may_end, connections.c.health.not_in(_ENDED))
        return self._database.every(chosen.order_by(connections.c.connection_id), ConnectionRow)

    def count_by_person(self) -> Sequence[tuple[str, str, int]]:
        """(account name, owner's id, number of connections), by name."""
        of_whom = (connections.c.account_name, connections.c.owner_id)
        return self._database.tuples(select(*of_whom, func.count()).group_by(*of_whom).order_by(*of_whom))

    def of_person(self, account_name: str, owner_ids: Collection[str]) -> tuple[ConnectionRow, ...]:
        """Connections signed in as this account, letter case ignored, or owned by one of these people; by name."""
        chosen = select_row(connections, ConnectionRow).where(
            or_(
                func.lower(connections.c.account_name) == func.lower(account_name),
                connections.c.owner_id.in_(sorted(owner_ids)),
            )
        )
        return tuple(self._database.every(chosen.order_by(_NAME, connections.c.connection_id), ConnectionRow))

    def run_counts(self, connection_ids: Collection[str]) -> Mapping[str, RunCounts]:
        """{connection id: counts of its runs}, those without any left out."""
        names = sorted(connection_ids)
        failed = {name: count for name, count in self._blast_radius.failed_by_connection(names).items() if count}
        held = self._blast_radius.held_by_connection(names)
        failed_run: dict[str, RunRow] = {}
        with self._database.reading() as connection:
            for name in failed:
                # One by one: each reads the first entry of an index, where all at once would read every failed run.
                row = connection.execute(_newest_failed(name)).mappings().first()
                if row is not None:
                    failed_run[name] = RunRow(**row, start=b"")
        return {
            name: RunCounts(failed=failed.get(name, 0), held=held.get(name, 0), newest_failed=failed_run.get(name))
            for name in failed.keys() | held.keys()
        }

    def hourly_ticks(self, since: datetime, connection_ids: Collection[str]) -> Mapping[str, Sequence[Tick]]:
        """How runs of the flows that use each of the connections ended per hour since then, oldest first."""
        found: dict[str, list[Tick]] = {}
        for tick in self._ended.ticks(since, connection_ids):
            found.setdefault(tick.connection_id, []).append(tick)
        return found


def _newest_failed(connection_id: str) -> Select[Any]:
    heads = select(*(runs.c[name] for name in RunRow.__struct_fields__ if name != "start"))
    is_it = and_(HAS_CONNECTION, runs.c.connection_id == connection_id, runs.c.status.in_(_FAILED), IS_THERE)
    return heads.where(is_it).order_by(runs.c.run_name).limit(1)  # names decrease over time


def _matching(wanted: ConnectionFilter) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    is_wanted: list[ColumnElement[bool]] = []
    if wanted.states:
        is_wanted.append(connections.c.health.in_(list(wanted.states)))
    if wanted.ends_before is not None:
        is_wanted.append(connections.c.lasts_until < wanted.ends_before)
    if wanted.ids:
        is_wanted.append(connections.c.connection_id.in_(wanted.ids))
    if is_wanted:
        conditions.append(or_(*is_wanted))
    if wanted.connector_id:
        conditions.append(connections.c.connector_id == wanted.connector_id)
    if wanted.text:
        columns = ("display_name", "account_name", "connector_id", "connection_id")
        conditions.append(or_(*(connections.c[name].icontains(wanted.text, autoescape=True) for name in columns)))
    return conditions


def _after(cursor: str) -> ColumnElement[bool]:
    try:
        rank, name, connection_id = msgspec.json.decode(cursor, type=tuple[int, str, str])
    except msgspec.MsgspecError as error:
        raise AskedWrongly("The cursor is none that a page gave.", code="InvalidCursor", target="cursor") from error
    key: Any = connections.c.connection_id
    later_name = or_(name < _NAME, and_(name == _NAME, key > connection_id))
    return or_(rank < _RANK, and_(rank == _RANK, later_name))
