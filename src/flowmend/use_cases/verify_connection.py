"""Verify: test a new credential, and only then put it in place of the old one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from flowmend.core.connection.credentials import (
    Credential,
    MissingSecrets,
    OAuthCredential,
    credential_of,
    secret_parameters,
)
from flowmend.core.connection.health import HealthState
from flowmend.core.connector.building import allowed_origins
from flowmend.core.connector.operation import SignInKind, SignInMethod
from flowmend.core.errors import AskedWrongly, Conflict, FlowmendError, SecretUnreadable, TooManyAttempts
from flowmend.store.rows import AttemptRow, ConnectionRow
from flowmend.use_cases.connection_reports import NO_REFUSAL, refusal_columns
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.create_connection import checked_values
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.held_events import release_held
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import CredentialTest, test_credential
from flowmend.use_cases.sealed_credentials import Slot, open_credential, seal_credential

#: Repeated refusals lock accounts out at many services, so few are risked (connectors.md, Diagnosis).
MOST_REFUSED = 3
WITHIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a test showed. health: of the connection afterwards. released: held events and runs that go on now.

    is_kept: the credential tested is the connection's now; False where the old one stays.
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
    return_to: str = ""


async def verify_connection(
    services: Services, connection_id: str, parameters: Mapping[str, str], *, person_id: str
) -> Verification:
    """Test these values and, where the service accepts them, make them the connection's.

    parameters: the secrets, and other values that change; a value left out stays, unless the connection would
    go to another host: then every secret must be given again.
    Errors: NotFound; AskedWrongly for a missing value, another account, or a sign-in that happens in the browser;
    TooManyAttempts after three refusals in fifteen minutes.
    """
    row = connection_row(services, connection_id)
    connector = services.connectors.get(row.connector_id)
    method = connector.method_named(row.parameter_set)
    if method.kind is SignInKind.OAUTH2:
        raise AskedWrongly(
            f"{row.display_name!r} is signed in to in the browser. Choose Sign in again on its page.",
            code="SignInInBrowser",
            target=connection_id,
        )
    _attempts_left(services, connection_id)
    merged = {**_kept_values(services, row, method, parameters), **parameters}
    values = checked_values(method, merged)
    plain = {name: value for name, value in values.items() if name not in method.secret_names}
    origins = list(allowed_origins(connector, plain))
    missing = sorted(name for name in method.secret_names if not parameters.get(name))
    if missing and origins != list(row.allowed_origins):
        raise AskedWrongly(
            "The connection would go to another address, so every secret must be given again.",
            code="SecretsNeeded",
            target=missing[0],
        )
    _same_account(row, str(plain.get(method.user_parameter, "")))
    credential = credential_of(method, values)
    if credential is None or isinstance(credential, MissingSecrets):
        raise AskedWrongly(f"{row.display_name!r} needs no sign-in.", code="NothingToVerify", target=connection_id)
    changed = replace(row, parameters=plain, allowed_origins=origins)
    return await replace_credential(services, row, changed, credential, person_id=person_id)


async def replace_credential(
    services: Services,
    row: ConnectionRow,
    changed: ConnectionRow,
    credential: Credential,
    *,
    person_id: str,
) -> Verification:
    """Test a credential and swap it in once proven. changed: the row with the new values that go with it."""
    if row.health is HealthState.BROKEN:
        _set_health(services, row, HealthState.REPAIRING)
    try:
        test, left = await _tested(services, changed, credential)
    finally:
        _end_repair(services, row)
    if test.is_testable and not test.is_proven:
        services.store.audit.note(
            person_id, "verify_refused", row.connection_id, {"code": test.code}, at=services.clock.now
        )
        return _verification(row, row.health, test, is_kept=False, attempts_left=left)
    if isinstance(credential, OAuthCredential):
        _same_account(row, credential.account)
    health = HealthState.CONNECTED if test.is_proven else HealthState.UNTESTED
    _swap(services, row, changed, credential, health)
    services.store.audit.note(person_id, "verify", row.connection_id, {"proven": test.is_proven}, at=services.clock.now)
    services.changes.publish("connection", connection_id=row.connection_id, health=health.value)
    released = await release_held(services, row.connection_id)
    return _verification(row, health, test, is_kept=True, attempts_left=MOST_REFUSED, released=released)


async def test_connection(services: Services, connection_id: str, person_id: str) -> Verification:
    """Test the credential a connection has. A good answer mends a broken connection; a refusal breaks it.

    Errors: NotFound; Conflict where nobody has signed in; TooManyAttempts as for a verification.
    """
    row = connection_row(services, connection_id)
    credential = open_credential(services.vault, credential_holder(services, row))
    test, left = await _tested(services, row, credential)
    if isinstance(credential, OAuthCredential):  # the test itself may have refreshed it
        row = connection_row(services, connection_id)
    services.store.audit.note(person_id, "test", connection_id, {"code": test.code}, at=services.clock.now)
    health, released = row.health, 0
    if test.is_proven:
        health = HealthState.CONNECTED
        if row.health is not health:
            _mark(services, row, _good(services, health))
        released = await release_held(services, connection_id)
    elif test.diagnosis is not None and test.diagnosis.connection_broken:
        health = HealthState.BROKEN
        _mark_refused(services, row, test)
    return _verification(row, health, test, is_kept=True, attempts_left=left, released=released)


async def _tested(services: Services, row: ConnectionRow, credential: Credential) -> tuple[CredentialTest, int]:
    """(what the test showed, how many more refusals are risked). Errors: TooManyAttempts; as `test_credential`.

    The attempt counts as refused while it is under way, so that several at once risk no more than one after another.
    """
    connector = services.connectors.get(row.connector_id)
    if isinstance(credential, OAuthCredential):  # tokens are not guessed, and no account is locked for them
        return await test_credential(services, connector, row, credential), MOST_REFUSED
    connection_id, at = row.connection_id, services.clock.now
    left = _attempts_left(services, connection_id)
    store = services.store.connections
    store.add_attempt(AttemptRow(connection_id=connection_id, at=at, was_refused=True))
    try:
        test = await test_credential(services, connector, row, credential)
    except FlowmendError:
        store.forget_attempts(connection_id, at)
        raise
    if test.diagnosis is not None and test.diagnosis.connection_broken:
        return test, left - 1
    store.forget_attempts(connection_id, at)
    return test, left


def _attempts_left(services: Services, connection_id: str) -> int:
    """How many more refusals are risked now. Errors: TooManyAttempts where none is."""
    now = services.clock.now
    refused = [one for one in services.store.connections.attempts(connection_id, now - WITHIN) if one.was_refused]
    left = MOST_REFUSED - len(refused)
    if left <= 0:
        free_at = refused[-MOST_REFUSED].at + WITHIN
        seconds = max(1, int((free_at - now).total_seconds()) + 1)
        raise TooManyAttempts(
            f"The service refused {MOST_REFUSED} attempts in the last 15 minutes. To keep the account from being locked "
            f"out, try again in {(seconds + 59) // 60} minutes.",
            target=connection_id,
            retry_after_seconds=seconds,
        )
    return left


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


def _same_account(row: ConnectionRow, account: str) -> None:
    if row.account_name and account and account.casefold() != row.account_name.casefold():
        raise AskedWrongly(
            f"This sign-in belongs to {account}, the connection to {row.account_name}. Its flows would act as somebody "
            "else. Make a new connection for the other account, and choose it in the flows.",
            code="AnotherAccount",
            target=row.connection_id,
        )


def _swap(
    services: Services, row: ConnectionRow, changed: ConnectionRow, credential: Credential, health: HealthState
) -> None:
    now = services.clock.now
    account = credential.account if isinstance(credential, OAuthCredential) else changed.account_name
    services.store.connections.swap_credential(
        row.connection_id,
        row.credential_version,
        seal_credential(services.vault, changed, credential),
        sealed_candidate=_previous(services, row),
        parameters=changed.parameters,
        allowed_origins=changed.allowed_origins,
        account_name=account or row.account_name,
        expires_at=credential.expires_at if isinstance(credential, OAuthCredential) else None,
        changed_at=now,
        **_good(services, health),
    )
    services.store.connections.forget_attempts(row.connection_id)


def _previous(services: Services, row: ConnectionRow) -> bytes:
    """The old credential sealed for its other slot, until the first good use of the new one."""
    try:
        return seal_credential(services.vault, row, open_credential(services.vault, row), Slot.PREVIOUS)
    except (Conflict, SecretUnreadable):
        return b""


def _good(services: Services, health: HealthState) -> dict[str, object]:
    now = services.clock.now
    return {
        "health": health,
        "health_changed_at": now,
        "last_good_at": now if health is HealthState.CONNECTED else None,
        **NO_REFUSAL,
    }


def _mark(services: Services, row: ConnectionRow, changes: dict[str, object]) -> None:
    """What a test showed of the stored credential; nothing where it was replaced meanwhile."""
    if services.store.connections.change_while_current(row.connection_id, row.credential_version, **changes):
        services.changes.publish("connection", connection_id=row.connection_id, health=str(changes["health"]))


def _mark_refused(services: Services, row: ConnectionRow, test: CredentialTest) -> None:
    if test.diagnosis is None:
        return
    now = services.clock.now
    changes: dict[str, object] = {
        "health": HealthState.BROKEN,
        "health_changed_at": row.health_changed_at if row.health is HealthState.BROKEN else now,
        **refusal_columns(test.diagnosis, code=test.code, message=test.message, at=row.refused_at or now),
    }
    _mark(services, row, changes)


def _set_health(services: Services, row: ConnectionRow, health: HealthState) -> None:
    services.store.connections.change(row.connection_id, health=health)
    services.changes.publish("connection", connection_id=row.connection_id, health=health.value)


def _end_repair(services: Services, row: ConnectionRow) -> None:
    """Broken again as before the test, unless another test has repaired it meanwhile."""
    now = services.store.connections.get(row.connection_id)
    if row.health is HealthState.BROKEN and now is not None and now.health is HealthState.REPAIRING:
        _set_health(services, row, HealthState.BROKEN)


def _verification(
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
        message=test.message,
        category=test.diagnosis.category.value if test.diagnosis else "",
        duration_ms=test.duration_ms,
        released=released,
        attempts_left=max(0, attempts_left),
    )
