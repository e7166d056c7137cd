"""The sign-in app a new connection acts as: one that is there already, or one made of the values of its form."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from msgspec.structs import replace

from flowmend.core.connection.certificates import read_certificate
from flowmend.core.connection.credentials import CertificateCredential, certificate_credential
from flowmend.core.connector.building import allowed_origins
from flowmend.core.connector.operation import Connector, OAuthSettings, SignInKind
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import seal_proof
from flowmend.use_cases.app_settings import AppSettings, Proof, app_settings, proof_origins, settings_column
from flowmend.use_cases.app_values import APP_VALUES
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ


def existing_app(services: Services, app_id: str, connector: Connector, row: ConnectionRow) -> SignInAppRow:
    """The app, where its proof was given for the addresses that this connection would send it to. row: the new connection.

    Where the app signs in as itself nobody is asked at the provider, so another connector's connections get its tokens only
    for addresses that had them before. Errors: NotFound; AskedWrongly `AppNotForThisAddress`.
    """
    app = sign_in_app_row(services, app_id)
    wanted, known = set(proof_origins(connector, row.parameters or {})), set(app_settings(app).origins)
    is_by_itself = connector.method_named(row.parameter_set).kind is SignInKind.CLIENT_CREDENTIALS
    if is_by_itself and app.connector_id != connector.connector_id:
        wanted.update(row.allowed_origins or ())
        known.update(_called_by(services, app))
    beyond = sorted(wanted - known)
    if beyond:
        raise AskedWrongly(
            f"The secret of the sign-in app {app_name(app)!r} was not given for {', '.join(beyond)}. Make a sign-in app "
            "for this connection.",
            code="AppNotForThisAddress",
            target=app_id,
        )
    return app


def _called_by(services: Services, app: SignInAppRow) -> set[str]:
    """The addresses of the connector an app was made for, and of the connections that act as it."""
    users = services.store.connections.list(app_id=app.app_id)
    called = {str(origin) for user in users for origin in user.allowed_origins or ()}
    with suppress(*CANNOT_BE_READ):
        called.update(allowed_origins(services.connectors.get(app.connector_id), {}))
    return called


def fitting_apps(services: Services, connector_id: str) -> list[SignInAppRow]:
    """The apps a new connection may act as, as far as its addresses are known before its form is filled in."""
    known = set(proof_origins(services.connectors.get(connector_id), {}))
    return [
        app
        for app in services.store.connections.sign_in_apps()
        if app.connector_id == connector_id or (known and known <= set(app_settings(app).origins))
    ]


def managed_identity_app(services: Services, connector: Connector, parameters: Mapping[str, Json]) -> SignInAppRow:
    """The app that signs in where a flow says "managed identity". Errors: AskedWrongly `NoManagedIdentity`."""
    wanted = set(proof_origins(connector, parameters))
    for app in services.store.connections.sign_in_apps():
        settings = app_settings(app)
        if settings.is_managed_identity and wanted <= set(settings.origins):
            return app
    raise AskedWrongly(
        "Managed identities exist inside Azure only. Choose the sign-in app that signs in instead: on the page of a sign-in "
        "app, switch on 'Signs in for managed identities'.",
        code="NoManagedIdentity",
    )


def new_app(
    services: Services,
    connector: Connector,
    settings: OAuthSettings,
    row: ConnectionRow,
    values: Mapping[str, str],
) -> tuple[SignInAppRow, str | CertificateCredential]:
    """(the app made of a form's values, its proof sealed in it, and the proof). row: the connection it is made for.

    Errors: AskedWrongly `MissingParameter`, `InvalidCertificate`.
    """
    named = {name: values.get(settings.app_parameters.get(name, name), "") for name in APP_VALUES}
    app = SignInAppRow(
        app_id=str(services.clock.guid()),
        connector_id=connector.connector_id,
        client_id=named["client_id"] or settings.client_id,
        tenant=named["tenant"],
        display_name=f"{connector.display_name} app",
        owner_id=row.owner_id,
        created_at=services.clock.now,
    )
    proof = read_proof(named["client_secret"], named["certificate"], named["certificate_password"])
    if settings.wants_certificate and not proof:
        raise AskedWrongly(
            "This sign-in proves its app by a client secret or a certificate; give one of them.",
            code="MissingParameter",
            target=settings.app_parameters.get("certificate", "certificate"),
        )
    return with_proof(services, app, proof, proof_origins(connector, row.parameters or {})), proof


def read_proof(client_secret: str, certificate: str, password: str) -> str | CertificateCredential:
    """A secret, a certificate, or "" for neither. Errors: AskedWrongly `InvalidCertificate`, `TwoProofs`."""
    if client_secret and certificate:
        raise AskedWrongly("Give a client secret or a certificate, not both.", code="TwoProofs", target="certificate")
    if certificate:
        return certificate_credential(read_certificate(certificate, password, target="certificate"))
    return client_secret


def with_proof(
    services: Services,
    app: SignInAppRow,
    proof: str | CertificateCredential,
    origins: tuple[str, ...],
    *,
    expires_at: datetime | None = None,
) -> SignInAppRow:
    """The app with this proof sealed for these origins. expires_at: of a secret, as noted; a certificate says itself."""
    kind = Proof.CERTIFICATE if isinstance(proof, CertificateCredential) else Proof.SECRET if proof else Proof.NONE
    settings: AppSettings = replace(app_settings(app), proof=kind, origins=origins)
    app = replace(
        app,
        settings=settings_column(settings),
        secret_expires_at=proof.not_after if isinstance(proof, CertificateCredential) else expires_at,
    )
    return replace(app, sealed_secret=seal_proof(services.vault, app, proof))


def sign_in_app_row(services: Services, app_id: str) -> SignInAppRow:
    """Errors: NotFound."""
    app = services.store.connections.get_sign_in_app(app_id)
    if app is None:
        raise NotFound(f"There is no sign-in app {app_id}.", code="SignInAppNotFound", target=app_id)
    return app


def app_name(app: SignInAppRow) -> str:
    """What people call it."""
    return app.display_name or app.client_id or app.app_id
