"""Sign HTTP actions in by what they write out themselves, where no connection was made of it: a flow run from a file, or
an authentication whose values come with the run.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

from flowmend.core.checking.inline_authentication import evaluated_authentication
from flowmend.core.connection.credentials import CertificateCredential, OAuthCredential, secrets_of, sign_in_parts
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector import NO_SIGN_IN, SignInParts, UnbuildableRequest
from flowmend.core.errors import FlowmendError
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import open_proof
from flowmend.use_cases.app_settings import AppSettings, settings_column
from flowmend.use_cases.app_tokens import token_of_app
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.chosen_app import managed_identity_app
from flowmend.use_cases.embedded_sign_in import EmbeddedSignIn, read_embedded
from flowmend.use_cases.ports import Services

#: Kinds that `build_http_action` puts into the request by itself, in lower case.
_WRITTEN = frozenset({"", "none", "basic", "raw"})
_MOST_TOKENS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineSignIn:
    """authentication: what the request is still to be built with. secrets: what must not be seen, beside those in it."""

    authentication: Json = field(repr=False)
    parts: SignInParts = NO_SIGN_IN
    secrets: tuple[str, ...] = field(default=(), repr=False)


class InlineSignIns:
    """Keeps the tokens it got in memory, until they are due."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, OAuthCredential] = OrderedDict()

    async def sign_in(self, services: Services, authentication: Json) -> InlineSignIn | UnbuildableRequest:
        """What the request gets for this evaluated authentication, or why there is none. Errors: StoreUnavailable."""
        kind = authentication.get("type", "") if isinstance(authentication, dict) else ""
        if not isinstance(kind, str) or kind.lower() in _WRITTEN:
            return InlineSignIn(authentication=authentication)
        settled = evaluated_authentication(authentication)
        if settled is None:
            return InlineSignIn(authentication=authentication)  # building the request refuses its kind
        wanted = read_embedded(services, settled)
        if wanted is None or wanted.needs:
            what = f"the {wanted.needs[0].lower()} does not read" if wanted and wanted.needs else "it is not complete"
            message = f"The 'authentication' of type '{settled.kind}' cannot sign in: {what}."
            return UnbuildableRequest(code="InvalidAuthentication", message=message)
        method = wanted.method
        credential = wanted.credential
        if wanted.is_by_app:
            name = hashlib.sha256(msgspec.json.encode(authentication, order="deterministic")).digest()
            token = await self._token(services, wanted, name)
            if isinstance(token, UnbuildableRequest):
                return token
            credential = token
        secrets = (*wanted.secrets(), *secrets_of(credential))
        return InlineSignIn(authentication=None, parts=sign_in_parts(method, credential), secrets=secrets)

    async def _token(
        self, services: Services, wanted: EmbeddedSignIn, name: bytes
    ) -> OAuthCredential | UnbuildableRequest:
        known = self._tokens.get(name)
        if known is not None and not known.is_due(services.clock.now):
            return known
        row = _passing_row(services, wanted)
        try:
            if wanted.is_managed_identity:
                connector = services.connectors.get(EMBEDDED_CONNECTOR)
                app = managed_identity_app(services, connector, wanted.plain)
                proof: str | CertificateCredential = open_proof(services.vault, app)
            else:
                app, proof = _passing_app(services, row, wanted), wanted.proof or ""
            token = await token_of_app(services, row, app, wanted.method, proof)
        except FlowmendError as error:
            return UnbuildableRequest(code=error.code, message=error.message)
        if isinstance(token, SignInRefusal):
            return UnbuildableRequest(code="Unauthorized", message=token.message or token.code)
        self._tokens[name] = token
        if len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)
        return token


def _passing_row(services: Services, wanted: EmbeddedSignIn) -> ConnectionRow:
    """A connection that is never stored: what a sign-in needs to know of one."""
    now = services.clock.now
    return ConnectionRow(
        connection_id="",
        connector_id=EMBEDDED_CONNECTOR,
        display_name="The sign-in written in the flow",
        owner_id="",
        parameter_set=wanted.method.name,
        parameters=dict(wanted.plain),
        allowed_origins=[wanted.token_origin],
        health=HealthState.UNTESTED,
        health_changed_at=now,
        created_at=now,
        changed_at=now,
    )


def _passing_app(services: Services, row: ConnectionRow, wanted: EmbeddedSignIn) -> SignInAppRow:
    named = wanted.method.oauth.app_parameters if wanted.method.oauth is not None else {}
    settings = AppSettings(origins=(wanted.token_origin,), is_discovered=True)
    return SignInAppRow(
        app_id="",
        connector_id=row.connector_id,
        client_id=wanted.plain.get(named.get("client_id", ""), ""),
        tenant=wanted.plain.get(named.get("tenant", ""), ""),
        settings=settings_column(settings),
        created_at=services.clock.now,
    )
