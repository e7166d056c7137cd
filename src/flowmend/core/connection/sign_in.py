"""OAuth 2 sign-in in the browser, as a pure generator: it yields requests, is sent the answers, and returns what came of it.

    authorization_url → the browser signs in at the provider → read_callback → exchange_code
    later: token_grants.renew

Source: RFC 6749 (OAuth 2), RFC 7636 (PKCE), RFC 9207 (`iss`), RFC 9700 (best practice).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.diagnosis import diagnose
from flowmend.core.connection.received import Phase, ReceivedAnswer
from flowmend.core.connection.token_endpoint import (
    SignIn,
    SignInApp,
    SignInRefusal,
    endpoint,
    read_token_answer,
    refused_here,
    scopes_of,
    token_request,
)
from flowmend.core.connection.token_grants import FACEBOOK, exchange_for_longer
from flowmend.core.connector import OAuthSettings, SignInKind, origin_of
from flowmend.core.json_value import Json

_TENANT_PLACE = "{tenantid}"
_TENANT = r"[0-9A-Za-z.-]{1,255}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A sign-in under way, kept until the browser comes back. state, verifier: 43 or more random characters each.

    issuer: what the provider's `iss` must be, with the place `{tenantid}` for any tenant; "" where it is not known, and
    then one of the same origin as authorization_url passes. issuer_is_required: the provider said that it always names
    itself. claims: a claims challenge to answer, JSON text.
    """

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_url: str
    issuer: str = ""
    issuer_is_required: bool = False
    authorization_url: str = ""
    claims: str = ""


def authorization_url(
    settings: OAuthSettings, app: SignInApp, consent: Consent, parameters: Mapping[str, Json] | None = None
) -> str:
    """Where to send the browser. parameters: the connection's, for providers whose URLs have places for them."""
    query = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": consent.redirect_url,
        "scope": scopes_of(settings, app, parameters or {}),
        "state": consent.state,
        "code_challenge": code_challenge(consent.verifier),
        "code_challenge_method": "S256",
        "claims": consent.claims,
        **dict(settings.authorization_queries),
    }
    url = endpoint(settings.authorization_url, settings, app, parameters or {})
    joint = "&" if "?" in url else "?"
    return url + joint + urlencode({name: value for name, value in query.items() if value})


def code_challenge(verifier: str) -> str:
    """RFC 7636 §4.2, method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def read_callback(query: Mapping[str, str], consent: Consent) -> str | SignInRefusal:
    """The authorization code the browser brought back, or why there is none."""
    if not hmac.compare_digest(query.get("state", "").encode(), consent.state.encode()):
        return refused_here(
            "InvalidState", "The sign-in that came back is not the one that was begun here. Begin it again."
        )
    if not _is_the_issuer(query.get("iss", ""), consent):
        return refused_here("InvalidIssuer", "The answer came from another provider than the one that was asked.")
    if "error" in query:
        answer = ReceivedAnswer(status=400, body=msgspec.json.encode(dict(query)).decode(), phase=Phase.TOKEN_ENDPOINT)
        diagnosis = diagnose(answer, had_credential=True, kind=SignInKind.OAUTH2)
        return SignInRefusal(code=diagnosis.code, message=diagnosis.message, diagnosis=diagnosis)
    code = query.get("code", "")
    return code or refused_here("MissingCode", "The provider sent the browser back without a code.")


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
    url = endpoint(settings.token_url, settings, app, parameters or {})
    answer = yield token_request(url, form, settings, app)
    secrets = (code, consent.verifier, app.client_secret)
    tokens = read_token_answer(answer, secrets, now=now, before=None, service=app.service)
    if settings.identity_provider == FACEBOOK and isinstance(tokens, OAuthCredential):
        longer = yield from exchange_for_longer(settings, app, tokens, now=now, parameters=parameters)
        return longer if isinstance(longer, OAuthCredential) else tokens
    return tokens


def _is_the_issuer(said: str, consent: Consent) -> bool:
    """RFC 9207 §2.4, compared as plain strings; a provider of many tenants answers with the one that signed in."""
    if not said:
        return not consent.issuer_is_required
    if not consent.issuer:
        return not consent.authorization_url or origin_of(said) == origin_of(consent.authorization_url)
    if _TENANT_PLACE not in consent.issuer:
        return said == consent.issuer
    pattern = _TENANT.join(re.escape(piece) for piece in consent.issuer.split(_TENANT_PLACE))
    return re.fullmatch(pattern, said) is not None
