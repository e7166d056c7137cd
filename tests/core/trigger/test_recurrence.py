from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.findings import Findings
from flowmend.core.definition.recurrence import read_recurrence
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.trigger import next_occurrence

STARTED = datetime(2026, 1, 14, 9, 17, 23, tzinfo=UTC)  # a Wednesday
BERLIN = "W. Europe Standard Time"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def following(recurrence: Json, after: str, count: int = 1, *, started: datetime = STARTED) -> list[str]:
    """The next times after one, as the run loop asks for them."""
    times: list[str] = []
    last = at(after)
    for _ in range(count):
        due_at = next_occurrence(recurrence, after=last, started_at=started, last=last)
        if due_at is None:
            break
        times.append(due_at.strftime("%Y-%m-%dT%H:%M:%S"))
        last = due_at
    return times


def first(recurrence: Json) -> datetime | None:
    return next_occurrence(recurrence, after=STARTED, started_at=STARTED, last=None)


def every(frequency: str, interval: Json = 1, **parts: Json) -> Json:
    return {"frequency": frequency, "interval": interval, **parts}


def test_without_a_start_time_the_first_is_at_once() -> None:
    assert first(every("Hour")) == STARTED
    assert first(every("Week", schedule={"weekDays": ["Monday"]})) == STARTED


def test_a_start_time_to_come_is_the_first() -> None:
    assert first(every("Day", startTime="2026-02-01T08:00:00Z")) == at("2026-02-01T08:00:00")


def test_a_start_time_gone_by_only_sets_the_grid() -> None:
    assert first(every("Hour", 6, startTime="2025-12-31T20:30:00Z")) == at("2026-01-14T14:30:00")


def test_a_schedule_waits_for_its_slot_no_sooner_than_the_start_time() -> None:
    recurrence = every(
        "Week", startTime="2026-02-01T10:00:00Z", schedule={"weekDays": ["Thursday"], "hours": ["8", 12]}
    )
    assert first(recurrence) == at("2026-02-05T08:00:00")


def test_a_slot_at_the_very_start_time_counts() -> None:
    recurrence = every("Day", startTime="2026-02-01T10:00:00Z", schedule={"hours": [10], "minutes": [0]})
    assert first(recurrence) == at("2026-02-01T10:00:00")


