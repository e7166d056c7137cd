"""A connector was installed anew with other hosts, sign-in or policies: every secret given to it is asked for again.

What a credential was entrusted to is no longer what would send it. So it is dropped, and whatever needs it waits for
its owner as for any broken connection (architecture, Rules of safety).
"""

from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from flowmend.core.connection.diagnosis import remedy_of
from flowmend.core.connection.health import HealthState
from flowmend.core.connector.building import allowed_origins
from flowmend.core.connector.operation import Connector
from flowmend.core.errors import Conflict
from flowmend.core.outcome import Category, FixableBy
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.incident_watch import note_known_break
from flowmend.use_cases.ports import Services

_CODE = "ConnectorChanged"


def hosts_to_trust(services: Services, row: ConnectionRow, connector: Connector) -> tuple[str, ...]:
    """The origins a connection's client secret was not given for and would now be sent to.

    Empty where there is no such secret: what has none to give away needs no new trust.
    """
    parameters = row.parameters or {}
    new = tuple(one for one in allowed_origins(connector, parameters) if one not in row.allowed_origins)
    app = services.store.connections.get_sign_in_app(row.app_id) if new and row.app_id else None
    return new if app is not None and app.sealed_secret else ()


async def ask_for_secrets_again(services: Services, connector: Connector) -> None:
    """Drop the credentials of the connector's connections. Errors: StoreUnavailable."""
    rows = services.store.connections.list(connector_id=connector.connector_id)
    for row in sorted(rows, key=lambda one: not one.shares_with):  # a holder's new version is one of its sharers too
        if not (row.sealed_credential or row.shares_with):
            continue
        now, method = services.clock.now, connector.method_named(row.parameter_set)
        changes: dict[str, Any] = {
            "sealed_candidate": b"",
            "shares_with": "",
            "expires_at": None,
            "health": HealthState.BROKEN,
            "health_changed_at": now,
            "refused_at": now,
            "refused_code": _CODE,
            "refused_message": (
                f"The connector {connector.display_name!r} was installed with other hosts, sign-in or policies, so its "
                "secrets were dropped. Give them again."
            ),
            "refused_category": Category.UNKNOWN.value,
            "refused_fixable_by": FixableBy.REVERIFY.value,
            "remedy": remedy_of(FixableBy.REVERIFY, method.kind),
        }
        with suppress(Conflict):  # deleted meanwhile
            services.store.connections.swap_credential(row.connection_id, row.credential_version, b"", **changes)
            services.changes.publish("connection", connection_id=row.connection_id, health=HealthState.BROKEN.value)
            await note_known_break(services, replace(row, **changes), calls=0)
