"""Syntax to closures.

Every node becomes one Python closure `(scope, budget) -> value`; literals, and calls of pure functions
whose arguments are all literals, are computed here, once. Closures are chosen by the shape of the call,
because a run evaluates the same few shapes (`triggerBody()?['id']`, `outputs('X')?['body']`) all day.

Parsing bounds the depth of the tree and the budget the size of what is made, so evaluation needs no
counters of its own on the way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.budget import Budget
from flowmend.core.expression.conversion.text import weigh
from flowmend.core.expression.functions import FUNCTIONS, Function
from flowmend.core.expression.functions.function import Kind, Takes, wrong_kind
from flowmend.core.expression.references import ReferenceCollector
from flowmend.core.expression.scope import Scope
from flowmend.core.expression.selection import select
from flowmend.core.expression.syntax import Call, Hop, Literal, Node
from flowmend.core.json_value import Json

Run: TypeAlias = Callable[[Scope, Budget], Json]
_MISSING = object()
_MOST_FOLDED = 10_000  # a constant result heavier than this is made anew each time instead of being kept


@dataclass(frozen=True, slots=True)
class Compiled:
    """A closure, and its value where that is always the same."""

    run: Run
    is_constant: bool = False
    value: Json = None


class Observer(Protocol):
    """Sees each call evaluated, for expression traces."""

    def call(self, text: str, run: Run) -> Run: ...


def constant(value: Json) -> Compiled:
    return Compiled(lambda _scope, _budget: value, is_constant=True, value=value)


class NodeCompiler:
    """Compiles the nodes of one expression text. An observer switches folding off, so that it sees all calls."""

    def __init__(self, text: str, references: ReferenceCollector, observer: Observer | None = None) -> None:
        self._text = text
        self._references = references
        self._observer = observer

    def compile(self, node: Node) -> Compiled:
        """Errors: ExpressionError for an unknown function or a wrong number of arguments."""
        if isinstance(node, Literal):
            return constant(node.value)
        compiled = self._call(node)
        for_error = self._text[node.start : node.end]
        if node.hops:
            compiled = self._selection(compiled, node.hops, for_error)
        if self._observer is not None:
            return Compiled(self._observer.call(for_error, compiled.run))
        return compiled

    def _call(self, node: Call) -> Compiled:
        function = known_function(node.name, len(node.arguments))
        arguments = [self.compile(argument) for argument in node.arguments]
        first = arguments[0].value if arguments and arguments[0].is_constant else None
        self._references.note(node.name, function, first)
        return compile_call(function, arguments, fold=self._observer is None)

    def _selection(self, target: Compiled, hops: tuple[Hop, ...], text: str) -> Compiled:
        steps = [(self.compile(hop.key), hop.is_safe) for hop in hops]
        # A list or an object as key selects nothing, and no dict could look it up: `select` refuses it.
        if all(key.is_constant and not isinstance(key.value, (list, dict)) for key, _ in steps):
            run = _select_constants(target.run, [(key.value, is_safe) for key, is_safe in steps], text)
            is_foldable = target.is_constant and self._observer is None
            return _folded(run) if is_foldable else Compiled(run)
        return Compiled(_select_computed(target.run, [(key.run, is_safe) for key, is_safe in steps], text))


def known_function(name: str, argument_count: int) -> Function:
    """The function of that name that takes so many arguments.

    Errors: ExpressionError.
    """
    function = FUNCTIONS.get(name.lower())
    if function is None:
        raise ExpressionError(f"The template function '{name}' is not defined or not valid.")
    if not function.accepts_count(argument_count):
        raise ExpressionError(
            f"The template language function '{name}' expects {function.expected_count()}. The function was invoked "
            f"with '{argument_count}' parameter(s). Please see https://aka.ms/logicexpressions#{name} for usage details."
        )
    return function


def compile_call(function: Function, arguments: Sequence[Compiled], *, fold: bool = True) -> Compiled:
    """A call with its arguments; computed at once where all are constant and the function is pure."""
    if function.kind is Kind.LAZY:
        run: Run = function.implementation(*(argument.run for argument in arguments))
    else:
        run = _eager(function, arguments)
    if fold and function.kind is not Kind.SCOPED and all(argument.is_constant for argument in arguments):
        return _folded(run)
    return Compiled(run)


def call_function(name: str, arguments: Sequence[Json], scope: Scope) -> Json:
    """A function called with values: what an expression action does. Errors: ExpressionError."""
    function = known_function(name, len(arguments))
    return compile_call(function, [constant(value) for value in arguments], fold=False).run(scope, Budget())


class _NoScope:
    """Stands in while a pure call is computed ahead; nothing asks it anything."""


def _folded(run: Run) -> Compiled:
    try:
        value = run(_NoScope(), Budget(steps=0, size=_MOST_FOLDED))  # type: ignore[arg-type]  # pure calls never look
    except ExpressionError:
        return Compiled(run)  # fails when evaluated, and only if it is
    return constant(value) if weigh(value, _MOST_FOLDED) <= _MOST_FOLDED else Compiled(run)


def _eager(function: Function, arguments: Sequence[Compiled]) -> Run:
    implementation = function.implementation
    checks = [
        (index, takes.types, takes)
        for index, argument in enumerate(arguments)
        if (takes := function.takes_at(index)) is not Takes.ANYTHING
        and not (argument.is_constant and takes.accepts(argument.value))
    ]
    if not checks and not function.grows and len(arguments) <= 2:
        return _unchecked(implementation, arguments, is_scoped=function.kind is Kind.SCOPED)
    return _checked(function, tuple(argument.run for argument in arguments), checks)


def _unchecked(implementation: Callable[..., Json], arguments: Sequence[Compiled], *, is_scoped: bool) -> Run:
    """The short ways for calls whose arguments need no look before the call."""
    if is_scoped:
        if not arguments:
            return lambda scope, _budget: implementation(scope)
        if len(arguments) == 1 and arguments[0].is_constant:
            name = arguments[0].value
            return lambda scope, _budget: implementation(scope, name)
        runs = tuple(argument.run for argument in arguments)
        return lambda scope, budget: implementation(scope, *[run(scope, budget) for run in runs])
    if len(arguments) == 1:
        only = arguments[0].run
        return lambda scope, budget: implementation(only(scope, budget))
    first, second = arguments[0].run, arguments[1].run
    if arguments[1].is_constant:
        known = arguments[1].value
        return lambda scope, budget: implementation(first(scope, budget), known)
    return lambda scope, budget: implementation(first(scope, budget), second(scope, budget))


def _checked(function: Function, runs: tuple[Run, ...], checks: Sequence[tuple[int, tuple[type, ...], Takes]]) -> Run:
    name, implementation, grows = function.name, function.implementation, function.grows
    is_scoped = function.kind is Kind.SCOPED

    def evaluate(scope: Scope, budget: Budget) -> Json:
        values = [run(scope, budget) for run in runs]
        for index, types, takes in checks:
            value = values[index]
            if type(value) not in types and not takes.accepts(value):
                raise wrong_kind(name, index, takes, value)
        result = implementation(scope, *values) if is_scoped else implementation(*values)
        if grows:
            budget.spend_size(result)
        return result

    return evaluate


def _select_constants(target: Run, hops: Sequence[tuple[Json, bool]], text: str) -> Run:
    if len(hops) == 1:
        return _select_one(target, *hops[0], text)

    def evaluate(scope: Scope, budget: Budget) -> Json:
        value = target(scope, budget)
        for key, is_safe in hops:
            found = value.get(key, _MISSING) if type(value) is dict else _MISSING
            value = select(value, key, is_safe=is_safe, text=text) if found is _MISSING else found
        return value

    return evaluate


def _select_one(target: Run, key: Json, is_safe: bool, text: str) -> Run:
    def evaluate(scope: Scope, budget: Budget) -> Json:
        value = target(scope, budget)
        if type(value) is dict:
            found = value.get(key, _MISSING)
            if found is not _MISSING:
                return found
        return select(value, key, is_safe=is_safe, text=text)

    return evaluate


def _select_computed(target: Run, hops: Sequence[tuple[Run, bool]], text: str) -> Run:
    def evaluate(scope: Scope, budget: Budget) -> Json:
        value = target(scope, budget)
        for key, is_safe in hops:
            value = select(value, key(scope, budget), is_safe=is_safe, text=text)
        return value

    return evaluate
