"""Timestamps to text, by .NET's date formats.

Source: learn.microsoft.com/dotnet/standard/base-types/custom-date-and-time-format-strings
"""

from datetime import date

from flowmend.core.expression.cultures import EN_US, Culture
from flowmend.core.expression.dates.patterns import INVARIANT, Part, custom_pattern, parts_of
from flowmend.core.expression.dates.timestamp import (
    TICKS_PER_HOUR,
    TICKS_PER_MINUTE,
    TICKS_PER_SECOND,
    Timestamp,
    ZoneKind,
)


def format_timestamp(moment: Timestamp, form: str | None, culture: Culture = EN_US) -> str:
    """The text of a timestamp; without a format the round trip `2018-03-25T00:00:00.0000000Z`.

    Errors: ExpressionError for a format that is not valid.
    """
    if not form or form in ("o", "O"):
        return _round_trip(moment)
    parts = parts_of(custom_pattern(form, culture))
    names = EN_US if form in INVARIANT else culture
    has_day = any(part.letter == "d" and part.count <= 2 for part in parts)
    written: list[str] = []
    clock = _Clock(moment)
    for part in parts:
        text = part.text or _field(part, clock, names, has_day=has_day)
        if part.letter == "F" and not text and written and written[-1].endswith("."):
            written[-1] = written[-1][:-1]
        written.append(text)
    return "".join(written)


def format_duration(ticks: int) -> str:
    """A TimeSpan in .NET's constant form: `[-][d.]hh:mm:ss[.fffffff]`."""
    sign = "-" if ticks < 0 else ""
    seconds, fraction = divmod(abs(ticks), TICKS_PER_SECOND)
    days, seconds = divmod(seconds, 86_400)
    day_part = f"{days}." if days else ""
    fraction_part = f".{fraction:07d}" if fraction else ""
    return f"{sign}{day_part}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction_part}"


class _Clock:
    __slots__ = ("day", "fraction", "hour", "kind", "minute", "second")

    def __init__(self, moment: Timestamp) -> None:
        rest = moment.ticks_in_day
        self.day: date = moment.day
        self.hour = rest // TICKS_PER_HOUR
        self.minute = rest // TICKS_PER_MINUTE % 60
        self.second = rest // TICKS_PER_SECOND % 60
        self.fraction = rest % TICKS_PER_SECOND
        self.kind = moment.kind


def _round_trip(moment: Timestamp) -> str:
    clock = _Clock(moment)
    return (
        f"{clock.day.year:04d}-{clock.day.month:02d}-{clock.day.day:02d}"
        f"T{clock.hour:02d}:{clock.minute:02d}:{clock.second:02d}.{clock.fraction:07d}{moment.kind}"
    )


def _field(part: Part, clock: _Clock, culture: Culture, *, has_day: bool) -> str:
    count = part.count
    match part.letter:
        case "d" | "M":
            return _date_field(part, clock.day, culture, has_day=has_day)
        case "y":
            return _year(clock.day.year, count)
        case "H":
            return _padded(clock.hour, count)
        case "h":
            return _padded((clock.hour + 11) % 12 + 1, count)
        case "m":
            return _padded(clock.minute, count)
        case "s":
            return _padded(clock.second, count)
        case "f":
            return f"{clock.fraction:07d}"[:count]
        case "F":
            return f"{clock.fraction:07d}"[:count].rstrip("0")
        case "t":
            period = culture.am if clock.hour < 12 else culture.pm
            return period[:1] if count == 1 else period
        case "K":
            return clock.kind.value * count
        case "z":
            return ("+0", "+00", ZoneKind.OFFSET.value)[min(count, 3) - 1]
        case "g":
            return "A.D."
        case ":":
            return culture.time_separator
        case "/":
            return culture.date_separator
        case _:
            return ""


def _date_field(part: Part, day: date, culture: Culture, *, has_day: bool) -> str:
    if part.letter == "d":
        if part.count <= 2:
            return _padded(day.day, part.count)
        return (culture.short_days if part.count == 3 else culture.days)[day.isoweekday() % 7]
    if part.count <= 2:
        return _padded(day.month, part.count)
    if part.count == 3:
        return culture.short_months[day.month - 1]
    return (culture.months if has_day else culture.months_alone)[day.month - 1]


def _year(year: int, count: int) -> str:
    return _padded(year % 100, count) if count <= 2 else f"{year:0{count}d}"


def _padded(number: int, count: int) -> str:
    return str(number) if count == 1 else f"{number:02d}"
