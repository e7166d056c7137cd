"""Whether the database takes writes is told once each way."""

import logging

import pytest

from flowmend.core.errors import StoreUnavailable
from flowmend.store.condition import StoreCondition

FULL = StoreUnavailable("The disk is full.", code="StoreFull")


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def condition(seconds: Seconds) -> StoreCondition:
    return StoreCondition(seconds)


def test_a_refused_write_is_told_once_however_many_follow(
    condition: StoreCondition, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(300):
        seconds.now += 0.1
        condition.refused(FULL)

    assert condition.trouble is FULL
    assert [record.getMessage() for record in caplog.records] == ["Nothing can be written: The disk is full."]


def test_a_small_write_taken_between_refusals_is_no_recovery(
    condition: StoreCondition, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(30):
        condition.refused(FULL)
        condition.taken()
        seconds.now += 1

    assert condition.trouble is FULL
    assert len(caplog.records) == 1


def test_a_write_taken_after_a_quiet_while_ends_the_trouble_and_says_how_long_it_lasted(
    condition: StoreCondition, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    condition.refused(FULL)
    seconds.now += 2
    condition.refused(FULL)
    seconds.now += 4
    assert condition.trouble is None
    condition.taken()
    condition.taken()

    assert [record.getMessage() for record in caplog.records][1:] == [
        "The database takes writes again; for 2 s it refused 2."
    ]
    condition.refused(FULL)
    assert len(caplog.records) == 3


def test_what_follows_from_a_known_trouble_is_no_warning_of_its_own(
    condition: StoreCondition, seconds: Seconds
) -> None:
    assert condition.log_level == logging.WARNING
    condition.refused(FULL)
    assert condition.log_level == logging.DEBUG
    seconds.now += 10
    assert condition.log_level == logging.WARNING
