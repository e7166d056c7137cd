"""How many refusals are risked: repeated ones lock accounts out at many services.

Every entrance counts here: the verify page, the API, the CLI, a repair link, a test of what is stored, and making a new
connection to an account. What has a connection is counted with it, in the store; what has none yet, in memory by account.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from flowmend.core.connection.credentials import Credential, OAuthCredential
from flowmend.core.errors import FlowmendError, TooManyAttempts
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import CredentialTest
from flowmend.use_cases.recent_counts import RecentCounts

#: Services commonly lock an account after five to ten failed sign-ins (connectors.md, Diagnosis).
MOST_REFUSED = 3
WITHIN = timedelta(minutes=15)

Testing = Callable[[], Awaitable[CredentialTest]]


def new_account_attempts() -> RecentCounts:
    """Counts refusals of accounts that no connection is signed in as yet."""
    return RecentCounts(most=MOST_REFUSED, within=WITHIN)


async def at_risk(
    services: Services, row: ConnectionRow, credential: Credential, testing: Testing
) -> tuple[CredentialTest, int]:
    """(what the test showed, how many more refusals are risked).

    The attempt counts as refused while it is under way, so that several at once risk no more than one after another.
    Errors: TooManyAttempts; what `testing` raises.
    """
    if isinstance(credential, OAuthCredential):  # tokens are not guessed, and no account is locked for them
        return await testing(), MOST_REFUSED
    store, now = services.store.connections, services.clock.now
    left = attempts_left(services, row.connection_id)
    attempt = store.risk_attempt(row.connection_id, at=now, since=now - WITHIN, most=MOST_REFUSED)
    if attempt is None:  # another process was quicker
        attempts_left(services, row.connection_id)
        raise _too_many(row.connection_id, now + WITHIN, now)
    try:
        test = await testing()
    except FlowmendError:
        store.forget_attempt(attempt)
        raise
    if test.diagnosis is not None and test.diagnosis.connection_broken:
        return test, left - 1
    store.forget_attempt(attempt)
    return test, left


async def at_risk_of_new(services: Services, row: ConnectionRow, testing: Testing) -> CredentialTest:
    """As `at_risk` for a connection that is not kept yet; refusals count for the account, however often it is tried.

    A connection of the same account bears the refusal with it: what it has left is what the account has left.
    """
    now = services.clock.now
    known = _of_account(services, row)
    for one in known:
        attempts_left(services, one.connection_id)
    key = "\n".join((row.connector_id, row.account_name.casefold(), *sorted(row.allowed_origins or ())))
    free_at = services.new_account_attempts.free_at(key, now)
    if free_at is not None:
        raise _too_many("", free_at, now)
    risked = [
        services.store.connections.risk_attempt(one.connection_id, at=now, since=now - WITHIN, most=MOST_REFUSED)
        for one in known
    ]
    services.new_account_attempts.add(key, now)
    was_refused = False
    try:
        test = await testing()
        was_refused = test.diagnosis is not None and test.diagnosis.connection_broken
        return test
    finally:
        if not was_refused:
            services.new_account_attempts.forget(key, now)
            for attempt in risked:
                if attempt is not None:
                    services.store.connections.forget_attempt(attempt)


def attempts_left(services: Services, connection_id: str) -> int:
    """How many more refusals are risked now. Errors: TooManyAttempts where none is."""
    now = services.clock.now
    refused = [one for one in services.store.connections.attempts(connection_id, now - WITHIN) if one.was_refused]
    left = MOST_REFUSED - len(refused)
    if left <= 0:
        raise _too_many(connection_id, refused[-MOST_REFUSED].at + WITHIN, now)
    return left


def _of_account(services: Services, row: ConnectionRow) -> list[ConnectionRow]:
    if not row.account_name:
        return []
    name, origins = row.account_name.casefold(), set(row.allowed_origins or ())
    return [
        one
        for one in services.store.connections.list(connector_id=row.connector_id)
        if one.account_name.casefold() == name and origins & set(one.allowed_origins or ())
    ]


def _too_many(connection_id: str, free_at: datetime, now: datetime) -> TooManyAttempts:
    why = f"The service refused {MOST_REFUSED} attempts in the last 15 minutes, and more could lock the account out."
    return TooManyAttempts.until(free_at, now, why, target=connection_id)
