"""When a recurrence is due next, in wall-clock time that keeps its hour across changes of daylight saving.

Rules (wdl.md §3): without a start time the first occurrence is at once, when the flow is turned on; with one
in the future no sooner than it; one in the past only sets the grid. What was missed is dropped.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.recurrence import Frequency, Recurrence, read_recurrence
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

_SECONDS: Mapping[Frequency, int] = {Frequency.SECOND: 1, Frequency.MINUTE: 60, Frequency.HOUR: 3600}
_DAYS: Mapping[Frequency, int] = {Frequency.DAY: 1, Frequency.WEEK: 7}

# The Gregorian calendar repeats after 400 years: a day not met by then, such as 31 February, never comes.
_FARTHEST_YEARS = 400


def next_occurrence(
    recurrence: Mapping[str, Json], *, after: datetime, started_at: datetime, last: datetime | None
) -> datetime | None:
    """The first occurrence later than `after`, in UTC; None when there will be none.

    started_at: when the flow was turned on. last: the time of the previous occurrence as it was planned, None
    before the first, which without a start time is `started_at` itself.
    Errors: InvalidDocument with the problems of a recurrence that does not read.
    """
    findings = Findings()
    read = read_recurrence(recurrence, "", findings)
    if read is None:
        problems = findings.problems
        raise InvalidDocument(problems[0].message, problems, code="InvalidRecurrence")
    if read.starts_at is None and last is None:
        due_at = started_at.astimezone(UTC)
        return due_at if read.ends_at is None or due_at <= read.ends_at else None
    return _next(read, after=max(after, last or after).astimezone(UTC), started_at=started_at.astimezone(UTC))


def _next(recurrence: Recurrence, *, after: datetime, started_at: datetime) -> datetime | None:
    anchor = recurrence.starts_at or started_at
    is_scheduled = not recurrence.schedule.is_empty
    if recurrence.starts_at is not None and anchor > after and not is_scheduled:
        due_at: datetime | None = anchor
    elif recurrence.frequency in _SECONDS:
        due_at = _next_by_clock(recurrence, anchor, after)
    else:
        due_at = _next_by_calendar(recurrence, anchor, after)
    if due_at is None or (recurrence.ends_at is not None and due_at > recurrence.ends_at):
        return None
    return due_at


def _next_by_clock(recurrence: Recurrence, anchor: datetime, after: datetime) -> datetime | None:
    step = timedelta(seconds=_SECONDS[recurrence.frequency] * recurrence.interval)
    try:
        return anchor + ((after - anchor) // step + 1) * step
    except OverflowError:
        return None


def _next_by_calendar(recurrence: Recurrence, anchor: datetime, after: datetime) -> datetime | None:
    home = recurrence.starts_on_wall or anchor.astimezone(recurrence.zone)
    if recurrence.starts_at is None and recurrence.schedule.minutes:
        # A schedule that names its minutes means the full minute, not the second in which somebody turned it on.
        home = home.replace(second=0, microsecond=0)
    earliest = max(after, anchor - timedelta.resolution)
    try:
        for day in _days(recurrence, home, earliest.astimezone(recurrence.zone).date()):
            # A wall-clock time that daylight saving skips comes as much later as the clock was put forward.
            moments = (
                datetime.combine(day, at, tzinfo=recurrence.zone).astimezone(UTC) for at in _times(recurrence, home)
            )
            due_at = min((moment for moment in moments if moment > earliest), default=None)
            if due_at is not None:
                return due_at
    except OverflowError:
        return None
    return None


def _times(recurrence: Recurrence, home: datetime) -> Iterator[time]:
    schedule = recurrence.schedule
    for hour in schedule.hours or (home.hour,):
        for minute in schedule.minutes or (home.minute,):
            yield time(hour, minute, home.second, home.microsecond)


def _days(recurrence: Recurrence, home: datetime, earliest: date) -> Iterator[date]:
    """The days that have an occurrence, ascending, from the day before `earliest` or sooner."""
    if recurrence.frequency in _DAYS:
        return _days_by_count(recurrence, home.date(), earliest)
    return _days_by_month(recurrence, home.date(), earliest)


def _days_by_count(recurrence: Recurrence, first: date, earliest: date) -> Iterator[date]:
    length = _DAYS[recurrence.frequency] * recurrence.interval
    week_days = recurrence.schedule.week_days
    # Weeks begin on Monday here; which day the service counts from is not documented.
    period = first - timedelta(days=first.weekday()) if week_days else first
    period += max((earliest - period).days // length - 1, 0) * timedelta(days=length)
    while True:
        for day in week_days or (0,):
            yield period + timedelta(days=day)
        period += timedelta(days=length)


def _days_by_month(recurrence: Recurrence, first: date, earliest: date) -> Iterator[date]:
    length = recurrence.interval * (12 if recurrence.frequency is Frequency.YEAR else 1)
    month = first.year * 12 + first.month - 1
    elapsed = earliest.year * 12 + earliest.month - 1 - month
    month += max(elapsed // length - 1, 0) * length
    farthest = (earliest.year + _FARTHEST_YEARS) * 12
    while month <= min(farthest, 9999 * 12 + 11):
        yield from _days_of_month(recurrence, month // 12, month % 12 + 1, first.day)
        month += length


def _days_of_month(recurrence: Recurrence, year: int, month: int, default_day: int) -> list[date]:
    first_week_day, length = monthrange(year, month)
    schedule = recurrence.schedule
    if not schedule.month_days and not schedule.monthly_occurrences:
        return [date(year, month, min(default_day, length))]
    days = {day if day > 0 else length + 1 + day for day in schedule.month_days}
    for week_day, which in schedule.monthly_occurrences:
        same = range((week_day - first_week_day) % 7 + 1, length + 1, 7)
        if which <= len(same):
            days.add(same[which - 1 if which > 0 else which])
    return [date(year, month, day) for day in sorted(days) if 1 <= day <= length]
