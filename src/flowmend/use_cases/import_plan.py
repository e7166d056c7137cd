"""The dry run of an import: what a package holds, and what all its flows together need said, each thing once."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowmend.core.checking import Lifted, check_flow, lift_secrets
from flowmend.core.checking.distinct_sign_ins import ValuedFlow
from flowmend.core.checking.inline_authentication import inline_authentications
from flowmend.core.checking.parameters import sign_in_parameters
from flowmend.core.definition import EnvironmentVariable, FileProblem, Flow, PackagedFlow, open_package, read_flow
from flowmend.core.definition.flow import ConnectionReference, Parameter
from flowmend.core.definition.json_pointer import tokens_of
from flowmend.core.definition.surroundings import schema_name_of
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.embedded_connections import valued_flow
from flowmend.use_cases.flow_parameters import given_values, holding_definition, with_sealed
from flowmend.use_cases.loaded_flows import missing_parameters, read_stored_flow
from flowmend.use_cases.planned_sign_ins import PlannedSignIn, planned_sign_ins
from flowmend.use_cases.ports import Services
from flowmend.use_cases.trigger_words import what_will_begin

#: A file's content, or `{path: content}` of a folder or of several files.
Files = Mapping[str, bytes] | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceNeed:
    """A connection reference of one flow. candidates: connections of that connector, (id, name)."""

    key: str
    connector: str
    connector_installed: bool
    candidates: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFinding:
    """What one flow of a package is, needs, and what is wrong with it.

    path: of its file. parameters: those without a value. secrets: where literal ones stand that the vault will take.
    """

    name: str
    flow_id: str
    path: str
    packaging: str
    exists: bool
    trigger: str
    action_count: int
    connectors: tuple[str, ...]
    references: tuple[ReferenceNeed, ...]
    parameters: tuple[str, ...]
    secrets: tuple[str, ...]
    children: tuple[str, ...]
    problems: tuple[Problem, ...]
    will_begin: str
    can_import: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReference:
    """A connection reference that flows of the package share. name: what people call it. uses: (flow id, key in it)."""

    reference_id: str
    name: str
    connector: str
    connector_installed: bool
    candidates: tuple[tuple[str, str], ...]
    uses: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedValue:
    """A parameter, a template's missing value or an environment variable that flows of the package read.

    name: under which a value is given. type: lower case, "" where unknown. value: what the package brings, never a
    secret's. is_required: nothing brings one, and no run can start without. flows: names of those that read it.
    """

    name: str
    shown_name: str
    type: str
    description: str
    is_secret: bool
    is_required: bool
    value: Json = field(repr=False)
    flows: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """Everything there is to see, and say, before an import. problems: of files that hold no flow or cannot be read.

    sign_ins: what the flows' HTTP actions sign in with by themselves, each distinct one once.
    """

    findings: tuple[ImportFinding, ...]
    references: tuple[PlannedReference, ...]
    sign_ins: tuple[PlannedSignIn, ...]
    parameters: tuple[PlannedValue, ...]
    environment_variables: tuple[PlannedValue, ...]
    problems: tuple[FileProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFlow:
    """A flow of a package with its secrets lifted, and its values in place. flow: None where nothing runnable can be
    made of it.
    """

    packaged: PackagedFlow
    lifted: Lifted
    flow: Flow | None
    problems: tuple[Problem, ...]


async def plan_import(
    services: Services, files: Files, name: str, values: Mapping[str, Json] | None = None
) -> ImportPlan:
    """What the package holds; nothing is stored.

    name: of the file or folder. values: of parameters and template facts, as far as they are said already.
    """
    flows, problems = await read_package(files, name, values or {})
    connections = services.store.connections.list()
    installed = services.connectors.ids()
    known = {one.packaged.identity.flow_id: _known_values(services, one) for one in flows if one.flow}
    return ImportPlan(
        findings=tuple(_finding(services, one, connections, installed, known) for one in flows),
        references=_references(flows, connections, installed),
        sign_ins=planned_sign_ins(
            services, [_valued(services, one.flow, known) for one in flows if one.flow], connections
        ),
        parameters=_parameters(flows, known),
        environment_variables=_environment_variables(flows, known),
        problems=problems,
    )


async def read_package(
    files: Files, name: str, values: Mapping[str, Json]
) -> tuple[tuple[ReadFlow, ...], tuple[FileProblem, ...]]:
    """The flows of a package with their secrets lifted, and the problems of its files.

    Read off the loop: a package of a hundred megabytes takes seconds, and nobody else is to wait for them.
    """
    return await asyncio.to_thread(_read_package, files, name, values)


def _read_package(
    files: Files, name: str, values: Mapping[str, Json]
) -> tuple[tuple[ReadFlow, ...], tuple[FileProblem, ...]]:
    package = open_package(files, name, values)
    return tuple(_read(one) for one in package.flows), package.problems


def reference_id(reference: ConnectionReference) -> str:
    """What makes two references of a package the same one: the connector, and what the package calls the connection."""
    called = reference.logical_name or reference.connection_name or reference.display_name or reference.key
    return f"{reference.connector}:{called.lower()}"


def _read(packaged: PackagedFlow) -> ReadFlow:
    document, flow = holding_definition(packaged.document), packaged.flow
    if flow is None:
        return ReadFlow(packaged=packaged, lifted=Lifted(document=document), flow=None, problems=packaged.problems)
    identity, packaging = packaged.identity, packaged.packaging

    def read(written: Json) -> Flow | None:
        return read_flow(written, packaging=packaging, name=identity.name, flow_id=identity.flow_id).flow

    held = read(document)
    lifted = lift_secrets(document, held) if held else Lifted(document=document)
    without = read(lifted.document)
    flow = with_sealed(without, lifted.values) if without else None
    # The import makes connections of these, and asks nobody for what only they read.
    keys = [one.key for one in inline_authentications(flow) if one.key] if flow else ()
    problems = check_flow(flow, embedded=keys) if flow else packaged.problems
    return ReadFlow(packaged=packaged, lifted=lifted, flow=flow, problems=tuple(dict.fromkeys(problems)))


def _known_values(services: Services, read: ReadFlow) -> Mapping[str, Json]:
    """The values that the flow already here would keep."""
    row = services.store.flows.get(read.packaged.identity.flow_id)
    stored = services.store.flows.version(row.flow_id) if row else None
    if row is None or stored is None:
        return {}
    return given_values(stored, read_stored_flow(row, stored), services.vault)


def _valued(services: Services, flow: Flow, known: Mapping[str, Mapping[str, Json]]) -> ValuedFlow:
    row = services.store.flows.get(flow.flow_id)
    return valued_flow(services, row, with_sealed(flow, known.get(flow.flow_id, {})), kept=())


def _finding(
    services: Services,
    read: ReadFlow,
    connections: Sequence[ConnectionRow],
    installed: Collection[str],
    known: Mapping[str, Mapping[str, Json]],
) -> ImportFinding:
    flow, identity = read.flow, read.packaged.identity
    trigger = next(iter(flow.definition.triggers.values()), None) if flow else None
    references = tuple(
        ReferenceNeed(
            key=one.key,
            connector=one.connector,
            connector_installed=one.connector in installed,
            candidates=_candidates(one.connector, connections),
        )
        for one in (flow.connection_references.values() if flow else ())
    )
    missing = [one.name for one in read.packaged.missing]
    have = known.get(identity.flow_id, {})
    missing += [name for name in (missing_parameters(flow) if flow else ()) if name not in have]
    return ImportFinding(
        name=identity.name,
        flow_id=identity.flow_id,
        path=read.packaged.path,
        packaging=read.packaged.packaging.value,
        exists=services.store.flows.get(identity.flow_id) is not None,
        trigger=f"{trigger.type} {trigger.kind}".strip() if trigger else "",
        action_count=sum(1 for _ in flow.definition.walk()) if flow else 0,
        connectors=tuple(dict.fromkeys(need.connector for need in references)),
        references=references,
        parameters=tuple(dict.fromkeys(missing)),
        secrets=read.lifted.places,
        children=read.packaged.children,
        problems=tuple(one for one in read.problems if not _is_given(one, have)),
        will_begin=what_will_begin(flow) if flow else "",
        can_import=flow is not None,
    )


def _is_given(problem: Problem, have: Mapping[str, Json]) -> bool:
    """Whether the problem is a missing value that the flow already here has and keeps."""
    return problem.code == "MissingParameterValue" and tokens_of(problem.pointer)[-1] in have


def _candidates(connector: str, connections: Sequence[ConnectionRow]) -> tuple[tuple[str, str], ...]:
    return tuple((one.connection_id, one.display_name) for one in connections if one.connector_id == connector)


def _references(
    flows: Iterable[ReadFlow], connections: Sequence[ConnectionRow], installed: Collection[str]
) -> tuple[PlannedReference, ...]:
    grouped: dict[str, list[tuple[str, ConnectionReference]]] = {}
    for read in flows:
        for reference in read.flow.connection_references.values() if read.flow else ():
            grouped.setdefault(reference_id(reference), []).append((read.packaged.identity.flow_id, reference))
    return tuple(
        PlannedReference(
            reference_id=group,
            name=first.display_name or first.logical_name or first.connection_name or first.key,
            connector=first.connector,
            connector_installed=first.connector in installed,
            candidates=_candidates(first.connector, connections),
            uses=tuple((flow_id, reference.key) for flow_id, reference in uses),
        )
        for group, uses in sorted(grouped.items())
        for _, first in uses[:1]
    )


def _parameters(flows: Iterable[ReadFlow], known: Mapping[str, Mapping[str, Json]]) -> tuple[PlannedValue, ...]:
    """What has to be said, each name once: parameters without a value, and values a template is missing."""
    planned: dict[str, PlannedValue] = {}
    for read in flows:
        flow_name = read.packaged.identity.name
        for missing in read.packaged.missing:
            _add(
                planned,
                PlannedValue(
                    name=missing.name,
                    shown_name=missing.name,
                    type=missing.type,
                    description=missing.description,
                    is_secret=missing.type.startswith("secure"),
                    is_required=False,
                    value=None,
                    flows=(flow_name,),
                ),
            )
        have = known.get(read.packaged.identity.flow_id, {})
        if read.flow is None:
            continue
        # Without these the flow comes in all the same; the connection made of them then waits for its sign-in.
        for_sign_ins = sign_in_parameters(read.flow, [one.key for one in inline_authentications(read.flow)])
        for name in missing_parameters(read.flow):
            parameter = read.flow.definition.parameters[name]
            if name not in have and not schema_name_of(parameter):
                _add(planned, _asked(parameter, flow_name, is_required=name.lower() not in for_sign_ins))
    return tuple(planned[name] for name in sorted(planned))


def _environment_variables(
    flows: Iterable[ReadFlow], known: Mapping[str, Mapping[str, Json]]
) -> tuple[PlannedValue, ...]:
    planned: dict[str, PlannedValue] = {}
    for read in flows:
        given = known.get(read.packaged.identity.flow_id, {})
        for variable in read.packaged.environment_variables:
            own = {name: value for name, value in given.items() if f"({variable.schema_name})" in name}
            _add(planned, _asked_variable(variable, own, read.packaged.identity.name))
    return tuple(planned[name] for name in sorted(planned))


def _asked(parameter: Parameter, flow_name: str, *, is_required: bool) -> PlannedValue:
    return PlannedValue(
        name=parameter.name,
        shown_name=parameter.name,
        type=parameter.type,
        description=str(parameter.metadata.get("description") or ""),
        is_secret=parameter.is_secret,
        is_required=is_required,
        value=None,
        flows=(flow_name,),
    )


def _asked_variable(variable: EnvironmentVariable, given: Mapping[str, Json], flow_name: str) -> PlannedValue:
    brought = variable.default if variable.value is None else variable.value
    value = next(iter(given.values()), brought)
    is_secret = variable.type.startswith("secure")
    return PlannedValue(
        name=variable.schema_name,
        shown_name=variable.display_name or variable.schema_name,
        type=variable.type,
        description="",
        is_secret=is_secret,
        is_required=value is None,
        value=None if is_secret else value,
        flows=(flow_name,),
    )


def _add(planned: dict[str, PlannedValue], value: PlannedValue) -> None:
    known = planned.get(value.name.lower())
    if known is None:
        planned[value.name.lower()] = value
        return
    planned[value.name.lower()] = PlannedValue(
        name=known.name,
        shown_name=known.shown_name,
        type=known.type or value.type,
        description=known.description or value.description,
        is_secret=known.is_secret or value.is_secret,
        is_required=known.is_required or value.is_required,
        value=None if value.is_secret else known.value if known.value is not None else value.value,
        flows=tuple(dict.fromkeys((*known.flows, *value.flows))),
    )
