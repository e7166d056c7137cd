"""When a connection is probed: by its own slot in every period, sooner where something is doubtful, not at all where a
probe could only do harm.

A slot is a stable hash of the connection's id, so that probes are spread evenly over the period, whoever starts when, and
a restart moves none. Probing a dead password locks its account, so a broken connection waits for its owner, save where
what broke it passes without one.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Category, FixableBy

#: A doubtful connection is looked at again after this, then twice as long, …; never later than by its slot.
FIRST_WAIT = timedelta(minutes=1)
#: The call that raised a doubt refreshes and repeats by itself; asked before that is done, a service would be asked twice.
SETTLES_WITHIN = timedelta(seconds=3)
#: What nobody uses is asked for so many times less often.
UNUSED_FACTOR = 4
#: A broken connection that may recover by itself is asked no sooner: lock-outs open within the hour, and a single sign-in
#: per hour opens no new one.
LEAST_WAIT_BROKEN = timedelta(hours=1)
#: Tokens idle for so long are renewed: the shortest idle limit of a known provider is 30 days (`forecast.IDLE_LIMITS`).
KEEP_ALIVE = timedelta(days=7)
#: A connection nobody has proven yet is looked at once more so long before a scheduled run.
LAST_LOOK = timedelta(minutes=10)

#: What a server missed while it was down is made up for within this, not all in one moment.
CATCH_UP = timedelta(hours=1)
#: A little late is what any start is.
LATE_AFTER = timedelta(minutes=10)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DOUBLINGS = 16
_SLOTS = 2**32


def next_slot(connection_id: str, after: datetime, period: timedelta) -> datetime:
    """The connection's next slot, later than `after` by at most a period."""
    share = int.from_bytes(hashlib.sha256(connection_id.encode("utf-8", "surrogatepass")).digest()[:4]) / _SLOTS
    begun = (after - _EPOCH) // period
    slot = _EPOCH + (begun + share) * period
    return slot if slot > after else slot + period


def passes_by_itself(category: str, fixable_by: str) -> bool:
    """Whether what broke a connection may end without its owner entering anything.

    That is what time heals (a lock-out, logon hours), a clock that somebody sets, and a rule of sign-in that an
    administrator lifts: the credential itself was not found wrong, so asking again risks nothing. All else needs another
    credential, which no probe brings.
    """
    if fixable_by == FixableBy.WAIT:
        return True
    by_admin = {Category.CLOCK_SKEW, Category.POLICY_BLOCKED}
    return fixable_by == FixableBy.ADMIN and category in by_admin


def next_probe_at(
    connection_id: str,
    health: HealthState,
    now: datetime,
    period: timedelta,
    *,
    doubts: int = 0,
    heals: bool = False,
    retry_after: timedelta = timedelta(0),
) -> datetime | None:
    """When to probe next; None where a probe could tell nothing or would do harm.

    period: zero where nothing is probed. doubts: answers in a row that neither proved nor refused the credential. heals: as
    `passes_by_itself` says of what broke it. retry_after: what the service asked for, which is always waited for.
    """
    if not period:
        return None
    slot = next_slot(connection_id, now + retry_after, period)
    if health in {HealthState.PENDING_CONSENT, HealthState.REPAIRING}:
        return None
    if health is HealthState.BROKEN:
        return max(slot, now + LEAST_WAIT_BROKEN) if heals else None
    if doubts:
        wait = FIRST_WAIT * (1 << min(doubts - 1, _MOST_DOUBLINGS))
        return min(now + max(wait, retry_after), slot)
    if health is HealthState.SUSPECT:
        return now + max(SETTLES_WITHIN, retry_after)
    return slot


def counts_as_probe(health: HealthState, last_good_at: datetime | None, now: datetime, period: timedelta) -> bool:
    """Whether a good call is so fresh that asking would tell nothing new."""
    return health is HealthState.CONNECTED and last_good_at is not None and now - last_good_at < period


def looks_ahead(
    run_at: datetime, now: datetime, lead: timedelta, last_look_at: datetime | None, *, is_proven: bool
) -> bool:
    """Whether a connection is to be probed now for a run that begins at `run_at`.

    Once within the lead time; once more in the last minutes where nothing has proven it since. last_look_at: the last probe
    or good call. is_proven: that it was good.
    """
    if not now < run_at <= now + lead:
        return False
    if last_look_at is None or last_look_at < run_at - lead:
        return True
    return not is_proven and run_at <= now + LAST_LOOK and last_look_at < run_at - LAST_LOOK