SERIES: list[tuple[str, Json, str, list[str]]] = [
    ("seconds", every("Second", "90"), "2026-01-14T09:17:23", ["2026-01-14T09:18:53", "2026-01-14T09:20:23"]),
    ("minutes drop what was missed", every("Minute", 5), "2026-01-14T10:00:00", ["2026-01-14T10:02:23"]),
    ("days", every("Day", 2), "2026-01-14T09:17:23", ["2026-01-16T09:17:23", "2026-01-18T09:17:23"]),
    ("weeks", every("Week"), "2026-01-14T09:17:23", ["2026-01-21T09:17:23"]),
    (
        "months keep the day they started with",
        every("Month", startTime="2026-01-31T06:00:00Z"),
        "2026-01-31T06:00:00",
        ["2026-02-28T06:00:00", "2026-03-31T06:00:00", "2026-04-30T06:00:00"],
    ),
    (
        "years",
        every("Year", startTime="2024-02-29T00:00:00Z"),
        "2026-01-14T00:00:00",
        ["2026-02-28T00:00:00", "2027-02-28T00:00:00"],
    ),
    (
        "hours times minutes",
        every("Day", schedule={"hours": [17, 8], "minutes": [30, 0]}),
        "2026-01-14T12:00:00",
        ["2026-01-14T17:00:00", "2026-01-14T17:30:00", "2026-01-15T08:00:00", "2026-01-15T08:30:00"],
    ),
    (
        "missing minutes are the start's",
        every("Day", schedule={"hours": [10]}),
        "2026-01-14T12:00:00",
        ["2026-01-15T10:17:23"],
    ),
    (
        "missing hours are the start's",
        every("Day", schedule={"minutes": [5]}),
        "2026-01-14T12:00:00",
        ["2026-01-15T09:05:00"],
    ),
    (
        "week days",
        every("Week", startTime="2026-01-01T07:00:00Z", schedule={"weekDays": ["Friday", "monday"]}),
        "2026-01-14T12:00:00",
        ["2026-01-16T07:00:00", "2026-01-19T07:00:00", "2026-01-23T07:00:00"],
    ),
    (
        "every second week",
        every("Week", 2, startTime="2026-01-05T07:00:00Z", schedule={"weekDays": ["Saturday"]}),
        "2026-01-05T07:00:00",
        ["2026-01-10T07:00:00", "2026-01-24T07:00:00"],
    ),
    (
        "days of the month, the last among them",
        every("Month", startTime="2026-01-01T00:00:00Z", schedule={"monthDays": [15, -1, 31]}),
        "2026-01-20T00:00:00",
        ["2026-01-31T00:00:00", "2026-02-15T00:00:00", "2026-02-28T00:00:00", "2026-03-15T00:00:00"],
    ),
    (
        "the second Tuesday and the last Friday",
        every(
            "Month",
            startTime="2026-01-01T00:00:00Z",
            schedule={"monthlyOccurrences": [{"day": "Tuesday", "occurrence": 2}, {"day": "Friday", "occurrence": -1}]},
        ),
        "2026-01-14T00:00:00",
        ["2026-01-30T00:00:00", "2026-02-10T00:00:00", "2026-02-27T00:00:00"],
    ),
    (
        "a fifth Monday only where there is one",
        every(
            "Month",
            startTime="2026-01-01T00:00:00Z",
            schedule={"monthlyOccurrences": [{"day": "Monday", "occurrence": 5}]},
        ),
        "2026-01-14T00:00:00",
        ["2026-03-30T00:00:00", "2026-06-29T00:00:00"],
    ),
    (
        "the wall clock of a zone",
        every("Day", startTime="2026-03-28T08:00:00", timeZone=BERLIN),
        "2026-03-28T07:00:00",
        ["2026-03-29T06:00:00", "2026-03-30T06:00:00"],
    ),
    (
        "a schedule on the wall clock of a zone",
        every("Day", startTime="2026-10-01T00:00:00", timeZone=BERLIN, schedule={"hours": [9], "minutes": [0]}),
        "2026-10-24T12:00:00",
        ["2026-10-25T08:00:00", "2026-10-26T08:00:00"],
    ),
    (
        "an hour that the clock skips comes later",
        every("Day", startTime="2026-03-27T02:30:00", timeZone=BERLIN),
        "2026-03-28T01:30:00",
        ["2026-03-29T01:30:00", "2026-03-30T00:30:00"],
    ),
    (
        "an hour that comes twice is met once",
        every("Day", startTime="2026-10-24T02:30:00", timeZone=BERLIN),
        "2026-10-24T00:30:00",
        ["2026-10-25T00:30:00", "2026-10-26T01:30:00"],
    ),
    (
        "hours pass by the clock on the wall or not",
        every("Hour", 12, startTime="2026-03-28T20:00:00", timeZone=BERLIN),
        "2026-03-28T19:00:00",
        ["2026-03-29T07:00:00", "2026-03-29T19:00:00"],
    ),
    (
        "an end",
        every("Day", startTime="2026-01-01T00:00:00Z", endTime="2026-01-16T00:00:00Z"),
        "2026-01-14T00:00:00",
        ["2026-01-15T00:00:00", "2026-01-16T00:00:00"],
    ),
    (
        "a day that never comes",
        every("Month", 12, startTime="2026-02-01T00:00:00Z", schedule={"monthDays": [30]}),
        "2026-02-01T00:00:00",
        [],
    ),
    (
        "a leap day comes each fourth year",
        every("Month", 12, startTime="2026-02-01T00:00:00Z", schedule={"monthDays": [29]}),
        "2026-02-01T00:00:00",
        ["2028-02-29T00:00:00", "2032-02-29T00:00:00"],
    ),
]


