"""The gallery of connectors, and one of them: what it can do, how one signs in, what can be tested."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from flowmend.core.connection.probe import choosable
from flowmend.core.connector import Connector, Operation, read_connector
from flowmend.core.connector.operation import SignInKind, SignInMethod
from flowmend.core.connector.summary import ConnectorSummary, needs_script, summarise
from flowmend.core.json_value import Json
from flowmend.store.connector_entries import ConnectorEntryRow
from flowmend.store.rows import ConnectionRow, ConnectorRow
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR, built_in_connector, built_in_ids
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ

_MOST_WORDS = 8
#: One that no longer reads shows with this in place of a way to sign in.
_UNREADABLE = ConnectorSummary(
    operations=0, triggers=0, needs_script=0, unsupported=0, sign_in=(), description="", words=""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryEntry:
    """A connector in the gallery. sign_in: a `SignInKind` for each way, empty where the connector no longer reads."""

    connector_id: str
    display_name: str
    description: str
    is_built_in: bool
    operations: int
    triggers: int
    needs_script: int
    unsupported: int
    sign_in: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorView:
    """One connector. actions, triggers: those that fit the search. total: operations without it. probes: ids of operations
    that could test a connection, besides the declared one. replaces_built_in: it was installed in the place of ours. is_chosen: one can
    connect to it; connections to the other kind come with flows.
    """

    row: ConnectorRow
    connector: Connector
    entry: GalleryEntry
    actions: tuple[Operation, ...]
    triggers: tuple[Operation, ...]
    total: int
    probes: tuple[str, ...]
    connections: Sequence[ConnectionRow]
    replaces_built_in: bool
    is_chosen: bool = True


async def find_connectors(services: Services, text: str = "") -> list[GalleryEntry]:
    """Connectors by name in which each word of the text stands: in their own or their operations' names."""
    for connector_id in await asyncio.to_thread(services.store.connector_entries.missing):
        await asyncio.to_thread(keep_entry, services, services.store.connectors.get(connector_id))
    words = text.lower().split()[:_MOST_WORDS]
    installed = await asyncio.to_thread(services.store.connector_entries.find, words)
    replaced = frozenset(services.store.connectors.ids())
    ours = (
        (connector_id, name, summary)
        for connector_id in built_in_ids() - replaced - {EMBEDDED_CONNECTOR}
        for name, summary in (_built_in(connector_id),)
        if all(word in summary.words for word in words)
    )
    found = [_of_row(row) for row in installed if row.connector_id != EMBEDDED_CONNECTOR]
    found += [_entry(connector_id, name, summary, is_built_in=True) for connector_id, name, summary in ours]
    return sorted(found, key=lambda one: (one.display_name.casefold(), one.connector_id))


async def read_connector_view(services: Services, connector_id: str, text: str = "") -> ConnectorView:
    """One connector with the operations in which each word of the text stands.

    Errors: NotFound; InvalidDocument where it no longer reads.
    """
    row, connector = services.connectors.row(connector_id), services.connectors.get(connector_id)
    words = text.lower().split()[:_MOST_WORDS]
    fitting = [
        operation
        for operation in sorted(
            connector.operations.values(), key=lambda one: (one.summary or one.operation_id).casefold()
        )
        if all(word in f"{operation.operation_id} {operation.summary} {operation.path}".lower() for word in words)
    ]
    is_built_in = services.store.connectors.get(connector_id) is None
    summary = summarise(connector, row.definition)
    asks_nothing = all(method.kind is SignInKind.NONE for method in connector.sign_in)
    probes = () if asks_nothing or connector.protocol != "http" else choosable(connector)
    return ConnectorView(
        row=row,
        connector=connector,
        entry=_entry(connector_id, row.display_name, summary, is_built_in=is_built_in),
        actions=tuple(one for one in fitting if not one.is_trigger),
        triggers=tuple(one for one in fitting if one.is_trigger),
        total=len(connector.operations),
        probes=tuple(one.operation_id for one in probes),
        connections=services.store.connections.list(connector_id=connector_id),
        replaces_built_in=not is_built_in and connector_id in built_in_ids(),
        is_chosen=connector_id != EMBEDDED_CONNECTOR,
    )


def keep_entry(services: Services, row: ConnectorRow | None, connector: Connector | None = None) -> None:
    """Keep what the gallery shows of an installed connector. connector: as read from the row, where it was."""
    if row is None:  # removed meanwhile
        return
    summary = _UNREADABLE
    if connector is None:
        try:
            connector = read_connector(row.definition, row.properties, connector_id=row.connector_id).connector
        except CANNOT_BE_READ:
            connector = None
    if connector is not None:
        summary = summarise(connector, row.definition)
    services.store.connector_entries.put(
        ConnectorEntryRow(
            connector_id=row.connector_id,
            display_name=row.display_name,
            installed_at=row.installed_at,
            operations=summary.operations,
            triggers=summary.triggers,
            needs_script=summary.needs_script,
            unsupported=summary.unsupported,
            sign_in=" ".join(summary.sign_in),
            description=summary.description,
            words=summary.words or f"{row.connector_id} {row.display_name}".lower(),
            methods=msgspec.to_builtins(connector.sign_in) if connector is not None else [],
        )
    )


def sign_in_methods(services: Services) -> list[tuple[str, str, tuple[SignInMethod, ...]]]:
    """(id, name, ways to sign in) of every connector; no ways of one that does not read. No document is read for it."""
    for connector_id in services.store.connector_entries.missing():
        keep_entry(services, services.store.connectors.get(connector_id))
    found = [
        (connector_id, name, _methods(methods))
        for connector_id, name, methods in services.store.connector_entries.methods()
    ]
    replaced = {connector_id for connector_id, _, _ in found}
    for connector_id in sorted(built_in_ids() - replaced):
        row = built_in_connector(connector_id)
        if row is not None:
            found.append((connector_id, row.display_name, services.connectors.get(connector_id).sign_in))
    return found


def _methods(kept: Json) -> tuple[SignInMethod, ...]:
    try:
        return msgspec.convert(kept, tuple[SignInMethod, ...])
    except msgspec.ValidationError:  # kept by a version that knew them otherwise
        return ()


def runs_here(operation: Operation) -> str:
    """Why an operation cannot be performed, `script` or `policy`; "" where it can."""
    if not operation.unsupported:
        return ""
    return "script" if needs_script(operation) else "policy"


@cache
def _built_in(connector_id: str) -> tuple[str, ConnectorSummary]:
    """(name, the rest in a few words) of a built-in connector."""
    row = built_in_connector(connector_id)
    if row is None:
        raise KeyError(connector_id)
    connector = read_connector(row.definition, row.properties, connector_id=connector_id).connector
    return row.display_name, summarise(connector, row.definition) if connector is not None else _UNREADABLE


def _of_row(row: ConnectorEntryRow) -> GalleryEntry:
    return GalleryEntry(
        connector_id=row.connector_id,
        display_name=row.display_name,
        description=row.description,
        is_built_in=False,
        operations=row.operations,
        triggers=row.triggers,
        needs_script=row.needs_script,
        unsupported=row.unsupported,
        sign_in=tuple(row.sign_in.split()),
    )


def _entry(connector_id: str, name: str, summary: ConnectorSummary, *, is_built_in: bool) -> GalleryEntry:
    return GalleryEntry(
        connector_id=connector_id,
        display_name=name,
        description=summary.description,
        is_built_in=is_built_in,
        operations=summary.operations,
        triggers=summary.triggers,
        needs_script=summary.needs_script,
        unsupported=summary.unsupported,
        sign_in=summary.sign_in,
    )
