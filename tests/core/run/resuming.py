"""Resumes a run that was driven by hand."""

from typing import Any

from msgspec.structs import replace

from core.run.driving import Answers, Drive, Moment
from flowmend.core.definition.flow import Flow
from flowmend.core.run import CallOperation, Recovered, Started, compile_flow, fold
from flowmend.core.run.resume import Refusal, Resumption, resume_entries


def resumption(drive: Drive, onto: Flow | None = None) -> Resumption | Refusal:
    """What the run of `drive`, which has ended, hands on."""
    target = compile_flow(onto) if onto is not None else None
    return resume_entries(drive.compiled, drive.start, drive.entries, now=drive.moment.now, onto=target)


class Resumed(Drive):
    """The run that goes on, not yet begun. found: what it took over."""

    found: Resumption

    def __init__(self, origin: Drive, *, name: str = "R2", onto: Flow | None = None) -> None:
        found = resumption(origin, onto)
        assert isinstance(found, Resumption), found
        self.found = found
        self.compiled = compile_flow(onto) if onto is not None else origin.compiled
        self.start = replace(
            origin.start,
            run_name=name,
            is_synchronous=False,
            origin_run=origin.start.run_name,
            attempt=origin.start.attempt + 1,
            resumed_from=origin.start.run_name,
            taken_over=len(found.entries),
            kept_keys=found.kept_keys,
        )
        self.moment = Moment()
        self.moment.now = origin.moment.now
        self.entries = list(found.entries)
        self.state = fold(self.compiled, self.start, self.entries)
        self.commands, self.calls, self.slices, self._budget = [], [], [], 500

    def finish(self, answers: Answers | None = None) -> "Resumed":
        """Goes on to the end."""
        first = Recovered() if self.found.entries else Started()
        self.to_end(answers, self.send(first))
        return self

    def called(self) -> list[str]:
        """What was called, as `A` or `A[1]`, in order; a poll or an unsubscribing counts by its action."""
        return [shown(call) for call in self.calls]


def shown(call: CallOperation | tuple[str, tuple[int, ...]]) -> str:
    name, repetition = call.key if isinstance(call, CallOperation) else call
    return name + "".join(f"[{index}]" for index in repetition)


def resumed(drive: Drive, answers: Answers | None = None, **parts: Any) -> Resumed:
    """The run that went on from `drive`, to its end."""
    return Resumed(drive, **parts).finish(answers)
