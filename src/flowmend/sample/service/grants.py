"""OAuth 2 grants: codes, access tokens and rotating refresh tokens, as rules without HTTP.

A grant is one consent. Its code is used once; each refresh spends the refresh token and brings a new one, and a
spent one that comes back ends the whole grant, since one of its two holders must be a thief.
Sources: RFC 6749 §4.1 and §6, RFC 7636 (PKCE), RFC 7009 (revocation), RFC 9700 §4.14.2 (rotation).
"""

import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest

CODE_SECONDS = 60.0

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 §4.1
CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")  # BASE64URL of a SHA-256, RFC 7636 §4.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person allowed an application, and what its code is bound to."""

    user: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    scopes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Grant:
    """A consent and the tokens that came of it."""

    consent: Consent
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """expires_at: by the service's clock, in seconds."""

    grant: Grant = field(repr=False)
    expires_at: float
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A successful token answer."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An error of RFC 6749 §5.2."""

    error: str
    description: str


@dataclass(slots=True, kw_only=True)
class _Code:
    grant: Grant
    expires_at: float
    is_spent: bool = False


@dataclass(slots=True, kw_only=True)
class _RefreshToken:
    grant: Grant
    is_spent: bool = False


class Grants:
    """Every grant since the start. clock: seconds, never going back."""

    def __init__(self, *, clock: Callable[[], float], access_token_seconds: float) -> None:
        self._clock = clock
        self._access_token_seconds = access_token_seconds
        self._codes: dict[str, _Code] = {}
        self._refresh_tokens: dict[str, _RefreshToken] = {}
        self._access_tokens: dict[str, AccessToken] = {}

    def issue_code(self, consent: Consent) -> str:
        """A code for this consent, good once within a minute."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(grant=Grant(consent=consent), expires_at=self._clock() + CODE_SECONDS)
        return code

    def redeem_code(self, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> Tokens | Refused:
        """Tokens for a code, or why not. A code that comes twice ends what came of it the first time."""
        known = self._codes.get(code)
        if known is None or known.grant.consent.client_id != client_id:
            return Refused(error="invalid_grant", description="The authorization code is not known.")
        consent = known.grant.consent
        if known.is_spent:
            known.grant.is_revoked = True
            return Refused(error="invalid_grant", description="The authorization code was used before.")
        if known.expires_at <= self._clock():
            return Refused(error="invalid_grant", description="The authorization code has expired.")
        if redirect_uri != consent.redirect_uri:
            return Refused(
                error="invalid_grant", description="The redirect_uri is not the one the code was issued for."
            )
        if not _proves(verifier, consent.code_challenge):
            return Refused(error="invalid_grant", description="The code_verifier does not match the code_challenge.")
        known.is_spent = True
        return self._issue_tokens(known.grant, consent.scopes)

    def refresh(self, refresh_token: str, *, client_id: str, scopes: tuple[str, ...] = ()) -> Tokens | Refused:
        """New tokens for a refresh token, which is then spent. scopes: fewer than granted, or empty for all."""
        known = self._refresh_tokens.get(refresh_token)
        if known is None or known.grant.consent.client_id != client_id:
            return Refused(error="invalid_grant", description="The refresh token is not known.")
        if known.grant.is_revoked:
            return Refused(error="invalid_grant", description="The refresh token has been revoked.")
        if known.is_spent:
            known.grant.is_revoked = True
            return Refused(
                error="invalid_grant", description="The refresh token was used before; the grant has been revoked."
            )
        granted = known.grant.consent.scopes
        if not set(scopes) <= set(granted):
            return Refused(error="invalid_scope", description="The scope exceeds what was granted.")
        known.is_spent = True
        return self._issue_tokens(known.grant, scopes or granted)

    def revoke(self, token: str, *, client_id: str) -> None:
        """End the grant of a refresh token, or one access token; an unknown token is no error (RFC 7009 §2.2)."""
        refresh = self._refresh_tokens.get(token)
        if refresh is not None and refresh.grant.consent.client_id == client_id:
            refresh.grant.is_revoked = True
        access = self._access_tokens.get(token)
        if access is not None and access.grant.consent.client_id == client_id:
            del self._access_tokens[token]

    def check(self, access_token: str) -> AccessToken | Refused:
        """The token if it is good, else the error of RFC 6750 §3.1."""
        known = self._access_tokens.get(access_token)
        if known is None:
            return Refused(error="invalid_token", description="The access token is not known.")
        if known.grant.is_revoked:
            return Refused(error="invalid_token", description="The access token has been revoked.")
        if known.expires_at <= self._clock():
            return Refused(error="invalid_token", description="The access token has expired.")
        return known

    def expire_access_tokens(self) -> int:
        """Let every access token run out now; how many did."""
        now = self._clock()
        alive = {token: access for token, access in self._access_tokens.items() if access.expires_at > now}
        for token, access in alive.items():
            self._access_tokens[token] = AccessToken(grant=access.grant, expires_at=now, scopes=access.scopes)
        return len(alive)

    def revoke_all(self) -> int:
        """End every grant, as when people withdraw their consent; how many ended."""
        alive = {id(token.grant): token.grant for token in self._refresh_tokens.values() if not token.grant.is_revoked}
        for grant in alive.values():
            grant.is_revoked = True
        return len(alive)

    def _issue_tokens(self, grant: Grant, scopes: tuple[str, ...]) -> Tokens:
        access_token, refresh_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        lifetime = self._access_token_seconds
        self._access_tokens[access_token] = AccessToken(grant=grant, expires_at=self._clock() + lifetime, scopes=scopes)
        self._refresh_tokens[refresh_token] = _RefreshToken(grant=grant)
        return Tokens(access_token=access_token, refresh_token=refresh_token, expires_in=int(lifetime), scopes=scopes)


def _proves(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    computed = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return compare_digest(computed, challenge)
