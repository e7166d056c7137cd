"""Sign in to a connection in the browser: OAuth 2, authorization code with PKCE.

What is pending lives in this process only, for a quarter of an hour: a code answered after a restart is asked for
again, which costs the owner one click.
"""

import dataclasses
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from flowmend.core.connection.redaction import shortened
from flowmend.core.connection.sign_in import Consent, authorization_url, exchange_code, read_callback
from flowmend.core.connection.token_endpoint import SignInRefusal, endpoint, endpoint_host
from flowmend.core.connector.building import allowed_origins
from flowmend.core.connector.operation import Connector, OAuthSettings, SignInKind
from flowmend.core.errors import AskedWrongly, NotAllowed
from flowmend.store.incident_rows import RepairLinkRow
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.app_proofs import acting_app, app_of, proof_may_go_to, seal_proof
from flowmend.use_cases.app_settings import Proof, app_settings, proof_origins, settings_column, without_metadata
from flowmend.use_cases.changed_connector import hosts_to_trust
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.pending_consents import PendingConsent
from flowmend.use_cases.ports import Services
from flowmend.use_cases.provider_metadata import known_provider
from flowmend.use_cases.refresh_token import carry_out
from flowmend.use_cases.repair_links import use_up
from flowmend.use_cases.secret_uses import Purpose, note_sign_in
from flowmend.use_cases.verify_connection import Verification, replace_credential

_ANSWERED_WITHIN = timedelta(minutes=15)


async def begin_consent(
    services: Services,
    connection_id: str,
    person_id: str,
    browser_binding: str,
    return_to: str,
    *,
    confirmed: bool = False,
    link: RepairLinkRow | None = None,
) -> str:
    """The provider's page to send the browser to. browser_binding: a secret of this browser, e.g. its session's.

    confirmed, link: see `PendingConsent`; the link's connection is the one to sign in to.
    Errors: NotFound; AskedWrongly for a connection that is not signed in to in the browser, and `ClientSecretNeeded`
    where its client secret was given for other hosts: see `give_client_secret`.
    """
    row = connection_row(services, connection_id)
    connector, settings = _browser_sign_in(services, row)
    if hosts := hosts_to_trust(services, row, connector):
        raise AskedWrongly(
            f"The connector of {row.display_name!r} was installed with other hosts. Give its client secret again, which "
            f"will be sent to {', '.join(hosts)}; then sign in.",
            code="ClientSecretNeeded",
            target=connection_id,
        )
    settings, issuer_is_required = await known_provider(services, row, settings)
    app, parameters = acting_app(services, row), row.parameters or {}
    state = secrets.token_urlsafe(32)
    consent = Consent(
        state=state,
        verifier=secrets.token_urlsafe(48),
        redirect_url=redirect_url(services),
        issuer=settings.issuer,
        issuer_is_required=issuer_is_required,
        authorization_url=endpoint(settings.authorization_url, settings, app, parameters),
        claims=services.consents.claims_of(connection_id),
    )
    pending = PendingConsent(
        connection_id=connection_id,
        person_id=person_id,
        browser=_digest(browser_binding),
        consent=consent,
        return_to=return_to,
        began_at=services.clock.now,
        confirmed=confirmed,
        link=link,
    )
    services.consents.put(state, pending)
    return authorization_url(settings, app, consent, parameters)


async def give_client_secret(services: Services, connection_id: str, client_secret: str, person_id: str) -> None:
    """Keep the client secret of a connection's sign-in app, for the hosts its connector names now.

    Where these are others than before, what signed it in is dropped: that was not given for them.
    Errors: NotFound; AskedWrongly without a secret or a sign-in app; Conflict where the connection changed meanwhile.
    """
    row = connection_row(services, connection_id)
    connector, _ = _browser_sign_in(services, row)
    if not client_secret:
        raise AskedWrongly("Client secret is missing.", code="MissingParameter", target="client_secret")
    app = app_of(services, row)
    if app is None:
        raise AskedWrongly(
            f"{row.display_name!r} has no sign-in app of its own; delete it and connect again.", code="NoSignInApp"
        )
    origins = list(allowed_origins(connector, row.parameters or {}))
    if set(origins) - set(row.allowed_origins):
        services.store.connections.swap_credential(
            connection_id, row.credential_version, b"", sealed_candidate=b"", expires_at=None, allowed_origins=origins
        )
    # Others may act as the same app: the new secret is for where any of them sends it now.
    users = services.store.connections.list(app_id=app.app_id)
    known = [(services.connectors.get(one.connector_id), one.parameters or {}) for one in users]
    bound = sorted({origin for user in known for origin in proof_origins(*user)})
    settings = app_settings(app)
    if set(bound) - set(settings.origins):  # what the provider at another address said of itself is not this one's word
        settings = without_metadata(settings)
    settings = replace(settings, proof=Proof.SECRET, origins=tuple(bound))
    app = replace(app, settings=settings_column(settings))
    sealed = seal_proof(services.vault, app, client_secret)
    services.store.connections.change_sign_in_app(
        app.app_id, sealed_secret=sealed, settings=app.settings, secret_expires_at=None
    )
    services.store.audit.note(
        person_id, "give_client_secret", connection_id, {"origins": origins}, at=services.clock.now
    )
    services.changes.publish("connection", connection_id=connection_id)


