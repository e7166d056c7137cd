"""Limits on what has no row to be counted in."""

from datetime import UTC, datetime, timedelta

from flowmend.use_cases import recent_counts
from flowmend.use_cases.recent_counts import RecentCounts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_so_many_are_allowed_within_the_window_and_the_next_when_the_first_is_over() -> None:
    counts = RecentCounts(most=2, within=timedelta(minutes=15))
    counts.add("ada", NOON)
    assert (counts.left("ada", NOON), counts.free_at("ada", NOON)) == (1, None)
    counts.add("ada", after(5))
    assert (counts.left("ada", after(6)), counts.free_at("ada", after(6))) == (0, after(15))
    assert counts.free_at("ada", after(15)) is None
    assert counts.left("ada", after(15)) == 1
    assert counts.left("ben", NOON) == 2


def test_one_is_taken_back_and_others_stay() -> None:
    counts = RecentCounts(most=2, within=timedelta(minutes=15))
    counts.add("ada", NOON)
    counts.add("ada", after(1))
    counts.forget("ada", NOON)
    counts.forget("nobody", NOON)
    assert counts.left("ada", after(2)) == 1


def test_more_keys_than_there_is_room_for_let_the_oldest_go() -> None:
    counts = RecentCounts(most=1, within=timedelta(minutes=15))
    for number in range(recent_counts._MOST_KEYS + 5):
        counts.add(str(number), NOON)
    assert counts.left("0", NOON) == 1
    assert counts.left(str(recent_counts._MOST_KEYS + 4), NOON) == 0
    counts.add("later", after(20))  # those that are over make room first
    assert counts.left("later", after(20)) == 0
    assert counts.left("5", after(20)) == 1
