"""One sign-in mends all: what was proven of one connection mends the other broken ones of the same account.

A password or key is tried on each where it may go, and replaces the old one where it is proven there too. A sign-in by
OAuth is shared instead: one rotating refresh token held twice would burn, so the others use the one that was proven.
A secret never goes to an address it was not given for.
"""

import asyncio
import logging

from msgspec.structs import replace

from flowmend.core.connection.credentials import Credential, OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connector.operation import Connector
from flowmend.core.connector.request import ANY_ORIGIN
from flowmend.core.connector.scopes import missing_scopes
from flowmend.core.errors import Conflict, FlowmendError, SecretUnreadable, StoreUnavailable
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.attempts import at_risk
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.held_events import release_held
from flowmend.use_cases.incident_watch import note_proof
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import test_credential
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.secret_uses import Purpose, used_for
from flowmend.use_cases.swap_credential import share, swap

_log = logging.getLogger(__name__)


def mended_with(services: Services, row: ConnectionRow) -> list[ConnectionRow]:
    """The broken connections that one sign-in to `row` would mend too, by name."""
    if not row.account_name:
        return []
    return [one for one in services.store.connections.broken_beside(row) if _is_of_account(one, row)]


async def mend_others(services: Services, connection_id: str, *, person_id: str) -> tuple[str, ...]:
    """Mend the other broken connections of the account that this one was just proven for; the ids of those mended.

    Errors: StoreUnavailable. What keeps one of them from being mended leaves that one broken and is logged.
    """
    row = services.store.connections.get(connection_id)
    if row is None or row.health is not HealthState.CONNECTED:
        return ()
    try:
        holder = credential_holder(services, row)
        credential = open_credential(services.vault, holder)
    except (Conflict, SecretUnreadable):
        return ()
    mended: list[str] = []
    for other in mended_with(services, row):
        try:
            is_mended = await _mended(services, other, holder, credential)
        except StoreUnavailable:
            raise
        except FlowmendError as error:
            _log.info("Connection %s was not mended along with %s: %s", other.connection_id, connection_id, error.code)
            continue
        if is_mended is None:  # refused where it was proven just now: going on would lock the account
            break
        if is_mended:
            mended.append(other.connection_id)
            services.store.audit.note(
                person_id, "verify", other.connection_id, {"with": connection_id}, at=services.clock.now
            )
            services.changes.publish(
                "connection", connection_id=other.connection_id, health=HealthState.CONNECTED.value
            )
            await note_proof(services, other.connection_id)
            await release_held(services, other.connection_id)
    return tuple(mended)


async def _mended(
    services: Services, other: ConnectionRow, holder: ConnectionRow, credential: Credential
) -> bool | None:
    """Whether the credential is in place there now; None where it was refused."""
    connector = services.connectors.get(other.connector_id)
    if isinstance(credential, OAuthCredential) and not _covers(credential, connector, other):
        return False
    trial = replace(other, shares_with=holder.connection_id) if isinstance(credential, OAuthCredential) else other
    with used_for(Purpose.VERIFY):
        test, _ = await at_risk(
            services, other, credential, lambda: test_credential(services, connector, trial, credential)
        )
    if test.diagnosis is not None and test.diagnosis.connection_broken:
        return None
    if not test.is_proven:
        return False
    if isinstance(credential, OAuthCredential):
        await asyncio.to_thread(share, services, other, holder)
    else:
        await asyncio.to_thread(swap, services, other, other, credential, HealthState.CONNECTED)
    return True


def _is_of_account(other: ConnectionRow, row: ConnectionRow) -> bool:
    if other.account_name.casefold() != row.account_name.casefold() or other.app_id != row.app_id:
        return False
    if ANY_ORIGIN in (*(other.allowed_origins or ()), *(row.allowed_origins or ())):
        return False  # nobody knows whether both mean the same service
    if other.shares_with == (row.shares_with or row.connection_id):
        return True
    if other.connector_id == row.connector_id:
        # Another sign-in kind of the same connector has other secrets.
        is_same_kind = other.parameter_set == row.parameter_set
    else:
        is_same_kind = bool(row.app_id)
    return is_same_kind and set(other.allowed_origins or ()) <= set(row.allowed_origins or ())


def _covers(credential: OAuthCredential, connector: Connector, other: ConnectionRow) -> bool:
    """Whether the tokens were granted for all that this connection's connector asks for; unsaid means as asked."""
    oauth = connector.method_named(other.parameter_set).oauth
    return oauth is None or not missing_scopes(oauth.scopes, credential.scopes)
