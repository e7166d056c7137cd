"""A new connection: kept only once its credential is proven, or until its owner has signed in."""

from collections.abc import Mapping

from msgspec.structs import replace

from flowmend.core.connection.credentials import MissingSecrets, OAuthCredential, credential_of
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.redaction import shortened
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector.building import allowed_origins
from flowmend.core.connector.operation import Connector, OAuthSettings, SignInKind, SignInMethod
from flowmend.core.connector.server import WITHOUT_SERVER
from flowmend.core.errors import AskedWrongly
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.account_check import identity_in
from flowmend.use_cases.app_tokens import token_of_app
from flowmend.use_cases.app_values import app_secret_names, app_value_names
from flowmend.use_cases.attempts import at_risk_of_new
from flowmend.use_cases.chosen_app import existing_app, managed_identity_app, new_app
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.connections import fields_of
from flowmend.use_cases.credential_lifetimes import lifetime_columns
from flowmend.use_cases.opened_connections import open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_calls import CredentialTest, refused_by_provider
from flowmend.use_cases.protocol_sign_in import try_sign_in
from flowmend.use_cases.prove_credential import test_credential
from flowmend.use_cases.sealed_credentials import seal_credential
from flowmend.use_cases.secret_uses import Purpose, used_for


async def create_connection(
    services: Services,
    connector_id: str,
    display_name: str,
    parameters: Mapping[str, str],
    person_id: str,
    *,
    connection_id: str = "",
    parameter_set: str = "",
    app_id: str = "",
) -> ConnectionView:
    """Sign in to a connector. parameters: what its sign-in asks for, secrets included. parameter_set: the way to sign in,
    "" for the first. app_id: the sign-in app to act as, "" for one made of the parameters.

    An OAuth connection starts as "Sign-in not finished". Errors: NotFound for the connector; AskedWrongly naming the
    missing value, or `CredentialRefused` with what the service said; TooManyAttempts as for a verification. Nothing is kept
    then.
    """
    connector = services.connectors.get(connector_id)
    method = way_to_sign_in(connector, parameter_set)
    has_app = bool(app_id) or (method.oauth is not None and method.oauth.is_managed_identity)
    values = checked_values(method, parameters, has_app=has_app)
    now = services.clock.now
    hidden = method.secret_names | (app_secret_names(method) if method.oauth is not None else frozenset())
    plain = {name: value for name, value in values.items() if name not in hidden}
    row = ConnectionRow(
        connection_id=connection_id or str(services.clock.guid()),
        connector_id=connector_id,
        display_name=display_name.strip() or connector.display_name,
        account_name=str(plain.get(method.user_parameter, "")),
        owner_id=person_id,
        parameter_set=method.name,
        parameters=plain,
        allowed_origins=list(allowed_origins(connector, plain)),
        health=HealthState.UNTESTED,
        health_changed_at=now,
        created_at=now,
        changed_at=now,
    )
    app, proof = None, None
    if method.oauth is not None:
        if has_app:
            app = _app_that_is_there(services, connector, method.oauth, row, app_id)
        else:
            app, proof = new_app(services, connector, method.oauth, row, values)
        row = replace(row, app_id=app.app_id)
    if method.kind is SignInKind.OAUTH2:
        row = replace(row, health=HealthState.PENDING_CONSENT)
    elif app is not None:
        row = await _signed_in_by_app(services, connector, method, row, app)
    else:
        row = await _proven(services, connector, method, row, values)
    services.store.connections.add(row, app if proof is not None else None)
    services.store.audit.note(person_id, "create_connection", row.connection_id, {"connector": connector_id}, at=now)
    services.changes.publish("connection", connection_id=row.connection_id, health=row.health.value)
    return await read_connection(services, row.connection_id)


def way_to_sign_in(connector: Connector, parameter_set: str) -> SignInMethod:
    """The way of this name, the first for "". Errors: AskedWrongly `UnknownParameterSet`."""
    if not parameter_set:
        return connector.sign_in[0]
    found = next((method for method in connector.sign_in if method.name == parameter_set), None)
    if found is None:
        names = ", ".join(method.name for method in connector.sign_in if method.name)
        raise AskedWrongly(
            f"{connector.display_name!r} has no way to sign in named {parameter_set!r}. It has: {names or 'one, unnamed'}.",
            code="UnknownParameterSet",
            target=parameter_set,
        )
    return found


