"""Incidents: one open for each credential source that is broken, whoever reports it and however often at once.

Changes of incidents happen one after another: on SQLite every write does, on PostgreSQL a lock held to the end of the
transaction sees to it. A unique index of the open sources stands behind that.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, or_, select, update

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import Member, Refused, Source, fold, is_over, says_more
from flowmend.core.outcome import Category
from flowmend.store.bad_calls import BadCalls
from flowmend.store.connection_tables import IS_OPEN, connections, incident_connections, incidents
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.incident_rows import IncidentConnectionRow, IncidentRow, IncidentState
from flowmend.store.rows import ConnectionRow

#: Any number besides those of migrations and of the one server.
_ADVISORY_LOCK = 0x666C6F776D656E66
_REFUSED = (HealthState.BROKEN, HealthState.REPAIRING)
_PROVEN = (HealthState.CONNECTED, HealthState.SUSPECT)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection was refused with. at: when. calls: how many refused calls tell of it. code, message: as received."""

    at: datetime
    category: str
    fixable_by: str
    remedy: str
    code: str
    message: str
    calls: int = 1


class Incidents:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bad_calls = BadCalls()

    def fold(self, row: ConnectionRow, refusal: Refusal, new_id: str) -> IncidentRow | None:
        """The open incident this refusal belongs to, opened or joined. new_id: of the incident where it is a new one.

        None where the connection is not broken (any more): whoever reports has written its health before.
        """
        with self._database.writing() as connection:
            self._take_turn(connection)
            if _health(connection, row.connection_id) not in _REFUSED:
                return None
            self._write_bad_calls(connection)
            folding = fold(_refused(row, refusal.category), _members(connection, row))
            incident_id = folding.into or new_id
            if not folding.into:
                connection.execute(insert(incidents), columns_of(_opened(new_id, folding.source, row, refusal)))
            emptied = _move(connection, folding.moved, incident_id)
            _merge(connection, emptied, incident_id, refusal.at)
            _join(connection, incident_id, row, refusal)
            return _settle(connection, incident_id, folding.source, refusal)

    def prove(self, connection_id: str, at: datetime) -> IncidentRow | None:
        """A connection was proven good: its open incident afterwards, perhaps closed; None where it is in none.

        None also where it is not good (any more).
        """
        return self._mend(connection_id, at, "proof", _PROVEN)

    def leave(self, connection_id: str, at: datetime, person_id: str) -> IncidentRow | None:
        """A connection was deleted by this person: as `prove`."""
        return self._mend(connection_id, at, person_id, (None,))

    def note_bad_call(self, connection_id: str, at: datetime) -> bool:
        """Count a call that was refused or stopped, in memory; True where it is the first since `write_bad_calls`."""
        return self._bad_calls.note(connection_id, at)

    def write_bad_calls(self) -> Sequence[str]:
        """Write what was counted; the connections counted that no open incident holds."""
        if not self._bad_calls.has_any:
            return ()
        with self._database.writing() as connection:
            self._take_turn(connection)
            return self._write_bad_calls(connection)

    def get(self, incident_id: str) -> IncidentRow | None:
        chosen = select_row(incidents, IncidentRow).where(incidents.c.incident_id == incident_id)
        return self._database.first(chosen, IncidentRow)

    def open_of(self, connection_ids: Iterable[str]) -> dict[str, str]:
        """{connection id: the open incident that waits for it}, the others left out."""
        chosen = (
            select(incident_connections.c.connection_id, incidents.c.incident_id)
            .join(incidents, incidents.c.incident_id == incident_connections.c.incident_id)
            .where(IS_OPEN, incident_connections.c.mended_at.is_(None))
            .where(incident_connections.c.connection_id.in_(list(connection_ids)))
        )
        return dict(self._database.tuples(chosen))

    def waited_for(self) -> frozenset[str]:
        """The connections that open incidents wait for."""
        members = incident_connections
        chosen = select(members.c.connection_id).join(incidents, incidents.c.incident_id == members.c.incident_id)
        found = self._database.tuples(chosen.where(IS_OPEN, members.c.mended_at.is_(None)))
        return frozenset(connection_id for (connection_id,) in found)

    def connections_of(self, incident_id: str) -> Sequence[IncidentConnectionRow]:
        """The connections folded into an incident, the first broken first."""
        members = incident_connections
        chosen = select_row(members, IncidentConnectionRow).where(members.c.incident_id == incident_id)
        return self._database.every(
            chosen.order_by(members.c.first_bad_at, members.c.connection_id), IncidentConnectionRow
        )

    def _mend(
        self, connection_id: str, at: datetime, closed_by: str, healths: tuple[HealthState | None, ...]
    ) -> IncidentRow | None:
        with self._database.writing() as connection:
            self._take_turn(connection)
            if _health(connection, connection_id) not in healths:
                return None
            self._write_bad_calls(connection)
            incident_id = _open_incident(connection, connection_id)
            if not incident_id:
                return None
            members = incident_connections
            of_it = members.c.incident_id == incident_id
            mended = update(members).where(of_it, members.c.connection_id == connection_id).values(mended_at=at)
            connection.execute(mended)
            left = connection.execute(select(members.c.mended_at).where(of_it)).scalars()
            changes: dict[str, Any] = {"version": incidents.c.version + 1}
            if is_over([one is not None for one in left]):
                changes |= {"state": IncidentState.CLOSED, "closed_at": at, "closed_by": closed_by}
            return _change(connection, incident_id, changes)

    def _take_turn(self, connection: Connection) -> None:
        if not self._database.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))

    def _write_bad_calls(self, connection: Connection) -> Sequence[str]:
        """Within the turn of a transaction. What was counted is lost where that fails: a count is no proof."""
        homeless: list[str] = []
        touched: set[str] = set()
        members = incident_connections
        for connection_id, (count, last_at) in self._bad_calls.taken().items():
            incident_id = _open_incident(connection, connection_id)
            if not incident_id:
                homeless.append(connection_id)
                continue
            mine = (members.c.incident_id == incident_id) & (members.c.connection_id == connection_id)
            connection.execute(update(members).where(mine).values(bad_calls=members.c.bad_calls + count))
            later = update(incidents).where(incidents.c.incident_id == incident_id, incidents.c.last_bad_at < last_at)
            connection.execute(later.values(last_bad_at=last_at))
            touched.add(incident_id)
        for incident_id in touched:
            connection.execute(
                update(incidents)
                .where(incidents.c.incident_id == incident_id)
                .values(bad_calls=_bad_calls_of(incident_id), version=incidents.c.version + 1)
            )
        return homeless


