"""Ask a provider about itself, once for each sign-in app, and keep what it said."""

from datetime import timedelta

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
    kept = app_settings(app)
    if not kept.is_discovered and not settings.issuer:
        metadata = await ask_provider_of(services, row, app, settings)
        if metadata is not None:
            kept = with_metadata(kept, metadata)
            services.store.connections.change_sign_in_app(app.app_id, settings=settings_column(kept))
            app = app_of(services, row) or app
    return provider_of(settings, app), kept.issuer_is_required


async def ask_provider_of(
    services: Services, row: ConnectionRow, app: SignInAppRow, settings: OAuthSettings
) -> ProviderMetadata | None:
    """What the provider says of itself; None where it could not be reached, so that it is asked again."""
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
