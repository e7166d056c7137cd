"""What is held: events that start no run yet, and runs that wait at an action. Read in blocks, for there may be very many."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, func, or_, select, update

from flowmend.core.outcome import Status
from flowmend.core.run.naming import countdown_ticks, run_name
from flowmend.store.audit import add_note
from flowmend.store.database import Database, select_row
from flowmend.store.journal_writes import Statement
from flowmend.store.rows import AuditRow, Row, TriggerEventRow
from flowmend.store.tables import IS_HELD, IS_HELD_RUN, IS_UNFINISHED, flows, runs, tracked_values
from flowmend.store.tables import trigger_events as events

#: A name is made a moment before or after its event arrives; clocks of two processes differ.
_LEEWAY = timedelta(minutes=5)
_BODIES = frozenset({"inputs", "outputs"})


class HeldEvent(Row, frozen=True, kw_only=True):
    """What is known of a held event before its turn: where it stands in the line, and what it is about."""

    event_name: str
    started_at: datetime
    code: str
    business_key: str


class HeldRun(Row, frozen=True, kw_only=True):
    """A run that waits at an action for its connection. business_key: "" where it has none."""

    run_name: str
    connection_id: str
    business_key: str


class Place(msgspec.Struct, frozen=True):
    """A place in the line of held events: in order of arrival, of one microsecond the larger name came first."""

    started_at: datetime
    event_name: str


class Held:
    """Reading only; the journal writes. business_key_name: of a tracked value. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events_after(
        self, flow_id: str, after: Place | None, limit: int, *, without_code: str = ""
    ) -> Sequence[HeldEvent]:
        """The next held events of a flow in order of arrival. without_code: leave out those that wait for that."""
        columns = (events.c.event_name, events.c.started_at, events.c.code, events.c.business_key)
        chosen = _in_line(select(*columns).where(events.c.flow_id == flow_id), after)
        if without_code:
            chosen = chosen.where(events.c.code != without_code)
        return self._database.every(chosen.limit(limit), HeldEvent)

    def events(self, event_names: Collection[str], *, most_bytes: int | None = None) -> Mapping[str, TriggerEventRow]:
        """{name: event} with what they hold, those left out that are held no longer, or hold more than `most_bytes`."""
        chosen = select_row(events, TriggerEventRow).where(events.c.event_name.in_(event_names), IS_HELD)
        if most_bytes is not None:
            chosen = chosen.where(func.length(events.c.outputs) <= most_bytes)
        return {event.event_name: event for event in self._database.every(chosen, TriggerEventRow)}

    def flows_of(self, event_names: Collection[str]) -> Mapping[str, str]:
        """{name: flow id} of these events, those left out that are held no longer."""
        chosen = select(events.c.event_name, events.c.flow_id).where(events.c.event_name.in_(event_names), IS_HELD)
        return dict(self._database.tuples(chosen))

    def list_events(
        self,
        flow_ids: Collection[str] | None,
        limit: int,
        after: Place | None = None,
        *,
        arrived_before: datetime | None = None,
    ) -> tuple[Sequence[TriggerEventRow], Place | None]:
        """A page of held events in order of arrival, without what they hold, and where the next page begins (None at the end).

        flow_ids: None for all flows.
        """
        chosen = _in_line(select(*(column for column in events.c if column.name not in _BODIES)), after)
        if flow_ids is not None:
            chosen = chosen.where(events.c.flow_id.in_(flow_ids))
        if arrived_before is not None:
            chosen = chosen.where(events.c.started_at < arrived_before)
        found = self._database.every(chosen.limit(limit + 1), TriggerEventRow)
        last = found[limit - 1] if len(found) > limit else None
        return found[:limit], Place(last.started_at, last.event_name) if last is not None else None

    def counts(self, code: str = "") -> Mapping[str, int]:
        """{flow id: number of held events}, flows without any left out. code: only those that wait for that."""
        counted = select(events.c.flow_id, func.count()).where(IS_HELD)
        if code:
            counted = counted.where(events.c.code == code)
        return dict(self._database.tuples(counted.group_by(events.c.flow_id)))

    def waited_at(self, flow_ids: Collection[str], since: datetime, at: datetime) -> int:
        """How many events that arrived since then were held at that moment, whatever became of them."""
        # An event that was held has no end but that of a person or its days: its run has one instead.
        was_held = events.c.ended_at.is_(None) | (events.c.ended_at > at)
        has_waited = events.c.status.in_((Status.WAITING, Status.SUCCEEDED, Status.CANCELLED)) & was_held
        counted = select(func.count()).where(
            events.c.flow_id.in_(flow_ids),
            events.c.event_name < run_name(countdown_ticks(since - _LEEWAY), 0.0),  # the index knows names alone
            events.c.started_at >= since,
            events.c.started_at < at,
            has_waited,
        )
        return int(self._database.value(counted) or 0)

    def oldest(self) -> Mapping[str, datetime]:
        """{flow id: when the first of its held events arrived}"""
        oldest = select(events.c.flow_id, func.min(events.c.started_at)).where(IS_HELD)
        return dict(self._database.tuples(oldest.group_by(events.c.flow_id)))

    def runs_after(self, flow_id: str, after: str, limit: int, *, key_name: str) -> Sequence[HeldRun]:
        """The next held runs of a flow, oldest first. after: the last one's name, "" to begin. key_name: of the tracked value."""
        chosen = _with_key(select(runs.c.run_name, runs.c.connection_id), key_name).where(
            IS_HELD_RUN, runs.c.flow_id == flow_id
        )
        if after:
            chosen = chosen.where(runs.c.run_name < after)
        return self._database.every(chosen.order_by(runs.c.run_name.desc()).limit(limit), HeldRun)

    def flows_with_runs(self, connection_id: str = "") -> Mapping[str, int]:
        """{flow id: number of held runs}, flows without any left out. connection_id: only those that wait for this one."""
        counted = select(runs.c.flow_id, func.count()).where(IS_HELD_RUN)
        if connection_id:
            counted = counted.where(runs.c.connection_id == connection_id)
        return dict(self._database.tuples(counted.group_by(runs.c.flow_id)))

    def keys_under_way(self, flow_id: str, *, key_name: str) -> Sequence[tuple[str, str]]:
        """(run name, business key) of a flow's runs that have not ended, those without a key left out."""
        chosen = select(runs.c.run_name, tracked_values.c.value).join(
            tracked_values, and_(tracked_values.c.run_name == runs.c.run_name, tracked_values.c.name == key_name)
        )
        return self._database.tuples(chosen.where(IS_UNFINISHED, runs.c.flow_id == flow_id))

    def unended(self, run_names: Collection[str]) -> frozenset[str]:
        """Those of these runs that have not ended."""
        chosen = select(runs.c.run_name).where(runs.c.run_name.in_(run_names), IS_UNFINISHED)
        return frozenset(name for (name,) in self._database.tuples(chosen))

    def flow_names(self) -> Mapping[str, str]:
        """{flow id: name} of the flows that hold events."""
        holding = select(events.c.flow_id).where(IS_HELD).distinct()
        return dict(self._database.tuples(select(flows.c.flow_id, flows.c.name).where(flows.c.flow_id.in_(holding))))


