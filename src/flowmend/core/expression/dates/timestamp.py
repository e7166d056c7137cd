"""A point in time with .NET's precision, and what is known about its zone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from flowmend.core.errors import ExpressionError

TICKS_PER_SECOND = 10_000_000
TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND
TICKS_PER_HOUR = 60 * TICKS_PER_MINUTE
TICKS_PER_DAY = 24 * TICKS_PER_HOUR
LAST_TICK = date.max.toordinal() * TICKS_PER_DAY - 1


class ZoneKind(StrEnum):
    """What follows the time when it is printed with `K`; the text is that suffix."""

    UTC = "Z"
    OFFSET = "+00:00"  # was given with an offset, and converted
    NONE = ""


class ExactTime(datetime):
    """An aware UTC datetime that keeps the seventh digit of a second, which Python's own has no place for.

    odd_ticks: 0 to 9, in units of 100 ns.
    """

    odd_ticks: int = 0

    @classmethod
    def at_tick(cls, ticks: int) -> "ExactTime":
        seconds, rest = divmod(ticks % TICKS_PER_DAY, TICKS_PER_SECOND)
        day = date.fromordinal(ticks // TICKS_PER_DAY + 1)
        hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
        exact = cls(day.year, day.month, day.day, hour, minute, second, rest // 10, tzinfo=UTC)
        exact.odd_ticks = rest % 10
        return exact


@dataclass(frozen=True, slots=True)
class Timestamp:
    """ticks: of 100 ns since 0001-01-01T00:00:00, in UTC unless kind is NONE."""

    ticks: int
    kind: ZoneKind = ZoneKind.NONE

    @staticmethod
    def of(value: datetime) -> "Timestamp":
        """The same time as an aware datetime, in UTC."""
        utc = value.astimezone(UTC)
        seconds = utc.toordinal() * 86_400 - 86_400 + utc.hour * 3600 + utc.minute * 60 + utc.second
        odd_ticks = value.odd_ticks if isinstance(value, ExactTime) else 0
        return Timestamp(seconds * TICKS_PER_SECOND + utc.microsecond * 10 + odd_ticks, ZoneKind.UTC)

    @staticmethod
    def at(day: date, ticks_in_day: int = 0, kind: ZoneKind = ZoneKind.NONE) -> "Timestamp":
        return Timestamp((day.toordinal() - 1) * TICKS_PER_DAY + ticks_in_day, kind)

    def plus(self, ticks: int) -> "Timestamp":
        """Errors: ExpressionError outside the years 1 to 9999."""
        moved = self.ticks + ticks
        if not 0 <= moved <= LAST_TICK:
            raise ExpressionError("The resulting date and time is outside the years 0001 to 9999.")
        return Timestamp(moved, self.kind)

    def plus_months(self, months: int) -> "Timestamp":
        """Clamps to the end of the month: a month after January 31 is the end of February."""
        day = self.day
        year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
        if not 1 <= year <= date.max.year:
            raise ExpressionError("The resulting date and time is outside the years 0001 to 9999.")
        last = days_in_month(year, month + 1)
        return Timestamp.at(date(year, month + 1, min(day.day, last)), self.ticks_in_day, self.kind)

    @property
    def day(self) -> date:
        return date.fromordinal(self.ticks // TICKS_PER_DAY + 1)

    @property
    def ticks_in_day(self) -> int:
        return self.ticks % TICKS_PER_DAY

    def naive(self) -> datetime:
        """The wall clock, to the microsecond."""
        return ExactTime.at_tick(self.ticks).replace(tzinfo=None)


def days_in_month(year: int, month: int) -> int:
    if month == 12:
        return 31
    return (date(year, month + 1, 1) - date(year, month, 1)).days
