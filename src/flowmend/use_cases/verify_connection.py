"""Verify: test a new credential, and only then put it in place of the old one."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from flowmend.core.connection.account import NOBODY
from flowmend.core.connection.credentials import (
    BasicCredential,
    Credential,
    MissingSecrets,
    OAuthCredential,
    credential_of,
    secret_parameters,
)
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.redaction import shortened
from flowmend.core.connector.operation import SignInKind, SignInMethod
from flowmend.core.errors import AskedWrongly, Conflict, SecretUnreadable
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.account_check import CONFIRMATION_NEEDED, identity_in, refuse_another_account, to_confirm
from flowmend.use_cases.attempts import MOST_REFUSED, at_risk, attempts_left
from flowmend.use_cases.bound_origins import bound_origins, origins_of_link
from flowmend.use_cases.connection_reports import refusal_columns
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.create_connection import checked_values
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.held_events import release_held
from flowmend.use_cases.incident_watch import note_break, note_proof
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import CredentialTest, test_credential
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.secret_uses import Purpose, used_for
from flowmend.use_cases.shared_repair import mend_others
from flowmend.use_cases.swap_credential import Permit, good, swap
from flowmend.use_cases.verify_by_app import verify_by_app

#: A sign-in by these is not entered in a form: somebody signs in at the provider.
_IN_BROWSER = frozenset({SignInKind.OAUTH2})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a test showed. health: of the connection afterwards. released: held events and runs that go on now.

    is_kept: the credential tested is the connection's now; False where the old one stays. code `ConfirmationNeeded`: it
    works, and somebody must confirm whose it is, see `message`. account: whose it is, "" where nobody said.
    also_mended: other connections that this sign-in mended. replayed: the status with which the very call that had failed
    answers now, None where it was not made again.
    """

    is_proven: bool
    is_kept: bool
    connection_id: str
    health: str
    operation_id: str
    status_code: int | None
    code: str
    message: str
    category: str
    duration_ms: int
    released: int
    attempts_left: int
    account: str = ""
    also_mended: tuple[str, ...] = ()
    replayed: int | None = None
    return_to: str = ""


async def verify_connection(
    services: Services,
    connection_id: str,
    parameters: Mapping[str, str],
    *,
    person_id: str,
    confirmed: bool = False,
    purpose: Purpose = Purpose.VERIFY,
    permit: Permit | None = None,
) -> Verification:
    """Test these values and, where the service accepts them, make them the connection's.

    parameters: the secrets, and other values that change; a value left out stays, unless the connection would
    go to another host: then every secret must be given again. confirmed: whoever asks knows that they belong to the
    account of the old ones; asked for where nothing else proves it. permit: see `replace_credential`.
    Errors: NotFound; AskedWrongly for a missing value, another account, or a sign-in that happens in the browser;
    TooManyAttempts after three refusals in fifteen minutes; Conflict `CredentialChanged`.
    """
    row = connection_row(services, connection_id)
    connector = services.connectors.get(row.connector_id)
    method = connector.method_named(row.parameter_set)
    if method.kind in _IN_BROWSER:
        raise AskedWrongly(
            f"{row.display_name!r} is signed in to in the browser. Choose Sign in again on its page.",
            code="SignInInBrowser",
            target=connection_id,
        )
    if method.kind is SignInKind.CLIENT_CREDENTIALS:
        return await _verify_by_app(services, row, method, parameters, person_id=person_id)
    attempts_left(services, connection_id)
    merged = {**_kept_values(services, row, method, parameters), **parameters}
    values = checked_values(method, merged)
    plain = {name: value for name, value in values.items() if name not in method.secret_names}
    by_link = purpose is Purpose.REPAIR_LINK
    origins = (origins_of_link if by_link else bound_origins)(services, row, connector, plain)
    missing = sorted(name for name in method.secret_names if not parameters.get(name))
    if missing and set(origins) != set(row.allowed_origins):
        raise AskedWrongly(
            "The connection would go to another address, so every secret must be given again.",
            code="SecretsNeeded",
            target=missing[0],
        )
    credential = credential_of(method, values)
    if credential is None or isinstance(credential, MissingSecrets):
        raise AskedWrongly(f"{row.display_name!r} needs no sign-in.", code="NothingToVerify", target=connection_id)
    changed = replace(row, parameters=plain, allowed_origins=origins)
    return await replace_credential(
        services, row, changed, credential, person_id=person_id, confirmed=confirmed, purpose=purpose, permit=permit
    )


