"""What we keep of a sign-in app besides its client id and secret: how it proves itself, where, and its provider's word."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from flowmend.core.connection.provider_discovery import ProviderMetadata
from flowmend.core.connector import Connector, OAuthSettings, TokenEndpointAuth, fill_url, origin_of
from flowmend.core.json_value import Json
from flowmend.store.rows import SignInAppRow


class Proof(StrEnum):
    """How an app proves that it is itself."""

    NONE = "none"  # a public client
    SECRET = "secret"  # noqa: S105  the name of a kind
    CERTIFICATE = "certificate"


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """origins: where the proof may be sent, () for wherever the connection's credential may go.

    is_managed_identity: it signs in for the connections that say "managed identity". is_standalone: it was made for itself,
    and stays when its last connection goes. is_discovered: the provider was asked
    about itself; the fields after it are its answer (`ProviderMetadata`).
    """

    proof: Proof = Proof.SECRET
    origins: tuple[str, ...] = ()
    is_managed_identity: bool = False
    is_standalone: bool = False
    is_discovered: bool = False
    issuer: str = ""
    issuer_is_required: bool = False
    device_authorization_url: str = ""
    revocation_url: str = ""
    token_endpoint_auth: TokenEndpointAuth = TokenEndpointAuth.BODY


def app_settings(app: SignInAppRow) -> AppSettings:
    """The settings of a row; those of an app from before they were kept are the usual ones."""
    settings: AppSettings = msgspec.convert(app.settings or {}, AppSettings)
    return settings


def settings_column(settings: AppSettings) -> Json:
    """As the row keeps them."""
    return msgspec.to_builtins(settings)


def with_metadata(settings: AppSettings, metadata: ProviderMetadata) -> AppSettings:
    """The settings with what the provider said of itself."""
    return msgspec.structs.replace(
        settings,
        is_discovered=True,
        issuer=metadata.issuer,
        issuer_is_required=metadata.issuer_is_required,
        device_authorization_url=metadata.device_authorization_url,
        revocation_url=metadata.revocation_url,
        token_endpoint_auth=metadata.token_endpoint_auth,
    )


def without_metadata(settings: AppSettings) -> AppSettings:
    """The settings as before the provider was asked, so that it is asked again."""
    return msgspec.structs.replace(with_metadata(settings, ProviderMetadata()), is_discovered=False)


def proof_origins(connector: Connector, parameters: Mapping[str, Json]) -> tuple[str, ...]:
    """Where a connection with these parameters sends what proves its sign-in app: its connector's token endpoints."""
    settings = [method.oauth for method in connector.sign_in if method.oauth is not None]
    urls = [url for one in settings for url in _endpoints(one)]
    found = (origin_of(fill_url(url, parameters)) for url in urls)
    return tuple(sorted({origin for origin in found if origin}))


def _endpoints(settings: OAuthSettings) -> tuple[str, ...]:
    return (settings.token_url, settings.refresh_url, settings.device_authorization_url, settings.revocation_url)
