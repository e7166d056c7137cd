"""How the runs that use a connection ended, hour by hour."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import BigInteger, func, literal_column, select, type_coerce

from flowmend.store.column_types import Instant
from flowmend.store.connection_tables import connection_mappings
from flowmend.store.database import Database
from flowmend.store.tables import runs

#: Written out: a bound one would be another expression to PostgreSQL in SELECT than in GROUP BY.
_HOUR: Any = literal_column("3600000000", BigInteger)  # in microseconds


_AN_HOUR = timedelta(hours=1)
_IS_OVER_AFTER = timedelta(minutes=5)
_Counted: TypeAlias = tuple[str, datetime, str, int]


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """count runs of flows that use the connection ended with this status in the hour that begins at `hour`."""

    connection_id: str
    hour: datetime
    status: str
    count: int


class EndedRuns:
    """Counts runs that ended, by flow, hour and status. Hours that are over are counted once and kept: pages ask again and again.

    Errors of all methods: StoreUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._over: dict[datetime, Sequence[_Counted]] = {}

    def since(self, since: datetime) -> Iterator[_Counted]:
        """(flow id, hour, status, count) of runs that ended at or after `since`."""
        first = _hour_of(since)
        if first < since:
            first += _AN_HOUR
        # What ends just now may still be written.
        last = max(first, _hour_of(datetime.now(UTC) - _IS_OVER_AFTER))
        if since < first:
            yield from self._count(since, first)
        yield from self._hours(first, last)
        yield from self._count(last, None)

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
        for flow_id, hour, status, count in self.since(since):
            for used in users.get(flow_id, ()):
                counts[used, hour, status] += count
        return [Tick(connection_id=of, hour=at, status=how, count=n) for (of, at, how), n in sorted(counts.items())]

    def _hours(self, first: datetime, last: datetime) -> Iterator[_Counted]:
        hours = [first + _AN_HOUR * place for place in range((last - first) // _AN_HOUR)]
        missing = [hour for hour in hours if hour not in self._over]
        if missing:
            found: dict[datetime, list[_Counted]] = {hour: [] for hour in hours}
            for counted in self._count(missing[0], missing[-1] + _AN_HOUR):
                found[counted[1]].append(counted)
            self._over = {hour: self._over.get(hour, found[hour]) for hour in hours}
        for hour in hours:
            yield from self._over.get(hour, ())

    def _count(self, since: datetime, until: datetime | None) -> Sequence[_Counted]:
        hour = type_coerce((type_coerce(runs.c.ended_at, BigInteger) // _HOUR) * _HOUR, Instant).label("hour")
        chosen = select(runs.c.flow_id, hour, runs.c.status, func.count()).where(runs.c.ended_at >= since)
        if until is not None:
            chosen = chosen.where(runs.c.ended_at < until)
        chosen = chosen.group_by(runs.c.flow_id, hour, runs.c.status)
        return self._database.tuples(chosen.with_hint(runs, "INDEXED BY ix_runs_ended", "sqlite"))


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
