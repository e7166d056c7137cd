"""Rules for single steps: what may stand where, what a type needs, and what Flowmend cannot run."""

from collections.abc import Mapping

from flowmend.core.checking.expressions import is_literal, is_template_expression
from flowmend.core.checking.parameters import missing_parameters
from flowmend.core.checking.places import Place, Places
from flowmend.core.definition.action_types import is_runnable
from flowmend.core.definition.connection_references import connection_key
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Action, Flow, Packaging, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.recurrence import read_recurrence
from flowmend.core.definition.recurrence_expressions import evaluated_trigger
from flowmend.core.definition.retry_policy import read_retry_policy
from flowmend.core.definition.trigger_types import trigger_type
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

VARIABLE_TYPES = frozenset({"boolean", "integer", "float", "string", "object", "array"})
_VARIABLE_USERS = frozenset(
    {"SetVariable", "IncrementVariable", "DecrementVariable", "AppendToArrayVariable", "AppendToStringVariable"}
)
#: A trigger that nothing here waits for: the flow reads, checks and runs by hand, and cannot be turned on.
MISSING_TRIGGER_HOST = "MissingTriggerHost"
_RUN_STATUSES = frozenset({"succeeded", "failed", "cancelled"})


def check_triggers(flow: Flow, findings: Findings) -> None:
    """Report triggers Flowmend does not know or cannot wait for yet, and recurrences that do not read."""
    for trigger in flow.definition.triggers.values():
        known = trigger_type(trigger.type)
        if known is None:
            findings.warning(
                "UnsupportedTrigger",
                trigger.pointer,
                f"Flowmend does not know triggers of type {trigger.type}: '{trigger.name}'.",
            )
        elif not known.has_host:
            findings.warning(
                MISSING_TRIGGER_HOST,
                trigger.pointer,
                f"Flowmend cannot wait for trigger '{trigger.name}' of type {trigger.type} yet.",
                "The command flowmend run FILE runs the flow once, whatever its trigger.",
            )
        elif known.uses_connection and connection_key(trigger.inputs) is None:
            findings.warning(
                MISSING_TRIGGER_HOST,
                trigger.pointer,
                f"Trigger '{trigger.name}' of type {trigger.type} names no connection, so it cannot ask its service.",
                "Name one in the trigger's inputs, under 'host'.",
            )
        if known is not None and trigger.recurrence:
            _check_recurrence(flow, trigger, findings)


def _check_recurrence(flow: Flow, trigger: Trigger, findings: Findings) -> None:
    declared = flow.definition.parameters
    values = {name: parameter.default for name, parameter in declared.items()} | dict(flow.parameter_values)
    unknown = set(missing_parameters(flow))
    if flow.packaging is Packaging.ARM:  # what a template is to fill in is not known yet either
        unknown |= {name for name, value in values.items() if isinstance(value, str) and is_template_expression(value)}
    computed = Findings()
    evaluated = evaluated_trigger(trigger, values, unknown=unknown, findings=computed)
    findings.extend(computed)
    if not computed.problems:
        read_recurrence(evaluated.recurrence, pointer_to(trigger.pointer, "recurrence"), findings)


def check_actions(places: Places, variables: Mapping[str, Place], findings: Findings) -> None:
    """Report actions Flowmend cannot run, and those that stand where they may not."""
    for place in places:
        action = place.action
        if not is_runnable(action.type, action.kind):
            kind = f" and kind {action.kind or '(none)'}" if action.type == "Expression" else ""
            findings.error(
                "UnsupportedAction",
                action.pointer,
                f"Flowmend cannot run action '{action.name}' of type {action.type}{kind} yet.",
            )
        for key in ("conditions", "transitions"):
            if action.raw.get(key):
                findings.error(
                    "UnsupportedAction",
                    pointer_to(action.pointer, key),
                    f"Flowmend does not know what '{key}' of action '{action.name}' asks for.",
                    "Say with 'runAfter' and If when the action runs." if key == "conditions" else "",
                )
        _check_place(place, findings)
        _check_variable_use(action, variables, findings)
        _check_terminate(action, findings)
        _check_switch(action, findings)
        check_retry_policy(action, findings)