async def _verify_by_app(
    services: Services, row: ConnectionRow, method: SignInMethod, parameters: Mapping[str, str], *, person_id: str
) -> Verification:
    test, repair = await verify_by_app(services, row, method, parameters, person_id=person_id)
    health = HealthState.CONNECTED if test.is_proven else row.health
    left = repair.attempts_left if repair is not None else MOST_REFUSED
    verification = verification_of(row, health, test, is_kept=test.is_proven, attempts_left=left)
    if not test.is_proven:
        return verification
    services.changes.publish("connection", connection_id=row.connection_id, health=health.value)
    also = repair.mended if repair is not None else ()
    verification = await mended(services, verification, person_id=person_id)
    others = dict.fromkeys((*verification.also_mended, *(one for one in also if one != row.connection_id)))
    released = verification.released + (repair.released if repair is not None else 0)
    return dataclasses.replace(verification, also_mended=tuple(others), released=released)


async def replace_credential(
    services: Services,
    row: ConnectionRow,
    changed: ConnectionRow,
    credential: Credential,
    *,
    person_id: str,
    confirmed: bool = False,
    purpose: Purpose = Purpose.VERIFY,
    permit: Permit | None = None,
) -> Verification:
    """Test a credential and swap it in once proven. changed: the row with the new values that go with it.

    permit: called between proof and swap; what it raises leaves the old credential in place.
    """
    if isinstance(credential, BasicCredential):  # its user is known before anything is sent
        refuse_another_account(row, credential, identity_in(credential, _NOT_ASKED))
    if row.health is HealthState.BROKEN:
        _mark(services, row, {"health": HealthState.REPAIRING})
    try:
        with used_for(purpose):
            test, left = await at_risk(services, row, credential, lambda: _tested(services, changed, credential))
        verification = verification_of(row, row.health, test, is_kept=False, attempts_left=left)
        if test.is_testable and not test.is_proven:
            _note(services, person_id, "verify_refused", row, purpose, code=test.code)
            return verification
        identity = identity_in(credential, test)
        refuse_another_account(row, credential, identity)
        by_outsider = purpose is Purpose.REPAIR_LINK
        question = "" if confirmed else _to_confirm(services, row, credential, test, by_outsider=by_outsider)
        if question:
            return dataclasses.replace(verification, code=CONFIRMATION_NEEDED, message=question, account=identity.name)
        if permit is not None:
            permit()
        health = HealthState.CONNECTED if test.is_proven else HealthState.UNTESTED
        swap(services, row, changed, credential, health, identity=identity)
    finally:
        _end_repair(services, row)
    _note(services, person_id, "verify", row, purpose, proven=test.is_proven, confirmed=confirmed)
    services.changes.publish("connection", connection_id=row.connection_id, health=health.value)
    verification = verification_of(row, health, test, is_kept=True, attempts_left=MOST_REFUSED)
    return await mended(services, dataclasses.replace(verification, account=identity.name), person_id=person_id)


async def mended(services: Services, verification: Verification, *, person_id: str) -> Verification:
    """What a credential in place changes for others: its incident, held events, other connections of the account."""
    connection_id = verification.connection_id
    if verification.is_proven:
        await note_proof(services, connection_id)
    released = await release_held(services, connection_id)
    others: tuple[str, ...] = ()
    if verification.is_proven:
        others = await mend_others(services, connection_id, person_id=person_id)
    return dataclasses.replace(verification, released=released, also_mended=others)


