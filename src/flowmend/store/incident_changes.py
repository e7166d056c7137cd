"""How incidents change, within one transaction each: what refusals, proofs and counted calls do to their rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, case, func, insert, literal, or_, select, update

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import Member, Refused, Source, fold, is_over, says_more
from flowmend.core.outcome import Category
from flowmend.store.column_types import Instant
from flowmend.store.connection_tables import IS_OPEN, connections, incident_connections, incidents
from flowmend.store.database import columns_of, select_row
from flowmend.store.incident_rows import IncidentConnectionRow, IncidentRow, IncidentState
from flowmend.store.rows import ConnectionRow

_REFUSED = (HealthState.BROKEN, HealthState.REPAIRING)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection was refused with. at: when; since: when that began. code, message: as received.

    calls: how many refused calls tell of it.
    """

    at: datetime
    since: datetime
    category: str
    fixable_by: str
    remedy: str
    code: str
    message: str
    calls: int = 1


def fold_in(connection: Connection, row: ConnectionRow, refusal: Refusal, new_id: str) -> IncidentRow | None:
    """The open incident a refusal belongs to, opened or joined; None where the connection is not broken (any more)."""
    if _health(connection, row.connection_id) not in _REFUSED:
        return None
    folding = fold(_refused(row, refusal.category), _members(connection, row))
    incident_id = folding.into or new_id
    if not folding.into:
        connection.execute(insert(incidents), columns_of(_opened(new_id, folding.source, row, refusal)))
    _merge(connection, _move(connection, folding.moved, incident_id), incident_id, refusal.at)
    _join(connection, incident_id, row, refusal)
    return _settle(connection, incident_id, folding.source, refusal)


def mend(
    connection: Connection, connection_id: str, at: datetime, closed_by: str, healths: tuple[HealthState | None, ...]
) -> IncidentRow | None:
    """The open incident that waited for this connection and does no longer, perhaps closed by that.

    None where there is none, or the connection's health is none of these; its health is None where it is gone.
    """
    incident_id = _open_incident(connection, connection_id)
    if not incident_id or _health(connection, connection_id) not in healths:
        return None
    members = incident_connections
    of_it = members.c.incident_id == incident_id
    connection.execute(update(members).where(of_it, members.c.connection_id == connection_id).values(mended_at=at))
    left = connection.execute(select(members.c.mended_at).where(of_it)).scalars()
    changes: dict[str, Any] = {"version": incidents.c.version + 1}
    if is_over([one is not None for one in left]):
        changes |= {"state": IncidentState.CLOSED, "closed_at": at, "closed_by": closed_by}
    return _change(connection, incident_id, changes)


def add_bad_calls(connection: Connection, counted: Mapping[str, tuple[int, datetime]]) -> Sequence[str]:
    """Add calls to the open incidents that wait for these connections; the connections that none waits for.

    counted: {connection id: (number of calls, when the last was)}.
    """
    homeless: list[str] = []
    last: dict[str, datetime] = {}
    members = incident_connections
    for connection_id, (count, at) in counted.items():
        incident_id = _open_incident(connection, connection_id)
        if not incident_id:
            homeless.append(connection_id)
            continue
        mine = (members.c.incident_id == incident_id) & (members.c.connection_id == connection_id)
        connection.execute(update(members).where(mine).values(bad_calls=members.c.bad_calls + count))
        last[incident_id] = max(at, last.get(incident_id, at))
    for incident_id, at in last.items():
        last_bad_at = max(at, current(connection, incident_id).last_bad_at)
        changes: dict[str, Any] = {"bad_calls": _bad_calls_of(incident_id), "last_bad_at": last_bad_at}
        _change(connection, incident_id, changes | {"version": incidents.c.version + 1})
    return homeless


def current(connection: Connection, incident_id: str) -> IncidentRow:
    """The incident as this transaction has it."""
    chosen = select_row(incidents, IncidentRow).where(incidents.c.incident_id == incident_id)
    return IncidentRow(**connection.execute(chosen).mappings().one())


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
            connections.c.allowed_origins,
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
                origins=frozenset(found.allowed_origins or ()),
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
        origins=frozenset(row.allowed_origins or ()),
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
        first_bad_at=refusal.since,
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
    # Of two calls refused at one moment the second may report first.
    since = literal(refusal.since, Instant)
    began = case((members.c.first_bad_at > since, since), else_=members.c.first_bad_at)
    again = {"bad_calls": members.c.bad_calls + refusal.calls, "mended_at": None, "first_bad_at": began}
    if connection.execute(update(members).where(mine).values(**again)).rowcount == 0:
        new = IncidentConnectionRow(
            incident_id=incident_id,
            connection_id=row.connection_id,
            last_good_at=row.last_good_at,
            first_bad_at=refusal.since,
            bad_calls=refusal.calls,
        )
        connection.execute(insert(members), columns_of(new))


def _settle(connection: Connection, incident_id: str, source: Source, refusal: Refusal) -> IncidentRow:
    """The incident's own columns, from its connections and the refusal that says most."""
    members = incident_connections
    was = current(connection, incident_id)
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
    return current(connection, incident_id)


def _bad_calls_of(incident_id: str) -> Any:
    members = incident_connections
    total = select(func.coalesce(func.sum(members.c.bad_calls), 0)).where(members.c.incident_id == incident_id)
    return total.scalar_subquery()
