"""Import: look into a file first, then take its flow in, turned off."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from flowmend.core.checking import check_flow
from flowmend.core.definition import (
    Flow,
    Parts,
    detect_packaging,
    find_reference,
    flow_identity,
    parts_of,
    read_flow,
)
from flowmend.core.definition.document_text import read_document
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem
from flowmend.core.run.naming import version_name
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow, FlowRow, FlowState, FlowVersionRow
from flowmend.use_cases.flows import follow_new_version
from flowmend.use_cases.loaded_flows import access_key_binding, missing_parameters
from flowmend.use_cases.ports import Services
from flowmend.use_cases.stored_documents import seal_document
from flowmend.use_cases.trigger_words import what_will_begin


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceNeed:
    """A connection reference of the file. candidates: connections of that connector, (id, name)."""

    key: str
    connector: str
    connector_installed: bool
    candidates: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFinding:
    """What one flow of a file is, needs, and what is wrong with it. parameters: those without a value."""

    name: str
    flow_id: str
    packaging: str
    exists: bool
    trigger: str
    action_count: int
    connectors: tuple[str, ...]
    references: tuple[ReferenceNeed, ...]
    parameters: tuple[str, ...]
    problems: tuple[Problem, ...]
    will_begin: str
    can_import: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A flow taken in. created: False where it is a new version of a flow already here."""

    flow_id: str
    version: str
    name: str
    created: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    flow_id: str
    name: str
    packaging: str
    document: Json
    flow: Flow | None
    problems: tuple[Problem, ...]


async def inspect_import(services: Services, content: bytes, file_name: str) -> tuple[ImportFinding, ...]:
    """What the file holds, as a dry run; nothing is stored. Errors: InvalidDocument where it is no JSON."""
    read = await asyncio.to_thread(_read, content, file_name, name=None)  # a file may be a hundred megabytes
    flow = read.flow
    connections = services.store.connections.list()
    installed = {row.connector_id for row in services.store.connectors.list()}
    trigger = next(iter(flow.definition.triggers.values()), None) if flow else None
    references = tuple(
        _need(reference.key, reference.connector, connections, installed)
        for reference in (flow.connection_references.values() if flow else ())
    )
    finding = ImportFinding(
        name=read.name,
        flow_id=read.flow_id,
        packaging=read.packaging,
        exists=services.store.flows.get(read.flow_id) is not None,
        trigger=f"{trigger.type} {trigger.kind}".strip() if trigger else "",
        action_count=sum(1 for _ in flow.definition.walk()) if flow else 0,
        connectors=tuple(dict.fromkeys(need.connector for need in references)),
        references=references,
        parameters=missing_parameters(flow) if flow else (),
        problems=read.problems,
        will_begin=what_will_begin(flow) if flow else "",
        can_import=flow is not None,
    )
    return (finding,)


async def import_flows(
    services: Services,
    content: bytes,
    file_name: str,
    *,
    as_new: bool = False,
    name: str | None = None,
    person_id: str,
) -> tuple[Imported, ...]:
    """Take in the flow of a file; a flow already here gets a new version, another arrives turned off.

    A flow that is on stays on unless its new version cannot run.

    as_new: a fresh id, never a new version. Errors: InvalidDocument with every problem where nothing runnable is in it.
    """
    read = await asyncio.to_thread(_read, content, file_name, name=name)
    if read.flow is None:
        raise InvalidDocument(f"{file_name} holds no flow that can be read.", read.problems)
    flow_id = str(services.clock.guid()) if as_new else read.flow_id
    known = services.store.flows.get(flow_id)
    now = services.clock.now
    version = version_name(services.clock.ticks())
    document = seal_document(read.document, read.flow, flow_id, services.vault)
    version_row = FlowVersionRow(flow_id=flow_id, version=version, document=document, created_at=now)
    if known is None:
        row = FlowRow(
            flow_id=flow_id,
            name=read.name,
            packaging=read.packaging,
            state=FlowState.OFF,
            version=version,
            owner_id=person_id,
            sealed_access_key=services.vault.seal(secrets.token_bytes(32), bound_to=access_key_binding(flow_id)),
            settings={},
            created_at=now,
            changed_at=now,
        )
        services.store.flows.add(row, version_row)
    else:
        row = msgspec.structs.replace(
            known, version=version, name=name or known.name, packaging=read.packaging, changed_at=now
        )
        services.store.flows.add_version(row, version_row)
    _map_what_is_clear(services, flow_id, read.flow)
    services.store.audit.note(person_id, "import", flow_id, {"file": file_name, "version": version}, at=now)
    services.changes.publish("flow", flow_id=flow_id, state=row.state.value)
    await follow_new_version(services, flow_id, person_id)
    return (Imported(flow_id=flow_id, version=version, name=row.name, created=known is None, problems=read.problems),)


def _read(content: bytes, file_name: str, *, name: str | None) -> _Read:
    document = read_document(content)
    packaging = detect_packaging(document, file_name)
    parts: Parts = parts_of(document)
    identity = flow_identity(
        packaging=packaging, path=file_name, own_id=parts.flow_id, display_name=name or parts.display_name
    )
    reading = read_flow(document, packaging=packaging, name=identity.name, flow_id=identity.flow_id)
    found = reading.problems + (check_flow(reading.flow) if reading.flow else ())
    return _Read(
        flow_id=identity.flow_id,
        name=identity.name,
        packaging=packaging.value,
        document=document,
        flow=reading.flow,
        problems=tuple(dict.fromkeys(found)),
    )


def _need(key: str, connector: str, connections: Sequence[ConnectionRow], installed: set[str]) -> ReferenceNeed:
    return ReferenceNeed(
        key=key,
        connector=connector,
        connector_installed=connector in installed,
        candidates=tuple((one.connection_id, one.display_name) for one in connections if one.connector_id == connector),
    )


def _map_what_is_clear(services: Services, flow_id: str, flow: Flow) -> None:
    """Map each reference that has exactly one connection to mean; the owner chooses among several."""
    mapped = {one.reference for one in services.store.flows.mappings(flow_id)}
    connections = services.store.connections.list()
    for reference in flow.connection_references.values():
        if reference.key in mapped or find_reference(reference.key, flow.connection_references) is None:
            continue
        fitting = [one for one in connections if one.connector_id == reference.connector]
        if len(fitting) == 1:
            services.store.flows.set_mapping(
                ConnectionMappingRow(flow_id=flow_id, reference=reference.key, connection_id=fitting[0].connection_id)
            )