@pytest.mark.parametrize(
    ("recurrence", "after", "expected"), [row[1:] for row in SERIES], ids=[row[0] for row in SERIES]
)
def test_occurrences_follow_the_rule(recurrence: Json, after: str, expected: list[str]) -> None:
    assert (
        following(recurrence, after, max(len(expected), 1) if expected[-1:] != ["2026-01-16T00:00:00"] else 9)
        == expected
    )


PROBLEMS: list[tuple[str, Json, list[tuple[str, str]]]] = [
    ("none", every("day", timeZone="UTC-11"), []),
    ("frequency", {"frequency": "Fortnight", "interval": 1}, [("InvalidRecurrence", "/r/frequency")]),
    ("interval", every("Day", 0), [("InvalidRecurrence", "/r/interval")]),
    ("expression", every("@parameters('f')"), [("InvalidRecurrence", "/r/frequency")]),
    ("zone", every("Day", timeZone="Middle Earth Time"), [("InvalidRecurrence", "/r/timeZone")]),
    ("start", every("Day", startTime="tomorrow"), [("InvalidRecurrence", "/r/startTime")]),
    ("start without zone", every("Day", startTime="2026-01-01T00:00:00"), [("InvalidRecurrence", "/r/startTime")]),
    (
        "hour",
        every("Day", schedule={"hours": [24, "x"]}),
        [("InvalidRecurrence", "/r/schedule/hours/0"), ("InvalidRecurrence", "/r/schedule/hours/1")],
    ),
    ("week day", every("Week", schedule={"weekDays": ["Mon"]}), [("InvalidRecurrence", "/r/schedule/weekDays/0")]),
    ("out of place", every("Hour", schedule={"minutes": [5]}), [("InvalidRecurrence", "/r/schedule/minutes")]),
    ("day 0", every("Month", schedule={"monthDays": [0]}), [("InvalidRecurrence", "/r/schedule/monthDays/0")]),
    (
        "occurrence",
        every("Month", schedule={"monthlyOccurrences": [{"day": "Monday"}]}),
        [("InvalidRecurrence", "/r/schedule/monthlyOccurrences/0")],
    ),
    ("over the limit", every("Day", 501), [("LimitExceeded", "/r/interval")]),
]


@pytest.mark.parametrize(("recurrence", "expected"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS])
def test_what_does_not_read_is_reported_where_it_stands(recurrence: Json, expected: list[tuple[str, str]]) -> None:
    findings = Findings()
    read_recurrence(recurrence, "/r", findings)
    assert [(problem.code, problem.pointer) for problem in findings.problems] == expected


def test_a_recurrence_that_does_not_read_has_no_next() -> None:
    with pytest.raises(InvalidDocument):
        first({"frequency": "Fortnight"})


@given(
    st.sampled_from(["Second", "Minute", "Hour", "Day", "Week", "Month", "Year"]),
    st.integers(1, 16),
    st.sampled_from([BERLIN, "UTC", "Tokyo Standard Time", "Pacific Standard Time"]),
    st.fixed_dictionaries(
        {"hours": st.lists(st.integers(0, 23), max_size=3), "minutes": st.lists(st.integers(0, 59), max_size=3)}
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants naive bounds
)
def test_the_next_is_always_later_and_on_the_grid_of_all_before(
    frequency: str, interval: int, zone: str, schedule: Json, after: datetime
) -> None:
    recurrence = every(
        frequency,
        interval,
        timeZone=zone,
        startTime="2019-12-31T23:30:00",
        schedule=schedule,
    )
    due_at = next_occurrence(recurrence, after=after, started_at=STARTED, last=after)
    assert due_at is not None
    assert due_at > after
    # Asking from just before gives the same one: nothing lies between.
    assert (
        next_occurrence(recurrence, after=due_at - timedelta(microseconds=1), started_at=STARTED, last=after) == due_at
    )
