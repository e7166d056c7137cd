"""Sign-in apps as people see them: list, read, create, rename, note when the secret ends, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from flowmend.core.connection.health import HealthState
from flowmend.core.connector.operation import Connector, SignInMethod
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_settings import AppSettings, Proof, app_settings, proof_origins, settings_column
from flowmend.use_cases.chosen_app import app_name, read_proof, sign_in_app_row, with_proof
from flowmend.use_cases.connections import SecretField, fields_of
from flowmend.use_cases.connector_gallery import sign_in_methods
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sign_in_connection import redirect_url
from flowmend.use_cases.unreadable import CANNOT_BE_READ

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInAppView:
    """A sign-in app with the connections that act as it. redirect_url: to be registered with the provider.

    connector_name: of the connector it was made for.
    """

    row: SignInAppRow
    settings: AppSettings
    connections: tuple[ConnectionRow, ...]
    connector_name: str
    redirect_url: str

    @property
    def name(self) -> str:
        return app_name(self.row)

    @property
    def broken(self) -> tuple[ConnectionRow, ...]:
        """The connections that need repair."""
        states = {HealthState.BROKEN, HealthState.REPAIRING}
        return tuple(row for row in self.connections if row.health in states)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where its secret may be sent."""
        return tuple(origin.partition("//")[2] for origin in self.settings.origins)

    @property
    def has_proof(self) -> bool:
        """Whether a secret or certificate is kept; a public client has none."""
        return bool(self.row.sealed_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChoice:
    """A connector that a sign-in app can be made for. fields: values that say where its provider is, and of the app."""

    connector_id: str
    display_name: str
    fields: tuple[SecretField, ...]
    takes_tenant: bool


async def list_sign_in_apps(services: Services, connector_id: str = "") -> list[SignInAppView]:
    """Every sign-in app, those with broken connections first, then by name; of one connector where named."""
    by_app: dict[str, list[ConnectionRow]] = {}
    for row in services.store.connections.list():
        by_app.setdefault(row.app_id, []).append(row)
    apps = services.store.connections.sign_in_apps(connector_id)
    views = [_view(services, app, by_app.get(app.app_id, [])) for app in apps]
    return sorted(views, key=lambda view: (not view.broken, view.name.casefold(), view.row.app_id))


async def read_sign_in_app(services: Services, app_id: str) -> SignInAppView:
    """Errors: NotFound `SignInAppNotFound`."""
    app = sign_in_app_row(services, app_id)
    return _view(services, app, services.store.connections.list(app_id=app_id))


def app_choices(services: Services) -> list[AppChoice]:
    """The connectors whose sign-in is one of an app, by name."""
    choices = []
    for connector_id, display_name, methods in sign_in_methods(services):
        method = _app_method(methods)
        if method is not None and method.oauth is not None:
            choices.append(
                AppChoice(
                    connector_id=connector_id,
                    display_name=display_name,
                    fields=_fields(method),
                    takes_tenant="{tenantid}" in method.oauth.token_url,
                )
            )
    return sorted(choices, key=lambda choice: choice.display_name.casefold())


async def create_sign_in_app(
    services: Services,
    connector_id: str,
    *,
    display_name: str,
    client_id: str,
    tenant: str = "",
    client_secret: str = "",
    certificate: str = "",
    certificate_password: str = "",
    secret_expires_at: datetime | None = None,
    parameters: Mapping[str, str] | None = None,
    is_managed_identity: bool = False,
    person_id: str,
) -> SignInAppView:
    """Keep an app that was registered with a provider. parameters: the connector's own, where its provider's address needs
    them. Its secret is proven by the first connection that signs in with it.

    Errors: NotFound for the connector; AskedWrongly naming what is missing, `InvalidCertificate`, `NoSignInApp`.
    """
    connector = services.connectors.get(connector_id)
    method = app_method(connector)
    if method is None:
        raise AskedWrongly(
            f"Nobody signs in to {connector.display_name!r} by a sign-in app.", code="NoSignInApp", target=connector_id
        )
    client_id = client_id.strip()
    if not client_id:
        raise AskedWrongly("Client ID is missing.", code="MissingParameter", target="client_id")
    origins = proof_origins(connector, parameters or {})
    if not origins:
        raise AskedWrongly(
            "The provider's address is not complete; give the values it is made of.",
            code="MissingParameter",
            target="parameters",
        )
    proof = read_proof(client_secret, certificate, certificate_password)
    now = services.clock.now
    app = SignInAppRow(
        app_id=str(services.clock.guid()),
        connector_id=connector_id,
        client_id=client_id,
        tenant=tenant.strip(),
        settings=settings_column(AppSettings(is_managed_identity=is_managed_identity, is_standalone=True)),
        created_at=now,
        display_name=_checked_name(display_name) or f"{connector.display_name} app",
        owner_id=person_id,
    )
    app = with_proof(services, app, proof, origins, expires_at=secret_expires_at)
    services.store.connections.add_sign_in_app(app)
    services.store.audit.note(person_id, "create_sign_in_app", app.app_id, {"connector": connector_id}, at=now)
    services.changes.publish("sign_in_app", app_id=app.app_id)
    return _view(services, app, [])


async def change_sign_in_app(
    services: Services,
    app_id: str,
    *,
    display_name: str | None = None,
    secret_expires_at: datetime | None = None,
    forgets_expiry: bool = False,
    is_managed_identity: bool | None = None,
    person_id: str,
) -> SignInAppView:
    """Rename it, note when its secret ends, or let it sign in for managed identities. What is None stays.

    forgets_expiry: no date is known any more. Errors: NotFound; AskedWrongly for a certificate, which says its own date.
    """
    app = sign_in_app_row(services, app_id)
    settings = app_settings(app)
    if (secret_expires_at or forgets_expiry) and settings.proof is Proof.CERTIFICATE:
        raise AskedWrongly("A certificate says itself until when it is good.", code="CertificateSaysIt", target=app_id)
    changes: dict[str, object] = {}
    if display_name is not None:
        changes["display_name"] = _checked_name(display_name) or app.display_name
    if secret_expires_at is not None or forgets_expiry:
        changes["secret_expires_at"] = secret_expires_at
    if is_managed_identity is not None:
        changes["settings"] = settings_column(replace(settings, is_managed_identity=is_managed_identity))
    if changes:
        services.store.connections.change_sign_in_app(app_id, **changes)
        services.store.audit.note(
            person_id, "change_sign_in_app", app_id, {"changed": sorted(changes)}, at=services.clock.now
        )
        services.changes.publish("sign_in_app", app_id=app_id)
    return await read_sign_in_app(services, app_id)


async def delete_sign_in_app(services: Services, app_id: str, person_id: str) -> None:
    """Errors: NotFound; Conflict `SignInAppInUse` while connections act as it."""
    app = sign_in_app_row(services, app_id)
    users = services.store.connections.list(app_id=app_id)
    if users or not services.store.connections.delete_sign_in_app(app_id):
        names = ", ".join(row.display_name for row in users[:5])
        raise Conflict(
            f"{app_name(app)!r} is what {names or 'a connection'} signs in with. Delete those first.",
            code="SignInAppInUse",
            target=app_id,
        )
    services.store.audit.note(person_id, "delete_sign_in_app", app_id, None, at=services.clock.now)
    services.changes.publish("sign_in_app", app_id=app_id)


def app_method(connector: Connector) -> SignInMethod | None:
    """The first way to sign in that takes an app of the owner's, None where there is none."""
    return _app_method(connector.sign_in)


def _app_method(methods: Sequence[SignInMethod]) -> SignInMethod | None:
    return next((one for one in methods if one.oauth is not None and not one.oauth.is_managed_identity), None)


def _fields(method: SignInMethod) -> tuple[SecretField, ...]:
    """What the provider's address is made of, besides the tenant and the client."""
    settings = method.oauth
    if settings is None:
        return ()
    urls = f"{settings.authorization_url} {settings.token_url} {settings.refresh_url}".lower()
    of_app = set(settings.app_parameters.values())
    return tuple(
        field
        for field in fields_of(method, {})
        if "{" + field.name.lower().removeprefix("token:") + "}" in urls and field.name not in of_app
    )


def _view(services: Services, app: SignInAppRow, connections: Sequence[ConnectionRow]) -> SignInAppView:
    try:
        connector_name = services.connectors.row(app.connector_id).display_name
    except CANNOT_BE_READ:
        connector_name = app.connector_id
    return SignInAppView(
        row=app,
        settings=app_settings(app),
        connections=tuple(sorted(connections, key=lambda row: row.display_name.casefold())),
        connector_name=connector_name,
        redirect_url=redirect_url(services),
    )


def _checked_name(name: str) -> str:
    return " ".join(name.split())[:_LONGEST_NAME]
