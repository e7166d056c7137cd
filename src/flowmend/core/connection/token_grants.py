"""Tokens without anybody at the screen: renewed, got by the app for itself, and given back. Pure generators.

Source: RFC 6749 §4.4 and §6, RFC 7009 (revocation), RFC 9700 §4.14 (rotation).
"""

from collections.abc import Generator, Mapping
from datetime import datetime

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.token_endpoint import (
    Answer,
    SignIn,
    SignInApp,
    SignInRefusal,
    endpoint,
    read_token_answer,
    refusal_of,
    refused_here,
    scopes_of,
    token_request,
)
from flowmend.core.connector import (
    HttpRequest,
    HttpResponse,
    OAuthSettings,
    SignInKind,
    SignInMethod,
    TransportFailure,
)
from flowmend.core.json_value import Json

#: It has no refresh tokens: a token that still serves is exchanged for one that lasts 60 days.
#: Source: developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived
FACEBOOK = "facebook"


def can_renew(method: SignInMethod, credential: OAuthCredential) -> bool:
    """Whether new tokens can be had without anybody at the screen."""
    is_exchanged = method.oauth is not None and method.oauth.identity_provider == FACEBOOK
    return bool(credential.refresh_token) or method.kind is SignInKind.CLIENT_CREDENTIALS or is_exchanged


def renew(
    method: SignInMethod,
    app: SignInApp,
    credential: OAuthCredential | None,
    *,
    now: datetime,
    parameters: Mapping[str, Json] | None = None,
) -> SignIn:
    """New tokens for old, in the way this sign-in has. credential: None only where the app signs in as itself."""
    settings = method.oauth
    if settings is None:
        return refused_here("NothingToRefresh", "This sign-in has no tokens to renew.")
    if method.kind is SignInKind.CLIENT_CREDENTIALS:
        return (yield from client_credentials(settings, app, now=now, parameters=parameters))
    if credential is None:
        return refused_here("NothingToRefresh", "Nobody has signed in yet.")
    if settings.identity_provider == FACEBOOK:
        return (yield from exchange_for_longer(settings, app, credential, now=now, parameters=parameters))
    return (yield from refresh(settings, app, credential, now=now, parameters=parameters))


def refresh(
    settings: OAuthSettings,
    app: SignInApp,
    credential: OAuthCredential,
    *,
    now: datetime,
    parameters: Mapping[str, Json] | None = None,
) -> SignIn:
    """New tokens for a refresh token. Asked once more where the connection was reset: a rotating token may be spent,
    or not.
    """
    if not credential.refresh_token:
        return refused_here(
            "MissingRefreshToken", "The provider gave no refresh token; sign in again when this one expires."
        )
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}
    url = endpoint(settings.refresh_url, settings, app, parameters or {})
    answer = yield token_request(url, form, settings, app)
    if isinstance(answer, TransportFailure) and answer.is_retryable:
        answer = yield token_request(url, form, settings, app)
    secrets = (credential.refresh_token, credential.access_token, app.client_secret)
    return read_token_answer(answer, secrets, now=now, before=credential, service=app.service)


def client_credentials(
    settings: OAuthSettings, app: SignInApp, *, now: datetime, parameters: Mapping[str, Json] | None = None
) -> SignIn:
    """A token for the app itself. What was reset is asked once more: nothing is spent by asking."""
    form = {"grant_type": "client_credentials", "scope": scopes_of(settings, app, parameters or {})}
    url = endpoint(settings.token_url, settings, app, parameters or {})
    answer = yield token_request(url, form, settings, app)
    if isinstance(answer, TransportFailure) and answer.is_retryable:
        answer = yield token_request(url, form, settings, app)
    return read_token_answer(answer, (app.client_secret,), now=now, before=None, service=app.service)


def exchange_for_longer(
    settings: OAuthSettings,
    app: SignInApp,
    credential: OAuthCredential,
    *,
    now: datetime,
    parameters: Mapping[str, Json] | None = None,
) -> SignIn:
    """A token that lasts longer for one that still serves."""
    form = {"grant_type": "fb_exchange_token", "fb_exchange_token": credential.access_token}
    url = endpoint(settings.token_url, settings, app, parameters or {})
    answer = yield token_request(url, form, settings, app)
    secrets = (credential.access_token, app.client_secret)
    return read_token_answer(answer, secrets, now=now, before=credential, service=app.service)


def revoke(
    settings: OAuthSettings,
    app: SignInApp,
    credential: OAuthCredential,
    *,
    parameters: Mapping[str, Json] | None = None,
) -> Generator[HttpRequest, Answer, SignInRefusal | None]:
    """Give tokens back, so that nobody can use them any more; None once the provider took them.

    With the refresh token the provider withdraws what it gave access to as well (RFC 7009 §2.1).
    """
    kind = "refresh_token" if credential.refresh_token else "access_token"
    form = {"token": getattr(credential, kind), "token_type_hint": kind}
    url = endpoint(settings.revocation_url, settings, app, parameters or {})
    audience = endpoint(settings.token_url, settings, app, parameters or {})
    answer = yield token_request(url, form, settings, app, audience=audience)
    if isinstance(answer, HttpResponse) and 200 <= answer.status < 300:
        return None
    secrets = (credential.refresh_token, credential.access_token, app.client_secret)
    return refusal_of(answer, secrets, service=app.service)
