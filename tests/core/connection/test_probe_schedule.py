from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe_schedule import (
    LEAST_WAIT_BROKEN,
    SETTLES_WITHIN,
    counts_as_probe,
    looks_ahead,
    next_probe_at,
    next_slot,
    passes_by_itself,
)
from flowmend.core.outcome import Category, FixableBy

NOW = datetime(2026, 3, 2, 8, 17, tzinfo=UTC)
PERIOD, MINUTE, HOUR = timedelta(hours=6), timedelta(minutes=1), timedelta(hours=1)


@given(st.text(max_size=40), st.integers(0, 10**9), st.integers(60, 10**6))
def test_a_slot_comes_once_in_every_period(name: str, seconds: int, period_seconds: int) -> None:
    period = timedelta(seconds=period_seconds)
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    slot = next_slot(name, now, period)
    assert now < slot <= now + period
    assert abs(next_slot(name, slot, period) - slot - period) < timedelta(milliseconds=1)


def test_ten_thousand_connections_are_spread_evenly() -> None:
    slots = Counter((next_slot(f"connection-{n}", NOW, PERIOD) - NOW) // (PERIOD / 24) for n in range(10_000))
    assert len(slots) == 24
    assert all(320 < count < 520 for count in slots.values())  # 417 each; five standard deviations


@pytest.mark.parametrize(
    ("category", "fixable_by", "passes"),
    [
        (Category.DISABLED_ACCOUNT, FixableBy.WAIT, True),
        (Category.CLOCK_SKEW, FixableBy.ADMIN, True),
        (Category.POLICY_BLOCKED, FixableBy.ADMIN, True),
        (Category.DISABLED_ACCOUNT, FixableBy.ADMIN, False),
        (Category.CLIENT_SECRET_EXPIRED, FixableBy.ADMIN, False),
        (Category.WRONG_PASSWORD, FixableBy.REVERIFY, False),
        (Category.REVOKED, FixableBy.REVERIFY, False),
        (Category.MFA, FixableBy.REVERIFY, False),
        (Category.POLICY_BLOCKED, FixableBy.REVERIFY, False),
        ("", "", False),
    ],
)
def test_only_what_passes_without_another_credential_is_asked_again(
    category: str, fixable_by: str, passes: bool
) -> None:
    assert passes_by_itself(category, fixable_by) is passes


@pytest.mark.parametrize("state", HealthState)
def test_what_no_probe_can_help_is_not_probed(state: HealthState) -> None:
    at = next_probe_at("c", state, NOW, PERIOD)
    assert (at is None) is (state in {HealthState.BROKEN, HealthState.PENDING_CONSENT, HealthState.REPAIRING})


def test_a_suspect_is_probed_at_once_and_then_ever_less_often() -> None:
    assert next_probe_at("c", HealthState.SUSPECT, NOW, PERIOD) == NOW + SETTLES_WITHIN
    waits = [next_probe_at("c", HealthState.SUSPECT, NOW, PERIOD, doubts=n) for n in range(1, 30)]
    slot = next_slot("c", NOW, PERIOD)
    assert waits[:3] == [NOW + MINUTE, NOW + 2 * MINUTE, NOW + 4 * MINUTE]
    assert waits[-1] == slot


def test_what_a_service_asks_to_wait_is_waited() -> None:
    for state, doubts in ((HealthState.CONNECTED, 1), (HealthState.SUSPECT, 0), (HealthState.CONNECTED, 0)):
        at = next_probe_at("c", state, NOW, PERIOD, doubts=doubts, retry_after=HOUR)
        assert at is not None
        assert at >= NOW + HOUR


def test_a_broken_one_that_heals_is_asked_by_its_slot_and_never_within_the_hour() -> None:
    for name in map(str, range(50)):
        at = next_probe_at(name, HealthState.BROKEN, NOW, PERIOD, heals=True)
        assert at == max(next_slot(name, NOW, PERIOD), NOW + LEAST_WAIT_BROKEN)


def test_a_fresh_good_call_is_as_good_as_a_probe() -> None:
    assert counts_as_probe(HealthState.CONNECTED, NOW - HOUR, NOW, PERIOD)
    assert not counts_as_probe(HealthState.CONNECTED, NOW - PERIOD, NOW, PERIOD)
    assert not counts_as_probe(HealthState.CONNECTED, None, NOW, PERIOD)
    assert not counts_as_probe(HealthState.SUSPECT, NOW, NOW, PERIOD)


LEAD = 2 * HOUR


@pytest.mark.parametrize(
    ("what", "run_in", "looked", "is_proven", "looks"),
    [
        ("too early", 3 * HOUR, None, False, False),
        ("never looked", 2 * HOUR, None, False, True),
        ("looked before the lead", HOUR, 3 * HOUR, True, True),
        ("looked within it", HOUR, MINUTE, True, False),
        ("last minutes, proven", 5 * MINUTE, HOUR, True, False),
        ("last minutes, not proven", 5 * MINUTE, HOUR, False, True),
        ("last minutes, looked in them", 5 * MINUTE, MINUTE, False, False),
        ("over", -MINUTE, None, False, False),
    ],
)
def test_a_scheduled_run_is_looked_ahead_of(
    what: str, run_in: timedelta, looked: timedelta | None, is_proven: bool, looks: bool
) -> None:
    last = None if looked is None else NOW - looked
    assert looks_ahead(NOW + run_in, NOW, LEAD, last, is_proven=is_proven) is looks, what
