"""A JSON value with expressions in it, compiled once and evaluated many times.

A subtree without expressions is returned as it is, shared between evaluations: values are never
changed in place anywhere in Flowmend.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.budget import Budget
from flowmend.core.expression.conversion.text import LONGEST_TEXT, to_text, too_long
from flowmend.core.expression.evaluating import Compiled, NodeCompiler, Observer, Run, constant
from flowmend.core.expression.interpolation import ExpressionText, Interpolation, read_template
from flowmend.core.expression.item_scope import ItemScope
from flowmend.core.expression.parsing import parse
from flowmend.core.expression.references import ReferenceCollector, References
from flowmend.core.expression.scope import Scope
from flowmend.core.expression.tracing import Recorder
from flowmend.core.json_value import Json


class TemplateObserver(Observer, Protocol):
    """Sees each string with expressions evaluated, and the calls in it."""

    def string(self, path: str, text: str, run: Run) -> Run: ...


Build = Callable[[ReferenceCollector, TemplateObserver | None], Compiled]


class Template:
    """A compiled value. is_literal: it is the same for every scope. references: what it refers to."""

    __slots__ = ("_build", "_run", "_steps", "_value", "is_literal", "references")

    def __init__(self, build: Build) -> None:
        collector = ReferenceCollector()
        try:
            compiled = build(collector, None)
        except RecursionError:
            raise _too_deep() from None
        self._build = build
        self._run = compiled.run
        self._steps = collector.calls
        self._value = compiled.value
        self.is_literal = compiled.is_constant
        self.references: References = collector.collected()

    def evaluate(self, scope: Scope, budget: Budget | None = None) -> Json:
        """The value in a scope.

        Errors: ExpressionError, its `target` a JSON pointer into the value where it is nested.
        """
        if self.is_literal:
            return self._value
        if budget is None:
            budget = Budget()
        budget.spend_steps(self._steps)
        try:
            return self._run(scope, budget)
        except RecursionError:
            raise _too_deep() from None

    def trace(self, scope: Scope) -> list[dict[str, Json]]:
        """`[{path, text, value, subexpressions?, error?}]`, one per string with expressions, in order.

        Errors of evaluation are part of the trace.
        """
        recorder = Recorder()
        run = self._build(ReferenceCollector(), recorder).run
        try:
            run(scope, Budget())
        except ExpressionError as error:
            recorder.record_failure(error)
        except RecursionError:
            recorder.record_failure(_too_deep())
        return recorder.traces


def compile_template(value: Json) -> Template:
    """The template a JSON value is: its rules apply to every string at any depth, also to object keys.

    Errors: ExpressionError, code `InvalidTemplate`, its `target` a JSON pointer into the value.
    """
    return Template(lambda references, observer: ValueCompiler(references, observer).value(value, ""))


def compile_expression(text: str) -> Template:
    """The template of one bare expression, without a leading `@`.

    Errors: ExpressionError.
    """
    return Template(lambda references, observer: ValueCompiler(references, observer).expression(text, text, ""))


def evaluate_with_item(template: Template, scope: Scope, item: Json, budget: Budget | None = None) -> Json:
    """The value in a scope where `item()` is the given one."""
    return template.evaluate(ItemScope(scope, item), budget)


class ValueCompiler:
    """path: as traces print it, `body.items[0]`; errors carry a JSON pointer instead."""

    def __init__(self, references: ReferenceCollector, observer: TemplateObserver | None) -> None:
        self._references = references
        self._observer = observer

    def value(self, value: Json, path: str) -> Compiled:
        if isinstance(value, str):
            return self._string(value, path)
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            return self._array(value, path)
        return constant(value)

    def expression(self, text: str, written: str, path: str) -> Compiled:
        return self._seen(self._bare(text), written, path)

    def _bare(self, text: str) -> Compiled:
        return NodeCompiler(text, self._references, self._observer).compile(parse(text))

    def _seen(self, compiled: Compiled, written: str, path: str) -> Compiled:
        if self._observer is None:
            return compiled
        return Compiled(self._observer.string(path, written, compiled.run))

    def _string(self, text: str, path: str) -> Compiled:
        read = read_template(text)
        if isinstance(read, str):
            return constant(read)
        if isinstance(read, ExpressionText):
            return self.expression(read.text, text, path)
        return self._seen(self._interpolation(read), text, path)

    def _interpolation(self, interpolation: Interpolation) -> Compiled:
        pieces: list[str | Run] = []
        for piece in interpolation.pieces:
            if isinstance(piece, str):
                pieces.append(piece)
            else:
                compiled = self._bare(piece.text)
                pieces.append(to_text(compiled.value) if compiled.is_constant else compiled.run)
        if all(isinstance(piece, str) for piece in pieces):
            return constant("".join(piece for piece in pieces if isinstance(piece, str)))
        return Compiled(_joining(pieces))

    def _array(self, values: list[Json], path: str) -> Compiled:
        items: list[Compiled] = []
        for index, value in enumerate(values):
            try:
                items.append(self.value(value, f"{path}[{index}]"))
            except ExpressionError as error:
                raise placed(error, index) from error.__cause__
        if all(item.is_constant for item in items):
            return constant(_unchanged(values, [item.value for item in items]))
        fixed = [item.value for item in items]
        moving = [(index, item.run) for index, item in enumerate(items) if not item.is_constant]

        def evaluate(scope: Scope, budget: Budget) -> Json:
            result = fixed.copy()
            index = 0
            try:
                for index, run in moving:
                    result[index] = run(scope, budget)
            except ExpressionError as error:
                raise placed(error, index) from error.__cause__
            return result

        return Compiled(evaluate)

    def _object(self, value: dict[str, Json], path: str) -> Compiled:
        entries: list[tuple[str, Compiled, Compiled]] = []
        for key, item in value.items():
            try:
                name = self._string(key, path) if "@" in key else constant(key)
                entries.append((key, name, self.value(item, _member(path, key))))
            except ExpressionError as error:
                raise placed(error, key) from error.__cause__
        if not all(name.is_constant for _, name, _ in entries):
            return Compiled(_with_computed_names(entries))
        fixed = {to_text(name.value): item.value for _, name, item in entries}
        if all(item.is_constant for _, _, item in entries):
            return constant(_unchanged(value, fixed))
        moving = [(to_text(name.value), item.run) for _, name, item in entries if not item.is_constant]

        def evaluate(scope: Scope, budget: Budget) -> Json:
            result = fixed.copy()
            key = ""
            try:
                for key, run in moving:
                    result[key] = run(scope, budget)
            except ExpressionError as error:
                raise placed(error, key) from error.__cause__
            return result

        return Compiled(evaluate)


def _joining(pieces: Sequence[str | Run]) -> Run:
    def evaluate(scope: Scope, budget: Budget) -> str:
        texts = [piece if isinstance(piece, str) else to_text(piece(scope, budget)) for piece in pieces]
        text = "".join(texts) if sum(map(len, texts)) <= LONGEST_TEXT else None
        if text is None:
            raise too_long()
        budget.spend_size(text)
        return text

    return evaluate


def _with_computed_names(entries: Sequence[tuple[str, Compiled, Compiled]]) -> Run:
    def evaluate(scope: Scope, budget: Budget) -> Json:
        result: dict[str, Json] = {}
        for written, name, item in entries:
            try:
                result[to_text(name.run(scope, budget))] = item.run(scope, budget)
            except ExpressionError as error:
                raise placed(error, written) from error.__cause__
        return result

    return evaluate


def _unchanged(written: Json, evaluated: Json) -> Json:
    """The written value itself where evaluating changed nothing, so that it is kept only once."""
    return written if written == evaluated else evaluated


def placed(error: ExpressionError, key: str | int) -> ExpressionError:
    token = str(key).replace("~", "~0").replace("/", "~1")
    return ExpressionError(error.message, code=error.code, target=f"/{token}{error.target or ''}")


def _member(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f"{path}['{key}']"
    return f"{path}.{key}" if path else key


def _too_deep() -> ExpressionError:
    return ExpressionError("The value is nested too deep to be evaluated.", code="ExpressionEvaluationFailed")