def _health(connection: Connection, connection_id: str) -> HealthState | None:
    found = select(connections.c.health).where(connections.c.connection_id == connection_id)
    return connection.execute(found).scalar()


def _open_incident(connection: Connection, connection_id: str) -> str:
    """The open incident that waits for this connection, "" where none does."""
    members = incident_connections
    chosen = select(members.c.incident_id).join(incidents, incidents.c.incident_id == members.c.incident_id)
    chosen = chosen.where(members.c.connection_id == connection_id, members.c.mended_at.is_(None), IS_OPEN)
    return connection.execute(chosen).scalar() or ""


def _members(connection: Connection, row: ConnectionRow) -> list[Member]:
    """Of the open incidents that hold this connection, or others of its sign-in app, or else of its connector."""
    ours = connections.c.app_id == row.app_id if row.app_id else connections.c.connector_id == row.connector_id
    chosen = (
        select(
            incidents.c.incident_id,
            incidents.c.opened_at,
            incidents.c.source_kind,
            incidents.c.source_id,
            incident_connections.c.mended_at,
            connections.c.connection_id,
            connections.c.connector_id,
            connections.c.app_id,
            connections.c.account_name,
            connections.c.refused_category,
        )
        .join(incident_connections, incident_connections.c.incident_id == incidents.c.incident_id)
        .join(connections, connections.c.connection_id == incident_connections.c.connection_id)
        .where(IS_OPEN, or_(connections.c.connection_id == row.connection_id, ours))
    )
    return [
        Member(
            incident_id=found.incident_id,
            opened_at=found.opened_at,
            source=Source(kind=found.source_kind, source_id=found.source_id),
            is_mended=found.mended_at is not None,
            refused=Refused(
                connection_id=found.connection_id,
                connector_id=found.connector_id,
                app_id=found.app_id,
                account_name=found.account_name,
                category=_category(found.refused_category),
            ),
        )
        for found in connection.execute(chosen)
    ]


def _refused(row: ConnectionRow, category: str) -> Refused:
    return Refused(
        connection_id=row.connection_id,
        connector_id=row.connector_id,
        app_id=row.app_id,
        account_name=row.account_name,
        category=_category(category),
    )


