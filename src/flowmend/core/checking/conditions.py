"""Conditions that are none: an operator nobody knows, the wrong operands, a value that is not true or false."""

from collections.abc import Iterator, Mapping

from flowmend.core.checking.expressions import is_literal
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Flow
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import compile_condition
from flowmend.core.json_value import Json

_JOINING = frozenset({"and", "or"})


def check_conditions(flow: Flow, findings: Findings) -> None:
    """Report conditions that always fail, whatever the expressions in them come to; those are checked elsewhere."""
    for condition, pointer in _conditions(flow):
        try:
            compile_condition(_skeleton(condition))
        except ExpressionError as error:
            findings.error(
                "InvalidCondition", f"{pointer}{error.target or ''}", error.message, "Correct the condition."
            )
            continue
        for value, place in _parts(condition, pointer):
            if not isinstance(value, bool | Mapping) and not (isinstance(value, str) and not is_literal(value)):
                findings.error(
                    "InvalidCondition",
                    place,
                    "This part of a condition is neither true nor false, nor an expression.",
                    'Write an expression, for example "@equals(1, 1)".',
                )


def _conditions(flow: Flow) -> Iterator[tuple[Json, str]]:
    for trigger in flow.definition.triggers.values():
        for index, condition in enumerate(trigger.conditions):
            yield condition, pointer_to(trigger.pointer, "conditions", index, "expression")
    for action in flow.definition.walk():
        if action.type in {"If", "Until"} and action.condition is not None:
            yield action.condition, pointer_to(action.pointer, "expression")
        elif action.type == "Query" and isinstance(action.inputs, Mapping) and "where" in action.inputs:
            yield action.inputs["where"], pointer_to(action.pointer, "inputs", "where")


def _skeleton(condition: Json) -> Json:
    """The condition with everything that is evaluated left out."""
    if not isinstance(condition, Mapping):
        return True
    return {operator: _operands(operator.lower(), operands) for operator, operands in condition.items()}


def _operands(operator: str, operands: Json) -> Json:
    if operator == "not":
        return _skeleton(operands)
    if isinstance(operands, list):
        return [_skeleton(one) if operator in _JOINING else 0 for one in operands]
    return operands


def _parts(condition: Json, pointer: str) -> Iterator[tuple[Json, str]]:
    """Every value that must be true or false, with its pointer."""
    yield condition, pointer
    for operator, operands in condition.items() if isinstance(condition, Mapping) else ():
        below = pointer_to(pointer, operator)
        if operator.lower() == "not":
            yield from _parts(operands, below)
        elif operator.lower() in _JOINING:
            for index, one in enumerate(operands):
                yield from _parts(one, pointer_to(below, index))
