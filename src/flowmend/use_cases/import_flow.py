"""Import: a package's flows taken in, turned off, with what was said about them in the dry run."""

import contextlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from flowmend.core.checking import check_flow
from flowmend.core.checking.distinct_sign_ins import ValuedFlow
from flowmend.core.definition import FileProblem, Flow
from flowmend.core.errors import AskedWrongly, Conflict, InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem
from flowmend.core.run.naming import version_name
from flowmend.store.rows import ConnectionMappingRow, FlowRow, FlowState, FlowVersionRow
from flowmend.use_cases.embedded_connections import (
    EmbeddedConnection,
    connect_sign_ins,
    keys_of,
    map_sign_ins,
    of_flow,
    release_mended,
    valued_flow,
)
from flowmend.use_cases.flow_parameters import given_values, values_binding, values_for, with_sealed, with_values
from flowmend.use_cases.flows import follow_new_version, turn_on
from flowmend.use_cases.granted_scopes import scope_problems
from flowmend.use_cases.history import forget_deleted_flow
from flowmend.use_cases.import_plan import Files, ReadFlow, read_package, reference_id
from flowmend.use_cases.loaded_flows import access_key_binding, read_stored_flow
from flowmend.use_cases.ports import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChoices:
    """What a person says about an import; all of it may be said later too.

    connections: `{reference: connection id}`; a reference is meant by its id in the plan, its logical name or its key, an
    authentication written in the flows by its id in the plan.
    values: of parameters, template values and environment
    variables, by name. flows: ids of the flows to take, None for all. as_new: fresh ids, never a new version.
    name: for a package of one flow. turns_on: those that can run then are on at once.
    """

    connections: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Json] = field(default_factory=dict, repr=False)
    flows: Collection[str] | None = None
    as_new: bool = False
    name: str | None = None
    turns_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A flow taken in. created: False where it is a new version of a flow already here. is_on: it waits for its trigger.

    moved_secrets: where literal secrets stood in its document that now lie sealed in the vault. sign_ins: the connections
    that its HTTP actions sign in by, which the authentication written in them has become.
    """

    flow_id: str
    version: str
    name: str
    path: str
    created: bool
    is_on: bool
    problems: tuple[Problem, ...]
    moved_secrets: tuple[str, ...] = ()
    sign_ins: tuple[EmbeddedConnection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """flows: taken in. problems: of files from which nothing was."""

    flows: tuple[Imported, ...]
    problems: tuple[FileProblem, ...]


async def import_flows(
    services: Services, files: Files, file_name: str, *, as_new: bool = False, name: str | None = None, person_id: str
) -> tuple[Imported, ...]:
    """The flows of `import_package` where there is nothing more to say about them. Errors: the same."""
    choices = ImportChoices(as_new=as_new, name=name)
    return (await import_package(services, files, file_name, choices, person_id)).flows


async def import_package(
    services: Services, files: Files, file_name: str, choices: ImportChoices, person_id: str
) -> ImportReport:
    """Take in the flows of a package; a flow already here gets a new version, another arrives turned off.

    One that cannot run stays off whatever was chosen; its page says why. A flow that is on stays on unless its new version cannot run. Values that people gave an earlier version stay
    unless others are given.

    Errors, before anything is stored: InvalidDocument with every problem where nothing runnable is in it; NotFound or
    AskedWrongly for a connection that is not there or does not fit; AskedWrongly for a value that does not.
    """
    read, problems = await read_package(files, file_name, choices.values)
    chosen = [
        one for one in read if one.flow and (choices.flows is None or one.packaged.identity.flow_id in choices.flows)
    ]
    _refuse_nothing(chosen, read, problems, file_name)
    if choices.name is not None and len(chosen) != 1:
        raise AskedWrongly(f"A name goes with one flow; {file_name} holds {len(chosen)}.", code="AmbiguousName")
    arrivals = [
        _Arrival(
            read=one,
            flow=one.flow,
            given=values_for(one.flow, choices.values),
            mappings=_mappings(services, one.flow, choices.connections),
        )
        for one in chosen
        if one.flow
    ]
    valued = [_valued(services, one, as_new=choices.as_new) for one in arrivals]
    sign_ins = connect_sign_ins(services, valued, chosen=choices.connections, person_id=person_id)
    imported = [await _take_in(services, one, file_name, choices, person_id, sign_ins=sign_ins) for one in arrivals]
    await release_mended(services, sign_ins)
    left_out = [
        FileProblem(path=one.packaged.path, problem=problem) for one in read if not one.flow for problem in one.problems
    ]
    return ImportReport(flows=tuple(imported), problems=(*problems, *left_out))


def _refuse_nothing(
    chosen: list[ReadFlow], read: tuple[ReadFlow, ...], problems: tuple[FileProblem, ...], file_name: str
) -> None:
    if chosen:
        return
    found = [one.problem for one in problems] + [problem for one in read for problem in one.problems]
    first = found[0] if found else None
    message = f"{file_name} holds no flow that can be read."
    if first is not None and not first.pointer:
        message = f"{message} {first.message}"
    raise InvalidDocument(message, found, code=first.code if first else None)


def _mappings(services: Services, flow: Flow, connections: Mapping[str, str]) -> dict[str, str]:
    """`{key: connection id}` as chosen. Errors: NotFound; AskedWrongly for a connection of another connector."""
    mappings: dict[str, str] = {}
    chosen = {name.casefold(): connection_id for name, connection_id in connections.items()}
    for key, reference in flow.connection_references.items():
        names = (reference_id(reference), reference.logical_name, key)
        connection_id = next((found for name in names if (found := chosen.get(name.casefold()))), "")
        if not connection_id:
            continue
        connection = services.store.connections.get(connection_id)
        if connection is None:
            raise NotFound(f"There is no connection {connection_id}.", code="ConnectionNotFound", target=connection_id)
        if connection.connector_id != reference.connector:
            raise AskedWrongly(
                f"{key!r} needs a connection to {reference.connector}; {connection.display_name!r} is one to "
                f"{connection.connector_id}.",
                code="WrongConnector",
                target=connection_id,
            )
        mappings[key] = connection_id
    return mappings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A flow about to be taken in, with what was said about it. mappings: `{key: connection id}`."""

    read: ReadFlow
    flow: Flow
    given: Mapping[str, Json]
    mappings: Mapping[str, str]


