"""Counts of runs that ended, hour by hour: hours that are over are counted once and kept, because pages ask again and again."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, func, literal_column, select, type_coerce

from flowmend.store.column_types import Instant
from flowmend.store.database import Database
from flowmend.store.tables import runs

#: (hour, flow id, what was counted, number of runs)
HourCount: TypeAlias = tuple[datetime, str, str, int]

_AN_HOUR = timedelta(hours=1)
#: Whatever ended before is written by then.
_WRITTEN_WITHIN = timedelta(minutes=5)
_NEVER = datetime.min.replace(tzinfo=UTC)

#: The hour in which a run ended. Written out: a bound number would be another expression to PostgreSQL in SELECT than in GROUP BY.
_MICROSECONDS: Any = literal_column("3600000000", BigInteger)
HOUR: Any = type_coerce((type_coerce(runs.c.ended_at, BigInteger) // _MICROSECONDS) * _MICROSECONDS, Instant).label(
    "hour"
)


def settled_until(database: Database) -> datetime:
    """Until when all runs that ended are known to be written, by the clock of the runs; never later than now.

    Not now alone: a clock that was set back would let hours that are to come count as over.
    """
    last = database.value(select(func.max(runs.c.ended_at)).where(runs.c.ended_at.is_not(None)))
    return _NEVER if last is None else min(last, datetime.now(UTC)) - _WRITTEN_WITHIN


class HourCounts:
    """count: counts what ended from the first time to before the second, or up to now where that is None, in order of hours."""

    def __init__(self, database: Database, count: Callable[[datetime, datetime | None], Sequence[HourCount]]) -> None:
        self._database = database
        self._count = count
        self._over: dict[datetime, Sequence[HourCount]] = {}
        self._rested_on: object = None

    def between(self, since: datetime, until: datetime | None = None, rests_on: object = None) -> Iterator[HourCount]:
        """What ended in this time; the first and the last hour may be told in parts.

        rests_on: what else the counts depend on; where it is another than before, all are made anew.
        """
        first, last = hour_of(since), settled_until(self._database)
        first += _AN_HOUR if first < since else timedelta(0)
        last = hour_of(last if until is None else min(last, until))
        if last <= first:
            yield from self._count(since, until)
            return
        if since < first:
            yield from self._count(since, first)
        yield from self._hours(first, last, (self._database.forgotten, rests_on))
        yield from self._count(last, until)

    def _hours(self, first: datetime, last: datetime, rests_on: object) -> Iterator[HourCount]:
        hours = [first + _AN_HOUR * place for place in range((last - first) // _AN_HOUR)]
        known = self._over if self._rested_on == rests_on else {}
        missing = [hour for hour in hours if hour not in known]
        if missing:
            found: dict[datetime, list[HourCount]] = {hour: [] for hour in hours}
            for counted in self._count(missing[0], missing[-1] + _AN_HOUR):
                found[counted[0]].append(counted)
            # A copy: another thread may be reading the one of before.
            known = {hour: known.get(hour, found[hour]) for hour in hours}
            self._over, self._rested_on = known, rests_on
        for hour in hours:
            yield from known[hour]


def hour_of(at: datetime) -> datetime:
    """The beginning of its hour."""
    return at.replace(minute=0, second=0, microsecond=0)
