"""The connectors that come with Flowmend: folders of the package, in the form of any connector's, read when asked for.

They are no rows of the store: a new version of Flowmend brings its own along. One that is installed under the same id
counts instead.
"""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from flowmend.core.connector.lenient_json import parse_lenient_json
from flowmend.core.connector.openapi import read_connector
from flowmend.core.errors import InvalidDocument
from flowmend.store.rows import ConnectorRow

#: The connector of the connections that flows bring along: the `authentication` of HTTP actions.
EMBEDDED_CONNECTOR = "http"

_FOLDERS = files("flowmend").joinpath("connectors")
# They are as old as the package, which nobody installs as a connector.
_AT_ALL_TIMES = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def built_in_ids() -> frozenset[str]:
    """The ids of the connectors that come along; their documents are not read for it."""
    return frozenset(folder.name for folder in _FOLDERS.iterdir() if folder.is_dir() and folder.name[0].isalnum())


@cache
def built_in_connector(connector_id: str) -> ConnectorRow | None:
    """A built-in connector as if it were installed, None where none of that id comes along.

    Errors: InvalidDocument.
    """
    if connector_id not in built_in_ids():
        return None
    folder = _FOLDERS.joinpath(connector_id)
    definition = parse_lenient_json(folder.joinpath("apiDefinition.swagger.json").read_bytes())
    properties = parse_lenient_json(folder.joinpath("apiProperties.json").read_bytes())
    reading = read_connector(definition, properties, connector_id=connector_id)
    if reading.connector is None:
        raise InvalidDocument(f"The built-in connector {connector_id!r} does not read.", reading.problems)
    return ConnectorRow(
        connector_id=connector_id,
        display_name=reading.connector.display_name,
        definition=definition,
        properties=properties,
        fingerprint="",  # unlike any other's: one installed in its place asks for all secrets again
        installed_at=_AT_ALL_TIMES,
    )