async def test_connection(services: Services, connection_id: str, person_id: str) -> Verification:
    """Test the credential a connection has. A good answer mends a broken connection; a refusal breaks it.

    Errors: NotFound; Conflict where nobody has signed in; TooManyAttempts as for a verification.
    """
    row = connection_row(services, connection_id)
    credential = open_credential(services.vault, credential_holder(services, row))
    test, left = await at_risk(services, row, credential, lambda: _tested(services, row, credential))
    if isinstance(credential, OAuthCredential):  # the test itself may have refreshed it
        row = connection_row(services, connection_id)
    services.store.audit.note(person_id, "test", connection_id, {"code": test.code}, at=services.clock.now)
    health, released = row.health, 0
    if test.is_proven:
        health = HealthState.CONNECTED
        identity = identity_in(credential, test)
        changes = {} if row.health is health else good(services, health)
        if not row.account_name and identity.name:
            changes |= {"account_name": identity.name, "account_id": identity.id}
        if changes:
            _mark(services, row, changes)
        await note_proof(services, connection_id)
        released = await release_held(services, connection_id)
    elif test.diagnosis is not None and test.diagnosis.connection_broken:
        health = HealthState.BROKEN
        await _mark_refused(services, row, test)
    return verification_of(row, health, test, is_kept=True, attempts_left=left, released=released)


_NOT_ASKED = CredentialTest(is_testable=False, is_proven=False, identity=NOBODY)


async def _tested(services: Services, row: ConnectionRow, credential: Credential) -> CredentialTest:
    return await test_credential(services, services.connectors.get(row.connector_id), row, credential)


def _to_confirm(
    services: Services, row: ConnectionRow, credential: Credential, test: CredentialTest, *, by_outsider: bool
) -> str:
    with suppress(Conflict, SecretUnreadable):
        if open_credential(services.vault, credential_holder(services, row)) == credential:
            return ""  # nobody else's: it is the very one
    identity = identity_in(credential, test)
    return to_confirm(row, credential, identity, is_proven=test.is_proven, by_outsider=by_outsider)


def _kept_values(
    services: Services, row: ConnectionRow, method: SignInMethod, parameters: Mapping[str, str]
) -> dict[str, str]:
    kept = {name: str(value) for name, value in (row.parameters or {}).items()}
    if all(parameters.get(name) for name in method.secret_names):
        return kept
    try:
        return kept | secret_parameters(method, open_credential(services.vault, row))
    except (Conflict, SecretUnreadable):
        return kept  # then the missing secret is named to the owner


def _note(
    services: Services, person_id: str, verb: str, row: ConnectionRow, purpose: Purpose, **details: str | bool
) -> None:
    if purpose is not Purpose.VERIFY:
        details["by"] = purpose.value
    services.store.audit.note(person_id, verb, row.connection_id, dict(details), at=services.clock.now)


def _mark(services: Services, row: ConnectionRow, changes: dict[str, object]) -> bool:
    """What a test showed of the stored credential; nothing where it was replaced meanwhile."""
    if not services.store.connections.change_while_current(row.connection_id, row.credential_version, **changes):
        return False
    if "health" in changes:
        services.changes.publish("connection", connection_id=row.connection_id, health=str(changes["health"]))
    return True


async def _mark_refused(services: Services, row: ConnectionRow, test: CredentialTest) -> None:
    if test.diagnosis is None:
        return
    now = services.clock.now
    changes: dict[str, object] = {
        "health": HealthState.BROKEN,
        "health_changed_at": row.health_changed_at if row.health is HealthState.BROKEN else now,
        **refusal_columns(test.diagnosis, code=test.code, message=test.message, at=row.refused_at or now),
    }
    if _mark(services, row, changes):
        await note_break(services, row, test.diagnosis, code=test.code, message=test.message)


def _end_repair(services: Services, row: ConnectionRow) -> None:
    """Broken again as before the test, unless it was repaired by it or by another meanwhile."""
    now = services.store.connections.get(row.connection_id)
    if row.health is HealthState.BROKEN and now is not None and now.health is HealthState.REPAIRING:
        _mark(services, now, {"health": HealthState.BROKEN})


def verification_of(
    row: ConnectionRow,
    health: HealthState,
    test: CredentialTest,
    *,
    is_kept: bool,
    attempts_left: int,
    released: int = 0,
) -> Verification:
    return Verification(
        is_proven=test.is_proven,
        is_kept=is_kept,
        connection_id=row.connection_id,
        health=health.value,
        operation_id=test.operation_id,
        status_code=test.status_code,
        code=test.code,
        message=shortened(test.message),
        category=test.diagnosis.category.value if test.diagnosis else "",
        duration_ms=test.duration_ms,
        replayed=test.replayed,
        released=released,
        attempts_left=max(0, attempts_left),
    )
