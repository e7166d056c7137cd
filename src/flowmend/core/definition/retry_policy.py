"""Retry policies: how often, and after how long, a call that failed for a while is tried again.

Source: wdl.md §4, learn.microsoft.com/azure/logic-apps/error-exception-handling#retry-policies
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from flowmend.core.definition.durations import parse_duration
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

_SHORTEST_INTERVAL = timedelta(seconds=5)
_LONGEST_INTERVAL = timedelta(days=1)
_MOST_RETRIES = 90
# No run lives longer, and a server's Retry-After may name any number.
_LONGEST_RETRY_AFTER = timedelta(days=90)


class RetryKind(StrEnum):
    """How the waits follow each other."""

    NONE = "none"  # the first answer counts
    FIXED = "fixed"  # the same wait each time
    EXPONENTIAL = "exponential"  # a random wait from a range that doubles each time


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """count: retries after the first try, 0 for none. minimum, maximum: bounds of an exponential wait."""

    kind: RetryKind
    count: int = 0
    interval: timedelta = timedelta()
    minimum: timedelta = _SHORTEST_INTERVAL
    maximum: timedelta = _LONGEST_INTERVAL


#: What `retryPolicy: {type: default}` and an absent policy mean: Logic Apps' own default.
DEFAULT_RETRY_POLICY = RetryPolicy(
    kind=RetryKind.EXPONENTIAL, count=4, interval=timedelta(seconds=7.5), maximum=timedelta(seconds=45)
)
NO_RETRIES = RetryPolicy(kind=RetryKind.NONE)


def read_retry_policy(raw: Json, evaluate: Callable[[Json], Json] = lambda value: value) -> RetryPolicy:
    """The policy of a `retryPolicy` object, its expressions evaluated; the default for None.

    Errors: InvalidDocument with code InvalidRetryPolicy naming the part that is wrong; whatever `evaluate` raises.
    """
    policy = evaluate(raw)
    if policy is None:
        return DEFAULT_RETRY_POLICY
    if not isinstance(policy, Mapping):
        raise _invalid("it is not an object with a 'type'")
    kind = str(policy.get("type", "")).lower()
    if kind == "default":
        return DEFAULT_RETRY_POLICY
    if kind == RetryKind.NONE:
        return NO_RETRIES
    if kind not in {RetryKind.FIXED, RetryKind.EXPONENTIAL}:
        raise _invalid(f"its type '{policy.get('type')}' is none of default, none, fixed and exponential")
    minimum = _interval(policy, "minimumInterval", default=_SHORTEST_INTERVAL)
    maximum = _interval(policy, "maximumInterval", default=_LONGEST_INTERVAL)
    if minimum > maximum:
        raise _invalid("its minimumInterval is longer than its maximumInterval")
    return RetryPolicy(
        kind=RetryKind(kind),
        count=_count(policy.get("count")),
        interval=_interval(policy, "interval"),
        minimum=minimum,
        maximum=maximum,
    )


def wait_before_retry(
    policy: RetryPolicy, attempt: int, draw: float, retry_after_seconds: float | None = None
) -> timedelta | None:
    """How long to wait before the next try, or None to give up.

    attempt: 1 after the first failure. draw: in [0, 1), picks the point in the range. retry_after_seconds:
    what the server asked for, which replaces the policy's wait and never its count.
    Source: wdl.md §4: retry n waits between max(2^(n-2)*interval, minimum) and min(2^(n-1)*interval, maximum).
    """
    if attempt > policy.count:
        return None
    if retry_after_seconds is not None:
        return timedelta(seconds=min(max(retry_after_seconds, 0.0), _LONGEST_RETRY_AFTER.total_seconds()))
    if policy.kind is RetryKind.FIXED:
        return policy.interval
    # 5 s doubled 15 times is past a day, so both ends are at the maximum then; going on would only overflow.
    doublings = min(attempt - 1, 16)
    upper = min(policy.interval * (1 << doublings), policy.maximum)
    lower = max(policy.interval * (1 << doublings) / 2 if attempt > 1 else timedelta(), policy.minimum)
    # Late retries reach the maximum with both ends, and a minimum may lie over the first upper end.
    lower = min(lower, policy.maximum)
    return lower + max(upper - lower, timedelta()) * draw


def _count(raw: Json) -> int:
    # An interpolation such as "@{variables('tries')}" gives the number as a text.
    number = int(raw) if isinstance(raw, str) and raw.strip().isdecimal() and len(raw) <= 20 else raw
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _MOST_RETRIES:
        raise _invalid(f"its count is not a whole number from 1 to {_MOST_RETRIES}")
    return number


def _interval(policy: Mapping[str, Json], key: str, default: timedelta | None = None) -> timedelta:
    raw = policy.get(key)
    if raw is None and default is not None:
        return default
    if not isinstance(raw, str):
        raise _invalid(f"its {key} is not a duration such as 'PT20S'")
    try:
        interval = parse_duration(raw)
    except InvalidDocument as error:
        raise _invalid(f"its {key} '{raw[:64]}' is not an ISO 8601 duration such as 'PT20S'") from error
    if not _SHORTEST_INTERVAL <= interval <= _LONGEST_INTERVAL:
        raise _invalid(f"its {key} '{raw}' is not between PT5S and P1D")
    return interval


def _invalid(reason: str) -> InvalidDocument:
    return InvalidDocument(f"The retry policy is not valid: {reason}.", code="InvalidRetryPolicy")
