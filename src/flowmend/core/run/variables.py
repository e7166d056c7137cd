"""Variables: the five actions that set them, and what a record of one does to the run's variables.

They belong to the whole run, also inside loops: two iterations at once see each other's values (wdl.md §4).
A variable without a value is null; an append or increment takes null for the empty value of its type.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from flowmend.core.expression import to_text
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.compiling import Node
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.scope import RunScope
from flowmend.core.run.state import Variable

_OPERATION = "InvalidVariableOperation"
_INITIALIZATION = "InvalidVariableInitialization"

#: {action type: the sign of its step}
_STEPS: Mapping[str, int] = MappingProxyType({"IncrementVariable": 1, "DecrementVariable": -1})

#: {variable type: the types of value it takes}
_ACCEPTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "boolean": frozenset({"Boolean"}),
        "integer": frozenset({"Integer"}),
        "float": frozenset({"Float", "Integer"}),
        "string": frozenset({"String"}),
        "object": frozenset({"Object"}),
        "array": frozenset({"Array"}),
    }
)


def run_initialize(node: Node, scope: RunScope) -> Finish:
    """InitializeVariable: no outputs. Errors: ExpressionError."""
    inputs = node.template("inputs", node.action.inputs).evaluate(scope)
    declared = inputs.get("variables") if isinstance(inputs, dict) else None
    if not isinstance(declared, list) or not all(isinstance(one, dict) for one in declared):
        return failed(_INITIALIZATION, f"The action '{node.name}' has no list of 'variables'.", inputs=inputs)
    for variable in declared:
        name, kind, value = variable.get("name"), str(variable.get("type", "")).lower(), variable.get("value")
        if not isinstance(name, str) or kind not in _ACCEPTED:
            return failed(
                _INITIALIZATION, f"The variable '{name}' has no type of {', '.join(_ACCEPTED)}.", inputs=inputs
            )
        if scope.find_variable(name) is not None:
            return failed(_INITIALIZATION, f"The variable '{name}' is initialized already.", inputs=inputs)
        if value is not None and kind_name(value) not in _ACCEPTED[kind]:
            return failed(_INITIALIZATION, _wrong_type(name, kind, value), inputs=inputs)
    return Finish(inputs=inputs)


def run_set(node: Node, scope: RunScope) -> Finish:
    """SetVariable. Errors: ExpressionError."""
    inputs, variable = _target(node, scope)
    if variable is None:
        return _uninitialized(node, inputs)
    value = inputs.get("value")
    if value is not None and kind_name(value) not in _ACCEPTED[variable.type]:
        return failed(_OPERATION, _wrong_type(variable.name, variable.type, value), inputs=inputs)
    return Finish(inputs=inputs, outputs={"body": {"name": variable.name, "value": value}})


def run_increment(node: Node, scope: RunScope) -> Finish:
    """IncrementVariable and DecrementVariable, by 1 where no value is given. Errors: ExpressionError."""
    inputs, variable = _target(node, scope)
    if variable is None:
        return _uninitialized(node, inputs)
    step = inputs.get("value", 1)
    if variable.type not in {"integer", "float"}:
        return failed(
            _OPERATION,
            f"The action '{node.name}' cannot change variable '{variable.name}' of type '{variable.type}': "
            "only Integer and Float variables count.",
            inputs=inputs,
        )
    if kind_name(step) not in _ACCEPTED[variable.type]:
        return failed(_OPERATION, _wrong_type(variable.name, variable.type, step), inputs=inputs)
    value = (variable.value or 0) + (step if node.type == "IncrementVariable" else -step)
    return Finish(inputs=inputs, outputs={"body": {"name": variable.name, "value": value}})


def run_append(node: Node, scope: RunScope) -> Finish:
    """AppendToArrayVariable and AppendToStringVariable.

    The outputs hold the appended value, never the grown one: a loop of appends would keep its square.
    Errors: ExpressionError.
    """
    inputs, variable = _target(node, scope)
    if variable is None:
        return _uninitialized(node, inputs)
    value = inputs.get("value")
    wanted = "array" if node.type == "AppendToArrayVariable" else "string"
    if variable.type != wanted:
        return failed(
            _OPERATION,
            f"The action '{node.name}' cannot append to variable '{variable.name}' of type '{variable.type}', "
            f"only to one of type '{wanted}'.",
            inputs=inputs,
        )
    if wanted == "string":
        value = to_text(value)
    return Finish(inputs=inputs, outputs={"body": {"name": variable.name, "value": value}})


def apply_to_variables(variables: dict[str, Variable], action_type: str, record: ActionRecord) -> None:
    """What a succeeded variable action does, told by its record alone."""
    if action_type == "InitializeVariable":
        for declared in record.inputs["variables"]:
            name = declared["name"]
            variables[name.lower()] = Variable(name=name, type=declared["type"].lower(), value=declared.get("value"))
        return
    body = record.outputs["body"]
    variable = variables[body["name"].lower()]
    change = _APPENDS.get(action_type)
    if change is not None:
        change(variable, body["value"])
    else:
        variable.value = body["value"]
        variable.is_lent = True  # an expression made it, so an output may be the same list


def replayed_variables(action_types: Mapping[str, str], records: Iterable[ActionRecord]) -> tuple[ActionRecord, ...]:
    """The records, with variables as they are without those that are not among them.

    What counts is told by its step, whatever it counted to before; a change of a variable that nothing here
    initializes is left out, and so to do again. action_types: `{action name: type}`.
    """
    variables: dict[str, Variable] = {}
    replayed: list[ActionRecord] = []
    for record in records:
        kind = action_types[record.name]
        if not kind.endswith("Variable") or record.status is not Status.SUCCEEDED:
            replayed.append(record)
            continue
        if kind != "InitializeVariable":
            variable = variables.get(record.outputs["body"]["name"].lower())
            if variable is None:
                continue
            if kind in _STEPS:
                step = record.inputs.get("value", 1) * _STEPS[kind]
                value = (variable.value or 0) + step
                if value != record.outputs["body"]["value"]:
                    record = replace(record, outputs={"body": {"name": variable.name, "value": value}})
        apply_to_variables(variables, kind, record)
        replayed.append(record)
    return tuple(replayed)


def _append_to_array(variable: Variable, value: Json) -> None:
    if variable.is_lent:
        variable.value = list(variable.value or ())
        variable.is_lent = False
    variable.value.append(value)


def _append_to_string(variable: Variable, value: Json) -> None:
    # A list of pieces until somebody reads it, so that a loop of appends does not copy the text each time.
    if not isinstance(variable.value, list):
        variable.value = [variable.value] if variable.value else []
    variable.value.append(value)


_APPENDS: Mapping[str, Callable[[Variable, Json], None]] = MappingProxyType(
    {"AppendToArrayVariable": _append_to_array, "AppendToStringVariable": _append_to_string}
)


def _target(node: Node, scope: RunScope) -> tuple[Json, Variable | None]:
    """The evaluated inputs, and the variable they name if there is one."""
    inputs = node.template("inputs", node.action.inputs).evaluate(scope)
    name = inputs.get("name") if isinstance(inputs, dict) else None
    return inputs, scope.find_variable(name) if isinstance(name, str) else None


def _uninitialized(node: Node, inputs: Json) -> Finish:
    name = inputs.get("name") if isinstance(inputs, dict) else None
    message = f"The variable '{name}' must be initialized before it can be used in action '{node.name}'."
    return failed(_OPERATION, message, inputs=inputs)


def _wrong_type(name: str, kind: str, value: Json) -> str:
    accepted = ", ".join(sorted(_ACCEPTED[kind]))
    return (
        f"The variable '{name}' of type '{kind.capitalize()}' cannot be initialized or updated with a value of type "
        f"'{kind_name(value)}'. The variable '{name}' only supports values of types '{accepted}'."
    )
