"""Repair links, swaps and uses of secrets, as the API gives them. Nothing here holds a secret's value, but a new link's."""

from datetime import datetime

import msgspec

from flowmend.store.incident_rows import RepairLinkRow
from flowmend.store.rows import SecretUseRow
from flowmend.use_cases.repair_links import MadeLink
from flowmend.use_cases.swap_connection import ConnectionSwap, SwappedReference
from flowmend.use_cases.unconnected_flows import ConnectedFlows, UnconnectedReference


class MadeLinkShape(msgspec.Struct, frozen=True, kw_only=True):
    """A new repair link, shown this once. url: for whoever holds the connection's account."""

    url: str
    expires_at: datetime


class RepairLinkShape(msgspec.Struct, frozen=True, kw_only=True):
    """A repair link without its secret. is_confirmed: its maker vouches for whoever it goes to."""

    incident: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    is_confirmed: bool


class SwappedReferenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow's connection reference that means another connection from its next run on."""

    flow: str
    flow_name: str
    reference: str


class ConnectionSwapShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a swap changes or has changed. warnings: `AnotherAccount`, `NeedsRepair`."""

    old: str
    new: str
    references: list[SwappedReferenceShape]
    warnings: list[str]
    is_made: bool


class ConnectedFlowsShape(msgspec.Struct, frozen=True, kw_only=True):
    """The references of flows without a connection that one is chosen for, or would be."""

    connection: str
    references: list[SwappedReferenceShape]
    is_made: bool


class SecretUseShape(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a connection's secret. purpose: call, refresh, probe, verify, repair_link, consent or revoke."""

    at: datetime
    purpose: str
    run: str | None
    action: str | None
    host: str
    outcome: str


def made_link_shape(made: MadeLink) -> MadeLinkShape:
    return MadeLinkShape(url=made.url, expires_at=made.expires_at)


def repair_link_shape(row: RepairLinkRow) -> RepairLinkShape:
    return RepairLinkShape(
        incident=row.incident_id,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        is_confirmed=row.is_confirmed,
    )


def connection_swap_shape(swap: ConnectionSwap, *, is_made: bool) -> ConnectionSwapShape:
    return ConnectionSwapShape(
        old=swap.old.connection_id,
        new=swap.new.connection_id,
        references=[_reference(one) for one in swap.references],
        warnings=list(swap.warnings),
        is_made=is_made,
    )


def connected_flows_shape(connected: ConnectedFlows, *, is_made: bool) -> ConnectedFlowsShape:
    return ConnectedFlowsShape(
        connection=connected.connection.connection_id,
        references=[_reference(one) for one in connected.references],
        is_made=is_made,
    )


def secret_use_shape(row: SecretUseRow) -> SecretUseShape:
    return SecretUseShape(
        at=row.at,
        purpose=row.purpose,
        run=row.run_name or None,
        action=row.action or None,
        host=row.host,
        outcome=row.outcome,
    )


def _reference(one: SwappedReference | UnconnectedReference) -> SwappedReferenceShape:
    return SwappedReferenceShape(flow=one.flow_id, flow_name=one.flow_name, reference=one.reference)
