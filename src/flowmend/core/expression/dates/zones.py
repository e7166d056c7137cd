"""Time zones by Windows name, as the service knows them (`W. Europe Standard Time`)."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.dates.timestamp import TICKS_PER_SECOND, Timestamp, ZoneKind

_ZERO = timedelta()


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """The zone of a Windows id, any case, or of an IANA id.

    Errors: ExpressionError for an id that is neither.
    """
    wanted = name.strip().lower()
    if wanted in {"utc", "etc/utc"}:
        return UTC
    windows = _windows_names().get(wanted)
    if windows is None and "/" not in wanted:
        raise _unknown(name)
    try:
        return ZoneInfo(windows or name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _unknown(name) from error


def from_utc(moment: Timestamp, name: str) -> Timestamp:
    """The wall clock in a zone; of UTC it stays marked as such."""
    target = zone(name)
    if target is UTC:
        return Timestamp(moment.ticks, ZoneKind.UTC)
    try:
        offset = _aware(moment, UTC).astimezone(target).utcoffset()
    except OverflowError as error:  # at the very ends of the calendar
        raise ExpressionError("The resulting date and time is outside the years 0001 to 9999.") from error
    return Timestamp(moment.plus(_ticks(offset)).ticks)


def to_utc(moment: Timestamp, name: str) -> Timestamp:
    """UTC of a wall clock in a zone; in the hour that occurs twice, standard time is meant, as .NET has it."""
    source = zone(name)
    if source is UTC:
        return Timestamp(moment.ticks, ZoneKind.UTC)
    local = _aware(moment, source)
    offset = min(local.utcoffset() or _ZERO, local.replace(fold=1).utcoffset() or _ZERO)
    return Timestamp(moment.plus(-_ticks(offset)).ticks, ZoneKind.UTC)


def is_utc(name: str) -> bool:
    return zone(name) is UTC


def _aware(moment: Timestamp, at: tzinfo) -> datetime:
    return moment.naive().replace(tzinfo=at)


def _ticks(offset: timedelta | None) -> int:
    return round((offset or _ZERO).total_seconds()) * TICKS_PER_SECOND


@lru_cache(maxsize=1)
def _windows_names() -> dict[str, str]:
    from babel.core import get_global

    mapping: dict[str, str] = dict(get_global("windows_zone_mapping"))
    return {name.lower(): iana for name, iana in mapping.items()}


def _unknown(name: str) -> ExpressionError:
    return ExpressionError(
        f"The provided time zone id '{name}' is not valid: it is no Windows time zone, such as "
        "'W. Europe Standard Time'."
    )
