"""Installed connectors."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from flowmend.store.connector_entries import connector_entries
from flowmend.store.database import Database, put, select_row
from flowmend.store.rows import ConnectorRow
from flowmend.store.tables import connectors


class Connectors:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: ConnectorRow) -> None:
        """Install a connector or replace the installed one. What lists showed of that one goes with it."""
        with self._database.writing() as connection:
            put(connection, connectors, row)
            connection.execute(delete(connector_entries).where(connector_entries.c.connector_id == row.connector_id))

    def get(self, connector_id: str) -> ConnectorRow | None:
        return self._database.first(
            select_row(connectors, ConnectorRow).where(connectors.c.connector_id == connector_id), ConnectorRow
        )

    def ids(self) -> Sequence[str]:
        """Of all connectors; their documents are not read for it."""
        return [found for (found,) in self._database.tuples(select(connectors.c.connector_id))]

    def delete(self, connector_id: str) -> bool:
        """Remove a connector; False where there is none of this id."""
        return self._database.remove(connectors, connectors.c.connector_id == connector_id) > 0
