"""Incidents: one open for each credential source that is broken, whoever reports it and however often at once.

Changes of incidents happen one after another: on SQLite every write does, on PostgreSQL a lock held to the end of the
transaction sees to it. A unique index of the open sources stands behind that.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select

from flowmend.core.connection.health import HealthState
from flowmend.store.bad_calls import BadCalls
from flowmend.store.connection_tables import IS_OPEN, connections, incident_connections, incidents
from flowmend.store.database import Database, select_row
from flowmend.store.incident_changes import Refusal, add_bad_calls, current, fold_in, mend
from flowmend.store.incident_rows import IncidentConnectionRow, IncidentMember, IncidentRow, IncidentState
from flowmend.store.rows import ConnectionRow

__all__ = ["Incidents", "Refusal"]

#: Any number besides those of migrations and of the one server.
_ADVISORY_LOCK = 0x666C6F776D656E66
_PROVEN = (HealthState.CONNECTED, HealthState.SUSPECT)
_GONE = (None,)


class Incidents:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bad_calls = BadCalls()
        self._changes = 0
        self._open_count = (-1, 0)  # after which change it was counted, and what there was

    def fold(self, row: ConnectionRow, refusal: Refusal, new_id: str) -> IncidentRow | None:
        """The open incident this refusal belongs to, opened or joined. new_id: of the incident where it is a new one.

        None where the connection is not broken (any more): whoever reports has written its health before.
        """
        with self._changing() as connection:
            incident = fold_in(connection, row, refusal, new_id)
            self._add_bad_calls(connection)  # now that there is an incident for them
            return incident and current(connection, incident.incident_id)

    def prove(self, connection_id: str, at: datetime) -> IncidentRow | None:
        """A connection was proven good: its open incident afterwards, perhaps closed; None where it is in none.

        None also where it is not good (any more).
        """
        with self._changing() as connection:
            self._add_bad_calls(connection)
            return mend(connection, connection_id, at, "proof", _PROVEN)

    def leave(self, connection_id: str, at: datetime, person_id: str) -> IncidentRow | None:
        """A connection was deleted by this person: as `prove`."""
        with self._changing() as connection:
            self._add_bad_calls(connection)
            return mend(connection, connection_id, at, person_id, _GONE)

    def note_bad_call(self, connection_id: str, at: datetime) -> bool:
        """Count a call that was refused or stopped, in memory; True where it is the first since `write_bad_calls`."""
        return self._bad_calls.note(connection_id, at)

    def write_bad_calls(self) -> Sequence[str]:
        """Write what was counted; the connections counted that no open incident waits for."""
        if not self._bad_calls.has_any:
            return ()
        with self._changing() as connection:
            return self._add_bad_calls(connection)

    def get(self, incident_id: str) -> IncidentRow | None:
        chosen = select_row(incidents, IncidentRow).where(incidents.c.incident_id == incident_id)
        return self._database.first(chosen, IncidentRow)

    def list(
        self, *, state: str = "", connection_id: str = "", limit: int = 50, cursor: str = ""
    ) -> tuple[Sequence[IncidentRow], str]:
        """Incidents, the open ones first, then the latest opened, and the cursor of the next page ("" at the end).

        state: `open` or `closed`; "" is both. Merged ones are no breakages of their own. cursor: what the page before gave.
        """
        chosen = select_row(incidents, IncidentRow).where(incidents.c.state != IncidentState.MERGED)
        if state:
            chosen = chosen.where(IS_OPEN if state == IncidentState.OPEN else incidents.c.closed_at.is_not(None))
        if connection_id:
            members = incident_connections
            of_it = select(members.c.incident_id).where(members.c.connection_id == connection_id)
            chosen = chosen.where(incidents.c.incident_id.in_(of_it))
        after = self.get(cursor) if cursor else None
        if after is not None:
            earlier = or_(
                incidents.c.opened_at < after.opened_at,
                and_(incidents.c.opened_at == after.opened_at, incidents.c.incident_id > after.incident_id),
            )
            is_closed = incidents.c.closed_at.is_not(None)
            chosen = chosen.where(
                or_(and_(IS_OPEN, earlier), is_closed) if after.closed_at is None else and_(is_closed, earlier)
            )
        in_order = chosen.order_by(IS_OPEN.desc(), incidents.c.opened_at.desc(), incidents.c.incident_id)
        found = self._database.every(in_order.limit(limit + 1), IncidentRow)
        return found[:limit], found[limit - 1].incident_id if len(found) > limit else ""

    def count_open(self) -> int:
        """Counted anew only where this process changed one: every page shows it."""
        changes = self._changes
        counted_at, count = self._open_count
        if counted_at != changes:
            count = int(self._database.value(select(func.count()).where(IS_OPEN)) or 0)
            self._open_count = (changes, count)
        return count

    def open_of(self, connection_ids: Iterable[str]) -> dict[str, str]:
        """{connection id: the open incident that waits for it}, the others left out."""
        chosen = (
            select(incident_connections.c.connection_id, incidents.c.incident_id)
            .join(incidents, incidents.c.incident_id == incident_connections.c.incident_id)
            .where(IS_OPEN, incident_connections.c.mended_at.is_(None))
            .where(incident_connections.c.connection_id.in_(list(connection_ids)))
        )
        return dict(self._database.tuples(chosen))

    def of_failure(self, connection_id: str, started_at: datetime, ended_at: datetime) -> str:
        """The incident that failed a run of this time for this connection; "" where none did."""
        members = incident_connections.c
        is_meant = and_(members.connection_id == connection_id, members.first_bad_at <= ended_at)
        chosen = select(members.incident_id).where(
            is_meant, or_(members.mended_at.is_(None), members.mended_at > started_at)
        )
        return self._database.value(chosen.order_by(members.first_bad_at.desc()).limit(1)) or ""

    def adrift(self) -> tuple[Sequence[str], Sequence[str]]:
        """(broken connections that no open incident waits for, connections waited for that are good or gone)."""
        members, health = incident_connections.c, connections.c.health
        waited_for = select(members.connection_id).where(
            members.mended_at.is_(None), members.incident_id.in_(select(incidents.c.incident_id).where(IS_OPEN))
        )
        alone = select(connections.c.connection_id).where(
            health == HealthState.BROKEN, connections.c.connection_id.not_in(waited_for)
        )
        ill = select(connections.c.connection_id).where(health.not_in(_PROVEN))
        over = waited_for.where(members.connection_id.not_in(ill))
        return [one for (one,) in self._database.tuples(alone)], [one for (one,) in self._database.tuples(over)]

    def connections_of(self, incident_id: str) -> Sequence[IncidentConnectionRow]:
        """The connections folded into an incident, the first broken first."""
        members = incident_connections
        chosen = select_row(members, IncidentConnectionRow).where(members.c.incident_id == incident_id)
        return self._database.every(
            chosen.order_by(members.c.first_bad_at, members.c.connection_id), IncidentConnectionRow
        )

    def members_of(self, incident_ids: Iterable[str]) -> Sequence[IncidentMember]:
        """The connections of these incidents, the first broken first."""
        of_member = {**connections.c, **incident_connections.c}
        columns = [of_member[name] for name in IncidentMember.__struct_fields__]
        same = connections.c.connection_id == incident_connections.c.connection_id
        chosen = select(*columns).select_from(incident_connections.outerjoin(connections, same))
        chosen = chosen.where(incident_connections.c.incident_id.in_(list(incident_ids)))
        in_order = chosen.order_by(incident_connections.c.first_bad_at, incident_connections.c.connection_id)
        return self._database.every(in_order, IncidentMember)

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction in which nobody else changes incidents."""
        with self._database.writing() as connection:
            if not self._database.is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            yield connection
        self._changes += 1

    def _add_bad_calls(self, connection: Connection) -> Sequence[str]:
        # What was counted is lost where the transaction fails: nothing rests on it.
        return add_bad_calls(connection, self._bad_calls.taken())
