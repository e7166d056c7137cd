"""Text to timestamps: ISO 8601, and dates as people of a culture write them.

The kind of what was given is kept: `Z` stays UTC, no zone stays none, an offset is converted to UTC and
remembered as such. Observed on the live service.
"""

import re
from datetime import date
from functools import lru_cache

from flowmend.core.expression.cultures import EN_US, Culture, culture
from flowmend.core.expression.dates.timestamp import (
    LAST_TICK,
    TICKS_PER_HOUR,
    TICKS_PER_MINUTE,
    TICKS_PER_SECOND,
    Timestamp,
    ZoneKind,
)

_LONGEST = 200
_ISO = re.compile(
    r"\s*([0-9]{4})-([0-9]{1,2})(?:-([0-9]{1,2}))?"
    r"(?:[T ] *([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?)?"
    r"\s*(Z|[+-][0-9]{1,2}(?::?[0-9]{2})?)?\s*",
    re.IGNORECASE,
)
_ZONE = re.compile(r"(?<=[0-9mM\s.])\s*(Z|GMT|UTC|[+-][0-9]{1,2}:[0-9]{2})\s*$", re.IGNORECASE)
_TIME = re.compile(r"(?:^|(?<=[\sT,]))([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?![0-9:])")
_HOUR = re.compile(r"(?:^|(?<=[\sT,]))([0-9]{1,2})(?=\s*[AaPp][Mm]\b)")
_WORD = re.compile(r"[0-9]+|[^\W\d_]+")
_FILLERS = frozenset({"de", "del", "d", "den", "t", "of"})


def read_timestamp(text: str, local: Culture = EN_US) -> Timestamp | None:
    """The timestamp a text means, or None where it means none."""
    if len(text) > _LONGEST:
        return None
    if iso := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = iso.groups()
        return assemble(
            (int(year), int(month), int(day or 1)),
            (int(hour or 0), int(minute or 0), int(second or 0), fraction or ""),
            zone,
        )
    return _read_written(text, local)


def assemble(day: tuple[int, int, int], clock: tuple[int, int, int, str], zone: str | None) -> Timestamp | None:
    """day: year, month, day. clock: hour, minute, second, digits of its fraction. None where out of range."""
    hour, minute, second, fraction = clock
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        moment = date(*day)
    except ValueError:
        return None
    ticks = hour * TICKS_PER_HOUR + minute * TICKS_PER_MINUTE + second * TICKS_PER_SECOND
    ticks += int(fraction[:7].ljust(7, "0")) if fraction else 0
    if not zone:
        return Timestamp.at(moment, ticks)
    if zone[0] not in "+-":
        return Timestamp.at(moment, ticks, ZoneKind.UTC)
    digits = zone[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    if hours > 14 or minutes > 59:
        return None
    offset = (hours * TICKS_PER_HOUR + minutes * TICKS_PER_MINUTE) * (-1 if zone[0] == "-" else 1)
    utc = Timestamp.at(moment, ticks).ticks - offset
    return Timestamp(utc, ZoneKind.OFFSET) if 0 <= utc <= LAST_TICK else None


def full_year(digits: str) -> int:
    """Two digits are of 1950 to 2049, as .NET has it."""
    year = int(digits)
    if len(digits) > 2:
        return year
    return year + (2000 if year < 50 else 1900)


@lru_cache(maxsize=64)
def words_of(name: str) -> tuple[dict[str, int], dict[str, int]]:
    """({name of a month: 1 to 12}, {name of a day: 0 to 6 from Sunday}) of a culture, lower case, without dots."""
    local = culture(name)
    months: dict[str, int] = {}
    for names in (local.months, local.months_alone, local.short_months):
        months.update({bare(month): number for number, month in enumerate(names, 1)})
    days = {bare(day): number for names in (local.days, local.short_days) for number, day in enumerate(names)}
    return months, days


def bare(word: str) -> str:
    return word.lower().rstrip(".")


def _read_written(text: str, local: Culture) -> Timestamp | None:
    zone = None
    if found := _ZONE.search(text):
        zone, text = found[1], text[: found.start()]
    clock, rest = _take_clock(text, local)
    if clock is None:
        return None
    if zone is not None and zone[0] not in "+-":
        zone = "Z"
    months, days = words_of(local.name)
    numbers: list[str] = []
    month = weekday = None
    month_at = 0
    for word in _WORD.findall(rest):
        if word.isdigit() and word.isascii():
            numbers.append(word)
        elif month is None and bare(word) in months:
            month, month_at = months[bare(word)], len(numbers)
        elif weekday is None and bare(word) in days:
            weekday = days[bare(word)]
        elif bare(word) not in _FILLERS:
            return None
    if re.search(r"[^\w\s,./\-]", rest) or any(len(number) > 4 for number in numbers):
        return None
    day = _day_of(numbers, month, month_at, local.order)
    moment = assemble(day, clock, zone) if day is not None else None
    if moment is not None and weekday is not None and date(*(day or (1, 1, 1))).isoweekday() % 7 != weekday:
        return None
    return moment


def _take_clock(text: str, local: Culture) -> tuple[tuple[int, int, int, str] | None, str]:
    """(the time of day or None where it is out of range, the text without it)."""
    found = _TIME.search(text) or _HOUR.search(text)
    if found is None:
        return (0, 0, 0, ""), text
    minute, second, fraction = (*found.groups(), None, None, None)[1:4]
    hour = int(found[1])
    before, after = text[: found.start()], text[found.end() :]
    for period, is_pm in ((local.am, False), (local.pm, True), ("AM", False), ("PM", True)):
        stripped = after.lstrip(" \u00a0\u202f")
        if period and stripped.lower().startswith(period.lower()):
            if not 1 <= hour <= 12:
                return None, text
            hour, after = hour % 12 + 12 * is_pm, stripped[len(period) :]
            break
    return (hour, int(minute or 0), int(second or 0), fraction or ""), f"{before} {after}"


def _day_of(numbers: list[str], month: int | None, month_at: int, order: str) -> tuple[int, int, int] | None:
    """Year, month and day of the numbers of a date, in the order they stand."""
    if month is not None:
        if len(numbers) == 1 and len(numbers[0]) == 4:
            return int(numbers[0]), month, 1
        if len(numbers) != 2:
            return None
        is_year_first = len(numbers[0]) > 2 or (month_at == 1 and order == "YMD")
        year, day = numbers if is_year_first else (numbers[1], numbers[0])
        return full_year(year), month, int(day)
    if len(numbers) == 2 and len(numbers[1]) == 4:
        return int(numbers[1]), int(numbers[0]), 1
    if len(numbers) != 3:
        return None
    named = dict(zip("YMD" if len(numbers[0]) > 2 else order, numbers, strict=True))
    return full_year(named["Y"]), int(named["M"]), int(named["D"])
