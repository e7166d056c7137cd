"""Put a proven credential in place of the old one, in one statement; the old one stays sealed beside it until the first
good use, and can be put back.

The statement holds only while the credential is still the one that was read, so of several at once one wins, and whoever
is killed leaves either the old or the new, whole.
"""

from collections.abc import Callable

from flowmend.core.connection.account import NOBODY, Identity
from flowmend.core.connection.credentials import Credential, OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict, SecretUnreadable
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connection_reports import NO_REFUSAL
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.credential_lifetimes import lifetime_columns
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential, seal_credential, seal_previous

#: Refreshes may renew the old tokens again and again while a new sign-in waits to replace them.
_MOST_RETRIES = 5

Permit = Callable[[], None]


def swap(
    services: Services,
    row: ConnectionRow,
    changed: ConnectionRow,
    credential: Credential,
    health: HealthState,
    *,
    identity: Identity = NOBODY,
    keeps_previous: bool = True,
) -> None:
    """Errors: Conflict `CredentialChanged` where the credential is no longer the one `row` was read with."""
    sealed = seal_credential(services.vault, changed, credential)
    is_other = identity.is_same(row.account_name, row.account_id) is False  # somebody has confirmed that it is the same
    columns: dict[str, object] = {
        "parameters": changed.parameters,
        "allowed_origins": changed.allowed_origins,
        "account_name": identity.name if is_other else row.account_name or changed.account_name or identity.name,
        "account_id": identity.id if is_other else row.account_id or identity.id,
        "shares_with": "",
        **lifetime_columns(row, credential),
        "changed_at": services.clock.now,
        **good(services, health),
    }
    for left in reversed(range(_MOST_RETRIES)):
        columns["sealed_candidate"] = _previous(services, row) if keeps_previous else b""
        try:
            services.store.connections.swap_credential(row.connection_id, row.credential_version, sealed, **columns)
        except Conflict:
            current = services.store.connections.get(row.connection_id)
            if left == 0 or current is None or not _was_only_renewed(services, row, current):
                raise
            row = current
        else:
            break
    services.store.connections.forget_attempts(row.connection_id)


def good(services: Services, health: HealthState) -> dict[str, object]:
    """The columns of a connection whose credential was just replaced or proven."""
    now = services.clock.now
    columns: dict[str, object] = {"health": health, "health_changed_at": now, "doubts": 0, **NO_REFUSAL}
    if health is HealthState.CONNECTED:
        columns["last_good_at"] = now
    return columns


def mark_connected(services: Services, renewed: OpenedConnection) -> bool:
    """Write that a connection is good, whose tokens were just renewed. False where somebody gave it another credential
    meanwhile: then its health tells of that one.
    """
    row, holder = renewed.row, renewed.holder
    for _ in range(_MOST_RETRIES):
        columns = good(services, HealthState.CONNECTED)
        if services.store.connections.change_while_current(row.connection_id, row.credential_version, **columns):
            return True
        current = services.store.connections.get(row.connection_id)
        if current is None or current.shares_with != row.shares_with:
            return False
        try:
            now_held = credential_holder(services, current)
        except Conflict:
            return False
        if not _was_only_renewed(services, holder, now_held):
            return False
        row, holder = current, now_held
    return False


def share(services: Services, row: ConnectionRow, holder: ConnectionRow) -> None:
    """Let a connection sign in with another's credential from now on. Errors: Conflict `CredentialChanged`."""
    services.store.connections.share_credential(
        row.connection_id,
        row.credential_version,
        holder.connection_id,
        sealed_candidate=_previous(services, row),
        account_id=row.account_id or holder.account_id,
        expires_at=holder.expires_at,
        lasts_until=holder.lasts_until,
        lasts_until_kind=holder.lasts_until_kind,
        changed_at=services.clock.now,
        **good(services, HealthState.CONNECTED),
    )


def _previous(services: Services, row: ConnectionRow) -> bytes:
    try:
        return seal_previous(services.vault, row)
    except (Conflict, SecretUnreadable):
        return b""


def _was_only_renewed(services: Services, before: ConnectionRow, now: ConnectionRow) -> bool:
    """Whether the credential differs only because its tokens were refreshed meanwhile, not by somebody's choice."""
    same = ("parameters", "allowed_origins", "shares_with", "sealed_candidate")
    if any(getattr(before, name) != getattr(now, name) for name in same):
        return False
    try:
        old, new = open_credential(services.vault, before), open_credential(services.vault, now)
    except (Conflict, SecretUnreadable):
        return False
    return isinstance(old, OAuthCredential) and isinstance(new, OAuthCredential)
