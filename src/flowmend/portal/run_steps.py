"""From the engine's cards of a run to the steps of its picture: the trigger first, of each loop the chosen pass."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flowmend.core.definition.flow import Trigger
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import ActionRecord
from flowmend.core.run.cards import ActionCard
from flowmend.core.run.views import SANITIZED
from flowmend.portal.graph import BROKEN, Branch, Passes, Step

#: (loop's name, repetition of the pass) → its cards, for passes beyond those the tree holds
OpenPass = Callable[[str, tuple[int, ...]], Sequence[ActionCard]]

#: Of several statuses in a pass, the one that tells it: the first here that occurs.
_TELLING = (
    Status.FAILED, Status.FAULTED, Status.TIMED_OUT, Status.ABORTED, Status.WAITING, Status.RUNNING,
    Status.CANCELLED, Status.SUCCEEDED, Status.SKIPPED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReader:
    """Reads cards into steps.

    connector_of: an action's connector, "" for those that call none. chosen: pass by loop name, as asked for;
    else the first that failed, else the first under way, else the first.
    """

    records: Mapping[tuple[str, tuple[int, ...]], ActionRecord]
    open_pass: OpenPass
    connector_of: Callable[[str], str]
    chosen: Mapping[str, int]

    def steps(self, cards: Iterable[ActionCard]) -> tuple[Step, ...]:
        """The steps of one scope."""
        return tuple(map(self._step, cards))

    def _step(self, card: ActionCard) -> Step:
        record = card.record
        passes, branches = self._passes(card) if card.type in {"Foreach", "Until"} else (None, self._branches(card))
        if record is None:
            return Step(
                name=card.name,
                type=card.type,
                connector=self.connector_of(card.name),
                repetition=card.repetition,
                run_after=card.run_after,
                branches=branches,
                passes=passes,
            )
        return Step(
            name=card.name,
            type=card.type,
            status=record.status,
            code=record.code,
            started_at=record.started_at,
            ended_at=record.ended_at,
            inputs=record.inputs,
            outputs=record.outputs,
            error=record.error,
            attempts=record.attempts,
            connector=self.connector_of(card.name),
            connection_id=record.connection_id,
            diagnosis=record.diagnosis,
            wake_at=record.wake_at,
            from_run=record.from_run,
            repetition=card.repetition,
            run_after=card.run_after,
            branches=branches,
            passes=passes,
        )

    def _branches(self, card: ActionCard) -> tuple[Branch, ...]:
        is_decided = card.type in {"If", "Switch"} and any(branch.is_taken for branch in card.branches)
        return tuple(
            Branch(
                kind="case" if branch.name.startswith("case:") else branch.name,
                name=branch.name.removeprefix("case:"),
                was_taken=branch.is_taken if is_decided else None,
                steps=self.steps(branch.cards),
            )
            for branch in card.branches
        )

    def _passes(self, card: ActionCard) -> tuple[Passes, tuple[Branch, ...]]:
        if not card.iteration_count:
            return Passes(statuses=(), chosen=0), self._branches(card)
        statuses = self._statuses(card)
        chosen = self.chosen.get(card.name, _most_telling(statuses))
        chosen = min(max(chosen, 0), card.iteration_count - 1)
        if chosen < len(card.iterations):
            cards: Sequence[ActionCard] = card.iterations[chosen].cards
        else:
            cards = self.open_pass(card.name, (*card.repetition, chosen))
        return Passes(statuses=statuses, chosen=chosen), (Branch(kind="actions", steps=self.steps(cards)),)

    def _statuses(self, loop: ActionCard) -> tuple[str, ...]:
        inside = set(_names(loop.iterations[0].cards)) if loop.iterations else set()
        depth = len(loop.repetition)
        found: list[set[Status]] = [set() for _ in range(loop.iteration_count)]
        for (name, repetition), record in self.records.items():
            if name in inside and len(repetition) > depth and repetition[:depth] == loop.repetition:
                found[repetition[depth]].add(record.status)
        return tuple(next((one for one in _TELLING if one in statuses), "") for statuses in found)


def trigger_step(trigger: Trigger | None, view: Mapping[str, Json]) -> Step:
    """The trigger's card. view: `{name, inputs?, outputs?, startTime, endTime, status, code?}` of the run's start."""
    is_secret = trigger is not None and trigger.runtime.secure_outputs
    outputs = view.get("outputs")
    return Step(
        name=str(view.get("name") or (trigger.name if trigger else "")),
        type=trigger.type if trigger else "Request",
        status=str(view.get("status") or Status.SUCCEEDED),
        code=str(view.get("code") or ""),
        started_at=_time(view.get("startTime")),
        ended_at=_time(view.get("endTime")),
        inputs=view.get("inputs"),
        outputs=SANITIZED if is_secret and outputs is not None else outputs,
    )


def after_trigger(steps: tuple[Step, ...], trigger: Step) -> tuple[Step, ...]:
    """The trigger and, below it, the actions that wait for nothing else."""
    return trigger, *(_following(step, trigger.name) for step in steps)


def _following(step: Step, trigger_name: str) -> Step:
    return step if step.run_after else replace(step, run_after=(trigger_name,))


def _names(cards: Iterable[ActionCard]) -> Iterator[str]:
    for card in cards:
        yield card.name
        for branch in card.branches:
            yield from _names(branch.cards)
        if card.iterations:
            yield from _names(card.iterations[0].cards)


def _most_telling(statuses: Sequence[str]) -> int:
    for wanted in (BROKEN, frozenset({Status.WAITING}), frozenset({Status.RUNNING})):
        for index, status in enumerate(statuses):
            if status in wanted:
                return index
    return 0


def _time(text: Json) -> datetime | None:
    # the service writes seven digits after the second, Python reads six
    if not isinstance(text, str) or not text:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6] or '0'}+00:00")
