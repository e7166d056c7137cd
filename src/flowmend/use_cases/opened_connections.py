"""Connections as a call needs them: row, connector and opened credential, kept in memory between calls.

The one place besides verifying where a credential is opened. Forgotten whenever the connection or its connector changes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

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
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential


@dataclass(slots=True, kw_only=True)
class OpenedConnection:
    """parameters: the connection's with its secrets, for policies. row: as last read or written by this process.

    holder: the row whose credential it is, `row` itself unless it shares another's. kept: values that its service was asked
    for before a call, by what asked for them, and until when they are used (`connector_answers`).
    """

    row: ConnectionRow
    holder: ConnectionRow
    connector: Connector
    method: SignInMethod
    credential: Credential | None = field(repr=False)
    parameters: Mapping[str, Json] = field(repr=False)
    sign_in: SignInParts = field(repr=False)
    redactor: Redactor
    origins: frozenset[str]
    kept: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict, repr=False)

    @property
    def oauth(self) -> OAuthCredential | None:
        return self.credential if isinstance(self.credential, OAuthCredential) else None


def open_connection(
    row: ConnectionRow, connector: Connector, credential: Credential | None, *, holder: ConnectionRow | None = None
) -> OpenedConnection:
    """A connection with this credential, which need not be the stored one. holder: whose it is, None for its own."""
    method = connector.method_named(row.parameter_set)
    return OpenedConnection(
        row=row,
        holder=holder or row,
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
        self._sharing: defaultdict[str, set[str]] = defaultdict(set)  # by the connection whose credential they use

    def get(self, services: Services, connection_id: str) -> OpenedConnection | None:
        """None where there is no such connection.

        Errors: NotFound for its connector; SecretUnreadable.
        """
        found = self._opened.get(connection_id)
        if found is None:
            row = services.store.connections.get(connection_id)
            if row is None:
                return None
            found = _read(services, row)
            self.put(found)
        return found

    def put(self, opened: OpenedConnection) -> None:
        self._opened[opened.row.connection_id] = opened
        if opened.holder is not opened.row:
            self._sharing[opened.holder.connection_id].add(opened.row.connection_id)

    def forget(self, connection_id: str) -> None:
        """Forget the connection, and those that sign in with its credential."""
        for one in (connection_id, *self._sharing.pop(connection_id, ())):
            self._opened.pop(one, None)

    def forget_connector(self, connector_id: str) -> None:
        for key in [key for key, opened in self._opened.items() if opened.row.connector_id == connector_id]:
            del self._opened[key]


def _read(services: Services, row: ConnectionRow) -> OpenedConnection:
    connector = services.connectors.get(row.connector_id)
    holder = credential_holder(services, row)
    credential = open_credential(services.vault, holder) if holder.sealed_credential else None
    return open_connection(row, connector, credential, holder=holder)
