"""Connections as a call needs them: row, connector and opened credential, kept in memory between calls.

The one place besides verifying where a credential is opened. Forgotten whenever the connection or its connector changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowmend.core.connection.credentials import (
    Credential,
    OAuthCredential,
    secret_parameters,
    secrets_of,
    sign_in_parts,
)
from flowmend.core.connection.redaction import Redactor
from flowmend.core.connector import Connector, SignInMethod, SignInParts
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential


@dataclass(slots=True, kw_only=True)
class OpenedConnection:
    """parameters: the connection's with its secrets, for policies. row: as last read or written by this process."""

    row: ConnectionRow
    connector: Connector
    method: SignInMethod
    credential: Credential | None = field(repr=False)
    parameters: Mapping[str, Json] = field(repr=False)
    sign_in: SignInParts = field(repr=False)
    redactor: Redactor
    origins: frozenset[str]

    @property
    def oauth(self) -> OAuthCredential | None:
        return self.credential if isinstance(self.credential, OAuthCredential) else None


def open_connection(row: ConnectionRow, connector: Connector, credential: Credential | None) -> OpenedConnection:
    """A connection with this credential, which need not be the stored one."""
    method = connector.method_named(row.parameter_set)
    return OpenedConnection(
        row=row,
        connector=connector,
        method=method,
        credential=credential,
        parameters={**(row.parameters or {}), **secret_parameters(method, credential)},
        sign_in=sign_in_parts(method, credential),
        redactor=Redactor(secrets_of(credential)),
        origins=frozenset(row.allowed_origins or ()),
    )


class OpenedConnections:
    """A cache over the store and the vault."""

    def __init__(self) -> None:
        self._opened: dict[str, OpenedConnection] = {}

    def get(self, services: Services, connection_id: str) -> OpenedConnection | None:
        """None where there is no such connection.

        Errors: NotFound for its connector; SecretUnreadable.
        """
        found = self._opened.get(connection_id)
        if found is None:
            row = services.store.connections.get(connection_id)
            if row is None:
                return None
            found = self._opened[connection_id] = _read(services, row)
        return found

    def put(self, opened: OpenedConnection) -> None:
        self._opened[opened.row.connection_id] = opened

    def forget(self, connection_id: str) -> None:
        self._opened.pop(connection_id, None)

    def forget_connector(self, connector_id: str) -> None:
        for key in [key for key, opened in self._opened.items() if opened.row.connector_id == connector_id]:
            del self._opened[key]


def _read(services: Services, row: ConnectionRow) -> OpenedConnection:
    connector = services.connectors.get(row.connector_id)
    credential = open_credential(services.vault, row) if row.sealed_credential else None
    return open_connection(row, connector, credential)
