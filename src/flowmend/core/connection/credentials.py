"""What one signs in with, as values: made of a form's fields, sealed as JSON, put into a request.

Every repr hides its secrets. `secrets_of` lists them for redaction.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from flowmend.core.connection.certificates import ReadCertificate, read_certificate
from flowmend.core.connector import ClientCertificate, Location, SignInKind, SignInMethod, SignInParts
from flowmend.core.errors import SecretUnreadable
from flowmend.core.json_value import Json

_LONGEST_MARGIN = timedelta(minutes=5)
#: The standard has no name for it; these are what providers write.
_REFRESH_LIFETIMES = ("refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in")


class _Hidden(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class BasicCredential(_Hidden, frozen=True, kw_only=True, tag="basic"):
    """User name and password."""

    user: str
    password: str


class ApiKeyCredential(_Hidden, frozen=True, kw_only=True, tag="api_key"):
    """values: the secret parameters by name."""

    values: dict[str, str]


class OAuthCredential(_Hidden, frozen=True, kw_only=True, tag="oauth2"):
    """Tokens. issued_at and expires_at: of the access token, expires_at None where the provider does not say.

    account: who signed in, as the provider names them, "" where it does not say. refresh_expires_at: of the refresh
    token, None where the provider does not say.
    """

    access_token: str
    refresh_token: str = ""
    issued_at: datetime
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    account: str = ""
    refresh_expires_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to refresh: within 5 minutes of expiry, or the last tenth of a shorter life."""
        if self.expires_at is None:
            return False
        margin = min(_LONGEST_MARGIN, (self.expires_at - self.issued_at) / 10)
        return now >= self.expires_at - margin


class CertificateCredential(_Hidden, frozen=True, kw_only=True, tag="certificate"):
    """A client certificate with its key, as PEM; the key is not encrypted, so it is kept sealed only.

    subject: whose it is, as in the certificate. not_after: when it runs out.
    """

    certificate_pem: str
    key_pem: str
    subject: str
    not_after: datetime


Credential: TypeAlias = BasicCredential | ApiKeyCredential | OAuthCredential | CertificateCredential


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSecrets:
    """A credential cannot be made: these required parameters have no value."""

    names: tuple[str, ...]


def credential_of(method: SignInMethod, values: Mapping[str, str]) -> Credential | MissingSecrets | None:
    """The credential of a form's values; None where nothing is signed in, or a provider gives it when asked (OAuth).

    Errors: AskedWrongly `InvalidCertificate`.
    """
    if method.kind is SignInKind.BASIC:
        asked = (method.user_parameter, method.password_parameter)
        missing = tuple(name for name in asked if not values.get(name))
        if missing:
            return MissingSecrets(names=missing)
        return BasicCredential(user=values[asked[0]], password=values[asked[1]])
    if method.kind is SignInKind.API_KEY:
        secrets = [parameter for parameter in method.parameters if parameter.is_secret]
        missing = tuple(one.name for one in secrets if one.is_required and not values.get(one.name))
        if missing:
            return MissingSecrets(names=missing)
        return ApiKeyCredential(values={one.name: values[one.name] for one in secrets if values.get(one.name)})
    if method.kind is SignInKind.CLIENT_CERTIFICATE:
        text = values.get(method.certificate_parameter, "")
        if not text:
            return MissingSecrets(names=(method.certificate_parameter,))
        password = values.get(method.password_parameter, "") if method.password_parameter else ""
        return certificate_credential(read_certificate(text, password, target=method.certificate_parameter))
    return None


def certificate_credential(certificate: ReadCertificate) -> CertificateCredential:
    """What was read of a file, as a credential."""
    return CertificateCredential(
        certificate_pem=certificate.certificate_pem,
        key_pem=certificate.key_pem,
        subject=certificate.subject,
        not_after=certificate.not_after,
    )


def _decode(value: Json) -> Credential:
    decoded: Credential = msgspec.convert(value, Credential)
    return decoded


def encode_credential(credential: Credential) -> Json:
    """JSON to seal."""
    return msgspec.to_builtins(credential)