def checked_values(method: SignInMethod, parameters: Mapping[str, str], *, has_app: bool = False) -> dict[str, str]:
    """The values a sign-in needs, defaults filled in. has_app: those of the sign-in app are known already.

    Errors: AskedWrongly naming the first that is missing or unknown.
    """
    of_app = app_value_names(method) if has_app else frozenset()
    fields = {field.name: field for field in fields_of(method, {}) if field.name not in of_app}
    unknown = next((name for name in parameters if name not in fields), None)
    if unknown is not None:
        raise AskedWrongly(
            f"{unknown!r} is no value of this sign-in. It has: {', '.join(fields)}.",
            code="UnknownParameter",
            target=unknown,
        )
    values: dict[str, str] = {}
    for name, field in fields.items():
        given = parameters.get(name, "") or field.value
        if field.required and not given:
            raise AskedWrongly(f"{field.title} is missing.", code="MissingParameter", target=name)
        if given and field.allowed_values and given not in field.allowed_values:
            allowed = ", ".join(field.allowed_values)
            raise AskedWrongly(f"{field.title} is one of: {allowed}.", code="InvalidParameter", target=name)
        if given:
            values[name] = given
    return values


async def _proven(
    services: Services, connector: Connector, method: SignInMethod, row: ConnectionRow, values: Mapping[str, str]
) -> ConnectionRow:
    credential = credential_of(method, values)
    if isinstance(credential, MissingSecrets):
        raise AskedWrongly(f"{credential.names[0]} is missing.", code="MissingParameter", target=credential.names[0])
    if credential is None:
        if connector.protocol != "http":
            test = await try_sign_in(services, open_connection(row, connector, None))
            if not test.is_proven:
                raise _unusable(test, WITHOUT_SERVER.get(connector.protocol, ""))
        return replace(row, health=HealthState.CONNECTED)
    with used_for(Purpose.VERIFY):
        test = await at_risk_of_new(services, row, lambda: test_credential(services, connector, row, credential))
    if test.is_testable and not test.is_proven:
        raise _refused_by_service(test, method)
    identity = identity_in(credential, test)
    row = replace(row, account_name=row.account_name or identity.name, account_id=identity.id)
    row = replace(row, **lifetime_columns(row, credential))
    sealed = seal_credential(services.vault, row, credential)
    if not test.is_testable:
        return replace(row, sealed_credential=sealed)
    return replace(row, sealed_credential=sealed, health=HealthState.CONNECTED, last_good_at=services.clock.now)


async def _signed_in_by_app(
    services: Services, connector: Connector, method: SignInMethod, row: ConnectionRow, app: SignInAppRow
) -> ConnectionRow:
    """The connection with the token its app got for itself."""
    row = replace(row, account_name=app.client_id)
    got: list[OAuthCredential] = []

    async def testing() -> CredentialTest:
        tokens = await token_of_app(services, row, app, method)
        if isinstance(tokens, SignInRefusal):
            return refused_by_provider(tokens)
        got.append(tokens)
        return await test_credential(services, connector, row, tokens)

    with used_for(Purpose.VERIFY):
        test = await at_risk_of_new(services, row, testing)
    if not got or (test.is_testable and not test.is_proven):
        raise _refused_by_service(test, method)
    (tokens,) = got
    now = services.clock.now
    return replace(
        row,
        sealed_credential=seal_credential(services.vault, row, tokens),
        health=HealthState.CONNECTED,
        last_good_at=now,
        refreshed_at=now,
        expires_at=tokens.expires_at,
    )


def _app_that_is_there(
    services: Services, connector: Connector, settings: OAuthSettings, row: ConnectionRow, app_id: str
) -> SignInAppRow:
    if settings.is_managed_identity and not app_id:
        return managed_identity_app(services, connector, row.parameters or {})
    return existing_app(services, app_id, connector, row)


def _refused_by_service(test: CredentialTest, method: SignInMethod) -> AskedWrongly:
    return AskedWrongly(
        f"The service refused: {_sentence(test)} Nothing was kept.",
        code="CredentialRefused",
        target=method.password_parameter or None,
    )


def _unusable(test: CredentialTest, target: str) -> AskedWrongly:
    """Of a connection without a sign-in. target: the parameter that says what it is made to, "" for none."""
    return AskedWrongly(f"{_sentence(test)} Nothing was kept.", code="CredentialRefused", target=target or None)


def _sentence(test: CredentialTest) -> str:
    text = shortened(test.message) or test.code
    return text if text.endswith((".", "!", "?")) else f"{text}."
