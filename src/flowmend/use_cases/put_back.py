"""Put the old sign-in back: kept sealed beside the new one until the first good use, and good for a way back till then."""

from contextlib import suppress

import msgspec

from flowmend.core.connection.credentials import Credential, decode_credential
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict, SecretUnreadable
from flowmend.use_cases.attempts import at_risk
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.credential_lifetimes import lifetime_columns
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import test_credential
from flowmend.use_cases.sealed_credentials import open_credential, open_previous, seal_credential, seal_previous
from flowmend.use_cases.secret_uses import Purpose, used_for
from flowmend.use_cases.swap_credential import good
from flowmend.use_cases.verify_connection import Verification, mended, verification_of


async def put_back(services: Services, connection_id: str, *, person_id: str) -> Verification:
    """Test the sign-in that was replaced last, and change places with the present one unless it is refused.

    What it replaces is kept in turn, so this can be undone the same way.
    Errors: NotFound; Conflict `NothingToPutBack` where none is kept any more, `CredentialChanged` where somebody replaced
    it meanwhile; TooManyAttempts; SecretUnreadable.
    """
    row = connection_row(services, connection_id)
    kept = open_previous(services.vault, row)
    before = msgspec.structs.replace(
        row,
        parameters=kept.parameters,
        allowed_origins=kept.allowed_origins,
        account_name=kept.account_name,
        account_id=kept.account_id,
        shares_with=kept.shares_with,
        expires_at=kept.expires_at,
    )
    credential: Credential
    if kept.shares_with:
        credential = open_credential(services.vault, credential_holder(services, before))
    else:
        credential = decode_credential(kept.credential)
    connector = services.connectors.get(row.connector_id)
    with used_for(Purpose.VERIFY):
        test, left = await at_risk(
            services, row, credential, lambda: test_credential(services, connector, before, credential)
        )
    if test.is_testable and not test.is_proven:
        services.store.audit.note(
            person_id, "put_back_refused", connection_id, {"code": test.code}, at=services.clock.now
        )
        return verification_of(row, row.health, test, is_kept=False, attempts_left=left)
    present = b""
    with suppress(Conflict, SecretUnreadable):
        present = seal_previous(services.vault, row)
    health = HealthState.CONNECTED if test.is_proven else HealthState.UNTESTED
    services.store.connections.swap_credential(
        connection_id,
        row.credential_version,
        b"" if kept.shares_with else seal_credential(services.vault, before, credential),
        sealed_candidate=present,
        parameters=before.parameters,
        allowed_origins=before.allowed_origins,
        account_name=before.account_name,
        account_id=before.account_id,
        shares_with=before.shares_with,
        **lifetime_columns(row, credential),
        changed_at=services.clock.now,
        **good(services, health),
    )
    services.store.audit.note(person_id, "put_back", connection_id, {"proven": test.is_proven}, at=services.clock.now)
    services.changes.publish("connection", connection_id=connection_id, health=health.value)
    verification = verification_of(row, health, test, is_kept=True, attempts_left=left)
    return await mended(services, verification, person_id=person_id)
