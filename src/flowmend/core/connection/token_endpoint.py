"""What every request to a token endpoint has in common: who asks, how it is proven, and what the answer means.

Source: RFC 6749 §2.3 and §5, RFC 7523 §2.2 (assertions), OpenID Connect Core §9 (how an app proves itself).
"""

import base64
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from flowmend.core.connection.claims_challenge import claims_text
from flowmend.core.connection.credentials import OAuthCredential, read_tokens
from flowmend.core.connection.diagnosis import diagnose
from flowmend.core.connection.received import Phase, ReceivedAnswer
from flowmend.core.connection.redaction import redact
from flowmend.core.connector import (
    HttpRequest,
    HttpResponse,
    OAuthSettings,
    SignInKind,
    TokenEndpointAuth,
    TransportFailure,
    fill_url,
)
from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis, FixableBy

_SAYS_TRY_LATER = frozenset({408, 409, 423, 425, 429})
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInApp:
    """The provider's client we act as. client_secret: "" for a public client, or one that proves itself by certificate.

    tenant: of the Microsoft identity platform, "" for none. assertion: makes a signed JWT for an audience, a fresh one
    each time it is called; None where the app has no certificate. service: whose service it signs in to, "" if unknown,
    for rules of diagnosis that hold for one service only.
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    tenant: str = ""
    service: str = ""
    assertion: Callable[[str], str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefusal:
    """Signing in or refreshing did not succeed. code, message: as received, secrets removed.

    status: the HTTP status, None where no answer came. claims: what the next sign-in must bring along, "" for nothing.
    was_judged: False for outages, time-outs and resets, where
    the credential may be as good as before.
    """

    code: str
    message: str
    diagnosis: Diagnosis
    status: int | None = None
    claims: str = ""

    @property
    def was_judged(self) -> bool:
        return self.diagnosis.connection_broken


Answer: TypeAlias = HttpResponse | TransportFailure
SignIn: TypeAlias = Generator[HttpRequest, Answer, OAuthCredential | SignInRefusal]


def endpoint(template: str, settings: OAuthSettings, app: SignInApp, parameters: Mapping[str, Json]) -> str:
    """A provider's URL with its places filled: the connection's own values first, then the app's, then the provider's."""
    return fill_url(template, places(settings, app, parameters))


def endpoint_host(template: str, settings: OAuthSettings, app: SignInApp, parameters: Mapping[str, Json]) -> str:
    """The host, with its port, of a provider's URL: where what is sent there goes."""
    return urlsplit(endpoint(template, settings, app, parameters)).netloc


def places(settings: OAuthSettings, app: SignInApp, parameters: Mapping[str, Json]) -> dict[str, Json]:
    """What the places of a provider's URLs and scopes stand for."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    named = {name.lower().removeprefix("token:") for name in given}
    ours = {"tenantid": app.tenant or settings.tenant, "clientid": app.client_id}
    return {**given, **{name: value for name, value in ours.items() if name not in named}}


def scopes_of(settings: OAuthSettings, app: SignInApp, parameters: Mapping[str, Json]) -> str:
    """The scopes to ask for, joined as the provider wants them."""
    return fill_url(settings.scope_delimiter.join(settings.scopes), places(settings, app, parameters))


def token_request(
    url: str, form: Mapping[str, str], settings: OAuthSettings, app: SignInApp, *, audience: str = ""
) -> HttpRequest:
    """A request of the app to the token endpoint, or to another that takes the same proof of who asks.

    audience: the token endpoint where `url` is another: by its address an assertion names the server (RFC 7523 §3).
    """
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": "flowmend",
    }
    fields = {**form, "client_id": app.client_id}
    if app.assertion is not None:
        fields |= {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": app.assertion(audience or url)}
    elif app.client_secret and settings.token_endpoint_auth is TokenEndpointAuth.BASIC:
        del fields["client_id"]
        pair = f"{quote(app.client_id, safe='')}:{quote(app.client_secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    elif app.client_secret:
        fields["client_secret"] = app.client_secret
    fields = {name: value for name, value in fields.items() if value}
    return HttpRequest(method="POST", url=url, headers=headers, body=urlencode(fields).encode("ascii"))


def read_token_answer(
    answer: Answer, secrets: tuple[str, ...], *, now: datetime, before: OAuthCredential | None, service: str = ""
) -> OAuthCredential | SignInRefusal:
    """The tokens of an answer, or why there are none. secrets: what was sent and must not come back in a message.

    service: as `SignInApp` says.
    """
    if isinstance(answer, HttpResponse):
        fields = answer_fields(answer)
        if 200 <= answer.status < 300 and fields.get("access_token"):
            return read_tokens(fields, now=now, before=before)
    return refusal_of(answer, secrets, service=service)


def refusal_of(answer: Answer, secrets: tuple[str, ...], *, service: str = "") -> SignInRefusal:
    """Why an endpoint did not give what it was asked for. secrets, service: as `read_token_answer` says."""
    sent = tuple(secret for secret in secrets if secret)
    if isinstance(answer, TransportFailure):
        message = redact(answer.message, sent)
        received = ReceivedAnswer(failure_code=answer.code, body=message, phase=Phase.TOKEN_ENDPOINT)
        diagnosis = diagnose(received, had_credential=True, kind=SignInKind.OAUTH2)
        return SignInRefusal(code=answer.code, message=message, diagnosis=diagnosis)
    received = ReceivedAnswer(
        status=answer.status,
        headers=answer.headers,
        body=redact(answer.body[:20_000].decode("utf-8", "replace"), sent),
        phase=Phase.TOKEN_ENDPOINT,
        provider=service,
    )
    diagnosis = diagnose(received, had_credential=True, kind=SignInKind.OAUTH2)
    if answer.status in _SAYS_TRY_LATER or answer.status >= 500:
        diagnosis = _only_for_now(diagnosis)
    return SignInRefusal(
        code=diagnosis.code,
        message=diagnosis.message,
        diagnosis=diagnosis,
        status=answer.status,
        claims=claims_text(answer_fields(answer).get("claims")),
    )


def _only_for_now(diagnosis: Diagnosis) -> Diagnosis:
    """Whatever such an answer says beside its status: it judged nobody, so no credential dies of it."""
    if not diagnosis.connection_broken:
        return diagnosis
    return msgspec.structs.replace(
        diagnosis, connection_broken=False, is_auth_failure=False, fixable_by=FixableBy.WAIT, remedy="wait"
    )


def answer_fields(answer: HttpResponse) -> dict[str, Json]:
    """The answer's fields: JSON as the standard says, or a form, as some older providers answer."""
    try:
        decoded = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        decoded = dict(parse_qsl(answer.body.decode("utf-8", "replace")))
    return decoded if isinstance(decoded, dict) else {}


def refused_here(code: str, message: str) -> SignInRefusal:
    """A refusal of our own, before anything was asked."""
    received = ReceivedAnswer(status=400, body="", phase=Phase.TOKEN_ENDPOINT)
    diagnosis = diagnose(received, had_credential=False, kind=SignInKind.OAUTH2)
    return SignInRefusal(
        code=code, message=message, diagnosis=msgspec.structs.replace(diagnosis, code=code, message=message)
    )
