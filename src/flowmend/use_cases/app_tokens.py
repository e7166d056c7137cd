"""The token a sign-in app gets for itself."""

from msgspec.structs import replace

from flowmend.core.connection.credentials import CertificateCredential, OAuthCredential
from flowmend.core.connection.token_endpoint import SignInRefusal, endpoint_host
from flowmend.core.connection.token_grants import client_credentials
from flowmend.core.connector.operation import SignInMethod
from flowmend.core.errors import AskedWrongly
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import open_proof, provider_of, sign_in_as
from flowmend.use_cases.app_settings import app_settings, settings_column, with_metadata
from flowmend.use_cases.ports import Services
from flowmend.use_cases.provider_metadata import ask_once
from flowmend.use_cases.refresh_token import carry_out
from flowmend.use_cases.secret_uses import Purpose, note_sign_in


async def token_of_app(
    services: Services,
    row: ConnectionRow,
    app: SignInAppRow,
    method: SignInMethod,
    proof: str | CertificateCredential | None = None,
) -> OAuthCredential | SignInRefusal:
    """A token for the app on this connection; neither need be kept yet. proof: to try instead of the app's own.

    Errors: AskedWrongly where the app does not sign in as itself; Conflict `OriginNotAllowed`; SecretUnreadable.
    """
    if method.oauth is None:
        raise AskedWrongly("This sign-in is not one of an app.", code="NoAppSignIn", target=row.connection_id)
    metadata = await ask_once(services, row, app, method.oauth)
    if metadata is not None:  # the app need not be kept, so neither is this
        app = replace(app, settings=settings_column(with_metadata(app_settings(app), metadata)))
    settings = provider_of(method.oauth, app)
    shown = open_proof(services.vault, app) if proof is None else proof
    acting = sign_in_as(services, app, shown, method)
    steps = client_credentials(settings, acting, now=services.clock.now, parameters=row.parameters or {})
    may_go_to = frozenset(row.allowed_origins or ()).intersection(app_settings(app).origins)
    tokens = await carry_out(services.http, steps, origins=may_go_to)
    host = endpoint_host(settings.token_url, settings, acting, row.parameters or {})
    note_sign_in(services, row, Purpose.REFRESH, tokens, host=host)
    return tokens
