"""How fast a recovery goes: few at once until some went well, a rate where one is set, and what is left of it."""

from datetime import datetime, timedelta

#: Calls of one recovery under way at once: a second break costs no more refusals than these.
MOST_CALLS = 4
#: (as many went well, so many may be under way), the last is the most.
_RAMP = ((0, 4), (4, 16), (16, 64))
#: A recovery that was held up catches up for no longer than this.
_CATCHES_UP = timedelta(seconds=1)
#: Less says nothing about the speed.
_TELLING = 5


def runs_at_once(went_well: int, most: int) -> int:
    """How many runs may be under way. went_well: since the recovery began or went on. most: whatever went well."""
    return min(most, max(runs for enough, runs in _RAMP if went_well >= enough))


def next_at(last_at: datetime | None, now: datetime, per_minute: int | None) -> datetime:
    """When the next run may begin. last_at: when the one before was due, None for the first. per_minute: None for any."""
    if last_at is None or not per_minute:
        return now
    return max(last_at + timedelta(minutes=1) / per_minute, now - _CATCHES_UP)


def time_left(
    *, to_go: int, done: int, began_at: datetime | None, now: datetime, per_minute: int | None
) -> timedelta | None:
    """About how long it takes yet; None where nobody can tell.

    to_go: runs that have not ended. done: that ended since `began_at`. per_minute: where a rate is set.
    """
    if not to_go:
        return timedelta(0)
    limited = timedelta(minutes=1) * to_go / per_minute if per_minute else None
    if began_at is None or done < _TELLING:
        return limited
    measured = (now - began_at) * to_go / done
    return measured if limited is None else max(measured, limited)
