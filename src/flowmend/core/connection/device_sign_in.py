"""Sign in with a code on another device, as pure generators: where a browser cannot come back to Flowmend.

    begin_device_sign_in → somebody enters the user code at the provider → poll_device_sign_in, every `interval`

Source: RFC 8628.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.token_endpoint import (
    Answer,
    SignInApp,
    SignInRefusal,
    answer_fields,
    endpoint,
    read_token_answer,
    refusal_of,
    refused_here,
    scopes_of,
    token_request,
)
from flowmend.core.connector import HttpRequest, HttpResponse, OAuthSettings, TransportFailure
from flowmend.core.json_value import Json

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = timedelta(seconds=5)  # §3.2, where the provider names none
_SLOWER_BY = timedelta(seconds=5)  # §3.5, `slow_down`
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(minutes=2)
_LIFETIME = timedelta(minutes=15)  # where the provider names none, which the standard forbids
_LONGEST_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSignIn:
    """A sign-in under way. user_code: to be entered at verification_url. complete_url: the same with the code in it, "" for
    none. interval: how long to wait before each poll.
    """

    device_code: str = field(repr=False)
    user_code: str
    verification_url: str
    complete_url: str = ""
    expires_at: datetime
    interval: timedelta


Begin: TypeAlias = Generator[HttpRequest, Answer, DeviceSignIn | SignInRefusal]
Poll: TypeAlias = Generator[HttpRequest, Answer, OAuthCredential | DeviceSignIn | SignInRefusal]


def begin_device_sign_in(
    settings: OAuthSettings, app: SignInApp, *, now: datetime, parameters: Mapping[str, Json] | None = None
) -> Begin:
    """Ask for a code to show."""
    if not settings.device_authorization_url:
        return refused_here("NoDeviceSignIn", "The provider offers no sign-in with a code on another device.")
    url = endpoint(settings.device_authorization_url, settings, app, parameters or {})
    form = {"scope": scopes_of(settings, app, parameters or {})}
    audience = endpoint(settings.token_url, settings, app, parameters or {})
    answer = yield token_request(url, form, settings, app, audience=audience)
    fields = answer_fields(answer) if isinstance(answer, HttpResponse) and 200 <= answer.status < 300 else {}
    # `verification_url` is what some providers wrote before the standard was finished.
    shown = str(fields.get("verification_uri") or fields.get("verification_url") or "")
    if not (fields.get("device_code") and fields.get("user_code") and shown.startswith(("https://", "http://"))):
        return refusal_of(answer, (app.client_secret,), service=app.service)
    complete = str(fields.get("verification_uri_complete") or "")
    lifetime = _seconds(fields.get("expires_in"), _LIFETIME)
    return DeviceSignIn(
        device_code=str(fields["device_code"]),
        user_code=str(fields["user_code"])[:64],
        verification_url=shown,
        complete_url=complete if complete.startswith(("https://", "http://")) else "",
        expires_at=now + min(lifetime, _LONGEST_LIFETIME),
        interval=_bounded(_seconds(fields.get("interval"), _INTERVAL)),
    )


def poll_device_sign_in(
    settings: OAuthSettings,
    app: SignInApp,
    begun: DeviceSignIn,
    *,
    now: datetime,
    parameters: Mapping[str, Json] | None = None,
) -> Poll:
    """Ask once whether somebody has signed in: the tokens, or `begun` with the interval to wait now, or why it is over."""
    if now >= begun.expires_at:
        return refused_here("expired_token", "The code has run out. Begin the sign-in again.")
    url = endpoint(settings.token_url, settings, app, parameters or {})
    form = {"grant_type": _GRANT, "device_code": begun.device_code}
    answer = yield token_request(url, form, settings, app)
    if isinstance(answer, TransportFailure):
        return _waiting(begun, begun.interval * 2) if answer.is_retryable else refusal_of(answer, (app.client_secret,))
    error = answer_fields(answer).get("error")
    if error == "authorization_pending":
        return begun
    if error == "slow_down" or answer.status == 429:
        return _waiting(begun, begun.interval + _SLOWER_BY)
    if answer.status >= 500:
        return _waiting(begun, begun.interval * 2)
    secrets = (begun.device_code, app.client_secret)
    return read_token_answer(answer, secrets, now=now, before=None, service=app.service)


def _waiting(begun: DeviceSignIn, interval: timedelta) -> DeviceSignIn:
    return DeviceSignIn(
        device_code=begun.device_code,
        user_code=begun.user_code,
        verification_url=begun.verification_url,
        complete_url=begun.complete_url,
        expires_at=begun.expires_at,
        interval=_bounded(interval),
    )


def _seconds(value: Json, otherwise: timedelta) -> timedelta:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return otherwise
    return timedelta(seconds=min(seconds, _LONGEST_LIFETIME.total_seconds())) if seconds > 0 else otherwise


def _bounded(interval: timedelta) -> timedelta:
    return min(max(interval, _SHORTEST), _LONGEST)
