"""A flow's definition edited as text: checked while it is written, saved as a new version, and an earlier one restored."""

import asyncio
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from flowmend.core.checking import Lifted, check_flow, lift_secrets
from flowmend.core.definition import read_flow
from flowmend.core.definition.document_lines import Lines, lines_of, nearest_lines
from flowmend.core.definition.document_text import nests_too_deep, read_document
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.errors import Conflict, InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity
from flowmend.core.run.naming import version_name
from flowmend.store.rows import FlowRow, FlowState, FlowVersionRow
from flowmend.use_cases.embedded_connections import connect_sign_ins, keys_of, map_sign_ins, release_mended, valued_flow
from flowmend.use_cases.flow_needs import blocking_problems
from flowmend.use_cases.flow_parameters import (
    given_values,
    holding_definition,
    sealed_values,
    shown_document,
    values_binding,
    with_sealed,
    with_values,
)
from flowmend.use_cases.flows import follow_new_version
from flowmend.use_cases.granted_scopes import scope_problems
from flowmend.use_cases.loaded_flows import read_stored_flow
from flowmend.use_cases.ports import Services

_FAULT_PLACE = re.compile(r"at line (\d+), column \d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedProblem:
    """A problem of a text. lines: where in it, None where that cannot be said."""

    problem: Problem
    lines: Lines | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedText:
    """problems: all of them, in the order of the text. can_save: there is a flow in it that reads."""

    problems: tuple[PlacedProblem, ...]
    can_save: bool

    @property
    def error_count(self) -> int:
        return sum(1 for one in self.problems if one.problem.severity is Severity.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedFlow:
    """A flow as it is opened for editing. base_version: what a change of it must be based on when it is saved."""

    row: FlowRow
    base_version: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVersion:
    """version: the new one, or the same where nothing was changed. moved_secrets: where literal secrets stood that now
    lie sealed in the vault.
    """

    version: str
    is_new: bool
    moved_secrets: tuple[str, ...] = ()


def open_for_editing(services: Services, flow_id: str) -> EditedFlow:
    """The latest version as text. Errors: NotFound."""
    row, stored = latest_version(services, flow_id)
    return EditedFlow(row=row, base_version=row.version, text=text_of(stored.document))


def text_of(document: Json) -> str:
    """A stored document as people read and edit it: without what is sealed."""
    return json.dumps(shown_document(document), ensure_ascii=False, indent=2)


def lines_of_action(services: Services, flow_id: str, text: str, action: str) -> Lines | None:
    """Where an action, or a trigger, of that name stands in the text. Errors: NotFound."""
    row, _ = latest_version(services, flow_id)
    try:
        flow = _flow_in(row, read_document(text.encode()))
    except InvalidDocument:
        return None
    if flow is None:
        return None
    pointers = {one.name.lower(): one.pointer for one in flow.definition.triggers.values()}
    pointers |= {one.name.lower(): one.pointer for one in flow.definition.walk()}
    found = pointers.get(action.lower())
    return None if found is None else nearest_lines(lines_of(text), found)


async def check_text(services: Services, flow_id: str, text: str) -> CheckedText:
    """Every problem of the text, were it the flow's next version. Nothing is stored. Errors: NotFound."""
    row, stored = latest_version(services, flow_id)
    values = sealed_values(stored, services.vault)
    mappings = {one.reference: one.connection_id for one in services.store.flows.mappings(flow_id)}
    installed = services.connectors.ids()

    def check() -> CheckedText:
        try:
            document = read_definition_text(text)
        except InvalidDocument as error:
            return CheckedText(problems=(_fault(error),), can_save=False)
        reading = read_flow(document, packaging=Packaging(row.packaging), name=row.name, flow_id=row.flow_id)
        problems = reading.problems
        if reading.flow is not None:
            known = with_sealed(reading.flow, values)
            problems = check_flow(known, known_connectors=installed, mapped_references=mappings.keys())
            problems += scope_problems(services, known, mappings)
        lines = lines_of(text)
        placed = [
            PlacedProblem(problem=one, lines=nearest_lines(lines, one.pointer)) for one in dict.fromkeys(problems)
        ]
        placed.sort(key=lambda one: one.lines or (0, 0))
        return CheckedText(problems=tuple(placed), can_save=reading.flow is not None)

    return await asyncio.to_thread(check)


async def save_text(services: Services, flow_id: str, text: str, base_version: str, person_id: str) -> SavedVersion:
    """The text as the flow's new version. base_version: the one it was made from.

    Values that people gave stay; literal secrets move into the vault.
    Errors: NotFound; InvalidDocument with every problem where there is no flow in it; Conflict `FlowChanged` where the
    flow has another version by now, `FlowHasProblems` where it is on and would have to be turned off.
    """
    document = _without_ours(read_definition_text(text))
    return await _save(services, flow_id, document, base_version, person_id, verb="edit")


async def restore_version(services: Services, flow_id: str, version: str, person_id: str) -> SavedVersion:
    """An earlier version's definition as the new one; the values people gave since stay. Errors: as `save_text`."""
    row, _ = latest_version(services, flow_id)
    stored = services.store.flows.version(flow_id, version)
    if stored is None:
        raise version_missing(row, version)
    older = sealed_values(stored, services.vault)
    return await _save(
        services, flow_id, shown_document(stored.document), row.version, person_id, verb="restore", sealed=older
    )


async def change_document(
    services: Services, flow_id: str, change: Callable[[dict[str, Json]], Json], person_id: str, *, verb: str
) -> SavedVersion:
    """What `change` makes of the latest document as the new version; the same again makes none. Errors: as `save_text`."""
    row, stored = latest_version(services, flow_id)
    return await _save(services, flow_id, change(shown_document(stored.document)), row.version, person_id, verb=verb)


def latest_version(services: Services, flow_id: str) -> tuple[FlowRow, FlowVersionRow]:
    """Errors: NotFound."""
    row = services.store.flows.get(flow_id)
    stored = services.store.flows.version(flow_id) if row else None
    if row is None or stored is None:
        raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
    return row, stored


def version_missing(row: FlowRow, version: str) -> NotFound:
    return NotFound(f"{row.name!r} has no version {version}.", code="WorkflowVersionNotFound", target=version)


def read_definition_text(text: str) -> Json:
    """The document in an editor's text. Errors: InvalidDocument `InvalidJSON`."""
    document = read_document(text.encode("utf-8", "surrogatepass"))
    if nests_too_deep(document):
        raise InvalidDocument("The file nests too deep to be read.", code="InvalidJSON")
    return document


def refuse_to_turn_off(services: Services, row: FlowRow, flow: Flow, values: Mapping[str, Json]) -> None:
    """See that a flow that is on can stay on as this one. values: of parameters, beside those of its document.

    Errors: Conflict `FlowHasProblems`.
    """
    if row.state is not FlowState.ON:
        return
    known = with_sealed(flow, values)
    mappings = services.store.flows.mappings(row.flow_id)
    connected = {one.reference for one in mappings if services.store.connections.get(one.connection_id)}
    first = next(iter(blocking_problems(known, check_flow(known), connected)), None)
    if first is not None:
        raise Conflict(
            f"{row.name!r} is on, and so it could not run. {first.message} Correct that, or turn the flow off before.",
            code="FlowHasProblems",
            target=first.pointer,
        )


async def store_version(
    services: Services,
    row: FlowRow,
    document: Mapping[str, Json],
    flow: Flow,
    *,
    lifted: Mapping[str, Json],
    given: Mapping[str, Json],
    fresh: Collection[str],
    person_id: str,
    verb: str,
) -> str:
    """A new version of the flow with these values, as `with_values` wants them. fresh: the names of those that came with
    this very change. Errors: Conflict `FlowChanged`.
    """
    values = {**lifted, **given}
    kept = [name for name in values if name not in fresh]
    valued = valued_flow(services, row, with_sealed(flow, values), kept=kept)
    now, version = services.clock.now, version_name(services.clock.ticks())
    stored = with_values(
        document,
        flow,
        lifted=lifted,
        given=given,
        binding=values_binding(row.flow_id, version),
        vault=services.vault,
    )
    services.store.flows.add_version(
        msgspec.structs.replace(row, version=version, changed_at=now),
        FlowVersionRow(flow_id=row.flow_id, version=version, document=stored, created_at=now),
        after=row.version,
    )
    connected = connect_sign_ins(services, [valued], chosen={}, person_id=person_id)
    map_sign_ins(services, row.flow_id, keys_of(connected, flow.flow_id))
    services.store.audit.note(person_id, verb, row.flow_id, {"version": version}, at=now)
    services.changes.publish("flow", flow_id=row.flow_id, state=row.state.value)
    await follow_new_version(services, row.flow_id, person_id)
    await release_mended(services, connected)
    return version


async def _save(
    services: Services,
    flow_id: str,
    document: Json,
    base_version: str,
    person_id: str,
    *,
    verb: str,
    sealed: Mapping[str, Json] | None = None,
) -> SavedVersion:
    row, stored = latest_version(services, flow_id)
    if row.version != base_version:
        raise Conflict(
            "Somebody changed this flow meanwhile. Look at the latest version, then make the change again.",
            code="FlowChanged",
            target=row.version,
        )
    if document == shown_document(stored.document):
        return SavedVersion(version=row.version, is_new=False)
    held = holding_definition(document) if isinstance(document, Mapping) else {}
    lifted, flow = _lifted(row, held)
    before = read_stored_flow(row, stored)
    given = {
        name: flow.parameter_values.get(name, value)
        for name, value in given_values(stored, before, services.vault).items()
        if name in flow.definition.parameters and (name in flow.parameter_values or _is_secret(before, name))
    }
    kept = {**(sealed or {}), **sealed_values(stored, services.vault)}
    kept = {name: value for name, value in kept.items() if name in flow.definition.parameters}
    refuse_to_turn_off(services, row, flow, {**kept, **lifted.values, **given})
    version = await store_version(
        services,
        row,
        lifted.document,
        flow,
        lifted={**kept, **lifted.values},
        given=given,
        fresh=lifted.values.keys(),
        person_id=person_id,
        verb=verb,
    )
    return SavedVersion(version=version, is_new=True, moved_secrets=lifted.places)


def _lifted(row: FlowRow, document: Mapping[str, Json]) -> tuple[Lifted, Flow]:
    reading = read_flow(document, packaging=Packaging(row.packaging), name=row.name, flow_id=row.flow_id)
    if reading.flow is None:
        raise InvalidDocument("There is no flow in this text that can be read.", reading.problems)
    lifted = lift_secrets(document, reading.flow)
    flow = _flow_in(row, lifted.document)
    if flow is None:
        raise InvalidDocument("There is no flow in this text that can be read.", reading.problems)
    return lifted, flow


def _flow_in(row: FlowRow, document: Json) -> Flow | None:
    return read_flow(document, packaging=Packaging(row.packaging), name=row.name, flow_id=row.flow_id).flow


def _is_secret(flow: Flow, name: str) -> bool:
    parameter = flow.definition.parameters.get(name)
    return parameter is not None and parameter.is_secret


def _without_ours(document: Json) -> Json:
    # What is sealed is the server's own to write; shown_document leaves it out of the editor, and out of what it sends.
    return shown_document(document)


def _fault(error: InvalidDocument) -> PlacedProblem:
    place = _FAULT_PLACE.search(error.message)
    problem = Problem(severity=Severity.ERROR, code=error.code, pointer="", message=error.message)
    line = int(place.group(1)) if place else 0
    return PlacedProblem(problem=problem, lines=(line, line) if line else None)