def _valued(services: Services, arrival: _Arrival, *, as_new: bool) -> ValuedFlow:
    flow = arrival.flow
    known = None if as_new else services.store.flows.get(flow.flow_id)
    kept = {name: value for name, value in _kept_values(services, known, flow).items() if name not in arrival.given}
    return valued_flow(services, known, with_sealed(flow, {**kept, **arrival.given}), kept=kept)


async def _take_in(
    services: Services,
    arrival: _Arrival,
    file_name: str,
    choices: ImportChoices,
    person_id: str,
    *,
    sign_ins: tuple[EmbeddedConnection, ...],
) -> Imported:
    read, flow, identity = arrival.read, arrival.flow, arrival.read.packaged.identity
    flow_id = str(services.clock.guid()) if choices.as_new else identity.flow_id
    known = services.store.flows.get(flow_id)
    if known is None and flow_id in services.store.flows.deleted():
        # A flow of the same name has the same id, and must not come into that one's runs.
        await forget_deleted_flow(services, flow_id)
    now = services.clock.now
    version = version_name(services.clock.ticks())
    document = with_values(
        read.lifted.document,
        flow,
        lifted=read.lifted.values,
        given={**_kept_values(services, known, flow), **arrival.given},
        binding=values_binding(flow_id, version),
        vault=services.vault,
    )
    version_row = FlowVersionRow(flow_id=flow_id, version=version, document=document, created_at=now)
    if known is None:
        row = FlowRow(
            flow_id=flow_id,
            name=choices.name or identity.name,
            packaging=read.packaged.packaging.value,
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
            known,
            version=version,
            name=choices.name or known.name,
            packaging=read.packaged.packaging.value,
            changed_at=now,
        )
        services.store.flows.add_version(row, version_row)
    _map(services, flow_id, flow, arrival.mappings)
    map_sign_ins(services, flow_id, keys_of(sign_ins, flow.flow_id))
    details = {"file": file_name, "version": version}
    if read.lifted.places:
        details["moved_secrets"] = str(len(read.lifted.places))
    services.store.audit.note(person_id, "import", flow_id, details, at=now)
    services.changes.publish("flow", flow_id=flow_id, state=row.state.value)
    await follow_new_version(services, flow_id, person_id)
    if choices.turns_on:
        with contextlib.suppress(Conflict):
            await turn_on(services, flow_id, person_id)
    loaded = services.flows.latest(flow_id)
    return Imported(
        flow_id=flow_id,
        version=version,
        name=row.name,
        path=read.packaged.path,
        created=known is None,
        is_on=loaded.row.state is FlowState.ON,
        problems=tuple(
            dict.fromkeys(
                check_flow(loaded.flow, embedded=loaded.mappings)
                + scope_problems(services, loaded.flow, loaded.mappings)
            )
        ),
        moved_secrets=read.lifted.places,
        sign_ins=of_flow(sign_ins, flow.flow_id),
    )


def _kept_values(services: Services, known: FlowRow | None, flow: Flow) -> dict[str, Json]:
    """What people gave the flow's latest version, for parameters that it still has."""
    stored = services.store.flows.version(known.flow_id) if known else None
    if known is None or stored is None:
        return {}
    before = given_values(stored, read_stored_flow(known, stored), services.vault)
    return {name: value for name, value in before.items() if name in flow.definition.parameters}


def _map(services: Services, flow_id: str, flow: Flow, chosen: Mapping[str, str]) -> None:
    """Map references as chosen, and of the others each that has exactly one connection to mean."""
    mapped = {one.reference for one in services.store.flows.mappings(flow_id)}
    connections = services.store.connections.list()
    for key, reference in flow.connection_references.items():
        connection_id = chosen.get(key, "")
        fitting = [one.connection_id for one in connections if one.connector_id == reference.connector]
        if not connection_id and key not in mapped and len(fitting) == 1:
            connection_id = fitting[0]
        if connection_id:
            services.store.flows.set_mapping(
                ConnectionMappingRow(flow_id=flow_id, reference=key, connection_id=connection_id)
            )
