"""When a recurrence is due, computed a second time: by dateutil's rules and its own reading of the zones.

Choices (wdl.md §3 leaves them open): seconds, minutes and hours pass as they do; days, weeks and months keep the wall
clock. A wall-clock time that is skipped comes as much later as the clock was put forward, one that comes twice is met
the first time, and two that fall on one moment are one. A month without the day it began with has its last instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from dateutil import tz
from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday

_ELAPSING = {"Second": 1, "Minute": 60, "Hour": 3600}
_BY_CALENDAR = {"Day": DAILY, "Week": WEEKLY, "Month": MONTHLY}
_WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A recurrence in dateutil's terms. starts: on the wall clock of `zone`, an IANA name; without a zone of its own."""

    frequency: str
    interval: int
    starts: datetime
    zone: str
    schedule: dict[str, Any]

    def written(self, windows_zone: str) -> dict[str, Any]:
        """As it stands in a definition."""
        return {
            "frequency": self.frequency,
            "interval": self.interval,
            "startTime": self.starts.isoformat(),
            "timeZone": windows_zone,
            **({"schedule": self.schedule} if self.schedule else {}),
        }


def moments(plan: Plan, *, until: datetime) -> list[datetime]:
    """Every moment up to `until`, in UTC, in order."""
    home = tz.gettz(plan.zone)
    assert home is not None, f"dateutil knows no zone {plan.zone}"
    begins = _moment(plan.starts, home)
    if plan.frequency in _ELAPSING:
        return list(takewhile(lambda at: at <= until, _elapsing(plan, begins)))
    last_wall = until.astimezone(home).replace(tzinfo=None) + timedelta(days=1)
    found = {_moment(wall, home) for wall in _walls(plan, last_wall)}
    return sorted(at for at in found if begins <= at <= until)


def _elapsing(plan: Plan, begins: datetime) -> Iterator[datetime]:
    at = begins
    while True:
        yield at
        at += timedelta(seconds=_ELAPSING[plan.frequency] * plan.interval)


def _walls(plan: Plan, last: datetime) -> Iterator[datetime]:
    schedule = plan.schedule
    if plan.frequency == "Month" and not ({"monthDays", "monthlyOccurrences"} & schedule.keys()):
        return _months(plan, last)
    # What is before the start is left out afterwards: on the first day the start's own time may come later than a slot's.
    first = plan.starts.replace(hour=0, minute=0)
    parts: dict[str, Any] = {
        "interval": plan.interval,
        "dtstart": first,
        "until": last,
        "byhour": schedule.get("hours") or plan.starts.hour,
        "byminute": schedule.get("minutes") or plan.starts.minute,
        "bysecond": plan.starts.second,
    }
    if plan.frequency == "Week":
        days = schedule.get("weekDays")
        parts["byweekday"] = [_WEEK_DAYS.index(day) for day in days] if days else plan.starts.weekday()
    rules = []
    if plan.frequency == "Month":
        if days := schedule.get("monthDays"):
            rules.append({"bymonthday": days})
        if named := schedule.get("monthlyOccurrences"):
            rules.append({"byweekday": [weekday(_WEEK_DAYS.index(one["day"]), one["occurrence"]) for one in named]})
    frequency = _BY_CALENDAR[plan.frequency]
    return (wall for rule in rules or [{}] for wall in rrule(frequency, **parts, **rule))


def _months(plan: Plan, last: datetime) -> Iterator[datetime]:
    hours, minutes = plan.schedule.get("hours"), plan.schedule.get("minutes")
    for count in range(0, 10_000, plan.interval):
        day = plan.starts + relativedelta(months=count)
        if day > last:
            return
        for hour in hours or [day.hour]:
            for minute in minutes or [day.minute]:
                yield day.replace(hour=hour, minute=minute)


def _moment(wall: datetime, home: Any) -> datetime:
    return tz.resolve_imaginary(wall.replace(tzinfo=home)).astimezone(UTC)
