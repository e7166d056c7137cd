"""Values that cannot be what their variable holds, as far as they are written out (wdl.md §4)."""

import re
from collections.abc import Mapping

from flowmend.core.checking.expressions import is_literal
from flowmend.core.checking.places import Place, Places
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Action
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "float": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}
# What each action makes of a variable, and which kinds of variable it can do that with.
_FITTING: Mapping[str, frozenset[str]] = {
    "IncrementVariable": frozenset({"integer", "float"}),
    "DecrementVariable": frozenset({"integer", "float"}),
    "AppendToArrayVariable": frozenset({"array"}),
    "AppendToStringVariable": frozenset({"string"}),
}
_MOST_VARIABLES = 250


def check_variable_types(places: Places, variables: Mapping[str, Place], findings: Findings) -> None:
    """Report values and actions that do not go with a variable's type. variables: as `initialised_variables` gives them."""
    kinds = {name: _kind(name, place.action) for name, place in variables.items()}
    if len(variables) > _MOST_VARIABLES:
        first = next(iter(variables.values())).action
        findings.warning(
            "LimitExceeded",
            first.pointer,
            f"The flow has {len(variables)} variables; Microsoft's service allows {_MOST_VARIABLES}.",
        )
    for place in places:
        action = place.action
        inputs = action.inputs if isinstance(action.inputs, Mapping) else EMPTY
        if action.type == "InitializeVariable":
            _check_initial_values(action, inputs, findings)
            continue
        name = inputs.get("name")
        kind = kinds.get(name.lower()) if isinstance(name, str) else None
        if kind is None or not isinstance(name, str):
            continue
        fitting = _FITTING.get(action.type)
        if fitting is not None and kind not in fitting:
            findings.error(
                "WrongVariableType",
                pointer_to(action.pointer, "inputs", "name"),
                f"'{action.name}' of type {action.type} cannot change variable '{name}' of type {kind}.",
                f"It goes with variables of type {' or '.join(sorted(fitting))}.",
            )
        elif action.type == "SetVariable":
            _check_value(name, kind, inputs.get("value"), pointer_to(action.pointer, "inputs", "value"), findings)
            _check_self_reference(action, name, inputs.get("value"), findings)


def _check_initial_values(action: Action, inputs: Mapping[str, Json], findings: Findings) -> None:
    declared = inputs.get("variables")
    for index, variable in enumerate(declared if isinstance(declared, list) else ()):
        if isinstance(variable, Mapping) and isinstance(variable.get("type"), str):
            pointer = pointer_to(action.pointer, "inputs", "variables", index, "value")
            name = str(variable.get("name", ""))
            _check_value(name, str(variable["type"]).lower(), variable.get("value"), pointer, findings)


def _check_value(name: str, kind: str, value: Json, pointer: str, findings: Findings) -> None:
    expected = _PYTHON_TYPES.get(kind)
    if value is None or expected is None or (isinstance(value, str) and (not value or not is_literal(value))):
        return
    fits = isinstance(value, expected) and (not isinstance(value, bool) or bool in expected)
    if not fits and not _reads_as(value, kind):
        findings.error(
            "WrongVariableType",
            pointer,
            f"Variable '{name}' is of type {kind} and cannot hold this value.",
            "Give a value of that type, or initialise the variable with another type.",
        )


def _reads_as(value: Json, kind: str) -> bool:
    """A text that the designer writes for a number, a boolean or JSON is read as what the variable holds."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    if kind == "boolean":
        return text.lower() in {"true", "false"}
    if kind in {"integer", "float"}:
        return re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text) is not None
    return kind in {"array", "object"} and text[:1] in {"[", "{"}


def _check_self_reference(action: Action, name: str, value: Json, findings: Findings) -> None:
    if _mentions(value, f"variables('{name.lower()}')"):
        findings.error(
            "VariableReadsItself",
            pointer_to(action.pointer, "inputs", "value"),
            f"'{action.name}' sets variable '{name}' to a value that reads the variable itself.",
            "Compute the value in a Compose before it, or use the actions that increment or append.",
        )


def _mentions(value: Json, text: str) -> bool:
    if isinstance(value, str):
        return "@" in value and text in value.lower()
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_mentions(one, text) for one in inner)


def _kind(name: str, action: Action) -> str:
    inputs = action.inputs if isinstance(action.inputs, Mapping) else EMPTY
    declared = inputs.get("variables")
    for variable in declared if isinstance(declared, list) else ():
        if isinstance(variable, Mapping) and str(variable.get("name", "")).lower() == name:
            return str(variable.get("type", "")).lower()
    return ""
