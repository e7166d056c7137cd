"""Where a credential may go that is given to a connection now."""

from collections.abc import Iterator, Mapping

from flowmend.core.checking.inline_authentication import inline_authentications, origin_called
from flowmend.core.connector import Connector, allowed_origins, fill_url, origin_of
from flowmend.core.connector.request import ANY_ORIGIN
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ


def bound_origins(
    services: Services, row: ConnectionRow, connector: Connector, parameters: Mapping[str, Json]
) -> list[str]:
    """The connector's own origins with these parameters, and of a connection that flows brought along those that the HTTP
    actions using it call now: who gives it a secret gives it for them. `*` where their runs compute an address.
    """
    if row.connector_id != EMBEDDED_CONNECTOR:
        return list(allowed_origins(connector, parameters))
    oauth = connector.method_named(row.parameter_set).oauth
    tokens = origin_of(fill_url(oauth.token_url, parameters)) if oauth is not None else ""
    called = set(_called(services, row.connection_id)) or set(row.allowed_origins or ())
    return sorted({*called, *((tokens,) if tokens else ())})


def origins_of_link(
    services: Services, row: ConnectionRow, connector: Connector, parameters: Mapping[str, Json]
) -> list[str]:
    """As `bound_origins`, for what somebody enters who was sent a repair link: what flows call since widens nothing, for
    who edits a flow must not direct another's password.
    """
    if row.connector_id == EMBEDDED_CONNECTOR:
        return sorted(row.allowed_origins or ())
    return bound_origins(services, row, connector, parameters)


def _called(services: Services, connection_id: str) -> Iterator[str]:
    for flow in services.store.flows.using(connection_id):
        try:
            loaded = services.flows.latest(flow.flow_id)
        except CANNOT_BE_READ:
            continue
        for inline in inline_authentications(loaded.flow):
            if loaded.mappings.get(inline.key) == connection_id:
                yield origin_called(loaded.flow, inline.uri) or ANY_ORIGIN
