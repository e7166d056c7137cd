"""What each expression of an action came to: for `flowmend run --trace`, the run page and the API."""

import re
from collections.abc import Mapping

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import compile_condition, compile_template
from flowmend.core.json_value import Json
from flowmend.core.run.compiling import Node
from flowmend.core.run.scope import RunScope
from flowmend.core.run.secrecy import Secrecy

#: Parts of inputs whose expressions see an item, are secret, or are no template.
_NOT_TRACED = frozenset({"where", "select", "columns", "schema", "authentication", "retryPolicy"})
#: The requests of an HttpWebhook, each with such parts of its own.
_REQUESTS = frozenset({"subscribe", "unsubscribe"})
_CONDITIONS = frozenset({"If", "Until", "Switch"})
_NEVER_AGAIN = re.compile(r"\b(?:utcnow|guid|rand)\s*\(", re.IGNORECASE)


def trace_action(node: Node, scope: RunScope, secrecy: Secrecy) -> list[dict[str, Json]]:
    """`[{path, text, value, subexpressions?, error?, repeatable?}]` of an action; nothing of secure inputs.

    Evaluates for itself: what calls utcNow, guid or rand is marked `"repeatable": False`, because it may differ from
    what the action got.
    """
    if is_hidden(node, secrecy):
        return []
    action = node.action
    try:
        if node.type in {"If", "Until"}:
            traces = compile_condition(action.condition).trace(scope)
        else:
            traces = compile_template(_traced(node)).trace(scope)
    except ExpressionError as error:
        return [{"path": "", "text": "", "value": None, "error": {"code": error.code, "message": error.message}}]
    return [_marked(trace) for trace in traces]


def is_hidden(node: Node, secrecy: Secrecy) -> bool:
    """Whether what the action's expressions come to is not to be shown."""
    if "inputs" in node.secured:
        return True
    return node.type in _CONDITIONS and secrecy.is_mentioned(node.action.condition)


def _marked(trace: dict[str, Json]) -> dict[str, Json]:
    inner = [_marked(one) for one in trace.get("subexpressions", ())]
    marked = {**trace, "subexpressions": inner} if inner else trace
    return {**marked, "repeatable": False} if _NEVER_AGAIN.search(str(trace["text"])) else marked


def _traced(node: Node) -> Json:
    action = node.action
    if node.type == "Switch":
        return action.condition
    if node.type == "Foreach":
        return action.foreach
    if isinstance(action.inputs, Mapping):
        return {
            key: _without_apart(value) if key in _REQUESTS and isinstance(value, Mapping) else value
            for key, value in _without_apart(action.inputs).items()
        }
    return action.inputs


def _without_apart(inputs: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in inputs.items() if key not in _NOT_TRACED}
