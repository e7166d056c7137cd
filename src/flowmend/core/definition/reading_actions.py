"""Actions and their tree, from JSON to values."""

from collections.abc import Collection, Iterator, Mapping

from flowmend.core.definition.action_types import ACTION_KINDS, ActionType, action_type
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Action
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.reading_run_after import resolve_run_after
from flowmend.core.definition.step_settings import (
    read_limit,
    read_object,
    read_operation_options,
    read_runtime_configuration,
)
from flowmend.core.json_value import Json

#: Deeper trees are not followed, so that no document can exhaust the stack. The service allows 8.
DEEPEST_READ = 32


def read_actions(
    raw: Json, pointer: str, findings: Findings, *, depth: int = 1, triggers: Collection[str] = ()
) -> dict[str, Action]:
    """The actions of one `actions` object, `{name: Action}` in document order, `runAfter` resolved among them.

    triggers: names that `runAfter` may also give, at the top of a flow. An entry that is not an action at all
    is reported and left out.
    """
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        findings.error("InvalidActions", pointer, "'actions' is not an object of actions by name.")
        return {}
    if raw and depth > DEEPEST_READ:
        findings.error("LimitExceeded", pointer, f"Actions nest deeper than {DEEPEST_READ} levels and are not read.")
        return {}
    actions = {}
    for name, node in raw.items():
        action = _read_action(name, node, pointer_to(pointer, name), findings, depth=depth)
        if action is not None:
            actions[name] = action
    return resolve_run_after(actions, findings, triggers=triggers)


def _read_action(name: str, node: Json, pointer: str, findings: Findings, *, depth: int) -> Action | None:
    if not isinstance(node, Mapping):
        findings.error("InvalidAction", pointer, f"Action '{name}' is not an object.", "Give it a 'type' and 'inputs'.")
        return None
    written = node.get("type")
    if not isinstance(written, str) or not written.strip():
        findings.error(
            "MissingType", pointer, f"Action '{name}' has no 'type'.", 'Give its type, for example "Compose".'
        )
        return None
    known = action_type(written.strip())
    _check_inputs(name, node, pointer, known, findings)
    condition = _read_condition(name, node, pointer, known, findings)
    branches, cases = _read_branches(node, pointer, known, findings, depth=depth)
    is_foreach = known is not None and known.condition == "foreach"
    return Action(
        name=name,
        type=known.name if known else written,
        pointer=pointer,
        kind=_read_kind(node),
        inputs=node.get("inputs"),
        branches=branches,
        condition=None if is_foreach else condition,
        foreach=condition if is_foreach else None,
        cases=cases,
        limit=read_limit(node.get("limit"), pointer_to(pointer, "limit"), findings),
        runtime=read_runtime_configuration(
            node.get("runtimeConfiguration"), pointer_to(pointer, "runtimeConfiguration"), findings
        ),
        operation_options=read_operation_options(
            node.get("operationOptions"), pointer_to(pointer, "operationOptions"), findings
        ),
        tracked_properties=read_object(
            node.get("trackedProperties"), pointer_to(pointer, "trackedProperties"), "trackedProperties", findings
        ),
        metadata=read_object(node.get("metadata"), pointer_to(pointer, "metadata"), "metadata", findings),
        raw=node,
    )


def _read_kind(node: Mapping[str, Json]) -> str:
    written = node.get("kind")
    return ACTION_KINDS.get(written.lower(), written) if isinstance(written, str) else ""


def _check_inputs(
    name: str, node: Mapping[str, Json], pointer: str, known: ActionType | None, findings: Findings
) -> None:
    if known is None or not known.required_inputs:
        return
    inputs = node.get("inputs")
    # The whole of `inputs` may be one expression; what it gives is known only when it runs.
    if isinstance(inputs, str):
        return
    if not isinstance(inputs, Mapping):
        findings.error("MissingInputs", pointer, f"Action '{name}' of type {known.name} has no 'inputs' object.")
        return
    for key in known.required_inputs:
        if key not in inputs:
            findings.error(
                "MissingInput",
                pointer_to(pointer, "inputs"),
                f"Action '{name}' of type {known.name} has no '{key}' input.",
            )


def _read_condition(
    name: str, node: Mapping[str, Json], pointer: str, known: ActionType | None, findings: Findings
) -> Json:
    if known is None or not known.condition:
        return None
    condition = node.get(known.condition)
    if condition is None:
        findings.error(
            f"Missing{known.condition.capitalize()}", pointer, f"{known.name} '{name}' has no '{known.condition}'."
        )
    return condition


def _read_branches(
    node: Mapping[str, Json], pointer: str, known: ActionType | None, findings: Findings, *, depth: int
) -> tuple[Mapping[str, Mapping[str, Action]], Mapping[str, Json]]:
    """The branches of a container, with the value of each Switch case."""
    branches: dict[str, Mapping[str, Action]] = {}
    cases: dict[str, Json] = {}
    for key in known.branches if known else ():
        below = pointer_to(pointer, key)
        if key == "actions":
            branches[key] = read_actions(node.get(key), below, findings, depth=depth + 1)
        elif key == "cases":
            for case, raw in _cases(node.get(key), below, findings):
                cases[case] = raw.get("case")
                branches[f"case:{case}"] = read_actions(
                    raw.get("actions"), pointer_to(below, case, "actions"), findings, depth=depth + 1
                )
        else:
            branch = _branch(node.get(key), below, key, findings)
            branches[key] = read_actions(branch.get("actions"), pointer_to(below, "actions"), findings, depth=depth + 1)
    return branches or EMPTY, cases or EMPTY


def _branch(raw: Json, pointer: str, key: str, findings: Findings) -> Mapping[str, Json]:
    if raw is None or isinstance(raw, Mapping):
        return raw or EMPTY
    findings.error("InvalidBranch", pointer, f"'{key}' is not an object with 'actions'.")
    return EMPTY


def _cases(raw: Json, pointer: str, findings: Findings) -> Iterator[tuple[str, Mapping[str, Json]]]:
    if raw is not None and not isinstance(raw, Mapping):
        findings.error("InvalidBranch", pointer, "'cases' is not an object of cases by name.")
        return
    for name, case in (raw or EMPTY).items():
        below = pointer_to(pointer, name)
        if not isinstance(case, Mapping):
            findings.error("InvalidBranch", below, f"Case '{name}' is not an object with 'case' and 'actions'.")
        elif "case" not in case:
            findings.error("MissingCase", below, f"Case '{name}' has no 'case': the value it is taken for.")
        else:
            yield name, case
