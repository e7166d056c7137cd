"""Actions that finish inside the engine, by type: evaluated inputs in, a `Finish` out."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from flowmend.core.run.compiling import Node
from flowmend.core.run.data_actions import run_join, run_parse_json, run_query, run_select, run_table
from flowmend.core.run.expression_actions import run_expression
from flowmend.core.run.finish import Finish
from flowmend.core.run.scope import RunScope
from flowmend.core.run.terminate import run_terminate
from flowmend.core.run.variables import run_append, run_increment, run_initialize, run_set

InlineAction = Callable[[Node, RunScope], Finish]


def run_compose(node: Node, scope: RunScope) -> Finish:
    """Compose: the outputs are the value itself. Errors: ExpressionError."""
    value = node.template("inputs", node.action.inputs).evaluate(scope)
    return Finish(code="OK", inputs=value, outputs=value)


#: {action type: how it runs}
INLINE_ACTIONS: Mapping[str, InlineAction] = MappingProxyType(
    {
        "Compose": run_compose,
        "ParseJson": run_parse_json,
        "Query": run_query,
        "Select": run_select,
        "Join": run_join,
        "Table": run_table,
        "Expression": run_expression,
        "InitializeVariable": run_initialize,
        "SetVariable": run_set,
        "IncrementVariable": run_increment,
        "DecrementVariable": run_increment,
        "AppendToArrayVariable": run_append,
        "AppendToStringVariable": run_append,
        "Terminate": run_terminate,
    }
)
