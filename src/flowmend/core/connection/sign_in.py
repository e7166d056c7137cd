"""OAuth 2 sign-in as pure generators: they yield requests, are sent the answers, and return what came of it.

    authorization_url → the browser signs in at the provider → read_callback → exchange_code
    later: refresh

Source: RFC 6749 (OAuth 2), RFC 7636 (PKCE), RFC 9207 (`iss`), RFC 9700 (best practice).
"""

import base64
import hashlib
import hmac
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode

import msgspec

from flowmend.core.connection.credentials import OAuthCredential, read_tokens
from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connection.redaction import redact
from flowmend.core.connector import (
    HttpRequest,
    HttpResponse,
    OAuthSettings,
    SignInKind,
    TransportFailure,
    fill_url,
)
from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInApp:
    """The provider's client we act as. client_secret: "" for a public client."""

    client_id: str
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefusal:
    """Signing in or refreshing did not succeed. code, message: as received, secrets removed.

    status: the HTTP status, None where no answer came. was_judged: False for outages, time-outs and resets, where
    the credential may be as good as before.
    """

    code: str
    message: str
    diagnosis: Diagnosis
    status: int | None = None

    @property
    def was_judged(self) -> bool:
        return self.diagnosis.connection_broken


Answer: TypeAlias = HttpResponse | TransportFailure
SignIn: TypeAlias = Generator[HttpRequest, Answer, OAuthCredential | SignInRefusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A sign-in under way, kept until the browser comes back. state, verifier: 43 or more random characters each.

    issuer: what the provider's `iss` must be, "" where it is not known.
    """

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_url: str
    issuer: str = ""


def authorization_url(
    settings: OAuthSettings, app: SignInApp, consent: Consent, parameters: Mapping[str, Json] | None = None
) -> str:
    """Where to send the browser. parameters: the connection's, for providers whose URLs have places for them."""
    query = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": consent.redirect_url,
        "scope": settings.scope_delimiter.join(settings.scopes),
        "state": consent.state,
        "code_challenge": code_challenge(consent.verifier),
        "code_challenge_method": "S256",
    }
    url = fill_url(settings.authorization_url, parameters or {})
    joint = "&" if "?" in url else "?"
    return url + joint + urlencode({name: value for name, value in query.items() if value})


def code_challenge(verifier: str) -> str:
    """RFC 7636 §4.2, method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def read_callback(query: Mapping[str, str], consent: Consent) -> str | SignInRefusal:
    """The authorization code the browser brought back, or why there is none."""
    if not hmac.compare_digest(query.get("state", "").encode(), consent.state.encode()):
        return _refused(
            "InvalidState", "The sign-in that came back is not the one that was begun here. Begin it again."
        )
    issuer = query.get("iss", "")
    if issuer and consent.issuer and issuer != consent.issuer:
        return _refused("InvalidIssuer", "The answer came from another provider than the one that was asked.")
    if "error" in query:
        answer = ReceivedAnswer(status=400, body=msgspec.json.encode(dict(query)).decode(), phase=Phase.TOKEN_ENDPOINT)
        diagnosis = diagnose(answer, had_credential=True, kind=SignInKind.OAUTH2)
        return SignInRefusal(code=diagnosis.code, message=diagnosis.message, diagnosis=diagnosis)
    code = query.get("code", "")
    return code or _refused("MissingCode", "The provider sent the browser back without a code.")


def exchange_code(
    settings: OAuthSettings,
    app: SignInApp,
    consent: Consent,
    code: str,
    *,
    now: datetime,
    parameters: Mapping[str, Json] | None = None,
) -> SignIn:
    """Turn a code into tokens. Never repeated: a code is good once."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": consent.redirect_url,
        "code_verifier": consent.verifier,
    }
    request = _token_request(fill_url(settings.token_url, parameters or {}), form, app)
    answer = yield request
    return _read_answer(answer, (code, consent.verifier, app.client_secret), now=now, before=None)


def refresh(
    settings: OAuthSettings,
    app: SignInApp,
    credential: OAuthCredential,
    *,
    now: datetime,
    parameters: Mapping[str, Json] | None = None,
) -> SignIn:
    """New tokens for old. Asked once more where the connection was reset: a rotating token may be spent, or not."""
    if not credential.refresh_token:
        return _refused(
            "MissingRefreshToken", "The provider gave no refresh token; sign in again when this one expires."
        )
    form = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}
    request = _token_request(fill_url(settings.refresh_url, parameters or {}), form, app)
    answer = yield request
    if isinstance(answer, TransportFailure) and answer.is_retryable:
        answer = yield request
    secrets = (credential.refresh_token, credential.access_token, app.client_secret)
    return _read_answer(answer, secrets, now=now, before=credential)


def _token_request(url: str, form: Mapping[str, str], app: SignInApp) -> HttpRequest:
    fields = {**form, "client_id": app.client_id}
    if app.client_secret:
        fields["client_secret"] = app.client_secret
    return HttpRequest(
        method="POST",
        url=url,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "flowmend",
        },
        body=urlencode(fields).encode("ascii"),
    )


def _read_answer(
    answer: Answer, secrets: tuple[str, ...], *, now: datetime, before: OAuthCredential | None
) -> OAuthCredential | SignInRefusal:
    if isinstance(answer, TransportFailure):
        received = ReceivedAnswer(failure_code=answer.code, body=answer.message, phase=Phase.TOKEN_ENDPOINT)
        diagnosis = diagnose(received, had_credential=True, kind=SignInKind.OAUTH2)
        return SignInRefusal(code=answer.code, message=answer.message, diagnosis=diagnosis)
    fields = _fields(answer)
    if 200 <= answer.status < 300 and fields.get("access_token"):
        return read_tokens(fields, now=now, before=before)
    received = ReceivedAnswer(
        status=answer.status,
        headers=answer.headers,
        body=redact(answer.body[:20_000].decode("utf-8", "replace"), secrets),
        phase=Phase.TOKEN_ENDPOINT,
    )
    diagnosis = diagnose(received, had_credential=True, kind=SignInKind.OAUTH2)
    return SignInRefusal(code=diagnosis.code, message=diagnosis.message, diagnosis=diagnosis, status=answer.status)


def _fields(answer: HttpResponse) -> dict[str, Json]:
    """The answer's fields: JSON as the standard says, or a form, as some older providers answer."""
    try:
        decoded = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        decoded = dict(parse_qsl(answer.body.decode("utf-8", "replace")))
    return decoded if isinstance(decoded, dict) else {}


def _refused(code: str, message: str) -> SignInRefusal:
    received = ReceivedAnswer(status=400, body="", phase=Phase.TOKEN_ENDPOINT)
    diagnosis = diagnose(received, had_credential=False, kind=SignInKind.OAUTH2)
    return SignInRefusal(
        code=code, message=message, diagnosis=msgspec.structs.replace(diagnosis, code=code, message=message)
    )