async def finish_consent(services: Services, query: Mapping[str, str], browser_binding: str) -> Verification:
    """What the provider's redirect brought: the code is exchanged, the tokens tested, then they replace the old ones.

    Errors: NotAllowed where the state is unknown, late or another browser's; AskedWrongly `ConsentRefused` with the
    provider's word, or where the sign-in belongs to another account.
    """
    pending = services.consents.take(query.get("state", ""))
    is_ours = pending is not None and hmac.compare_digest(pending.browser, _digest(browser_binding))
    if pending is None or not is_ours or services.clock.now - pending.began_at > _ANSWERED_WITHIN:
        raise NotAllowed(
            "This sign-in was not begun in this browser, or too long ago. Begin again from the connection's page.",
            code="ConsentNotOurs",
        )
    code = read_callback(query, pending.consent)
    if isinstance(code, SignInRefusal):
        raise consent_refused(code, pending.connection_id)
    row = connection_row(services, pending.connection_id)
    connector, settings = _browser_sign_in(services, row)
    settings, _ = await known_provider(services, row, settings)
    changed = replace(row, allowed_origins=list(allowed_origins(connector, row.parameters or {})))
    has_secret = bool(hosts_to_trust(services, row, connector))
    # A secret goes only where it was given for; an app without one has none to give away.
    trusted = frozenset(row.allowed_origins if has_secret else changed.allowed_origins)
    app, parameters = acting_app(services, row), row.parameters or {}
    exchange = exchange_code(settings, app, pending.consent, code, now=services.clock.now, parameters=parameters)
    may_go_to = proof_may_go_to(services, replace(row, allowed_origins=sorted(trusted)))
    credential = await carry_out(services.http, exchange, origins=may_go_to)
    host = endpoint_host(settings.token_url, settings, app, parameters)
    note_sign_in(services, row, Purpose.CONSENT, credential, host=host)
    if isinstance(credential, SignInRefusal):
        raise consent_refused(credential, pending.connection_id)
    result = await replace_credential(
        services,
        row,
        changed,
        credential,
        person_id=pending.person_id,
        confirmed=pending.confirmed,
        purpose=Purpose.VERIFY if pending.link is None else Purpose.REPAIR_LINK,
        permit=None if pending.link is None else use_up(services, pending.link),
    )
    if result.is_kept:
        services.consents.met_claims(pending.connection_id)
    return dataclasses.replace(result, return_to=pending.return_to)


def _browser_sign_in(services: Services, row: ConnectionRow) -> tuple[Connector, OAuthSettings]:
    connector = services.connectors.get(row.connector_id)
    method = connector.method_named(row.parameter_set)
    if method.kind is not SignInKind.OAUTH2 or method.oauth is None:
        raise AskedWrongly(
            f"{row.display_name!r} is not signed in to in the browser. Verify its password or key on its page.",
            code="NoBrowserSignIn",
            target=row.connection_id,
        )
    return connector, method.oauth


def consent_refused(refusal: SignInRefusal, connection_id: str) -> AskedWrongly:
    """`ConsentRefused`, with the provider's word."""
    said = ": ".join(part for part in (refusal.code, shortened(refusal.message)) if part)
    return AskedWrongly(f"The provider refused the sign-in. {said}", code="ConsentRefused", target=connection_id)


def redirect_url(services: Services) -> str:
    """What the owner registers with the provider."""
    return f"{services.settings.base_url}/oauth/callback"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
