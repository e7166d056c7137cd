"""Expression actions: one function of the language each, its arguments written as named inputs (wdl.md §4)."""

import re
from collections.abc import Mapping

from flowmend.core.definition.expression_kinds import EXPRESSIONS
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.evaluating import call_function
from flowmend.core.json_value import Json
from flowmend.core.run.compiling import Node
from flowmend.core.run.finish import Finish
from flowmend.core.run.scope import RunScope

_NUMBERS = frozenset({"interval", "startPosition", "length"})
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def run_expression(node: Node, scope: RunScope) -> Finish:
    """The function's result as `{body}`. Errors: ExpressionError, also for a kind that is none."""
    if node.action.kind not in EXPRESSIONS:
        raise ExpressionError(f"The action '{node.name}' has no kind of {', '.join(EXPRESSIONS)}.")
    function, names = EXPRESSIONS[node.action.kind]
    inputs = node.template("inputs", node.action.inputs or {}).evaluate(scope)
    if not isinstance(inputs, Mapping):
        raise ExpressionError(f"The inputs of action '{node.name}' are not an object.")
    arguments = [_argument(name, inputs.get(name)) for name in names]
    while arguments and arguments[-1] is None:
        arguments.pop()  # what is not given at the end is an optional argument
    return Finish(code="OK", inputs=inputs, outputs={"body": call_function(function, arguments, scope)})


def _argument(name: str, value: Json) -> Json:
    # Designers write numbers into text boxes, and flows as "@{…}".
    if name in _NUMBERS and isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    return value
