"""An authentication written in a flow, as the sign-in of a connection to the built-in connector HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flowmend.core.checking.distinct_sign_ins import DistinctSignIn
from flowmend.core.checking.inline_authentication import SettledAuthentication
from flowmend.core.connection.certificates import read_certificate
from flowmend.core.connection.credentials import (
    CertificateCredential,
    Credential,
    MissingSecrets,
    certificate_credential,
    credential_of,
    secrets_of,
)
from flowmend.core.connector import SignInKind, SignInMethod, fill_url, origin_of
from flowmend.core.errors import AskedWrongly, Conflict, SecretUnreadable
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import app_of, open_proof
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential

_ENTRA = {"tenant": "token:TenantId", "audience": "audience", "clientId": "token:clientId", "authority": "authority"}
_BY_SECRET = {**_ENTRA, "secret": "token:clientSecret"}
_BY_CERTIFICATE = {
    **_ENTRA,
    "pfx": "token:clientCertificateSecret",
    "password": "token:clientCertificatePassword",
}
#: By the connector's parameter set: which field of the authentication is which of its parameters.
_PARAMETERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Basic": {"username": "username", "password": "password"},
        "Raw": {"value": "value"},
        "ClientCertificate": {"pfx": "pfx", "password": "password"},
        "ActiveDirectoryOAuth": _BY_SECRET,
        "ActiveDirectoryOAuthCertificate": _BY_CERTIFICATE,
        "ManagedServiceIdentity": {"audience": "audience", "identity": "identity"},
    }
)


#: What a connection is called after where nobody is named, by the kind of its authentication.
_NOBODY_NAMED: Mapping[str, str] = MappingProxyType(
    {
        "Basic": "password",
        "Raw": "header",
        "ClientCertificate": "client certificate",
        "ActiveDirectoryOAuth": "app",
        "ManagedServiceIdentity": "managed identity",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedSignIn:
    """plain: the values that are no secrets. credential: None where it is not complete, or the sign-in app signs in.

    proof: of the sign-in app that the authentication describes, None where it describes none or not all of it. needs: the
    titles of what is still to be given.
    """

    method: SignInMethod
    plain: Mapping[str, str]
    credential: Credential | None = field(default=None, repr=False)
    proof: str | CertificateCredential | None = field(default=None, repr=False)
    needs: tuple[str, ...] = ()

    @property
    def is_by_app(self) -> bool:
        return self.method.kind is SignInKind.CLIENT_CREDENTIALS

    @property
    def is_managed_identity(self) -> bool:
        return self.method.oauth is not None and self.method.oauth.is_managed_identity

    @property
    def token_origin(self) -> str:
        """Where its tokens come from, "" where it has none."""
        oauth = self.method.oauth
        return origin_of(fill_url(oauth.token_url, self.plain)) if oauth is not None else ""

    def secrets(self) -> frozenset[str]:
        """Every text of it that must not be seen."""
        if isinstance(self.proof, CertificateCredential):
            return frozenset(secrets_of(self.proof))
        return frozenset((self.proof,)) if self.proof else frozenset(secrets_of(self.credential))


def read_embedded(services: Services, settled: SettledAuthentication) -> EmbeddedSignIn | None:
    """The sign-in that an authentication describes.

    None where what is written can sign in nobody, such as a user name without a password: the step sends it as it is.
    """
    method = _method(services, settled)
    names = _PARAMETERS[method.name]
    values = {one.name: str(one.default) for one in method.parameters if one.default is not None}
    values |= {names[name]: text for name, text in settled.fields.items() if name in names}
    if "authority" in values:
        values["authority"] = values["authority"].rstrip("/")
    secret = method.secret_names
    hidden = {names[name] for name in settled.hidden if name in names}
    plain = {name: text for name, text in values.items() if name not in secret and name not in hidden}
    missing = {names[name] for name in settled.missing if name in names}
    try:
        credential, proof = _credential(method, values)
    except AskedWrongly as error:  # the certificate does not read
        missing.add(error.target or "")
        credential = proof = None
    lacks = {one.name for one in method.parameters if one.is_required and not values.get(one.name)}
    if lacks - missing:
        return None
    complete = not missing
    return EmbeddedSignIn(
        method=method,
        plain=plain,
        credential=credential if complete else None,
        proof=proof if complete else None,
        needs=tuple(one.title or one.name for one in method.parameters if one.name in missing),
    )


def holds_same(services: Services, row: ConnectionRow, wanted: EmbeddedSignIn) -> bool:
    """Whether a connection signs in just so, by the same kind, values and secrets."""
    if row.parameter_set != wanted.method.name or dict(row.parameters or {}) != dict(wanted.plain):
        return False
    if wanted.is_managed_identity:
        return True
    if wanted.is_by_app:
        return wanted.proof is not None and _proof(services, row) == wanted.proof
    return wanted.credential is not None and _credential_of_row(services, row) == wanted.credential


def holds_secret(services: Services, row: ConnectionRow, wanted: EmbeddedSignIn) -> bool:
    """Whether a connection holds a secret of this sign-in, whatever it signs in as."""
    proof = _proof(services, row)
    kept = set(secrets_of(_credential_of_row(services, row)))
    kept |= set(secrets_of(proof)) if isinstance(proof, CertificateCredential) else {proof or ""}
    return not (kept - {""}).isdisjoint(wanted.secrets())


def proves_same(services: Services, app: SignInAppRow, wanted: EmbeddedSignIn) -> bool:
    """Whether a sign-in app is the one the authentication describes."""
    oauth = wanted.method.oauth
    named = oauth.app_parameters if oauth is not None else {}
    if app.client_id != wanted.plain.get(named.get("client_id", "")) or app.tenant != wanted.plain.get(
        named.get("tenant", "")
    ):
        return False
    try:
        return wanted.proof is not None and open_proof(services.vault, app) == wanted.proof
    except SecretUnreadable:
        return False


def suggested_name(sign_in: DistinctSignIn, wanted: EmbeddedSignIn) -> str:
    """What people call the connection: who signs in, and where."""
    hosts = [origin.partition("://")[2] for origin in sign_in.origins if "://" in origin]
    where = f" at {hosts[0]}" if hosts else ""
    who = wanted.plain.get("username") or wanted.plain.get("token:clientId") or _NOBODY_NAMED[sign_in.settled.kind]
    return f"HTTP {who}{where}"


def _method(services: Services, settled: SettledAuthentication) -> SignInMethod:
    connector = services.connectors.get(EMBEDDED_CONNECTOR)
    by_certificate = settled.kind == "ActiveDirectoryOAuth" and bool({"pfx"} & {*settled.fields, *settled.missing})
    return connector.method_named("ActiveDirectoryOAuthCertificate" if by_certificate else settled.kind)


def _credential(
    method: SignInMethod, values: Mapping[str, str]
) -> tuple[Credential | None, str | CertificateCredential | None]:
    """(what the connection signs in with, what proves its sign-in app). Errors: AskedWrongly `InvalidCertificate`."""
    if method.oauth is None:
        found = credential_of(method, values)
        return (None if isinstance(found, MissingSecrets) else found), None
    named = method.oauth.app_parameters
    if method.oauth.wants_certificate:
        target = named["certificate"]
        text = values.get(target, "")
        password = values.get(named.get("certificate_password", ""), "")
        return None, certificate_credential(read_certificate(text, password, target=target)) if text else None
    return None, values.get(named.get("client_secret", ""))


def _credential_of_row(services: Services, row: ConnectionRow) -> Credential | None:
    try:
        return open_credential(services.vault, credential_holder(services, row))
    except (Conflict, SecretUnreadable):
        return None


def _proof(services: Services, row: ConnectionRow) -> str | CertificateCredential | None:
    app = app_of(services, row)
    try:
        return open_proof(services.vault, app) if app is not None else None
    except SecretUnreadable:
        return None
