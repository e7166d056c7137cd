"""Trigger conditions: all must be true, else the event is kept as skipped and no run starts (wdl.md §3)."""

from collections.abc import Sequence

from flowmend.core.expression import Scope, compile_condition
from flowmend.core.json_value import Json


def are_met(conditions: Sequence[Json], scope: Scope) -> bool:
    """Whether every condition is true; the later ones are not evaluated after one that is false.

    scope: one whose `trigger()` is the event at hand. Errors: ExpressionError for a condition that does not parse,
    does not evaluate, or is not a boolean.
    """
    return all(compile_condition(condition).evaluate(scope) is True for condition in conditions)
