"""Every use of a secret is noted: what for, for which run and action, where it went, how it ended, and when.

A note is handed to the journal and goes with what that writes next, so noting waits for nothing. The page that tells of a
call is written after the note of it, hence never without it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.store import Store
from flowmend.store.journal import AddSecretUse
from flowmend.store.rows import ConnectionRow, SecretUseRow

if TYPE_CHECKING:  # it holds what is defined here
    from flowmend.use_cases.ports import Services

#: A note that nothing else is written after waits no longer than this.
_WRITTEN_WITHIN_SECONDS = 1.0
#: Old uses are removed in slices this small, so that no run waits for the database meanwhile.
_SLICE = 500
_BETWEEN_SLICES_SECONDS = 0.05
OK = "OK"
#: By a provider that gave no code.
REFUSED = "Refused"


class Purpose(StrEnum):
    """What a secret was used for."""

    CALL = "call"  # an action or trigger of a flow, also a test run
    REFRESH = "refresh"  # new tokens for old
    PROBE = "probe"  # a test of what is stored
    VERIFY = "verify"  # a test of a new one, before it replaces the old
    REPAIR_LINK = "repair_link"  # as verify, by someone who was sent a link
    CONSENT = "consent"  # a sign-in in the browser or on another device: its code exchanged for tokens
    REVOKE = "revoke"  # tokens given back before their connection is deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    """On whose behalf secrets are used just now. purpose: instead of the one named at the place of use, None for that."""

    purpose: Purpose | None = None
    run_name: str = ""
    action: str = ""


#: A secret is used deep below whoever wants it; carried along as tracing does, instead of through every signature.
_reason: ContextVar[_Reason] = ContextVar("reason_of_use", default=_Reason())  # noqa: B039  # frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePage:
    """Uses of one connection's secret, newest first. cursor: of the next page, 0 at the end."""

    rows: Sequence[SecretUseRow]
    cursor: int


class SecretUses:
    """Takes notes; safe to call wherever a secret is used, and never in the way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writing: asyncio.TimerHandle | None = None

    def note(self, row: SecretUseRow) -> None:
        """Keep that a secret was used. Errors: none; on a running event loop only."""
        self._store.journal.ride_along(AddSecretUse(row=row))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().call_later(_WRITTEN_WITHIN_SECONDS, self._write)

    def _write(self) -> None:
        self._writing = None
        if self._store.journal.has_riders:
            self._store.journal.submit_riders()


@contextmanager
def used_for(purpose: Purpose | None = None, *, run_name: str = "", action: str = "") -> Iterator[None]:
    """Within: secrets are used for this run's action, or for this purpose instead of the one named where they are used."""
    before = _reason.set(_Reason(purpose=purpose, run_name=run_name, action=action))
    try:
        yield
    finally:
        _reason.reset(before)


def on_behalf_of() -> tuple[str, str]:
    """(run, action) that is being worked for just now, ("", "") for none."""
    reason = _reason.get()
    return reason.run_name, reason.action


def note_use(services: "Services", row: ConnectionRow, purpose: Purpose, *, outcome: str, host: str = "") -> None:
    """Keep that this connection's secret was used now.

    outcome: the code it ended with, "" for a good end. host: where it went, "" for the connection's own addresses.
    """
    reason = _reason.get()
    services.secret_uses.note(
        SecretUseRow(
            at=services.clock.now,
            connection_id=row.connection_id,
            purpose=(reason.purpose or purpose).value,
            run_name=reason.run_name,
            action=reason.action,
            host=host or hosts_of(row),
            outcome=outcome or OK,
        )
    )


def note_sign_in(services: "Services", row: ConnectionRow, purpose: Purpose, answer: object, *, host: str) -> None:
    """Keep that what signs this connection in was shown to its provider. answer: the refusal, or what was got."""
    outcome = (answer.code or REFUSED) if isinstance(answer, SignInRefusal) else ""
    note_use(services, row, purpose, outcome=outcome, host=host)


def hosts_of(row: ConnectionRow) -> str:
    """The hosts a connection's secret may be sent to."""
    origins = row.allowed_origins if isinstance(row.allowed_origins, list) else []
    return ", ".join(urlsplit(str(one)).netloc for one in origins)


async def list_uses(
    services: "Services", connection_id: str, *, purpose: str = "", outcome: str = "", limit: int = 50, cursor: int = 0
) -> UsePage:
    """Uses of a connection's secret, also those of this very moment; of a deleted connection too."""
    await services.store.journal.write(())
    rows, following = services.store.secret_uses.list(
        connection_id, purpose=purpose, outcome=outcome, limit=limit, cursor=cursor
    )
    return UsePage(rows=rows, cursor=following)


async def forget_old_uses(services: "Services", now: datetime) -> int:
    """Remove what is older than the setting says, slice by slice; how many there were. 0 days keeps all."""
    days, gone = services.settings.secret_uses_days, 0
    if not days:
        return 0
    while removed := await asyncio.to_thread(
        services.store.secret_uses.forget_before, now - timedelta(days=days), most=_SLICE
    ):
        gone += removed
        await asyncio.sleep(_BETWEEN_SLICES_SECONDS)
    return gone
