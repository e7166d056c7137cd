"""A new connection: kept only once its credential is proven, or until its owner has signed in."""

from collections.abc import Mapping

from msgspec.structs import replace

from flowmend.core.connection.credentials import MissingSecrets, credential_of
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.redaction import shortened
from flowmend.core.connector.building import allowed_origins
from flowmend.core.connector.operation import Connector, SignInKind, SignInMethod
from flowmend.core.errors import AskedWrongly
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.account_check import identity_in
from flowmend.use_cases.attempts import at_risk_of_new
from flowmend.use_cases.connections import ConnectionView, fields_of, read_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_credential import test_credential
from flowmend.use_cases.sealed_credentials import seal_app_secret, seal_credential
from flowmend.use_cases.secret_uses import Purpose, used_for


async def create_connection(
    services: Services,
    connector_id: str,
    display_name: str,
    parameters: Mapping[str, str],
    person_id: str,
    *,
    connection_id: str = "",
) -> ConnectionView:
    """Sign in to a connector. parameters: what its sign-in asks for, secrets included.

    An OAuth connection starts as "Sign-in not finished". Errors: NotFound for the connector; AskedWrongly naming the
    missing value, or `CredentialRefused` with what the service said; TooManyAttempts as for a verification. Nothing is kept
    then.
    """
    connector = services.connectors.get(connector_id)
    method = connector.sign_in[0]
    values = checked_values(method, parameters)
    now = services.clock.now
    plain = {
        name: value for name, value in values.items() if name not in method.secret_names and name != "client_secret"
    }
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
    if method.kind is SignInKind.OAUTH2:
        app = _sign_in_app(services, connector, method, values)
        row = replace(row, app_id=app.app_id, health=HealthState.PENDING_CONSENT)
    else:
        app = None
        row = await _proven(services, connector, method, row, values)
    services.store.connections.add(row, app)
    services.store.audit.note(person_id, "create_connection", row.connection_id, {"connector": connector_id}, at=now)
    services.changes.publish("connection", connection_id=row.connection_id, health=row.health.value)
    return await read_connection(services, row.connection_id)


def checked_values(method: SignInMethod, parameters: Mapping[str, str]) -> dict[str, str]:
    """The values a sign-in needs, defaults filled in. Errors: AskedWrongly naming the first that is missing or unknown."""
    fields = {field.name: field for field in fields_of(method, {})}
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
        return replace(row, health=HealthState.CONNECTED)
    with used_for(Purpose.VERIFY):
        test = await at_risk_of_new(services, row, lambda: test_credential(services, connector, row, credential))
    if test.is_testable and not test.is_proven:
        raise AskedWrongly(
            f"The service refused: {shortened(test.message) or test.code}. Nothing was kept.",
            code="CredentialRefused",
            target=method.password_parameter or None,
        )
    identity = identity_in(credential, test)
    row = replace(row, account_name=row.account_name or identity.name, account_id=identity.id)
    sealed = seal_credential(services.vault, row, credential)
    if not test.is_testable:
        return replace(row, sealed_credential=sealed)
    return replace(row, sealed_credential=sealed, health=HealthState.CONNECTED, last_good_at=services.clock.now)


def _sign_in_app(
    services: Services, connector: Connector, method: SignInMethod, values: Mapping[str, str]
) -> SignInAppRow:
    client_id = str(values.get("client_id") or (method.oauth.client_id if method.oauth else ""))
    app = SignInAppRow(
        app_id=str(services.clock.guid()),
        connector_id=connector.connector_id,
        client_id=client_id,
        created_at=services.clock.now,
    )
    secret = str(values.get("client_secret", ""))
    if secret:
        app = replace(app, sealed_secret=seal_app_secret(services.vault, app.app_id, secret))
    return app
