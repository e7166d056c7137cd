"""Connections deleted, the connectors they are to, and what signing in to those asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowmend.core.connector.fingerprint import fingerprint_of
from flowmend.core.connector.lenient_json import parse_lenient_json
from flowmend.core.connector.openapi import read_connector
from flowmend.core.connector.operation import (
    CERTIFICATE_TYPE,
    ConnectionParameter,
    SignInKind,
    SignInMethod,
)
from flowmend.core.errors import AskedWrongly, Conflict, InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow, ConnectorRow
from flowmend.use_cases.app_values import app_value_names
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR, built_in_connector
from flowmend.use_cases.changed_connector import ask_for_secrets_again
from flowmend.use_cases.connector_gallery import find_connectors, keep_entry, sign_in_methods
from flowmend.use_cases.credential_handover import hand_over
from flowmend.use_cases.give_back_tokens import give_back_tokens
from flowmend.use_cases.incident_watch import note_departure
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ, why_connector_unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretField:
    """A value asked for to sign in. value: the present one, always "" for a secret. is_file: a certificate with its key, as
    PEM text or a PFX file in base64. allowed_titles: words for each of the allowed values. connection_of: it is the id of a
    connection to that connector. type: as the connector declares it, lower case. is_hidden: forms leave it out; whoever
    names it may still give it. is_multiline: a text of many lines.
    """

    name: str
    title: str
    description: str
    is_secret: bool
    required: bool
    value: str
    allowed_values: tuple[str, ...] = ()
    is_file: bool = False
    allowed_titles: tuple[str, ...] = ()
    connection_of: str = ""
    type: str = "string"
    is_hidden: bool = False
    is_multiline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WayToSignIn:
    """One parameter set. name: "" for the only way. app_values: names of parameters that an existing sign-in app makes
    needless, empty where none is used.
    """

    name: str
    title: str
    sign_in: str
    parameters: tuple[SecretField, ...]
    app_values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorChoice:
    """A connector one can connect to. sign_in, parameters: of the first way to sign in. ways: all of them. unreadable: why
    it no longer reads.
    """

    connector_id: str
    display_name: str
    sign_in: str
    parameters: tuple[SecretField, ...]
    ways: tuple[WayToSignIn, ...] = ()
    unreadable: str = ""


async def list_connectors(services: Services, text: str = "") -> list[ConnectorChoice]:
    """The connectors one can connect to by name: not the one whose connections flows bring along.

    text: as `find_connectors` has it.
    """
    found = {one.connector_id for one in await find_connectors(services, text)}
    choices = [
        _choice(services, connector_id, name, methods)
        for connector_id, name, methods in sign_in_methods(services)
        if connector_id in found
    ]
    return sorted(choices, key=lambda choice: choice.display_name.casefold())


async def install_connector(services: Services, folder: Path, person_id: str) -> ConnectorRow:
    """Install a connector folder, or put its new version in place.

    Errors: InvalidDocument with every problem; AskedWrongly where the folder lacks its two files.
    """
    name = folder.name
    reading_of = {"definition": "apiDefinition.swagger.json", "properties": "apiProperties.json"}
    documents = {}
    for part, file_name in reading_of.items():
        try:
            documents[part] = parse_lenient_json((folder / file_name).read_bytes())
        except FileNotFoundError as error:
            raise AskedWrongly(f"The folder {name!r} holds no {file_name}.", code="NoConnector", target=name) from error
    return await install_connector_documents(
        services, name, documents["definition"], documents["properties"], person_id
    )


async def install_connector_documents(
    services: Services, name: str, definition: Json, properties: Json, person_id: str
) -> ConnectorRow:
    """As `install_connector`, from the two documents. Where a known one changed, its secrets are asked for again."""
    connector_id = name.lower().removeprefix("shared_")
    if connector_id == EMBEDDED_CONNECTOR:
        message = f"{connector_id!r} is the connector of what HTTP actions sign in with; give this one another name."
        raise AskedWrongly(message, code="ReservedConnector", target=name)
    reading = read_connector(definition, properties, connector_id=connector_id)
    if reading.connector is None:
        raise InvalidDocument(f"The connector {name!r} does not read.", reading.problems)
    row = ConnectorRow(
        connector_id=connector_id,
        display_name=reading.connector.display_name,
        definition=definition,
        properties=properties,
        fingerprint=fingerprint_of(reading.connector),
        installed_at=services.clock.now,
    )
    known = services.store.connectors.get(connector_id) or built_in_connector(connector_id)
    services.store.connectors.put(row)
    keep_entry(services, row, reading.connector)
    services.store.audit.note(person_id, "install_connector", connector_id, None, at=services.clock.now)
    services.changes.publish("connector", connector_id=connector_id)
    if known is not None and _is_another(known, row.fingerprint):
        await ask_for_secrets_again(services, reading.connector)
    return row


def _is_another(known: ConnectorRow, fingerprint: str) -> bool:
    """Whether the known documents say other hosts, sign-in or policies, as they read today: what a former version made
    its fingerprint of does not count. One that is built in has none and differs from every other.
    """
    if not known.fingerprint or known.fingerprint == fingerprint:
        return not known.fingerprint
    before = read_connector(known.definition, known.properties, connector_id=known.connector_id).connector
    return before is None or fingerprint_of(before) != fingerprint


async def delete_connection(services: Services, connection_id: str, person_id: str) -> None:
    """Remove a connection. Errors: NotFound; Conflict while flows use it, or while others sign in with its
    credential and none of them can hold it for the rest.
    """
    row = connection_row(services, connection_id)
    flows = services.store.flows.using(connection_id)
    if flows:
        names = ", ".join(flow.name for flow in flows[:5])
        raise Conflict(
            f"{row.display_name!r} is used by {names}. Choose another connection there first.", code="ConnectionInUse"
        )
    if not await hand_over(services, row):
        await give_back_tokens(services, row)
    services.store.connections.delete(connection_id)
    services.store.audit.note(person_id, "delete_connection", connection_id, None, at=services.clock.now)
    services.changes.publish("connection", connection_id=connection_id, health="untested")
    await note_departure(services, connection_id, person_id)


async def read_choice(services: Services, connector_id: str) -> ConnectorChoice | None:
    """One connector one can connect to, None where there is none of that id."""
    if connector_id == EMBEDDED_CONNECTOR or connector_id not in services.connectors.ids():
        return None
    choice = _choice(services, connector_id, services.connectors.row(connector_id).display_name, ())
    ways = tuple(
        replace(way, parameters=tuple(_with_connections(services, one) for one in way.parameters))
        for way in choice.ways
    )
    return replace(choice, ways=ways)


def connection_row(services: Services, connection_id: str) -> ConnectionRow:
    """Errors: NotFound."""
    row = services.store.connections.get(connection_id)
    if row is None:
        raise NotFound(f"There is no connection {connection_id}.", code="ConnectionNotFound", target=connection_id)
    return row


def fields_of(method: SignInMethod, present: Mapping[str, Json]) -> tuple[SecretField, ...]:
    """The values a sign-in asks for, in their order; present ones filled in unless they are secret."""
    of_app = app_value_names(method) if method.oauth is not None else frozenset()
    fields = tuple(
        _field(parameter, present, is_of_app=parameter.name in of_app)
        for parameter in method.parameters
        if parameter.type != "oauthsetting"
    )
    if method.oauth is None or method.oauth.is_managed_identity:
        return fields
    declared = {field.name for field in fields}
    return (*(field for field in _app_fields(method, present) if field.name not in declared), *fields)


def _with_connections(services: Services, field: SecretField) -> SecretField:
    """A field for a connection offers those there are."""
    if not field.connection_of:
        return field
    rows = services.store.connections.list(connector_id=field.connection_of)
    return replace(
        field,
        allowed_values=tuple(row.connection_id for row in rows),
        allowed_titles=tuple(row.display_name for row in rows),
    )


def _app_fields(method: SignInMethod, present: Mapping[str, Json]) -> tuple[SecretField, ...]:
    """What is asked of the owner's own sign-in app unless the connector asks for it by a parameter of its own."""
    settings = method.oauth
    if settings is None:
        return ()
    needs_client_id = not settings.client_id and "client_id" not in settings.app_parameters
    asked = [
        ("client_id", "Client ID", "Of the app you registered with the service.", False, needs_client_id),
        ("client_secret", "Client secret", "Of the same app.", True, False),
    ]
    if settings.wants_certificate:
        asked += [
            (
                "certificate",
                "Certificate",
                "With its private key: a PFX file, or PEM text. In place of a secret.",
                True,
                False,
            ),
            ("certificate_password", "Certificate password", "Of the PFX file or the key, if it has one.", True, False),
        ]
    if "{tenantid}" in settings.token_url:
        title = "Microsoft Entra directory ID; empty for the one who signs in."
        asked.append(("tenant", "Tenant", title, False, method.kind is SignInKind.CLIENT_CREDENTIALS))
    return tuple(
        SecretField(
            name=name,
            title=title,
            description=description,
            is_secret=is_secret,
            required=required,
            value="" if is_secret else str(present.get(name, "")),
            is_file=name == "certificate",
        )
        for name, title, description, is_secret, required in asked
        if name not in settings.app_parameters
    )


