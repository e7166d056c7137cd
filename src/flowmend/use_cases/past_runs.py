"""A run looked back at: how its expressions computed, and other expressions tried on its data.

All of it comes from the journal, never from how things stand now, and nothing that is marked as secure comes out.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowmend.core.errors import AskedWrongly, ExpressionError, NotFound
from flowmend.core.expression import Budget, compile_expression, compile_template
from flowmend.core.json_value import Json
from flowmend.core.run import ActionRecord, Entry, RunStart
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.history import repetition_name
from flowmend.core.run.looking_back import PastScope, entries_before, last_scope, past_scope, past_state
from flowmend.core.run.state import Repetition
from flowmend.core.run.tracing import is_hidden
from flowmend.core.run.tracing import trace_action as trace_node
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.ports import Clock, Services
from flowmend.use_cases.runs import run_entries

#: An expression tried by hand may do less than one of a flow: whoever tries waits for it.
_MOST_STEPS = 1_000_000
_MOST_SIZE = 10_000_000
_LONGEST_EXPRESSION = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTrace:
    """inputs: `[{path, text, value, subexpressions?, error?, repeatable?}]`.

    is_hidden: the action hides its inputs, so there is nothing to show. was_computed: False where it was never reached.
    """

    inputs: list[dict[str, Json]]
    is_hidden: bool = False
    was_computed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What an expression came to. error_*: "" where it computed."""

    value: Json = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class _ThatMoment:
    """The time of then, and chance of now."""

    now: datetime
    clock: Clock

    def guid(self) -> UUID:
        return self.clock.guid()

    def draw(self) -> float:
        return self.clock.draw()


@dataclass(frozen=True, slots=True, kw_only=True)
class _PastRun:
    compiled: CompiledFlow
    start: RunStart
    entries: list[Entry]
    clock: Clock

    def place(self, action: str, repetition: str) -> tuple[Node, Repetition]:
        """Errors: NotFound for an unknown action or pass."""
        node = self.compiled.find(action)
        if node is None:
            raise NotFound(
                f"The run {self.start.run_name} has no action {action!r}.",
                code="WorkflowRunActionNotFound",
                target=action,
            )
        indexes = tuple(int(index) for index in repetition.split("-")) if _is_repetition(repetition) else ()
        if len(indexes) != node.depth or repetition_name(indexes) != repetition:
            raise NotFound(
                f"The action {node.name!r} has no repetition {repetition!r}.",
                code="WorkflowRunActionRepetitionNotFound",
                target=repetition,
            )
        return node, indexes

    def moment(self, node: Node, repetition: Repetition) -> _ThatMoment:
        found = (
            entry.started_at
            for entry in self.entries
            if isinstance(entry, ActionRecord) and (entry.name, entry.repetition) == (node.name, repetition)
        )
        return _ThatMoment(next(found, None) or self.start.started_at, self.clock)

    def scope(self, node: Node, repetition: Repetition) -> PastScope | None:
        """What the action's expressions saw, None where they were never computed."""
        entries = entries_before(node, repetition, self.entries)
        if entries is None:
            return None
        state = past_state(self.compiled, self.start, entries)
        return past_scope(state, self.moment(node, repetition), node, repetition)

    def last_scope(self) -> PastScope:
        state = past_state(self.compiled, self.start, self.entries)
        return last_scope(state, _ThatMoment(self.clock.now, self.clock))


async def trace_action(services: Services, run_name: str, action: str, repetition: str = "") -> ActionTrace:
    """How each expression of an action computed, recomputed from the run's journal.

    repetition: the pass, e.g. `000001`; "" outside loops. Errors: NotFound.
    """
    run = await _read(services, run_name)
    node, indexes = run.place(action, repetition)

    def trace() -> ActionTrace:
        scope = run.scope(node, indexes)
        if scope is None:
            return ActionTrace(inputs=[], was_computed=False)
        if is_hidden(node, run.compiled.secrecy):
            return ActionTrace(inputs=[], is_hidden=True)
        return ActionTrace(inputs=trace_node(node, scope, run.compiled.secrecy))

    return await asyncio.to_thread(trace)


async def try_expression(
    services: Services, run_name: str, text: str, *, action: str = "", repetition: str = ""
) -> Tried:
    """An expression on the data of a run: as the action would have seen it, or the run's end where none is named.

    text: one expression, or a text with expressions (`@…`, `@{…}`) in it. Errors: NotFound; AskedWrongly where the
    action was never reached or the text is too long.
    """
    if len(text) > _LONGEST_EXPRESSION:
        raise AskedWrongly(
            f"An expression to try has at most {_LONGEST_EXPRESSION:,} characters.", code="ExpressionTooLong"
        )
    run = await _read(services, run_name)
    place = run.place(action, repetition) if action else None

    def evaluate() -> Tried:
        scope = run.scope(*place) if place else run.last_scope()
        if scope is None:
            raise AskedWrongly(
                f"The run never came to {action!r}, so there is no data to try the expression on.",
                code="ActionNotReached",
                target=action,
            )
        try:
            template = compile_template(text) if "@" in text else compile_expression(text.strip())
            return Tried(value=template.evaluate(scope, Budget(steps=_MOST_STEPS, size=_MOST_SIZE)))
        except ExpressionError as error:
            return Tried(error_code=error.code, error_message=error.message)

    return await asyncio.to_thread(evaluate)


async def _read(services: Services, run_name: str) -> _PastRun:
    row = services.store.runs.get(run_name)
    if row is None:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    loaded = services.flows.version(row.flow_id, row.version)
    start = decode_start(row.start, services.vault, loaded.parameters)
    return _PastRun(
        compiled=loaded.compiled, start=start, entries=await run_entries(services, run_name), clock=services.clock
    )


def _is_repetition(text: str) -> bool:
    return bool(text) and all(index.isascii() and index.isdecimal() and len(index) < 10 for index in text.split("-"))
