"""How fast a recovery goes, and what is left of it."""

from datetime import UTC, datetime, timedelta

import pytest

from flowmend.core.repair.pace import next_at, runs_at_once, time_left

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("went_well", "most", "runs"),
    [(0, 64, 4), (3, 64, 4), (4, 64, 16), (16, 64, 64), (999, 64, 64), (999, 8, 8), (0, 1, 1)],
)
def test_few_are_under_way_until_some_went_well(went_well: int, most: int, runs: int) -> None:
    assert runs_at_once(went_well, most) == runs


def test_without_a_rate_the_next_one_is_due_now() -> None:
    assert next_at(NOON, NOON, None) == NOON
    assert next_at(None, NOON, 50) == NOON


def test_a_rate_spaces_them_evenly() -> None:
    assert next_at(NOON, NOON, 50) == NOON + timedelta(seconds=1.2)


def test_a_recovery_that_was_held_up_catches_up_for_no_longer_than_a_second() -> None:
    late = NOON + timedelta(minutes=5)
    assert next_at(NOON, late, 600) == late - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("to_go", "done", "per_minute", "left"),
    [
        (0, 9, None, timedelta(0)),
        (100, 0, None, None),
        (100, 0, 50, timedelta(minutes=2)),
        (100, 10, None, timedelta(seconds=100)),
        (100, 10, 10, timedelta(minutes=10)),
    ],
    ids=["over", "unknown", "by its rate", "as measured", "the slower of both"],
)
def test_how_long_it_takes_yet(to_go: int, done: int, per_minute: int | None, left: timedelta | None) -> None:
    began_at = NOON - timedelta(seconds=10)
    assert time_left(to_go=to_go, done=done, began_at=began_at, now=NOON, per_minute=per_minute) == left
