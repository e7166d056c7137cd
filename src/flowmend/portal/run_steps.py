"""From a run's journal to the steps of its picture: the trigger first, of each loop the chosen pass. Read is what is shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import ActionKey, ActionRecord, Entry
from flowmend.core.run.compiling import LOOPS, CompiledFlow, Node
from flowmend.core.run.compiling import Branch as CompiledBranch
from flowmend.core.run.history import readable
from flowmend.core.run.run_map import RunMap
from flowmend.core.run.views import SANITIZED
from flowmend.portal.graph import Branch, Passes, Step
from flowmend.use_cases.run_journals import RecordHead

#: Passes that a loop shows beside the chosen one.
SHOWN_PASSES = 16


class Journal(Protocol):
    """What the picture is read from; `RunJournal` is one."""

    map: RunMap

    def head(self, key: ActionKey) -> RecordHead | None: ...

    def status_number(self, key: ActionKey) -> int: ...

    def record(self, key: ActionKey) -> ActionRecord | None: ...


class JournalInMemory:
    """A journal that was never written, such as a trial's."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.map = RunMap()
        self._records: list[ActionRecord] = []
        for entry in entries:
            if isinstance(entry, ActionRecord):
                self.map.note(entry.name, entry.repetition, entry.status, len(self._records))
                self._records.append(entry)

    def head(self, key: ActionKey) -> RecordHead | None:
        record = self.record(key)
        if record is None:
            return None
        kept = {name: getattr(record, name) for name in RecordHead.__struct_fields__ if name != "details"}
        details = msgspec.msgpack.encode(record.details) if isinstance(record.details, dict) else b""
        return RecordHead(**kept, details=msgspec.Raw(details))

    def status_number(self, key: ActionKey) -> int:
        record = self.record(key)
        number = record.outputs.get("statusCode") if record and isinstance(record.outputs, dict) else 0
        return number if isinstance(number, int) else 0

    def record(self, key: ActionKey) -> ActionRecord | None:
        places = self.map.places(key)
        return None if places is None else self._records[places[0]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReader:
    """Reads a journal into steps.

    connector_of: an action's connector, "" for those that call none. chosen: pass by loop name, as asked for;
    else the first that failed, else the first that waits, else the first under way, else the first.
    """

    compiled: CompiledFlow
    journal: Journal
    connector_of: Callable[[str], str]
    chosen: Mapping[str, int]

    def steps(self) -> tuple[Step, ...]:
        """The steps of the run."""
        return self._of(self.compiled.root, ())

    def values(self, step: Step) -> tuple[Json, Json]:
        """The inputs and outputs of an action, secure ones as `*sanitized*`; None for none."""
        record = self.journal.record((step.name, step.repetition))
        shown = None if record is None else readable(record)
        return (None, None) if shown is None else (shown.inputs, shown.outputs)

    def _of(self, branch: CompiledBranch, repetition: tuple[int, ...]) -> tuple[Step, ...]:
        return tuple(self._step(node, repetition) for node in branch.nodes)

    def _step(self, node: Node, repetition: tuple[int, ...]) -> Step:
        key = (node.name, repetition)
        head = self.journal.head(key)
        passes, branches = (
            self._passes(node, repetition) if node.type in LOOPS else (None, self._branches(node, repetition, head))
        )
        step = Step(
            name=node.name,
            type=node.type,
            connector=self.connector_of(node.name),
            repetition=repetition,
            run_after=tuple(predecessor.name for predecessor, _ in node.predecessors),
            branches=branches,
            passes=passes,
        )
        if head is None:
            return step
        return replace(
            step,
            status=head.status,
            code=head.code,
            started_at=head.started_at,
            ended_at=head.ended_at,
            error=head.error,
            attempts=head.attempts,
            connection_id=head.connection_id,
            diagnosis=head.diagnosis,
            wake_at=head.wake_at,
            from_run=head.from_run,
            status_number=self.journal.status_number(key) if head.status is Status.FAILED else 0,
        )

    def _branches(self, node: Node, repetition: tuple[int, ...], head: RecordHead | None) -> tuple[Branch, ...]:
        taken = head.branch if head is not None and node.type in {"If", "Switch"} else ""
        return tuple(
            Branch(
                kind="case" if branch.name.startswith("case:") else branch.name,
                name=branch.name.removeprefix("case:"),
                was_taken=branch.name == taken if taken else None,
                steps=self._of(branch, repetition),
            )
            for branch in node.branches
        )

    def _passes(self, node: Node, repetition: tuple[int, ...]) -> tuple[Passes, tuple[Branch, ...]]:
        passes = self.journal.map.passes(node, repetition)
        if not len(passes):
            return Passes(count=0, chosen=0), (Branch(kind="actions", steps=self._of(node.branches[0], repetition)),)
        chosen = min(max(self.chosen.get(node.name, passes.most_telling), 0), len(passes) - 1)
        first = max(min(chosen - SHOWN_PASSES // 2, len(passes) - SHOWN_PASSES), 0)
        shown = Passes(
            count=len(passes),
            chosen=chosen,
            first=first,
            statuses=tuple(passes.status(index) for index in range(first, min(first + SHOWN_PASSES, len(passes)))),
            failed_count=passes.failed_count,
            previous_failed=passes.failed_before(chosen),
            next_failed=passes.failed_after(chosen),
        )
        return shown, (Branch(kind="actions", steps=self._of(node.branches[0], (*repetition, chosen))),)


def trigger_step(trigger: Trigger | None, view: Mapping[str, Json]) -> Step:
    """The trigger's card. view: `{name, inputs?, outputs?, startTime, endTime, status, code?}` of the run's start."""
    return Step(
        name=str(view.get("name") or (trigger.name if trigger else "")),
        type=trigger.type if trigger else "Request",
        status=str(view.get("status") or Status.SUCCEEDED),
        code=str(view.get("code") or ""),
        started_at=_time(view.get("startTime")),
        ended_at=_time(view.get("endTime")),
        is_trigger=True,
    )


def trigger_values(trigger: Trigger | None, view: Mapping[str, Json]) -> tuple[Json, Json]:
    """What the trigger was asked and gave, as shown. view: as of `trigger_step`."""
    is_secret = trigger is not None and trigger.runtime.secure_outputs
    outputs = view.get("outputs")
    return view.get("inputs"), SANITIZED if is_secret and outputs is not None else outputs


def after_trigger(steps: tuple[Step, ...], trigger: Step) -> tuple[Step, ...]:
    """The trigger and, below it, the actions that wait for nothing else."""
    return trigger, *(_following(step, trigger.name) for step in steps)


def _following(step: Step, trigger_name: str) -> Step:
    return step if step.run_after else replace(step, run_after=(trigger_name,))


def _time(text: Json) -> datetime | None:
    # the service writes seven digits after the second, Python reads six
    if not isinstance(text, str) or not text:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6] or '0'}+00:00")
