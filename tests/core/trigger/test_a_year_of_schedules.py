"""A year of recurrences in eight zones, each with its changes of the clock, against what dateutil computes by itself.

The clock is simulated: it stands at the moment that was announced, the next one is asked for, and so on, as the timers do.
"""

# ruff: noqa: DTZ001  # what stands on a wall has no zone yet

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.trigger.planned_by_dateutil import Plan, moments
from flowmend.core.definition import Trigger
from flowmend.core.trigger import next_occurrence
from flowmend.core.trigger.sliding_window import window_from

#: {Windows name: IANA name}; what is particular about each.
ZONES = {
    "W. Europe Standard Time": "Europe/Berlin",  # forward in March, back in October, at two o'clock
    "Eastern Standard Time": "America/New_York",  # forward and back on other days than in Europe
    "AUS Eastern Standard Time": "Australia/Sydney",  # summer is in January
    "Lord Howe Standard Time": "Australia/Lord_Howe",  # by half an hour only
    "Newfoundland Standard Time": "America/St_Johns",  # half an hour off the full one
    "Taipei Standard Time": "Asia/Taipei",  # never
    "Pacific SA Standard Time": "America/Santiago",  # at midnight, south of the equator
    "Middle East Standard Time": "Asia/Beirut",  # at midnight: one day a year begins at one o'clock
}
NEW_YEAR = datetime(2026, 1, 1)
YEAR_ENDS = datetime(2027, 1, 1, tzinfo=UTC)
ALL_WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

#: What each name says: (frequency, interval, start on the wall clock, schedule)
PLANS: dict[str, tuple[str, int, datetime, dict[str, Any]]] = {
    "seconds": ("Second", 40_009, NEW_YEAR, {}),
    "minutes": ("Minute", 731, NEW_YEAR, {}),
    "every hour": ("Hour", 1, NEW_YEAR + timedelta(minutes=15), {}),
    "every eleven hours": ("Hour", 11, NEW_YEAR, {}),
    "each midnight": ("Day", 1, NEW_YEAR, {}),
    "each half past midnight": ("Day", 1, NEW_YEAR + timedelta(minutes=30), {}),
    "each day in the hour that changes": ("Day", 1, NEW_YEAR + timedelta(hours=2, minutes=15), {}),
    "each day a moment before midnight": ("Day", 1, NEW_YEAR + timedelta(hours=23, minutes=30), {}),
    "every third day": ("Day", 3, NEW_YEAR + timedelta(hours=1, minutes=59, seconds=59), {}),
    "a day's hours and minutes": ("Day", 1, NEW_YEAR, {"hours": [0, 1, 2, 3, 17], "minutes": [0, 15, 30, 45]}),
    "hours with the start's minute": ("Day", 2, NEW_YEAR + timedelta(minutes=7), {"hours": [2, 23]}),
    "minutes in the start's hour": ("Day", 1, NEW_YEAR + timedelta(hours=1), {"minutes": [5, 55]}),
    "a week": ("Week", 1, NEW_YEAR + timedelta(hours=2, minutes=30), {}),
    "each Sunday": ("Week", 1, NEW_YEAR, {"weekDays": ["Sunday"], "hours": [0, 2], "minutes": [30]}),
    "every second week": ("Week", 2, NEW_YEAR, {"weekDays": ["Saturday", "Sunday", "Monday"], "hours": [2]}),
    "a month from its last day": ("Month", 1, datetime(2026, 1, 31, 2, 30), {}),
    "a month with hours": ("Month", 3, datetime(2026, 1, 29), {"hours": [2, 3], "minutes": [30]}),
    "days of a month": ("Month", 1, NEW_YEAR, {"monthDays": [1, 8, 29, 31, -1], "hours": [0, 2], "minutes": [0, 30]}),
    "a month's last Sunday": (
        "Month",
        1,
        NEW_YEAR,
        {"monthlyOccurrences": [{"day": "Sunday", "occurrence": -1}, {"day": "Sunday", "occurrence": 2}], "hours": [2]},
    ),
    "days and occurrences together": (
        "Month",
        1,
        NEW_YEAR + timedelta(hours=3),
        {"monthDays": [5], "monthlyOccurrences": [{"day": "Friday", "occurrence": 5}]},
    ),
    "a start time to come": ("Day", 5, datetime(2026, 5, 17, 13), {"hours": [9, 14], "minutes": [20]}),
}


def plan_of(name: str, zone: str) -> Plan:
    frequency, interval, starts, schedule = PLANS[name]
    return Plan(frequency=frequency, interval=interval, starts=starts, zone=ZONES[zone], schedule=schedule)


