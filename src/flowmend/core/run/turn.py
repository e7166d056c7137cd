"""One call of `decide` at work: what it has to go by, and what it has decided so far."""

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.callbacks import callback_placeholder
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.events import Command, Moment
from flowmend.core.run.finish import Finish
from flowmend.core.run.record import ActionRecord, Entry
from flowmend.core.run.scope import RunScope
from flowmend.core.run.state import Repetition, RunState
from flowmend.core.run.transitions import apply

#: Told of an action, its repetition and what its expressions see, before its inputs are evaluated.
Observer = Callable[[Node, Repetition, RunScope], None]


class Turn:
    """Collects entries and commands; each entry changes the state as it is emitted."""

    __slots__ = ("commands", "compiled", "entries", "moment", "observer", "state")

    def __init__(
        self, compiled: CompiledFlow, state: RunState, moment: Moment, observer: Observer | None = None
    ) -> None:
        self.compiled = compiled
        self.state = state
        self.moment = moment
        self.observer = observer
        self.entries: list[Entry] = []
        self.commands: list[Command] = []

    def emit(self, entry: Entry) -> None:
        self.entries.append(entry)
        apply(self.state, entry)

    def scope(self, node: Node, repetition: Repetition) -> RunScope:
        """What the expressions of this action see."""
        url = callback_placeholder(self.state.start.run_name, node.name, repetition) if node.is_webhook else ""
        return RunScope(self.state, self.moment, node.loops, repetition, callback_url=url)

    def begin(
        self,
        node: Node,
        repetition: Repetition,
        started_at: datetime,
        *,
        inputs: Json = None,
        details: dict[str, Json] | None = None,
        key: str = "",
    ) -> ActionRecord:
        """The record of an action that goes on after this turn."""
        record = ActionRecord(
            name=node.name,
            repetition=repetition,
            status=Status.RUNNING,
            started_at=started_at,
            inputs=inputs,
            details=with_secured(node, details),
            key=key,
        )
        self.emit(record)
        return record

    def finish(self, node: Node, repetition: Repetition, finish: Finish, started_at: datetime) -> None:
        """The end of an action that had no record yet."""
        self.emit_end(
            node,
            ActionRecord(
                name=node.name,
                repetition=repetition,
                status=finish.status,
                code=finish.code,
                started_at=started_at,
                ended_at=self.moment.now,
                inputs=finish.inputs,
                outputs=finish.outputs,
                error=finish.error,
                details=with_secured(node, finish.details),
            ),
        )

    def finish_begun(self, node: Node, begun: ActionRecord, finish: Finish) -> None:
        """The end of an action under way; its beginning, inputs and attempts stay."""
        self.emit_end(
            node,
            replace(
                begun,
                status=finish.status,
                code=finish.code,
                ended_at=self.moment.now,
                outputs=finish.outputs,
                error=finish.error,
                wake_at=None,
                details=with_secured(node, finish.details),
            ),
        )

    def emit_end(self, node: Node, record: ActionRecord) -> None:
        """A terminal record, with the action's tracked properties. A failure in these fails nothing (wdl.md §6).

        An action with something to hide tracks nothing: tracked properties are shown and searched.
        """
        if node.action.tracked_properties and not node.secured and record.status is not Status.SKIPPED:
            scope = RunScope(self.state, self.moment, node.loops, record.repetition, current=record)
            try:
                template = node.template("trackedProperties", dict(node.action.tracked_properties))
                record = replace(record, tracked_properties=template.evaluate(scope))
            except ExpressionError:
                pass
        self.emit(record)


def with_secured(node: Node, details: dict[str, Json] | None) -> dict[str, Json] | None:
    """The details with the mark by which the store seals what is not to be shown."""
    if not node.secured:
        return details
    return {**(details or {}), "secure": list(node.secured)}
