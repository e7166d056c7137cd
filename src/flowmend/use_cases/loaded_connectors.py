"""Connectors read once from their documents, installed or built in, kept in memory."""

from typing import TypeVar

from flowmend.core.connector.openapi import read_connector
from flowmend.core.connector.operation import Connector
from flowmend.core.errors import InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.store import Store
from flowmend.store.rows import ConnectorRow
from flowmend.use_cases.built_in_connectors import built_in_connector, built_in_ids

Kept = TypeVar("Kept")

_MOST_KEPT = 200


class LoadedConnectors:
    """A cache over the store; told to forget a connector when it is installed anew."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: dict[str, Connector] = {}
        self._rows: dict[str, ConnectorRow] = {}

    def row(self, connector_id: str) -> ConnectorRow:
        """As installed, else as built in. Errors: NotFound `ConnectorNotFound`."""
        found = (
            self._rows.get(connector_id) or self._store.connectors.get(connector_id) or built_in_connector(connector_id)
        )
        if found is None:
            raise NotFound(
                f"The connector {connector_id!r} is not installed.", code="ConnectorNotFound", target=connector_id
            )
        _keep(self._rows, connector_id, found)
        return found

    def get(self, connector_id: str) -> Connector:
        """Errors: NotFound `ConnectorNotFound`; InvalidDocument where the stored documents no longer read."""
        found = self._loaded.get(connector_id)
        if found is None:
            found = self._read(connector_id)
            _keep(self._loaded, connector_id, found)
        return found

    def ids(self) -> frozenset[str]:
        """Of every connector there is, installed or built in."""
        return built_in_ids() | frozenset(self._store.connectors.ids())

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`."""
        if topic == "connector":
            self._loaded.pop(facts["connector_id"], None)
            self._rows.pop(facts["connector_id"], None)

    def _read(self, connector_id: str) -> Connector:
        row = self.row(connector_id)
        reading = read_connector(row.definition, row.properties, connector_id=connector_id)
        if reading.connector is None:
            raise InvalidDocument(f"The connector {connector_id!r} does not read.", reading.problems)
        return reading.connector


def _keep(kept: dict[str, Kept], connector_id: str, value: Kept) -> None:
    """Keep a value, and let the oldest go where there are too many: however many are installed, few are in use."""
    kept[connector_id] = value
    while len(kept) > _MOST_KEPT:
        del kept[next(iter(kept))]
