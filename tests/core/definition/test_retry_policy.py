from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.retry_policy import (
    DEFAULT_RETRY_POLICY,
    NO_RETRIES,
    RetryKind,
    RetryPolicy,
    read_retry_policy,
    wait_before_retry,
)
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json


def seconds(policy: RetryPolicy, attempt: int, draw: float, retry_after: float | None = None) -> float | None:
    wait = wait_before_retry(policy, attempt, draw, retry_after)
    return None if wait is None else wait.total_seconds()


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"), [(1, 5, 7.5), (2, 7.5, 15), (3, 15, 30), (4, 30, 45), (5, None, None)]
)
def test_the_default_tries_four_times_in_growing_ranges(
    attempt: int, shortest: float | None, longest: float | None
) -> None:
    assert seconds(DEFAULT_RETRY_POLICY, attempt, 0.0) == shortest
    assert seconds(DEFAULT_RETRY_POLICY, attempt, 1.0) == longest


def test_a_fixed_policy_waits_the_same_each_time() -> None:
    policy = read_retry_policy({"type": "Fixed", "count": 2, "interval": "PT20S"})
    assert [seconds(policy, attempt, 0.9) for attempt in (1, 2, 3)] == [20, 20, None]


def test_an_exponential_policy_keeps_its_bounds() -> None:
    raw = {
        "type": "exponential",
        "count": 90,
        "interval": "PT10S",
        "minimumInterval": "PT12S",
        "maximumInterval": "PT30S",
    }
    policy = read_retry_policy(raw)
    assert (seconds(policy, 1, 0.0), seconds(policy, 1, 1.0)) == (12, 12)
    assert (seconds(policy, 2, 0.0), seconds(policy, 2, 1.0)) == (12, 20)
    assert (seconds(policy, 90, 0.0), seconds(policy, 90, 1.0)) == (30, 30)


def test_without_bounds_waits_grow_to_a_day() -> None:
    policy = read_retry_policy({"type": "exponential", "count": 90, "interval": "PT5S"})
    assert (policy.minimum, policy.maximum) == (timedelta(seconds=5), timedelta(days=1))
    assert seconds(policy, 80, 0.5) == 86400


def test_retry_after_replaces_the_wait_and_not_the_count() -> None:
    assert seconds(DEFAULT_RETRY_POLICY, 1, 0.5, 120) == 120
    assert seconds(DEFAULT_RETRY_POLICY, 1, 0.5, -3) == 0
    assert seconds(DEFAULT_RETRY_POLICY, 5, 0.5, 120) is None
    assert seconds(NO_RETRIES, 1, 0.5, 120) is None
    assert seconds(DEFAULT_RETRY_POLICY, 1, 0.5, 1e300) == timedelta(days=90).total_seconds()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(None, DEFAULT_RETRY_POLICY), ({"type": "DEFAULT"}, DEFAULT_RETRY_POLICY), ({"type": "None"}, NO_RETRIES)],
)
def test_absent_default_and_none_are_known_in_any_case(raw: Json, expected: RetryPolicy) -> None:
    assert read_retry_policy(raw) == expected


def test_the_count_may_be_an_expression() -> None:
    evaluated = {"type": "fixed", "count": 10, "interval": "PT10S"}
    policy = read_retry_policy({"type": "fixed", "count": "@int('10')", "interval": "PT10S"}, lambda _: evaluated)
    assert (policy.kind, policy.count) == (RetryKind.FIXED, 10)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ("x", "object"),
        ({}, "type"),
        ({"type": "linear"}, "linear"),
        ({"type": "fixed", "interval": "PT10S"}, "count"),
        ({"type": "fixed", "count": 91, "interval": "PT10S"}, "count"),
        ({"type": "fixed", "count": True, "interval": "PT10S"}, "count"),
        ({"type": "fixed", "count": 1}, "interval"),
        ({"type": "fixed", "count": 1, "interval": "10"}, "interval '10'"),
        ({"type": "fixed", "count": 1, "interval": "PT4S"}, "PT5S"),
        ({"type": "exponential", "count": 1, "interval": "PT5S", "maximumInterval": "P2D"}, "maximumInterval"),
        (
            {
                "type": "exponential",
                "count": 1,
                "interval": "PT5S",
                "minimumInterval": "PT9S",
                "maximumInterval": "PT8S",
            },
            "longer",
        ),
    ],
)
def test_a_malformed_policy_is_refused_by_the_part_that_is_wrong(raw: Json, named: str) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        read_retry_policy(raw)
    assert refusal.value.code == "InvalidRetryPolicy"
    assert named in refusal.value.message


@given(
    st.integers(1, 90),
    st.integers(5, 86400),
    st.integers(5, 86400),
    st.integers(5, 86400),
    st.floats(0, 1, exclude_max=True),
)
def test_every_wait_is_within_the_bounds_of_its_policy(
    attempt: int, interval: int, low: int, high: int, draw: float
) -> None:
    policy = RetryPolicy(
        kind=RetryKind.EXPONENTIAL,
        count=90,
        interval=timedelta(seconds=interval),
        minimum=timedelta(seconds=min(low, high)),
        maximum=timedelta(seconds=max(low, high)),
    )
    wait = wait_before_retry(policy, attempt, draw)
    assert wait is not None
    assert policy.minimum <= wait <= policy.maximum