def _category(text: str) -> Category:
    return Category(text) if text else Category.UNKNOWN


def _opened(incident_id: str, source: Source, row: ConnectionRow, refusal: Refusal) -> IncidentRow:
    return IncidentRow(
        incident_id=incident_id,
        source_kind=source.kind,
        source_id=source.source_id,
        opened_at=refusal.at,
        last_good_at=row.last_good_at,
        first_bad_at=refusal.at,
        last_bad_at=refusal.at,
        bad_calls=0,
        category=refusal.category,
        fixable_by=refusal.fixable_by,
        remedy=refusal.remedy,
        code=refusal.code,
        message=refusal.message,
        version=0,
    )


def _move(connection: Connection, moved: Iterable[str], incident_id: str) -> set[str]:
    """Take these connections out of their open incidents into this one; the incidents they left."""
    members, left = incident_connections, set()
    for connection_id in moved:
        before = _open_incident(connection, connection_id)
        if before and before != incident_id:
            mine = (members.c.incident_id == before) & (members.c.connection_id == connection_id)
            connection.execute(update(members).where(mine).values(incident_id=incident_id))
            left.add(before)
    return left


def _merge(connection: Connection, left: Iterable[str], into: str, at: datetime) -> None:
    """Each of these incidents that waits for no connection any more was part of `into`."""
    members = incident_connections
    for incident_id in left:
        waits = select(members.c.connection_id).where(
            members.c.incident_id == incident_id, members.c.mended_at.is_(None)
        )
        changes: dict[str, Any] = {"bad_calls": _bad_calls_of(incident_id), "version": incidents.c.version + 1}
        if connection.execute(waits.limit(1)).first() is None:
            changes |= {"state": IncidentState.MERGED, "closed_at": at, "merged_into": into}
        _change(connection, incident_id, changes)


def _join(connection: Connection, incident_id: str, row: ConnectionRow, refusal: Refusal) -> None:
    members = incident_connections
    mine = (members.c.incident_id == incident_id) & (members.c.connection_id == row.connection_id)
    again = {"bad_calls": members.c.bad_calls + refusal.calls, "mended_at": None}
    if connection.execute(update(members).where(mine).values(**again)).rowcount == 0:
        new = IncidentConnectionRow(
            incident_id=incident_id,
            connection_id=row.connection_id,
            last_good_at=row.last_good_at,
            first_bad_at=refusal.at,
            bad_calls=refusal.calls,
        )
        connection.execute(insert(members), columns_of(new))


def _settle(connection: Connection, incident_id: str, source: Source, refusal: Refusal) -> IncidentRow:
    """The incident's own columns, from its connections and the refusal that says most."""
    members = incident_connections
    was = _row(connection, incident_id)
    of_it = select(members.c.first_bad_at, members.c.last_good_at).where(members.c.incident_id == incident_id)
    times = connection.execute(of_it).all()
    first_bad_at = min(one.first_bad_at for one in times)
    goods = [one.last_good_at for one in times if one.last_good_at is not None and one.last_good_at <= first_bad_at]
    changes: dict[str, Any] = {
        "source_kind": source.kind,
        "source_id": source.source_id,
        "first_bad_at": first_bad_at,
        "last_good_at": max(goods, default=None),
        "last_bad_at": max(was.last_bad_at, refusal.at),
        "bad_calls": _bad_calls_of(incident_id),
        "version": incidents.c.version + 1,
    }
    is_alone = len(times) == 1 and refusal.category != Category.UNKNOWN
    if is_alone or says_more(refusal.category, than=was.category):
        said = ("category", "fixable_by", "remedy", "code", "message")
        changes |= {name: getattr(refusal, name) for name in said}
    return _change(connection, incident_id, changes)


def _change(connection: Connection, incident_id: str, changes: dict[str, Any]) -> IncidentRow:
    connection.execute(update(incidents).where(incidents.c.incident_id == incident_id).values(**changes))
    return _row(connection, incident_id)


def _row(connection: Connection, incident_id: str) -> IncidentRow:
    chosen = select_row(incidents, IncidentRow).where(incidents.c.incident_id == incident_id)
    return IncidentRow(**connection.execute(chosen).mappings().one())


def _bad_calls_of(incident_id: str) -> Any:
    members = incident_connections
    total = select(func.coalesce(func.sum(members.c.bad_calls), 0)).where(members.c.incident_id == incident_id)
    return total.scalar_subquery()
