"""The expression language of workflow definitions: compile a value once, evaluate it many times.

Text becomes tokens (`scanning`), tokens a tree (`parsing`, `syntax`), the tree closures (`evaluating`), and
strings with expressions in them templates (`interpolation`, `template`). What an expression can see is a
`Scope`; what it can call stands in `functions`; what it may cost is a `Budget`. All failures are
`ExpressionError`, worded as the service words them.
"""

from flowmend.core.expression.budget import Budget
from flowmend.core.expression.conditions import compile_condition
from flowmend.core.expression.conversion.text import to_text
from flowmend.core.expression.functions import FUNCTIONS, Function, is_known
from flowmend.core.expression.item_scope import ItemScope
from flowmend.core.expression.references import References
from flowmend.core.expression.scope import Scope
from flowmend.core.expression.template import Template, compile_expression, compile_template, evaluate_with_item

__all__ = [
    "FUNCTIONS",
    "Budget",
    "Function",
    "ItemScope",
    "References",
    "Scope",
    "Template",
    "compile_condition",
    "compile_expression",
    "compile_template",
    "evaluate_with_item",
    "is_known",
    "to_text",
]