def initialised_variables(places: Places, findings: Findings) -> dict[str, Place]:
    """`{name in lower case: where it is initialised}`, with what is wrong about an initialisation reported."""
    variables: dict[str, Place] = {}
    for place in places:
        if place.action.type != "InitializeVariable":
            continue
        if place.containers:
            findings.error(
                "VariableNotTopLevel",
                place.action.pointer,
                f"'{place.action.name}' initialises a variable inside '{place.containers[-1].name}'.",
                "Initialise variables at the top of the flow, and set them inside.",
            )
        inputs = place.action.inputs if isinstance(place.action.inputs, Mapping) else EMPTY
        declared = inputs.get("variables")
        for index, variable in enumerate(declared if isinstance(declared, list) else ()):
            pointer = pointer_to(place.action.pointer, "inputs", "variables", index)
            name = _check_variable(variable, pointer, findings)
            if name and variables.setdefault(name.lower(), place) is not place:
                findings.error(
                    "DuplicateVariable", pointer, f"Variable '{name}' is initialised twice.", "Set it the second time."
                )
    return variables


def check_retry_policy(step: Action | Trigger, findings: Findings) -> None:
    """Report a retry policy that does not read; one with expressions is read when it is used."""
    policy = step.inputs.get("retryPolicy") if isinstance(step.inputs, Mapping) else None
    if not isinstance(policy, Mapping) or any(isinstance(part, str) and "@" in part for part in policy.values()):
        return
    try:
        read_retry_policy(policy)
    except InvalidDocument as error:
        findings.error(error.code, pointer_to(step.pointer, "inputs", "retryPolicy"), error.message)


def _check_place(place: Place, findings: Findings) -> None:
    action = place.action
    loop = place.enclosing_loop() if action.type in {"Terminate", "Response"} else None
    if loop is not None:
        findings.error(
            f"{action.type}InLoop",
            action.pointer,
            f"'{action.name}' of type {action.type} stands in loop '{loop.name}'.",
            "Remember in a variable what happened, and decide after the loop.",
        )


def _check_variable(variable: Json, pointer: str, findings: Findings) -> str:
    fields = variable if isinstance(variable, Mapping) else EMPTY
    name, kind = fields.get("name"), fields.get("type")
    if not isinstance(name, str) or not name:
        findings.error("InvalidVariable", pointer, "The variable has no name.")
        return ""
    if not isinstance(kind, str) or kind.lower() not in VARIABLE_TYPES:
        findings.error(
            "InvalidVariable",
            pointer,
            f"Variable '{name}' has no type Flowmend knows.",
            f"Use one of {', '.join(sorted(VARIABLE_TYPES))}.",
        )
    return name


def _check_variable_use(action: Action, variables: Mapping[str, Place], findings: Findings) -> None:
    if action.type not in _VARIABLE_USERS or not isinstance(action.inputs, Mapping):
        return
    name = action.inputs.get("name")
    if isinstance(name, str) and is_literal(name) and name.lower() not in variables:
        findings.error(
            "UnknownVariable",
            pointer_to(action.pointer, "inputs", "name"),
            f"There is no variable '{name}'.",
            "Initialise it at the top of the flow.",
        )


def _check_terminate(action: Action, findings: Findings) -> None:
    if action.type != "Terminate" or not isinstance(action.inputs, Mapping):
        return
    status = action.inputs.get("runStatus")
    if isinstance(status, str) and is_literal(status) and status.lower() not in _RUN_STATUSES:
        findings.error(
            "InvalidRunStatus",
            pointer_to(action.pointer, "inputs", "runStatus"),
            f"'{status}' is no status a run can end with.",
            "Use Succeeded, Failed or Cancelled.",
        )


def _check_switch(action: Action, findings: Findings) -> None:
    taken: list[Json] = []
    for name, value in action.cases.items():
        pointer = pointer_to(action.pointer, "cases", name, "case")
        if isinstance(value, bool) or not isinstance(value, str | int):
            findings.error("InvalidCase", pointer, f"Case '{name}' is neither a text nor a whole number.")
        elif value in taken:
            findings.error("InvalidCase", pointer, f"Case '{name}' has the value of an earlier case.")
        taken.append(value)
