"""Trigger events: the history of every firing and check, and what is held."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from flowmend.core.errors import Conflict
from flowmend.store.database import Database, select_row
from flowmend.store.journal_writes import Statement
from flowmend.store.rows import TriggerEventRow
from flowmend.store.tables import FOUND_NOTHING, HAS_CLIENT_REQUEST, IS_HELD
from flowmend.store.tables import trigger_events as events


class TriggerEvents:
    """Reading only; the journal writes them. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, event_name: str) -> TriggerEventRow | None:
        return self._database.first(
            select_row(events, TriggerEventRow).where(events.c.event_name == event_name), TriggerEventRow
        )

    def of_runs(self, run_names: Sequence[str]) -> dict[str, TriggerEventRow]:
        """{run name: the event that started it}, without the runs whose event is gone."""
        chosen = select_row(events, TriggerEventRow).where(events.c.event_name.in_(run_names), events.c.fired)
        return {event.event_name: event for event in self._database.every(chosen, TriggerEventRow)}

    def list(
        self,
        flow_id: str,
        limit: int = 50,
        cursor: str = "",
        statuses: Sequence[str] = (),
        *,
        trigger_name: str = "",
    ) -> tuple[Sequence[TriggerEventRow], str]:
        """A flow's trigger history, newest first, and the cursor of the next page ("" at the end).

        statuses: empty means all. cursor: what the page before gave. The rows leave inputs and outputs empty.
        """
        chosen = _select_head().where(events.c.flow_id == flow_id)
        if trigger_name:
            chosen = chosen.where(events.c.trigger_name == trigger_name)
        if statuses:
            chosen = chosen.where(events.c.status.in_([str(status) for status in statuses]))
        return self._page(chosen, limit, cursor)

    def held(self, flow_id: str | None = None, *, limit: int | None = None) -> Sequence[TriggerEventRow]:
        """Held events of one flow, or of all, in the order in which they arrived."""
        chosen = select_row(events, TriggerEventRow).where(IS_HELD)
        if flow_id is not None:
            chosen = chosen.where(events.c.flow_id == flow_id)
        # Names decrease over time, so among events of one microsecond the larger name came first.
        in_order = chosen.order_by(events.c.started_at, events.c.event_name.desc())
        return self._database.every(in_order if limit is None else in_order.limit(limit), TriggerEventRow)

    def held_heads(self, flow_id: str, limit: int) -> Sequence[TriggerEventRow]:
        """The first held events of a flow as `held`, without their inputs and outputs, which can be megabytes."""
        chosen = _select_head().where(IS_HELD, events.c.flow_id == flow_id)
        in_order = chosen.order_by(events.c.started_at, events.c.event_name.desc())
        return self._database.every(in_order.limit(limit), TriggerEventRow)

    def newest_held(self, flow_id: str, limit: int, cursor: str = "") -> tuple[Sequence[TriggerEventRow], str]:
        """Held events of one flow, or of all where "", as `list` gives a history."""
        chosen = _select_head().where(IS_HELD)
        chosen = chosen.with_hint(events, "INDEXED BY ix_trigger_events_held_of_all", "sqlite")
        if flow_id:
            chosen = chosen.where(events.c.flow_id == flow_id)
        return self._page(chosen, limit, cursor)

    def that_found_nothing(self, flow_id: str, limit: int, cursor: str = "") -> tuple[Sequence[TriggerEventRow], str]:
        """Checks of a flow's trigger that had nothing to start a run for, as `list` gives a history."""
        chosen = _select_head().where(FOUND_NOTHING, events.c.flow_id == flow_id)
        return self._page(chosen.with_hint(events, "INDEXED BY ix_trigger_events_skipped", "sqlite"), limit, cursor)

    def _page(self, chosen: Select[Any], limit: int, cursor: str) -> tuple[Sequence[TriggerEventRow], str]:
        if cursor:
            chosen = chosen.where(events.c.event_name > cursor)
        found = self._database.every(chosen.order_by(events.c.event_name).limit(limit + 1), TriggerEventRow)
        return found[:limit], found[limit - 1].event_name if len(found) > limit else ""

    def with_status(self, flow_id: str, trigger_name: str, status: str) -> Sequence[TriggerEventRow]:
        """A trigger's events of one status, whole, in the order in which they arrived."""
        chosen = select_row(events, TriggerEventRow).where(
            events.c.flow_id == flow_id, events.c.trigger_name == trigger_name, events.c.status == str(status)
        )
        return self._database.every(chosen.order_by(events.c.event_name.desc()), TriggerEventRow)

    def held_resubmission(self, flow_id: str, run_name: str) -> TriggerEventRow | None:
        """The first held event that repeats this run's, None where none waits."""
        chosen = select_row(events, TriggerEventRow).where(
            IS_HELD, events.c.flow_id == flow_id, events.c.origin_event == run_name
        )
        return self._database.first(chosen.order_by(events.c.event_name.desc()).limit(1), TriggerEventRow)

    def count_held(self, flow_id: str | None = None) -> int:
        counted = select(func.count()).select_from(events).where(IS_HELD)
        counted = counted.with_hint(events, "INDEXED BY ix_trigger_events_held", "sqlite")
        return int(
            self._database.value(counted if flow_id is None else counted.where(events.c.flow_id == flow_id)) or 0
        )

    def held_of_each_flow(self) -> dict[str, int]:
        """{flow id: number of held events}, flows without any left out."""
        counted = select(events.c.flow_id, func.count()).where(IS_HELD)
        return dict(self._database.tuples(counted.group_by(events.c.flow_id)))

    def by_client_request(
        self, flow_id: str, trigger_name: str, client_request_id: str, since: datetime
    ) -> TriggerEventRow | None:
        """The first event that this caller's request made, if it came at or after `since`."""
        if not client_request_id:
            return None
        return self._database.first(
            select_row(events, TriggerEventRow)
            .where(
                HAS_CLIENT_REQUEST,
                events.c.flow_id == flow_id,
                events.c.client_request_id == client_request_id,
                events.c.trigger_name == trigger_name,
                events.c.started_at >= since,
            )
            .order_by(events.c.started_at)
            .limit(1),
            TriggerEventRow,
        )


def change_held(event_name: str, **changes: Any) -> Statement:
    """Set columns of a held event: the submission fails with Conflict `EventNotHeld` where it was released or discarded
    meanwhile, so that of two who settle it one alone does.
    """
    changed = update(events).where(events.c.event_name == event_name, IS_HELD).values(**changes)

    def carry_out(connection: Connection) -> None:
        if connection.execute(changed).rowcount == 0:
            raise Conflict(
                f"The event {event_name} is held no longer: it was started or discarded.",
                code="EventNotHeld",
                target=event_name,
            )

    return Statement(carry_out)


def _select_head() -> Select[Any]:
    return select(*(column for column in events.c if column.name not in {"inputs", "outputs"}))
