"""How the runs that use a connection ended, hour by hour."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select

from flowmend.store.connection_tables import connection_mappings
from flowmend.store.database import Database
from flowmend.store.hour_counts import HOUR, HourCount, HourCounts
from flowmend.store.tables import IS_THERE, runs


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """count runs of flows that use the connection ended with this status in the hour that begins at `hour`."""

    connection_id: str
    hour: datetime
    status: str
    count: int


class EndedRuns:
    """How runs ended, by flow, hour and status. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts = HourCounts(database, self._count)

    def since(self, since: datetime) -> Iterator[HourCount]:
        """(hour, flow id, status, count) of runs that ended at or after `since`."""
        return self._counts.between(since)

    def ticks(self, since: datetime, connection_ids: Collection[str] | None) -> Sequence[Tick]:
        """How runs of the flows that use these connections, or any where None, ended per hour, in order."""
        mapped = connection_mappings.c
        uses = select(mapped.flow_id, mapped.connection_id).distinct()
        if connection_ids is not None:
            uses = uses.where(mapped.connection_id.in_(connection_ids))
        users: dict[str, list[str]] = {}
        for flow_id, used in self._database.tuples(uses):
            users.setdefault(flow_id, []).append(used)
        counts: Counter[tuple[str, datetime, str]] = Counter()
        for hour, flow_id, status, count in self.since(since):
            for used in users.get(flow_id, ()):
                counts[used, hour, status] += count
        return [Tick(connection_id=of, hour=at, status=how, count=n) for (of, at, how), n in sorted(counts.items())]

    def _count(self, since: datetime, until: datetime | None) -> Sequence[HourCount]:
        chosen = select(HOUR, runs.c.flow_id, runs.c.status, func.count()).where(runs.c.ended_at >= since, IS_THERE)
        if until is not None:
            chosen = chosen.where(runs.c.ended_at < until)
        chosen = chosen.group_by(HOUR, runs.c.flow_id, runs.c.status)
        return self._database.tuples(chosen.with_hint(runs, "INDEXED BY ix_runs_ended", "sqlite"))
