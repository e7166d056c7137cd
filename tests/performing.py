"""Performs an operation of a built-in connector at a real server, as a call of a run does."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import Connector, UnbuildableRequest, read_connector, server_of
from flowmend.core.connector.protocol_call import arguments_of
from flowmend.transport import Protocols
from flowmend.use_cases.built_in_connectors import built_in_connector


def connector(connector_id: str) -> Connector:
    row = built_in_connector(connector_id)
    assert row is not None
    found = read_connector(row.definition, row.properties, connector_id=connector_id).connector
    assert found is not None
    return found


class Performer:
    """One connection. parameters: its own, without what signs in."""

    def __init__(
        self,
        connector_id: str,
        parameters: dict[str, Any],
        *,
        user: str = "ada",
        password: str = "right-password",
        roots: tuple[Path, ...] = (),
        http: Any = None,
        within: float = 20,
    ) -> None:
        self._connector = connector(connector_id)
        self._parameters = parameters
        self._credential = BasicCredential(user=user, password=password)
        place = f"{parameters.get('host')}:{parameters.get('port')}"
        self.protocols = Protocols({place}, http=http, files_roots=roots, operation_within=timedelta(seconds=within))

    async def __call__(self, operation_id: str, *, key: str = "key-1", **given: Any) -> Any:
        """given: arguments; `x-flowmend-…` as `cursor=` and `start=`."""
        named = {"cursor": "x-flowmend-cursor", "start": "x-flowmend-from"}
        operation = self._connector.operation(operation_id)
        assert operation is not None, operation_id
        arguments = arguments_of(operation, {named.get(name, name): value for name, value in given.items()})
        if isinstance(arguments, UnbuildableRequest):
            return arguments
        server = server_of(self._connector.protocol, self._parameters)
        assert not isinstance(server, UnbuildableRequest)
        return await self.protocols.perform(server, operation, arguments, self._credential, key=key)

    async def close(self) -> None:
        self.protocols.close()
        await asyncio.sleep(0.05)  # a TLS session ends in the loop's next rounds
