"""The `recurrence` of a trigger as a value: how often, from when, at which wall-clock times.

    {frequency, interval, startTime?, endTime?, timeZone?,
     schedule?: {minutes, hours, weekDays, monthDays, monthlyOccurrences: [{day, occurrence}]}}

Source: wdl.md §3, learn.microsoft.com/azure/logic-apps/concepts-schedule-automated-recurring-tasks-workflows
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.step_settings import whole_number
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.dates.zones import zone
from flowmend.core.json_value import Json


class Frequency(StrEnum):
    """The unit of `interval`."""

    SECOND = "Second"
    MINUTE = "Minute"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"
    YEAR = "Year"


_FREQUENCIES: Mapping[str, Frequency] = MappingProxyType({frequency.lower(): frequency for frequency in Frequency})
_LONGEST_INTERVAL: Mapping[Frequency, int] = MappingProxyType(
    {
        Frequency.SECOND: 9_999_999,
        Frequency.MINUTE: 72_000,
        Frequency.HOUR: 12_000,
        Frequency.DAY: 500,
        Frequency.WEEK: 71,
        Frequency.MONTH: 16,
    }
)
_WEEK_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Which parts of a schedule a frequency heeds; any other part is ignored, with a warning.
_SCHEDULE_OF: Mapping[Frequency, frozenset[str]] = MappingProxyType(
    {
        Frequency.DAY: frozenset({"hours", "minutes"}),
        Frequency.WEEK: frozenset({"hours", "minutes", "weekDays"}),
        Frequency.MONTH: frozenset({"hours", "minutes", "monthDays", "monthlyOccurrences"}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times within a period; an empty part is taken from the start.

    week_days: 0 is Monday. month_days: 1 to 31, or -1 for the last. monthly_occurrences: (week day, which), which
    1 to 5, or -1 for the last.
    """

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    monthly_occurrences: tuple[tuple[int, int], ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == Schedule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """starts_at, ends_at: UTC. zone: whose wall clock the schedule and whole days keep.

    starts_on_wall: the start as that clock shows it, without a zone; as written where daylight saving skips it, so that
    `starts_at` is later that day alone.
    """

    frequency: Frequency
    interval: int = 1
    starts_at: datetime | None = None
    starts_on_wall: datetime | None = None
    ends_at: datetime | None = None
    zone: tzinfo = UTC
    schedule: Schedule = field(default_factory=Schedule)


def read_recurrence(raw: Mapping[str, Json], pointer: str, findings: Findings) -> Recurrence | None:
    """The recurrence, None where its frequency, interval, zone or a time does not read."""
    frequency = _FREQUENCIES.get(str(raw.get("frequency", "")).lower())
    if frequency is None:
        named = ", ".join(Frequency)
        _refuse(raw.get("frequency"), pointer_to(pointer, "frequency"), f"The frequency is none of {named}.", findings)
    interval = whole_number(raw.get("interval", 1))
    if interval is None or interval < 1:
        message = "The interval is not a whole number of at least 1."
        _refuse(raw.get("interval"), pointer_to(pointer, "interval"), message, findings)
    home, is_zone_known = _read_zone(raw.get("timeZone"), pointer_to(pointer, "timeZone"), findings)
    is_zoned = bool(raw.get("timeZone"))
    starts = _read_time(raw.get("startTime"), home, pointer_to(pointer, "startTime"), findings, is_zoned=is_zoned)
    ends = _read_time(raw.get("endTime"), home, pointer_to(pointer, "endTime"), findings, is_zoned=is_zoned)
    if frequency is None or interval is None or interval < 1 or not is_zone_known:
        return None
    if (raw.get("startTime") and starts is None) or (raw.get("endTime") and ends is None):
        return None
    longest = _LONGEST_INTERVAL.get(frequency)
    if longest is not None and interval > longest:
        findings.warning(
            "LimitExceeded",
            pointer_to(pointer, "interval"),
            f"{interval} is over the limit of {longest} per {frequency}.",
        )
    # A time that is in its zone already stays as written, also where the clock skips it.
    on_wall = None if starts is None else starts.astimezone(home).replace(tzinfo=None)
    return Recurrence(
        frequency=frequency,
        interval=interval,
        starts_at=None if starts is None else starts.astimezone(UTC),
        starts_on_wall=on_wall,
        ends_at=None if ends is None else ends.astimezone(UTC),
        zone=home,
        schedule=_read_schedule(raw.get("schedule"), frequency, pointer_to(pointer, "schedule"), findings),
    )


def _read_zone(raw: Json, pointer: str, findings: Findings) -> tuple[tzinfo, bool]:
    if not raw:
        return UTC, True
    try:
        return zone(raw if isinstance(raw, str) else ""), True
    except ExpressionError:
        _refuse(raw, pointer, "The time zone is no Windows time zone such as 'W. Europe Standard Time'.", findings)
        return UTC, False


def _read_time(raw: Json, home: tzinfo, pointer: str, findings: Findings, *, is_zoned: bool) -> datetime | None:
    if not raw:
        return None
    try:
        moment = datetime.fromisoformat(raw if isinstance(raw, str) else "")
    except ValueError:
        _refuse(raw, pointer, "This is not a time such as 2026-01-31T09:00:00Z.", findings)
        return None
    if moment.tzinfo is None:
        if not is_zoned:
            findings.warning(
                "InvalidRecurrence", pointer, "The time has no zone and is taken as UTC.", "End it with Z."
            )
        moment = moment.replace(tzinfo=home)
    return moment


def _read_schedule(raw: Json, frequency: Frequency, pointer: str, findings: Findings) -> Schedule:
    if raw is None:
        return Schedule()
    if not isinstance(raw, Mapping):
        findings.error("InvalidRecurrence", pointer, "'schedule' is not an object.")
        return Schedule()
    heeded = _SCHEDULE_OF.get(frequency, frozenset())
    for part in raw:
        if raw[part] and part not in heeded:
            findings.warning(
                "InvalidRecurrence",
                pointer_to(pointer, part),
                f"'{part}' has no meaning every {frequency} and is ignored.",
            )
    used = {part: value for part, value in raw.items() if part in heeded}
    return Schedule(
        minutes=_numbers(used.get("minutes"), range(60), pointer_to(pointer, "minutes"), findings),
        hours=_numbers(used.get("hours"), range(24), pointer_to(pointer, "hours"), findings),
        week_days=_week_days(used.get("weekDays"), pointer_to(pointer, "weekDays"), findings),
        month_days=_numbers(used.get("monthDays"), range(-31, 32), pointer_to(pointer, "monthDays"), findings),
        monthly_occurrences=_occurrences(
            used.get("monthlyOccurrences"), pointer_to(pointer, "monthlyOccurrences"), findings
        ),
    )


def _numbers(raw: Json, allowed: range, pointer: str, findings: Findings) -> tuple[int, ...]:
    numbers = set()
    for index, written in enumerate(_listed(raw, pointer, findings)):
        number = whole_number(written)
        # Only days of a month count backwards, and there is no day 0.
        if number is None or number not in allowed or (number == 0 and allowed.start < 0):
            message = f"This is not a whole number from {max(allowed.start, -1)} to {allowed.stop - 1}."
            _refuse(written, pointer_to(pointer, index), message, findings)
        else:
            numbers.add(number)
    return tuple(sorted(numbers))


def _week_days(raw: Json, pointer: str, findings: Findings) -> tuple[int, ...]:
    days = set()
    for index, written in enumerate(_listed(raw, pointer, findings)):
        day = _week_day(written)
        if day is None:
            _refuse(written, pointer_to(pointer, index), "This is not a day of the week such as 'Monday'.", findings)
        else:
            days.add(day)
    return tuple(sorted(days))


def _occurrences(raw: Json, pointer: str, findings: Findings) -> tuple[tuple[int, int], ...]:
    occurrences = []
    for index, entry in enumerate(_listed(raw, pointer, findings)):
        fields = entry if isinstance(entry, Mapping) else EMPTY
        day, which = _week_day(fields.get("day")), whole_number(fields.get("occurrence"))
        if day is None or which is None or which not in {-1, 1, 2, 3, 4, 5}:
            message = "This is not a 'day' of the week with an 'occurrence' from 1 to 5, or -1 for the last."
            _refuse(entry, pointer_to(pointer, index), message, findings)
        else:
            occurrences.append((day, which))
    return tuple(occurrences)


def _week_day(written: Json) -> int | None:
    name = written.lower() if isinstance(written, str) else ""
    return _WEEK_DAYS.index(name) if name in _WEEK_DAYS else None


def _listed(raw: Json, pointer: str, findings: Findings) -> list[Json]:
    if raw is None or isinstance(raw, list):
        return raw or []
    _refuse(raw, pointer, "This is not a list.", findings)
    return []


def _refuse(raw: Json, pointer: str, message: str, findings: Findings) -> None:
    if isinstance(raw, str) and raw.startswith("["):
        findings.warning(
            "MissingRecurrenceValue",
            pointer,
            f"{message} It is an expression of the deployment template that needs a value nobody gave.",
            "Import the template with the values it asks for, or write the value itself.",
        )
    else:
        findings.error("InvalidRecurrence", pointer, message)
