"""What each expression of an action came to, for `flowmend run --trace`."""

from collections.abc import Mapping

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import compile_condition, compile_template
from flowmend.core.json_value import Json
from flowmend.core.run.compiling import Node
from flowmend.core.run.scope import RunScope

#: Parts of inputs whose expressions see an item, are secret, or are no template.
_NOT_TRACED = frozenset({"where", "select", "columns", "schema", "authentication", "retryPolicy"})


def trace_action(node: Node, scope: RunScope) -> list[dict[str, Json]]:
    """`[{path, text, value, subexpressions?, error?}]` of an action about to run; nothing of secure inputs.

    Evaluates for itself, so that a guid or the time may differ from what the action then gets.
    """
    if "inputs" in node.secured:
        return []
    action = node.action
    try:
        if node.type in {"If", "Until"}:
            return compile_condition(action.condition).trace(scope)
        return compile_template(_traced(node)).trace(scope)
    except ExpressionError as error:
        return [{"path": "", "text": "", "value": None, "error": {"code": error.code, "message": error.message}}]


def _traced(node: Node) -> Json:
    action = node.action
    if node.type == "Switch":
        return action.condition
    if node.type == "Foreach":
        return action.foreach
    if isinstance(action.inputs, Mapping):
        return {key: value for key, value in action.inputs.items() if key not in _NOT_TRACED}
    return action.inputs