def _field(parameter: ConnectionParameter, present: Mapping[str, Json], *, is_of_app: bool) -> SecretField:
    """is_of_app: of the sign-in app, which its owner is asked for even where the connector's author, having one, hid it."""
    value = present.get(parameter.name, parameter.default)
    return SecretField(
        name=parameter.name,
        title=parameter.title or parameter.name,
        description=_explained(parameter),
        is_secret=parameter.is_secret,
        required=parameter.is_required,
        value="" if parameter.is_secret or value is None else str(value),
        allowed_values=parameter.allowed_values,
        is_file=parameter.type == CERTIFICATE_TYPE,
        allowed_titles=parameter.allowed_titles,
        connection_of=parameter.connection_of,
        type=parameter.type,
        is_hidden=parameter.is_hidden and not is_of_app,
        is_multiline=parameter.is_multiline,
    )


def _explained(parameter: ConnectionParameter) -> str:
    """Its description, and the hint where that says more."""
    parts = (parameter.description.strip(), parameter.hint.strip())
    said = [part for part in dict.fromkeys(parts) if part and part.lower() != parameter.title.strip().lower()]
    return " ".join(part if part.endswith((".", "?", ":")) or part is said[-1] else f"{part}." for part in said)


def _choice(
    services: Services, connector_id: str, display_name: str, methods: tuple[SignInMethod, ...]
) -> ConnectorChoice:
    """methods: empty where they must be read, or cannot be."""
    unreadable = ""
    if not methods:
        try:
            methods = services.connectors.get(connector_id).sign_in
        except CANNOT_BE_READ as error:
            unreadable = why_connector_unreadable(error)
    ways = tuple(_way(method) for method in methods)
    return ConnectorChoice(
        connector_id=connector_id,
        display_name=display_name,
        sign_in=ways[0].sign_in if ways else SignInKind.UNSUPPORTED.value,
        parameters=ways[0].parameters if ways else (),
        ways=ways,
        unreadable=unreadable,
    )


def _way(method: SignInMethod) -> WayToSignIn:
    takes_app = method.oauth is not None and not method.oauth.is_managed_identity
    return WayToSignIn(
        name=method.name,
        title=method.title or method.name,
        sign_in=method.kind.value,
        parameters=fields_of(method, {}),
        app_values=app_value_names(method) if takes_app else frozenset(),
    )