def let_go(
    event_names: Collection[str],
    *,
    code: str,
    at: datetime,
    message: str = "",
    told: Callable[[int], object],
    note: AuditRow | None = None,
) -> Statement:
    """Let held events go for good; their records stay. code: why. told: hears how many were still held and are gone with the
    commit; once more where the transaction is tried again. note: who did it, written with their count if there were any.
    """
    changes = {"status": Status.CANCELLED.value, "code": code, "error_message": message, "ended_at": at, "outputs": b""}
    changed = update(events).where(events.c.event_name.in_(event_names), IS_HELD).values(**changes)

    def carry_out(connection: Connection) -> None:
        count = connection.execute(changed).rowcount
        if count and note is not None:
            add_note(connection, msgspec.structs.replace(note, details={**(note.details or {}), "count": count}))
        told(count)

    return Statement(carry_out)


def _in_line(chosen: Select[Any], after: Place | None) -> Select[Any]:
    if after is not None:
        chosen = chosen.where(
            or_(
                events.c.started_at > after.started_at,
                and_(events.c.started_at == after.started_at, events.c.event_name < after.event_name),
            ),
            events.c.started_at >= after.started_at,  # said again: by this alone the index is entered
        )
    return chosen.where(IS_HELD).order_by(events.c.started_at, events.c.event_name.desc())


def _with_key(chosen: Select[Any], key_name: str) -> Select[Any]:
    is_key = and_(tracked_values.c.run_name == runs.c.run_name, tracked_values.c.name == key_name)
    value = func.coalesce(func.min(tracked_values.c.value), "").label("business_key")
    key = select(value).where(is_key).correlate(runs).scalar_subquery().label("business_key")
    return chosen.add_columns(key)
