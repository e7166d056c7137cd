"""A Workflow Definition Language document, from JSON to a `Flow` and every problem it has.

Reading goes on past each fault, so that one look tells all of them. What does not read is left out of the
flow; a flow with problems of severity error can be looked at and mended, and not be turned on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flowmend.core.definition.connection_references import implied_references, read_connection_references
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Definition, Flow, Packaging, Trigger
from flowmend.core.definition.identity import derived_flow_id
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.packages import Parts, parts_of
from flowmend.core.definition.reading_actions import read_actions
from flowmend.core.definition.reading_parameters import read_parameter_values, read_parameters
from flowmend.core.definition.reading_triggers import read_triggers
from flowmend.core.definition.step_settings import read_object
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem

# wdl.md §8. What is over these is refused by the service, though Flowmend could run it: a warning.
_MOST_ACTIONS = 500
_MOST_OUTPUTS = 10
_MOST_CONTAINERS_DEEP = 8
_LONGEST_NAME = 80
_MOST_CASES = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """flow: None only where nothing runnable can be made of the document. problems: in document order by part."""

    flow: Flow | None
    problems: tuple[Problem, ...]


def read_flow(document: Json, *, packaging: Packaging, name: str, flow_id: str | None = None) -> Reading:
    """The flow in a decoded JSON document of any shape `packages` knows.

    flow_id: the id to give it; without one the file's own UUID, else the id derived from packaging and name.
    Pointers in problems and in the flow are relative to the document's root.
    Errors: none, every fault is a problem.
    """
    findings = Findings()
    parts = parts_of(document)
    if not isinstance(parts.definition, Mapping):
        _report_missing_definition(document, parts.definition_pointer, findings)
        return Reading(flow=None, problems=findings.problems)
    definition = _read_definition(parts.definition, parts.definition_pointer, findings)
    references = read_connection_references(parts.references, parts.references_pointer, findings)
    steps: tuple[Action | Trigger, ...] = (*definition.triggers.values(), *definition.walk())
    values = _parameter_values(parts, document, findings)
    flow = Flow(
        flow_id=flow_id or parts.flow_id or derived_flow_id(packaging, name),
        name=name,
        packaging=packaging,
        definition=definition,
        connection_references={**references, **implied_references(steps, references)},
        parameter_values=values,
        is_stateless=parts.kind == "stateless",
        reading_problems=findings.problems,
    )
    has_actions = isinstance(parts.definition.get("actions"), Mapping)
    return Reading(flow=flow if has_actions else None, problems=findings.problems)


def _report_missing_definition(document: Json, pointer: str, findings: Findings) -> None:
    if isinstance(document, Mapping) and isinstance(document.get("resources"), list):
        findings.error(
            "UnsupportedTemplate",
            "/resources",
            "This is an Azure Resource Manager template, which Flowmend does not open yet.",
            "Give the workflow's definition, found in the template below 'properties/definition'.",
        )
        return
    findings.error(
        "MissingDefinition",
        pointer,
        "The document holds no workflow definition.",
        "Give a definition with 'triggers' and 'actions', or an export that contains one.",
    )


def _parameter_values(parts: Parts, document: Json, findings: Findings) -> dict[str, Json]:
    # In a bare definition `parameters` are the declarations.
    if parts.definition is document:
        return {}
    return read_parameter_values(parts.parameters, parts.parameters_pointer, findings)


def _read_definition(raw: Mapping[str, Json], pointer: str, findings: Findings) -> Definition:
    def part(key: str) -> Mapping[str, Json]:
        return read_object(raw.get(key), pointer_to(pointer, key), key, findings)

    if "actions" not in raw:
        findings.error("MissingActions", pointer, "The definition has no 'actions'.")
    parameters = read_parameters(raw.get("parameters"), pointer_to(pointer, "parameters"), findings)
    triggers = read_triggers(raw.get("triggers"), pointer_to(pointer, "triggers"), findings)
    definition = Definition(
        parameters=parameters,
        triggers=triggers,
        actions=read_actions(raw.get("actions"), pointer_to(pointer, "actions"), findings, triggers=triggers),
        outputs=part("outputs"),
        static_results=part("staticResults"),
        metadata=part("metadata"),
        raw=raw,
        pointer=pointer,
    )
    _check_names(definition, findings)
    _check_limits(definition, pointer, findings)
    _check_static_results(definition, findings)
    return definition


def _check_names(definition: Definition, findings: Findings) -> None:
    seen: dict[str, str] = {}
    steps: tuple[Action | Trigger, ...] = (*definition.triggers.values(), *definition.walk())
    for step in steps:
        if not step.name:
            findings.error("InvalidName", step.pointer, "The name is empty.", "Give the step a name.")
        if len(step.name) > _LONGEST_NAME:
            findings.warning(
                "LimitExceeded", step.pointer, f"The name has {len(step.name)} characters; {_LONGEST_NAME} are allowed."
            )
        first = seen.setdefault(step.name.lower(), step.pointer)
        # Only actions are asked for by name; a trigger may share one.
        if first != step.pointer and isinstance(step, Action):
            findings.error(
                "DuplicateName",
                step.pointer,
                f"Another step is already named '{step.name}' (at {first}).",
                "Names are unique over the whole flow, ignoring case. Rename one of them.",
            )


def _check_limits(definition: Definition, pointer: str, findings: Findings) -> None:
    actions = tuple(definition.walk())
    if len(actions) > _MOST_ACTIONS:
        findings.warning(
            "LimitExceeded",
            pointer_to(pointer, "actions"),
            f"The flow has {len(actions)} actions; Microsoft's service allows {_MOST_ACTIONS}.",
        )
    if len(definition.outputs) > _MOST_OUTPUTS:
        findings.warning(
            "LimitExceeded",
            pointer_to(pointer, "outputs"),
            f"The flow has {len(definition.outputs)} outputs; Microsoft's service allows {_MOST_OUTPUTS}.",
        )
    for action in actions:
        if len(action.cases) > _MOST_CASES:
            findings.warning(
                "LimitExceeded",
                pointer_to(action.pointer, "cases"),
                f"Switch '{action.name}' has {len(action.cases)} cases; Microsoft's service allows {_MOST_CASES}.",
            )
    for action in _nested_too_deep(definition):
        findings.warning(
            "LimitExceeded",
            action.pointer,
            f"'{action.name}' is a container inside {_MOST_CONTAINERS_DEEP} others; Microsoft's service allows no more.",
        )


def _nested_too_deep(definition: Definition) -> Iterator[Action]:
    level: list[Mapping[str, Action]] = [definition.actions]
    for _ in range(_MOST_CONTAINERS_DEEP):
        level = [branch for siblings in level for action in siblings.values() for branch in action.branches.values()]
    yield from (action for siblings in level for action in siblings.values() if action.branches)


def _check_static_results(definition: Definition, findings: Findings) -> None:
    for action in definition.walk():
        name = action.runtime.static_result
        if name and name not in definition.static_results:
            findings.error(
                "UnknownStaticResult",
                pointer_to(action.pointer, "runtimeConfiguration", "staticResult"),
                f"Action '{action.name}' is to give the static result '{name}', which 'staticResults' does not hold.",
            )
