"""Replace what proves a sign-in app: the new secret or certificate is proven first, and only then in the place of the old
one; then every connection that the old one had broken is renewed.

One expired secret breaks every connection of its app at once, and this is the one act that mends them all.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flowmend.core.connection.credentials import CertificateCredential, OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.redaction import shortened
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector.operation import SignInKind
from flowmend.core.errors import AskedWrongly, FlowmendError, TooManyAttempts
from flowmend.core.outcome import Category
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import sign_in_as
from flowmend.use_cases.app_settings import app_settings, proof_origins
from flowmend.use_cases.app_tokens import token_of_app
from flowmend.use_cases.attempts import MOST_REFUSED, WITHIN
from flowmend.use_cases.chosen_app import app_name, read_proof, sign_in_app_row, with_proof
from flowmend.use_cases.held_events import release_held
from flowmend.use_cases.incident_watch import note_proof
from flowmend.use_cases.opened_connections import OpenedConnection, OpenedConnections
from flowmend.use_cases.ports import Services
from flowmend.use_cases.swap_credential import mark_connected

_MENDED_AT_ONCE = 4
_MOST_TRIED = 5
_NEEDS_REPAIR = frozenset({HealthState.BROKEN, HealthState.REPAIRING})


class ProofResult(StrEnum):
    """What a try with the new secret showed."""

    PROVEN = "proven"
    REFUSED = "refused"
    UNTESTED = "untested"  # nothing of the app could be tried with it


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRepair:
    """How replacing a secret went. is_kept: the new one is the app's now. code, message: of the refusal, secrets removed.

    mended, still_broken: ids of connections that were broken before. attempts_left: tries before a pause.
    """

    app_id: str
    result: ProofResult
    is_kept: bool
    code: str = ""
    message: str = ""
    mended: tuple[str, ...] = ()
    still_broken: tuple[str, ...] = ()
    released: int = 0
    attempts_left: int = MOST_REFUSED

    @property
    def is_proven(self) -> bool:
        return self.is_kept and self.result is ProofResult.PROVEN


async def replace_app_secret(
    services: Services,
    app_id: str,
    *,
    client_secret: str = "",
    certificate: str = "",
    certificate_password: str = "",
    secret_expires_at: datetime | None = None,
    person_id: str,
) -> AppRepair:
    """Prove a new secret or certificate and make it the app's. secret_expires_at: of a secret, as its provider shows it.

    Errors: NotFound; AskedWrongly where none is given, `InvalidCertificate`; TooManyAttempts after three refusals in fifteen
    minutes.
    """
    app = sign_in_app_row(services, app_id)
    proof = read_proof(client_secret.strip(), certificate, certificate_password)
    if not proof:
        raise AskedWrongly("The new client secret is missing.", code="MissingParameter", target="client_secret")
    users = services.store.connections.list(app_id=app_id)
    bound = _origins(services, app, users)
    new = with_proof(services, app, proof, bound, expires_at=secret_expires_at)
    attempt = _risk(services, app)
    was_judged = False
    try:
        result, refusal, renewed = await _tried(services, new, proof, users)
        was_judged = result is ProofResult.REFUSED and (refusal is None or refusal.was_judged)
    finally:
        if not was_judged:  # proven, or an outage
            services.new_account_attempts.forget(_key(app), attempt)
    if result is ProofResult.REFUSED:
        services.store.audit.note(person_id, "app_secret_refused", app_id, None, at=services.clock.now)
        return AppRepair(
            app_id=app_id,
            result=result,
            is_kept=False,
            code=refusal.code if refusal is not None else "",
            message=shortened(refusal.message) if refusal is not None else "",
            attempts_left=services.new_account_attempts.left(_key(app), services.clock.now),
        )
    new = with_proof(services, sign_in_app_row(services, app_id), proof, bound, expires_at=secret_expires_at)
    services.store.connections.change_sign_in_app(
        app_id,
        sealed_secret=new.sealed_secret,
        settings=new.settings,
        secret_expires_at=new.secret_expires_at,
    )
    services.store.audit.note(person_id, "replace_app_secret", app_id, {"result": result.value}, at=services.clock.now)
    services.changes.publish("sign_in_app", app_id=app_id)
    mended, still, released = await _mend(services, users, renewed)
    return AppRepair(app_id=app_id, result=result, is_kept=True, mended=mended, still_broken=still, released=released)


async def _tried(
    services: Services,
    app: SignInAppRow,
    proof: str | CertificateCredential,
    users: Sequence[ConnectionRow],
) -> tuple[ProofResult, SignInRefusal | None, OpenedConnection | None]:
    """(what the tries showed, the refusal that says most, the connection that was renewed by them).

    Broken connections are tried first: what is spent on them mends them. A provider that judges the grant has believed the
    app before (RFC 6749 §5.2 keeps `invalid_client` apart), but somebody else's connection may say more.
    """
    said: SignInRefusal | None = None
    judged_the_app = False
    ordered = sorted(users, key=lambda row: (row.health not in _NEEDS_REPAIR, row.connection_id))
    for row in [row for row in ordered if not row.shares_with][:_MOST_TRIED]:
        try:
            answer = await _try(services, row, app, proof)
        except FlowmendError:
            continue
        if answer is None:
            continue
        if not isinstance(answer, SignInRefusal):
            return ProofResult.PROVEN, None, answer if isinstance(answer, OpenedConnection) else None
        if answer.diagnosis.category is Category.CLIENT_SECRET_EXPIRED:
            return ProofResult.REFUSED, answer, None
        judged_the_app = judged_the_app or answer.code == "invalid_grant"
        said = said or answer
    if judged_the_app:
        return ProofResult.PROVEN, None, None
    if said is not None:  # an outage, or a refusal that says nothing of the app: the old one stays
        return ProofResult.REFUSED, said, None
    return ProofResult.UNTESTED, None, None


async def _try(
    services: Services, row: ConnectionRow, app: SignInAppRow, proof: str | CertificateCredential
) -> OpenedConnection | OAuthCredential | SignInRefusal | None:
    """The connection renewed with it, a token that nobody keeps, or why there is none; None where it has nothing to try."""
    connector = services.connectors.get(row.connector_id)
    method = connector.method_named(row.parameter_set)
    if method.kind is SignInKind.CLIENT_CREDENTIALS:
        return await token_of_app(services, row, app, method, proof)
    opened = OpenedConnections().get(services, row.connection_id)
    if opened is None or opened.oauth is None or not opened.oauth.refresh_token:
        return None
    acting = sign_in_as(services, app, proof, method)
    return await services.operations.refresher.refreshed(services, opened, acting=acting)


async def _mend(
    services: Services, users: Sequence[ConnectionRow], renewed: OpenedConnection | None
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """(connections mended, those that still need somebody, held events and runs that go on)."""
    turn = asyncio.Semaphore(_MENDED_AT_ONCE)

    async def mend(row: ConnectionRow) -> bool:
        async with turn:
            if renewed is not None and renewed.row.connection_id == row.connection_id:
                answer: OpenedConnection | SignInRefusal = renewed
            else:
                try:
                    opened = OpenedConnections().get(services, row.connection_id)
                    if opened is None:
                        return False
                    answer = await services.operations.refresher.refreshed(services, opened)
                except FlowmendError:
                    return False
            if not (isinstance(answer, OpenedConnection) and mark_connected(services, answer)):
                return False
            services.changes.publish("connection", connection_id=row.connection_id, health=HealthState.CONNECTED.value)
            await note_proof(services, row.connection_id)
            return True

    broken = [row for row in users if row.health in _NEEDS_REPAIR or _waits_for_its_app(services, row)]
    results = await asyncio.gather(*(mend(row) for row in broken))
    released = 0
    for row, is_mended in zip(broken, results, strict=True):
        if is_mended:
            released += await release_held(services, row.connection_id)
    by_result = {wanted: tuple(row.connection_id for row, one in zip(broken, results, strict=True) if one is wanted)
                 for wanted in (True, False)}  # fmt: skip
    return by_result[True], by_result[False], released


def _waits_for_its_app(services: Services, row: ConnectionRow) -> bool:
    """Whether a sign-in was never finished because its app had no secret, so that nobody but the app is missing."""
    method = services.connectors.get(row.connector_id).method_named(row.parameter_set)
    return row.health is HealthState.PENDING_CONSENT and method.kind is SignInKind.CLIENT_CREDENTIALS


def _origins(services: Services, app: SignInAppRow, users: Sequence[ConnectionRow]) -> tuple[str, ...]:
    """Where the new proof may go: where the old one may, and where the app's connections send it now."""
    found = set(app_settings(app).origins)
    for row in users:
        sent_to = proof_origins(services.connectors.get(row.connector_id), row.parameters or {})
        found.update(origin for origin in sent_to if origin in (row.allowed_origins or ()))
    return tuple(sorted(found))


def _risk(services: Services, app: SignInAppRow) -> datetime:
    """Count a refusal while the try is under way; when. Errors: TooManyAttempts."""
    now = services.clock.now
    free_at = services.new_account_attempts.free_at(_key(app), now)
    if free_at is not None:
        within = WITHIN // timedelta(minutes=1)
        why = f"{MOST_REFUSED} secrets of {app_name(app)!r} were refused in the last {within} minutes."
        raise TooManyAttempts.until(free_at, now, why, target=app.app_id)
    services.new_account_attempts.add(_key(app), now)
    return now


def _key(app: SignInAppRow) -> str:
    return f"sign_in_app\n{app.app_id}"