def fired(recurrence: dict[str, Any], *, until: datetime, most: int = 100_000) -> list[datetime]:
    """Every moment of a recurrence that was turned on long before it starts, as the timers ask for them."""
    turned_on = datetime(2025, 12, 1, tzinfo=UTC)
    clock, last = turned_on, None
    found: list[datetime] = []
    while len(found) < most:
        due_at = next_occurrence(recurrence, after=clock, started_at=turned_on, last=last)
        if due_at is None or due_at > until:
            break
        found.append(due_at)
        clock = last = due_at
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", PLANS)
def test_a_recurrence_fires_at_the_moments_that_dateutil_computes(name: str, zone: str) -> None:
    plan = plan_of(name, zone)
    expected = moments(plan, until=YEAR_ENDS)
    assert expected
    assert fired(plan.written(zone), until=YEAR_ENDS) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("frequency", "interval"),
    [("Second", 50_021), ("Minute", 1441), ("Hour", 7), ("Day", 1), ("Week", 1), ("Month", 1)],
)
def test_windows_follow_each_other_without_gap_or_overlap(frequency: str, interval: int, zone: str) -> None:
    starts = NEW_YEAR + timedelta(hours=2, minutes=15)
    plan = Plan(frequency=frequency, interval=interval, starts=starts, zone=ZONES[zone], schedule={})
    trigger = sliding(plan.written(zone), delay="PT10M")
    grid = moments(plan, until=YEAR_ENDS)

    windows = []
    window = window_from(trigger, started_at=datetime(2025, 12, 1, tzinfo=UTC), start=None)
    while window is not None and window.end <= YEAR_ENDS:
        windows.append((window.start, window.end, window.due_at - window.end))
        window = window_from(trigger, started_at=datetime(2025, 12, 1, tzinfo=UTC), start=window.end)

    assert windows == [(start, end, timedelta(minutes=10)) for start, end in pairwise(grid)]


@pytest.mark.parametrize("zone", ZONES)
def test_a_recurrence_whose_server_was_down_drops_what_it_missed(zone: str) -> None:
    plan = plan_of("a day's hours and minutes", zone)
    expected = moments(plan, until=YEAR_ENDS)
    recurrence = plan.written(zone)
    turned_on = datetime(2025, 12, 1, tzinfo=UTC)
    missed = expected[100]
    for days in range(1, 300, 9):  # down over every change of the clock, and beside them
        back = missed + timedelta(days=days)
        following = next_occurrence(recurrence, after=back, started_at=turned_on, last=missed)
        assert following == next(at for at in expected if at > back)


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_that_starts_in_an_hour_that_is_skipped_keeps_its_own_hour_afterwards(zone: str) -> None:
    skipped = {
        "Europe/Berlin": datetime(2026, 3, 29, 2, 30),
        "America/New_York": datetime(2026, 3, 8, 2, 30),
        "Australia/Sydney": datetime(2026, 10, 4, 2, 30),
        "Australia/Lord_Howe": datetime(2026, 10, 4, 2, 10),
        "America/St_Johns": datetime(2026, 3, 8, 2, 30),
        "Asia/Taipei": datetime(2026, 3, 8, 2, 30),
        "America/Santiago": datetime(2026, 9, 6, 0, 30),
        "Asia/Beirut": datetime(2026, 3, 29, 0, 30),
    }
    plan = Plan(frequency="Day", interval=1, starts=skipped[ZONES[zone]], zone=ZONES[zone], schedule={})
    assert fired(plan.written(zone), until=YEAR_ENDS) == moments(plan, until=YEAR_ENDS)


numbers = st.lists(st.integers(0, 59), max_size=3, unique=True)
hours = st.lists(st.integers(0, 23), max_size=3, unique=True)
days = st.lists(st.sampled_from(ALL_WEEK), max_size=3, unique=True)
month_days = st.lists(st.sampled_from([*range(1, 32), -1]), max_size=3, unique=True)
starts = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)).map(lambda at: at.replace(microsecond=0))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    frequency = draw(st.sampled_from(["Hour", "Day", "Week", "Month"]))
    schedule: dict[str, Any] = {}
    if frequency != "Hour":
        schedule |= {"hours": sorted(draw(hours)), "minutes": sorted(draw(numbers))}
    if frequency == "Week":
        schedule["weekDays"] = draw(days)
    if frequency == "Month":
        schedule["monthDays"] = draw(month_days)
    return Plan(
        frequency=frequency,
        interval=draw(st.integers(1, 5)),
        starts=draw(starts),
        zone=draw(st.sampled_from(sorted(ZONES.values()))),
        schedule={part: value for part, value in schedule.items() if value},
    )


@given(plan=plans())
@settings(max_examples=150, deadline=None)
def test_any_recurrence_is_due_when_dateutil_says(plan: Plan) -> None:
    windows_zone = next(name for name, zone in ZONES.items() if zone == plan.zone)
    until = datetime(2027, 12, 31, tzinfo=UTC)
    expected = moments(plan, until=until)[:60]
    assert fired(plan.written(windows_zone), until=until, most=60) == expected


def sliding(recurrence: dict[str, Any], *, delay: str) -> Trigger:
    return Trigger(name="windows", pointer="", type="SlidingWindow", inputs={"delay": delay}, recurrence=recurrence)
