"""Date and time functions. Text in, text out; the zone kind of the input decides the suffix of the output."""

from collections.abc import Callable
from decimal import Decimal

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import Number
from flowmend.core.expression.cultures import EN_US, culture
from flowmend.core.expression.dates.exact_reading import read_exactly
from flowmend.core.expression.dates.formatting import format_duration, format_timestamp
from flowmend.core.expression.dates.reading import read_timestamp
from flowmend.core.expression.dates.timestamp import (
    TICKS_PER_DAY,
    TICKS_PER_HOUR,
    TICKS_PER_MINUTE,
    TICKS_PER_SECOND,
    Timestamp,
    ZoneKind,
)
from flowmend.core.expression.dates.zones import from_utc, is_utc, to_utc
from flowmend.core.expression.functions.function import Function, Kind, Takes, pure
from flowmend.core.expression.scope import Scope

_FURTHEST = 10**12  # of any unit; more than the calendar has seconds
_TICKS_PER_UNIT = {
    "second": TICKS_PER_SECOND,
    "minute": TICKS_PER_MINUTE,
    "hour": TICKS_PER_HOUR,
    "day": TICKS_PER_DAY,
    "week": 7 * TICKS_PER_DAY,
}
_MONTHS_PER_UNIT = {"month": 1, "year": 12}


def _read(function: str, text: str) -> Timestamp:
    moment = read_timestamp(text)
    if moment is None:
        raise _not_a_date(function, text)
    return moment


def _not_a_date(function: str, text: str) -> ExpressionError:
    return ExpressionError(
        f"In function '{function}', the value provided for date time string '{text[:200]}' was not valid. "
        "The datetime string must match ISO 8601 format."
    )


def _moved(function: str, moment: Timestamp, count: Number, unit: str) -> Timestamp:
    name = unit.strip().lower().removesuffix("s")
    if not -_FURTHEST <= count <= _FURTHEST:
        raise ExpressionError("The resulting date and time is outside the years 0001 to 9999.")
    if name in _TICKS_PER_UNIT:
        return moment.plus(int(Decimal(str(count)) * _TICKS_PER_UNIT[name]))
    if name in _MONTHS_PER_UNIT:
        return moment.plus_months(int(count) * _MONTHS_PER_UNIT[name])
    raise ExpressionError(
        f"In function '{function}', the value provided for the time unit '{unit[:200]}' was not valid. The time unit "
        "must be one of 'Second', 'Minute', 'Hour', 'Day', 'Week', 'Month', 'Year'."
    )


def _adding(name: str, unit: str) -> Function:
    def implementation(text: str, count: Number, form: str | None = None) -> str:
        return format_timestamp(_moved(name, _read(name, text), count, unit), form)

    return pure(name, implementation, _TEXT, Takes.NUMBER, _TEXT, least=2)


def _moving(name: str, sign: int) -> Function:
    def implementation(text: str, count: int, unit: str, form: str | None = None) -> str:
        return format_timestamp(_moved(name, _read(name, text), sign * count, unit), form)

    return pure(name, implementation, _TEXT, Takes.INTEGER, _TEXT, _TEXT, least=3)


def _from_now(name: str, sign: int) -> Function:
    def implementation(scope: Scope, count: int, unit: str, form: str | None = None) -> str:
        return format_timestamp(_moved(name, Timestamp.of(scope.now()), sign * count, unit), form)

    takes = (Takes.INTEGER, _TEXT, _TEXT)
    return Function(name=name, implementation=implementation, takes=takes, least=2, most=3, kind=Kind.SCOPED)


def _utc_now(scope: Scope, form: str | None = None) -> str:
    return format_timestamp(Timestamp.of(scope.now()), form)


def _format(text: str, form: str | None = None, locale: str | None = None) -> str:
    return format_timestamp(_read("formatDateTime", text), form, culture(locale))


def _parse(text: str, locale: str | None = None, form: str | None = None) -> str:
    local = culture(locale) if locale else EN_US
    moment = read_exactly(text, form, local) if form else read_timestamp(text, local)
    if moment is None:
        raise _not_a_date("parseDateTime", text)
    return format_timestamp(moment, None)


def _start(name: str, begin: Callable[[Timestamp], Timestamp]) -> Function:
    def implementation(text: str, form: str | None = None) -> str:
        return format_timestamp(begin(_read(name, text)), form)

    return pure(name, implementation, _TEXT, _TEXT, least=1)


def _start_of_hour(moment: Timestamp) -> Timestamp:
    return moment.plus(-(moment.ticks % TICKS_PER_HOUR))


def _start_of_day(moment: Timestamp) -> Timestamp:
    return moment.plus(-moment.ticks_in_day)


def _start_of_month(moment: Timestamp) -> Timestamp:
    return Timestamp.at(moment.day.replace(day=1), kind=moment.kind)


def _difference(start: str, end: str) -> str:
    return format_duration(_read("dateDifference", end).ticks - _read("dateDifference", start).ticks)


def _convert_from_utc(text: str, zone: str, form: str | None = None) -> str:
    return format_timestamp(from_utc(_read("convertFromUtc", text), zone), form)


def _convert_to_utc(text: str, zone: str, form: str | None = None) -> str:
    return format_timestamp(_in_utc("convertToUtc", text, zone), form)


def _convert_time_zone(text: str, source: str, target: str, form: str | None = None) -> str:
    return format_timestamp(from_utc(_in_utc("convertTimeZone", text, source), target), form)


def _in_utc(function: str, text: str, zone: str) -> Timestamp:
    moment = _read(function, text)
    if moment.kind is not ZoneKind.NONE and not is_utc(zone):
        raise ExpressionError(
            f"In function '{function}', the value provided for date time string '{text[:200]}' already names its zone, "
            f"so it cannot be converted from '{zone[:200]}'. Remove the zone, or convert from 'UTC'."
        )
    return to_utc(moment, zone)


_TEXT = Takes.STRING

FUNCTIONS = (
    Function(name="utcNow", implementation=_utc_now, takes=(_TEXT,), least=0, most=1, kind=Kind.SCOPED),
    _from_now("getFutureTime", 1),
    _from_now("getPastTime", -1),
    _adding("addSeconds", "second"),
    _adding("addMinutes", "minute"),
    _adding("addHours", "hour"),
    _adding("addDays", "day"),
    _moving("addToTime", 1),
    _moving("subtractFromTime", -1),
    pure("formatDateTime", _format, _TEXT, _TEXT, _TEXT, least=1),
    pure("parseDateTime", _parse, _TEXT, _TEXT, _TEXT, least=1),
    _start("startOfHour", _start_of_hour),
    _start("startOfDay", _start_of_day),
    _start("startOfMonth", _start_of_month),
    pure("dayOfMonth", lambda text: _read("dayOfMonth", text).day.day, _TEXT),
    pure("dayOfWeek", lambda text: _read("dayOfWeek", text).day.isoweekday() % 7, _TEXT),
    pure("dayOfYear", lambda text: _read("dayOfYear", text).day.timetuple().tm_yday, _TEXT),
    pure("ticks", lambda text: _read("ticks", text).ticks, _TEXT),
    pure("dateDifference", _difference, _TEXT, _TEXT),
    pure("convertFromUtc", _convert_from_utc, _TEXT, _TEXT, _TEXT, least=2),
    pure("convertToUtc", _convert_to_utc, _TEXT, _TEXT, _TEXT, least=2),
    pure("convertTimeZone", _convert_time_zone, _TEXT, _TEXT, _TEXT, _TEXT, least=3),
)
