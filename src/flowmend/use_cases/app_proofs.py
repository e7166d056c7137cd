"""What proves a sign-in app: a secret or a certificate, sealed for the app and the origins it may be sent to.

`acting_app` opens it, as late as a sign-in needs it; it is kept nowhere.
"""

from dataclasses import replace
from datetime import datetime

from flowmend.core.connection.app_assertion import client_assertion
from flowmend.core.connection.credentials import CertificateCredential, decode_credential, encode_credential
from flowmend.core.connection.token_endpoint import SignInApp
from flowmend.core.connector import OAuthSettings, SignInMethod, TokenEndpointAuth
from flowmend.core.errors import AskedWrongly, NotFound, SecretUnreadable
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_settings import AppSettings, Proof, app_settings
from flowmend.use_cases.ports import Services
from flowmend.vault import Binding, Vault

_ENTRA_PROVIDERS = frozenset({"aad", "aadcertificate"})
_ENTRA_PATH = "/oauth2/v2.0/token"


def seal_proof(vault: Vault, app: SignInAppRow, proof: str | CertificateCredential) -> bytes:
    """A secret or certificate sealed for this row as it is: its id and origins. b"" for no secret."""
    if isinstance(proof, CertificateCredential):
        return vault.seal_json(encode_credential(proof), bound_to=proof_binding(app))
    return vault.seal(proof.encode(), bound_to=proof_binding(app)) if proof else b""


def open_proof(vault: Vault, app: SignInAppRow) -> str | CertificateCredential:
    """The secret, "" for none, or the certificate. Errors: SecretUnreadable."""
    if not app.sealed_secret:
        return ""
    if app_settings(app).proof is not Proof.CERTIFICATE:
        return vault.open(app.sealed_secret, bound_to=proof_binding(app)).decode()
    certificate = decode_credential(vault.open_json(app.sealed_secret, bound_to=proof_binding(app)))
    if not isinstance(certificate, CertificateCredential):
        raise SecretUnreadable("What is kept of this sign-in app is no certificate. Give it again.")
    return certificate


def sign_in_as(
    services: Services, app: SignInAppRow, proof: str | CertificateCredential, method: SignInMethod
) -> SignInApp:
    """The app as a sign-in takes it, proven by this secret or certificate, which need not be the kept one."""
    acting = SignInApp(client_id=app.client_id, tenant=app.tenant, service=_service(services, app.connector_id))
    if isinstance(proof, str):
        return replace(acting, client_secret=proof)
    is_entra = method.oauth is not None and _is_entra(method.oauth)

    def assertion(audience: str) -> str:
        now: datetime = services.clock.now
        try:
            return client_assertion(
                proof, app.client_id, audience, now=now, jti=str(services.clock.guid()), is_entra=is_entra
            )
        except ValueError as error:
            raise AskedWrongly(str(error), code="InvalidCertificate", target=app.app_id) from error

    return replace(acting, assertion=assertion)


def acting_app(services: Services, row: ConnectionRow) -> SignInApp:
    """The provider's client a connection acts as: its own sign-in app, or the one its connector brings.

    Errors: SecretUnreadable.
    """
    method = services.connectors.get(row.connector_id).method_named(row.parameter_set)
    app = app_of(services, row)
    if app is not None:
        return sign_in_as(services, app, open_proof(services.vault, app), method)
    client_id = method.oauth.client_id if method.oauth is not None else ""
    return SignInApp(client_id=client_id, service=_service(services, row.connector_id))


def app_of(services: Services, row: ConnectionRow) -> SignInAppRow | None:
    """The sign-in app's row of a connection, None where its connector brings one."""
    return services.store.connections.get_sign_in_app(row.app_id) if row.app_id else None


def proof_may_go_to(services: Services, row: ConnectionRow) -> frozenset[str]:
    """The origins to which a connection's sign-in may send what it has: those of its own credential, and of them those that
    the app's proof was given for.
    """
    own = frozenset(row.allowed_origins or ())
    app = app_of(services, row)
    bound = app_settings(app).origins if app is not None and app.sealed_secret else ()
    return own.intersection(bound) if bound else own


def provider_of(settings: OAuthSettings, app: SignInAppRow | None) -> OAuthSettings:
    """The provider's endpoints with what it said of itself, kept with the sign-in app; what the connector says stands."""
    known = app_settings(app) if app is not None else AppSettings()
    says_basic = TokenEndpointAuth.BASIC in {settings.token_endpoint_auth, known.token_endpoint_auth}
    return replace(
        settings,
        issuer=settings.issuer or known.issuer,
        device_authorization_url=settings.device_authorization_url or known.device_authorization_url,
        revocation_url=settings.revocation_url or known.revocation_url,
        token_endpoint_auth=TokenEndpointAuth.BASIC if says_basic else TokenEndpointAuth.BODY,
    )


def _is_entra(settings: OAuthSettings) -> bool:
    """By name, or by the path of its endpoints, which it has in every cloud."""
    return settings.identity_provider in _ENTRA_PROVIDERS or settings.token_url.endswith(_ENTRA_PATH)


def _service(services: Services, connector_id: str) -> str:
    """What the connector is called; "" where it is not installed any more."""
    try:
        return services.connectors.row(connector_id).display_name
    except NotFound:
        return ""


def proof_binding(app: SignInAppRow) -> Binding:
    """What a sign-in app's secret or certificate is bound to."""
    return Binding(kind="sign_in_app", parts=(app.app_id, *sorted(app_settings(app).origins)))
