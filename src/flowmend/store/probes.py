"""When connections are to be probed: what is due, what runs ahead need, and what nobody has planned yet."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import func, select

from flowmend.core.connection.health import HealthState
from flowmend.store.connection_tables import connection_mappings, connections
from flowmend.store.database import Database, select_row
from flowmend.store.rows import ConnectionRow, FlowState
from flowmend.store.tables import flows, trigger_states

#: No probe can say anything of these.
_NEVER_PROBED = (HealthState.PENDING_CONSENT.value, HealthState.REPAIRING.value)
_IS_PLANNED = connections.c.next_probe_at.is_not(None)


class RunAhead(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that a scheduled flow uses, and when its next run begins."""

    row: ConnectionRow
    run_at: datetime


class Probes:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int) -> Sequence[ConnectionRow]:
        """The connections whose time has come, longest due first."""
        return self._database.every(
            select_row(connections, ConnectionRow)
            .where(_IS_PLANNED, connections.c.next_probe_at <= now)
            .order_by(connections.c.next_probe_at, connections.c.connection_id)
            .limit(limit),
            ConnectionRow,
        )

    def next_due(self) -> datetime | None:
        """The earliest time a connection is to be probed, past or future."""
        return cast(
            "datetime | None",
            self._database.value(select(func.min(connections.c.next_probe_at)).where(_IS_PLANNED)),
        )

    def unplanned(self) -> Sequence[ConnectionRow]:
        """Connections that have no next time and may have one."""
        return self._database.every(
            select_row(connections, ConnectionRow)
            .where(connections.c.next_probe_at.is_(None), connections.c.health.not_in(_NEVER_PROBED))
            .order_by(connections.c.connection_id),
            ConnectionRow,
        )

    def plan(self, connection_id: str, at: datetime | None, **changes: Any) -> bool:
        """Set when a connection is probed next; False where it is gone."""
        return self._database.change(
            connections, connections.c.connection_id == connection_id, {**changes, "next_probe_at": at}
        )

    def plan_all(self, times: Collection[tuple[str, datetime | None]]) -> None:
        """`plan` for many, in one transaction."""
        if not times:
            return
        with self._database.writing() as connection:
            for connection_id, at in times:
                connection.execute(
                    connections.update().where(connections.c.connection_id == connection_id).values(next_probe_at=at)
                )

    def used(self, connection_ids: Collection[str]) -> frozenset[str]:
        """Those of the connections that some flow's reference means."""
        if not connection_ids:
            return frozenset()
        found = self._database.tuples(
            select(connection_mappings.c.connection_id)
            .where(connection_mappings.c.connection_id.in_(sorted(connection_ids)))
            .distinct()
        )
        return frozenset(connection_id for (connection_id,) in found)

    def ahead(self, now: datetime, until: datetime) -> Sequence[RunAhead]:
        """The connections of flows that are on and whose schedule fires after `now` and no later than `until`."""
        next_runs = (
            select(connection_mappings.c.connection_id, func.min(trigger_states.c.next_at).label("run_at"))
            .join(flows, flows.c.flow_id == trigger_states.c.flow_id)
            .join(connection_mappings, connection_mappings.c.flow_id == trigger_states.c.flow_id)
            .where(trigger_states.c.next_at > now, trigger_states.c.next_at <= until, flows.c.state == FlowState.ON)
            .group_by(connection_mappings.c.connection_id)
            .subquery()
        )
        chosen = (
            select_row(connections, ConnectionRow)
            .add_columns(next_runs.c.run_at)
            .join(next_runs, next_runs.c.connection_id == connections.c.connection_id)
            .order_by(next_runs.c.run_at, connections.c.connection_id)
        )
        with self._database.reading() as connection:
            found = [dict(row) for row in connection.execute(chosen).mappings()]
        return [RunAhead(run_at=row.pop("run_at"), row=ConnectionRow(**row)) for row in found]
