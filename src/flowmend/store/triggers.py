"""Where triggers stand: when each is due next, and what it remembers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Update, and_, delete, func, or_, select, update

from flowmend.core.errors import Conflict
from flowmend.store.column_types import moved_back
from flowmend.store.database import Database, select_row
from flowmend.store.journal_writes import Statement
from flowmend.store.rows import TriggerStateRow
from flowmend.store.tables import HAS_PROBLEM, trigger_states


class Triggers:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, flow_id: str, trigger_name: str) -> TriggerStateRow | None:
        return self._database.first(
            select_row(trigger_states, TriggerStateRow).where(_is(flow_id, trigger_name)), TriggerStateRow
        )

    def put(self, row: TriggerStateRow) -> None:
        """Add a trigger's state or replace it. Errors: Conflict where its flow does not exist."""
        self._database.put(trigger_states, row)

    def remove(self, flow_id: str, trigger_name: str | None = None) -> int:
        """Forget one trigger of a flow, or all of them; how many there were."""
        of_flow = trigger_states.c.flow_id == flow_id
        return self._database.remove(trigger_states, of_flow if trigger_name is None else _is(flow_id, trigger_name))

    def of_flow(self, flow_id: str) -> Sequence[TriggerStateRow]:
        return self._database.every(
            select_row(trigger_states, TriggerStateRow)
            .where(trigger_states.c.flow_id == flow_id)
            .order_by(trigger_states.c.trigger_name),
            TriggerStateRow,
        )

    def due(self, now: datetime, limit: int = 500) -> Sequence[TriggerStateRow]:
        """The triggers whose time has come, longest due first."""
        return self._database.every(
            select_row(trigger_states, TriggerStateRow)
            .where(trigger_states.c.next_at <= now)
            .order_by(trigger_states.c.next_at, trigger_states.c.flow_id)
            .limit(limit),
            TriggerStateRow,
        )

    def next_due(self) -> datetime | None:
        """The earliest time any trigger is due, past or future; None where none is."""
        return cast(
            "datetime | None",
            self._database.value(
                select(func.min(trigger_states.c.next_at)).where(trigger_states.c.next_at.is_not(None))
            ),
        )

    def due_polls(self, now: datetime, limit: int) -> Sequence[TriggerStateRow]:
        """The triggers to be polled now, longest due first."""
        return self._database.every(
            select_row(trigger_states, TriggerStateRow)
            .where(trigger_states.c.poll_at <= now)
            .order_by(trigger_states.c.poll_at, trigger_states.c.flow_id)
            .limit(limit),
            TriggerStateRow,
        )

    def next_poll(self, after: datetime) -> datetime | None:
        """The earliest time later than `after` at which a trigger is to be polled."""
        return cast(
            "datetime | None",
            self._database.value(select(func.min(trigger_states.c.poll_at)).where(trigger_states.c.poll_at > after)),
        )

    def poll_sooner(self, flow_id: str, trigger_name: str, at: datetime) -> bool:
        """Have a trigger polled at that time where it would be polled later or not at all; whether that changed it."""
        is_later = or_(trigger_states.c.poll_at.is_(None), trigger_states.c.poll_at > at)
        return self._database.change(trigger_states, _is(flow_id, trigger_name) & is_later, {"poll_at": at})

    def poll_all_sooner(self, now: datetime, by: timedelta) -> int:
        """Poll by so much sooner whatever is to be polled after now; how many triggers these are."""
        later = trigger_states.c.poll_at > now
        return self._database.changed(trigger_states, later, {"poll_at": moved_back(trigger_states.c.poll_at, by)})

    def change(self, flow_id: str, trigger_name: str, **changes: Any) -> bool:
        """Set columns of a trigger's state; False where there is none."""
        return self._database.change(trigger_states, _is(flow_id, trigger_name), changes)

    def pause(self, flow_id: str) -> None:
        """Let no trigger of a flow fire or be polled. Where polls stand stays known; a clock begins anew next time."""
        of_flow = trigger_states.c.flow_id == flow_id
        with self._database.writing() as connection:
            connection.execute(delete(trigger_states).where(of_flow, trigger_states.c.next_at.is_not(None)))
            connection.execute(update(trigger_states).where(of_flow).values(poll_at=None, problem=""))

    def with_problems(self) -> Sequence[TriggerStateRow]:
        """The triggers whose last check failed."""
        return self._database.every(
            select_row(trigger_states, TriggerStateRow).where(HAS_PROBLEM).order_by(trigger_states.c.flow_id),
            TriggerStateRow,
        )


def note_polled(state: TriggerStateRow, *, due_at: datetime) -> Statement:
    """A trigger's state after a poll, to be written together with its events: the submission fails with Conflict where
    the trigger was turned off or scheduled anew meanwhile. due_at: when the poll was due.
    """
    still_due = _is(state.flow_id, state.trigger_name) & (trigger_states.c.poll_at == due_at)
    changed = (
        update(trigger_states)
        .where(still_due)
        .values(poll_at=state.poll_at, last_at=state.last_at, memory=state.memory, problem=state.problem)
    )
    return _only_if_there(changed, state)


def note_fired(state: TriggerStateRow, *, due_at: datetime) -> Statement:
    """A trigger's state after it fired, to be written together with what it fired: the submission fails with Conflict
    where the trigger was scheduled anew, turned off, or fired by somebody else meanwhile. due_at: when it was due.
    """
    still_due = _is(state.flow_id, state.trigger_name) & (trigger_states.c.next_at == due_at)
    changed = (
        update(trigger_states)
        .where(still_due)
        .values(next_at=state.next_at, last_at=state.last_at, memory=state.memory)
    )

    return _only_if_there(changed, state)


def _only_if_there(changed: Update, state: TriggerStateRow) -> Statement:
    def carry_out(connection: Connection) -> None:
        if connection.execute(changed).rowcount == 0:
            raise Conflict(
                f"The trigger {state.trigger_name!r} was scheduled anew.", code="TriggerChanged", target=state.flow_id
            )

    return Statement(carry_out)


def _is(flow_id: str, trigger_name: str) -> ColumnElement[bool]:
    return and_(trigger_states.c.flow_id == flow_id, trigger_states.c.trigger_name == trigger_name)
