"""Ask a provider about itself, once for each sign-in app, and keep what it said."""

from datetime import timedelta

import msgspec

from flowmend.core.connection.provider_discovery import ProviderMetadata, discover_provider
from flowmend.core.connection.token_endpoint import SignInApp, endpoint
from flowmend.core.connector import HttpResponse, OAuthSettings, TransportFailure
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import app_of, provider_of
from flowmend.use_cases.app_settings import app_settings, settings_column, with_metadata
from flowmend.use_cases.ports import Services

#: Somebody waits for it, and most providers say nothing.
_ASK_SECONDS = timedelta(seconds=5)
_LARGEST_ANSWER = 256 * 1024


async def known_provider(services: Services, row: ConnectionRow, settings: OAuthSettings) -> tuple[OAuthSettings, bool]:
    """(the endpoints with what the provider says of itself, whether every answer of it names its issuer)."""
    app = app_of(services, row)
    if app is None:
        return settings, False
    metadata = await ask_once(services, row, app, settings)
    app = app_of(services, row) or app  # its secret may have been replaced meanwhile, for other addresses
    if metadata is not None:
        column = settings_column(with_metadata(app_settings(app), metadata))
        services.store.connections.change_sign_in_app(app.app_id, settings=column)
        app = msgspec.structs.replace(app, settings=column)
    return provider_of(settings, app), app_settings(app).issuer_is_required


async def ask_once(
    services: Services, row: ConnectionRow, app: SignInAppRow, settings: OAuthSettings
) -> ProviderMetadata | None:
    """What the provider says of itself, where it was not asked before and its connector does not say it; None else, and where
    it could not be reached, so that it is asked again.
    """
    if app_settings(app).is_discovered or settings.issuer:
        return None
    acting, parameters = SignInApp(client_id=app.client_id, tenant=app.tenant), row.parameters or {}
    token_url = endpoint(settings.token_url, settings, acting, parameters)
    steps = discover_provider(endpoint(settings.authorization_url, settings, acting, parameters), token_url)
    answer: HttpResponse | None = None
    while True:
        try:
            request = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            metadata: ProviderMetadata = end.value
            return metadata
        received = await services.http.send(request, timeout=_ASK_SECONDS, max_response_bytes=_LARGEST_ANSWER)
        if isinstance(received, TransportFailure):
            steps.close()
            return None
        answer = received
