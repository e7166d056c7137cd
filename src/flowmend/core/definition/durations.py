"""ISO 8601 durations as definitions write them: `PT1H`, `P1DT12H`, `PT7.5S`."""

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from flowmend.core.errors import InvalidDocument

# ISO 8601-1 §5.5.2: P[nY][nM][nD][T[nH][nM][nS]] or PnW, the smallest part may have a fraction.
# `PT.5S` (no leading digit) is not in the standard, but .NET's reader takes it and flows carry it.
_NUMBER = r"(?:\d+(?:[.,]\d*)?|[.,]\d+)"
_DURATION = re.compile(
    rf"(?P<sign>-?)P(?!$)(?:(?P<weeks>{_NUMBER})W)?(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>{_NUMBER})D)?"
    rf"(?:T(?!$)(?:(?P<hours>{_NUMBER})H)?(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?)?",
    re.ASCII,
)
_LONGEST_TEXT = 64

#: The units of an interval `{count, unit}` in lower case, with their lengths; a month's depends on when it begins.
UNITS: Mapping[str, timedelta | None] = MappingProxyType(
    {
        "second": timedelta(seconds=1),
        "minute": timedelta(minutes=1),
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(weeks=1),
        "month": None,
    }
)

# .NET's XmlConvert.ToTimeSpan, which the service uses, counts a year as 365 days and a month as 30.
_DAYS_PER_YEAR = 365
_DAYS_PER_MONTH = 30


def parse_duration(text: str) -> timedelta:
    """The length of time an ISO 8601 duration names.

    Errors: InvalidDocument naming the text, also when it is longer than a timedelta can hold.
    """
    match = _DURATION.fullmatch(text.strip()) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise _unreadable(text)
    part = {name: _number(match[name]) for name in ("weeks", "years", "months", "days", "hours", "minutes", "seconds")}
    days = part["years"] * _DAYS_PER_YEAR + part["months"] * _DAYS_PER_MONTH + part["days"] + part["weeks"] * 7
    try:
        length = timedelta(days=days, hours=part["hours"], minutes=part["minutes"], seconds=part["seconds"])
    except OverflowError as error:
        raise _unreadable(text) from error
    return -length if match["sign"] else length


def _number(text: str | None) -> float:
    return float(text.replace(",", ".")) if text else 0.0


def _unreadable(text: str) -> InvalidDocument:
    shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
    return InvalidDocument(f"'{shown}' is not an ISO 8601 duration such as 'PT30S' or 'P1D'.", code="InvalidDuration")