def decode_credential(value: Json) -> Credential:
    """The credential of unsealed JSON.

    Errors: SecretUnreadable.
    """
    try:
        return _decode(value)
    except msgspec.ValidationError as error:
        raise SecretUnreadable("The sealed credential has a form this version does not know.") from error


def sign_in_parts(method: SignInMethod, credential: Credential | None) -> SignInParts:
    """What the credential adds to a request."""
    if isinstance(credential, BasicCredential):
        return SignInParts(headers={"Authorization": f"Basic {_basic_pair(credential)}"})
    if isinstance(credential, OAuthCredential):
        return SignInParts(headers={"Authorization": f"Bearer {credential.access_token}"})
    if isinstance(credential, CertificateCredential):
        shown = ClientCertificate(certificate_pem=credential.certificate_pem, key_pem=credential.key_pem)
        return SignInParts(client_certificate=shown)
    if isinstance(credential, ApiKeyCredential):
        placed: dict[Location, dict[str, str]] = {Location.HEADER: {}, Location.QUERY: {}}
        for placement in method.placements:
            value = credential.values.get(placement.parameter)
            if value:
                placed[placement.location][placement.name] = value
        return SignInParts(headers=placed[Location.HEADER], queries=placed[Location.QUERY])
    return SignInParts()


def secret_parameters(method: SignInMethod, credential: Credential | None) -> dict[str, str]:
    """The credential as connection parameters, for the policies of connectors that build headers from them."""
    if isinstance(credential, BasicCredential):
        return {method.user_parameter: credential.user, method.password_parameter: credential.password}
    if isinstance(credential, ApiKeyCredential):
        return dict(credential.values)
    return {}


def secrets_of(credential: Credential | None) -> tuple[str, ...]:
    """Every text that must not be seen; user and account names are not among them."""
    if isinstance(credential, BasicCredential):
        return (credential.password, _basic_pair(credential))
    if isinstance(credential, ApiKeyCredential):
        return tuple(credential.values.values())
    if isinstance(credential, OAuthCredential):
        return tuple(token for token in (credential.access_token, credential.refresh_token) if token)
    if isinstance(credential, CertificateCredential):
        return (credential.key_pem,)
    return ()


def _basic_pair(credential: BasicCredential) -> str:
    return base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode("ascii")


def read_tokens(answer: Mapping[str, Any], *, now: datetime, before: OAuthCredential | None = None) -> OAuthCredential:
    """The credential of a token endpoint's successful answer (RFC 6749 §5.1).

    before: the one that was refreshed; what the answer leaves out stays as it was (§6).
    """
    scope = answer.get("scope")
    lifetime = _seconds(answer.get("expires_in"))
    last = next((seconds for name in _REFRESH_LIFETIMES if (seconds := _seconds(answer.get(name))) is not None), None)
    is_kept = before is not None and answer.get("refresh_token") in (None, "", before.refresh_token)
    refresh_expires_at = before.refresh_expires_at if before is not None and is_kept else None
    return OAuthCredential(
        access_token=str(answer.get("access_token") or ""),
        refresh_token=str(answer.get("refresh_token") or (before.refresh_token if before is not None else "")),
        issued_at=now,
        expires_at=now + timedelta(seconds=lifetime) if lifetime is not None else None,
        scopes=tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else before.scopes if before else (),
        account=_account(answer.get("id_token")) or (before.account if before is not None else ""),
        refresh_expires_at=now + timedelta(seconds=last) if last is not None else refresh_expires_at,
    )


def _seconds(value: Json) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return min(seconds, 10 * 365 * 86_400.0) if seconds > 0 else None


def _account(id_token: Json) -> str:
    """Who signed in. The signature is not checked: the token came from the token endpoint itself (OpenID Core §3.1.3.7)."""
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        return ""
    payload = id_token.split(".")[1]
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, msgspec.DecodeError):
        return ""
    if not isinstance(claims, dict):
        return ""
    return next((str(claims[name]) for name in ("preferred_username", "email", "upn", "sub") if claims.get(name)), "")
