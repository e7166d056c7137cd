"""Conditions: a string, or an object such as `{"and": [{"equals": ["@a", 1]}, {"not": {…}}]}` (wdl.md §4)."""

from collections.abc import Sequence
from functools import partial

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.budget import Budget
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.evaluating import Compiled, Run, compile_call, known_function
from flowmend.core.expression.references import ReferenceCollector
from flowmend.core.expression.scope import Scope
from flowmend.core.expression.template import Template, TemplateObserver, ValueCompiler, placed
from flowmend.core.json_value import Json

_COMPARISONS = frozenset(
    {"equals", "greater", "greaterorequals", "less", "lessorequals", "contains", "startswith", "endswith"}
)


def compile_condition(value: Json) -> Template:
    """A template that evaluates to a boolean.

    Errors: ExpressionError here, code `InvalidTemplate`, where the object is no condition; when evaluated,
    code `ExpressionEvaluationFailed`, where a part is not a boolean.
    """

    def build(references: ReferenceCollector, observer: TemplateObserver | None) -> Compiled:
        return _condition(ValueCompiler(references, observer), value, "")

    return Template(build)


def _condition(compiler: ValueCompiler, value: Json, path: str) -> Compiled:
    if not isinstance(value, dict):
        return Compiled(_boolean(compiler.value(value, path).run))
    if len(value) != 1:
        shown = ", ".join(value)
        raise ExpressionError(f"A condition is an object with one operator; this one has '{shown}'.")
    ((operator, operands),) = value.items()
    inner = f"{path}.{operator}" if path else operator
    try:
        return _operation(operator, operands, compiler, inner)
    except ExpressionError as error:
        raise placed(error, operator) from error.__cause__


def _operation(operator: str, operands: Json, compiler: ValueCompiler, path: str) -> Compiled:
    kind = operator.lower()
    if kind == "not":
        negated = _condition(compiler, operands, path).run
        return Compiled(lambda scope, budget: not negated(scope, budget))
    if kind not in _COMPARISONS and kind not in {"and", "or"}:
        raise ExpressionError(f"'{operator}' is not an operator of a condition.")
    if not isinstance(operands, list):
        raise ExpressionError(f"The operands of '{operator}' are an array; this is of type '{kind_name(operands)}'.")
    if kind in _COMPARISONS and len(operands) != 2:
        raise ExpressionError(f"'{operator}' compares two operands; {len(operands)} are given.")
    compile_one = compiler.value if kind in _COMPARISONS else partial(_condition, compiler)
    parts: list[Compiled] = []
    for index, operand in enumerate(operands):
        try:
            parts.append(compile_one(operand, f"{path}[{index}]"))
        except ExpressionError as error:
            raise placed(error, index) from error.__cause__
    if kind in _COMPARISONS:
        return compile_call(known_function(operator, 2), parts)
    runs = [part.run for part in parts]
    return Compiled(_all(runs) if kind == "and" else _any(runs))


def _all(parts: Sequence[Run]) -> Run:
    return lambda scope, budget: all(part(scope, budget) for part in parts)


def _any(parts: Sequence[Run]) -> Run:
    return lambda scope, budget: any(part(scope, budget) for part in parts)


def _boolean(run: Run) -> Run:
    def evaluate(scope: Scope, budget: Budget) -> bool:
        value = run(scope, budget)
        if value is True or value is False:
            return bool(value)
        raise ExpressionError(
            f"The condition evaluates to a value of type '{kind_name(value)}'; it must be of type 'Boolean'.",
            code="ExpressionEvaluationFailed",
        )

    return evaluate
