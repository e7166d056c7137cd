"""What is shown of installed connectors in lists: small rows beside their large documents."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Index, Table, delete, insert, select

from flowmend.core.json_value import Json
from flowmend.store.column_types import Instant, JsonText, Words
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.rows import Row
from flowmend.store.schema import key, metadata, must
from flowmend.store.tables import connectors


class ConnectorEntryRow(Row, frozen=True, kw_only=True):
    """A connector as `core.connector.summary` sums it up. sign_in: kinds with a blank between. installed_at: of what it
    sums up. methods: how one signs in, `SignInMethod`s as JSON.
    """

    connector_id: str
    display_name: str
    installed_at: datetime
    operations: int
    triggers: int
    needs_script: int
    unsupported: int
    sign_in: str
    description: str
    words: str = ""
    methods: Json = msgspec.field(default_factory=list)


connector_entries = Table(
    "connector_entries",
    metadata,
    key("connector_id"),
    must("display_name", Words),
    must("installed_at", Instant),
    must("operations", BigInteger),
    must("triggers", BigInteger),
    must("needs_script", BigInteger),
    must("unsupported", BigInteger),
    must("sign_in"),
    must("description", Words),
    must("words", Words),
    must("methods", JsonText),
    Index("ix_connector_entries_display_name", "display_name"),
)
_SHOWN = tuple(column for column in connector_entries.c if column.name not in {"words", "methods"})


class ConnectorEntries:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: ConnectorEntryRow) -> None:
        """Keep what is shown of a connector, in place of what was."""
        with self._database.writing() as connection:
            connection.execute(delete(connector_entries).where(connector_entries.c.connector_id == row.connector_id))
            connection.execute(insert(connector_entries), columns_of(row))

    def find(self, words: Sequence[str]) -> Sequence[ConnectorEntryRow]:
        """Installed connectors in which each of these lower-case words stands, by name; without what they were found by."""
        statement = select(*_SHOWN).join(connectors, connectors.c.connector_id == connector_entries.c.connector_id)
        for word in words:
            statement = statement.where(connector_entries.c.words.contains(word, autoescape=True))
        return self._database.every(
            statement.order_by(connector_entries.c.display_name, connector_entries.c.connector_id), ConnectorEntryRow
        )

    def get(self, connector_id: str) -> ConnectorEntryRow | None:
        is_it = connector_entries.c.connector_id == connector_id
        return self._database.first(select_row(connector_entries, ConnectorEntryRow).where(is_it), ConnectorEntryRow)

    def methods(self) -> Sequence[tuple[str, str, Json]]:
        """(id, name, how one signs in) of every installed connector."""
        shown = connector_entries.c.connector_id, connector_entries.c.display_name, connector_entries.c.methods
        is_installed = connectors.c.connector_id == connector_entries.c.connector_id
        found = self._database.tuples(select(*shown).join(connectors, is_installed))
        return [(connector_id, name, methods) for connector_id, name, methods in found]

    def missing(self) -> Sequence[str]:
        """Ids of installed connectors that nothing is kept of, or of an earlier version only."""
        is_same = (connector_entries.c.connector_id == connectors.c.connector_id) & (
            connector_entries.c.installed_at == connectors.c.installed_at
        )
        statement = (
            select(connectors.c.connector_id)
            .outerjoin(connector_entries, is_same)
            .where(connector_entries.c.connector_id.is_(None))
        )
        return [found for (found,) in self._database.tuples(statement)]
