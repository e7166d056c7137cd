"""A run as a picture: its steps in order and nesting, the line between them solid, cut or dashed.

Steps of one scope stand in levels: a step comes below everything its `runAfter` names, and steps of one level
run side by side. The line into a level says how the run came there, so following it ends where the run stopped.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from flowmend.core.outcome import Attempt, Diagnosis, ErrorDetail, Status
from flowmend.portal.words import Look, status_look

#: statuses that stop the line
BROKEN = frozenset({Status.FAILED, Status.FAULTED, Status.TIMED_OUT, Status.ABORTED})
_UNTOUCHED = frozenset({"", Status.SKIPPED, Status.IGNORED, Status.NOT_SPECIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The passes of a loop, all numbers from 0. statuses: of those shown, from the pass `first`, "" where it was not reached.

    previous_failed, next_failed: the nearest ones that failed.
    """

    count: int
    chosen: int
    first: int = 0
    statuses: tuple[str, ...] = ()
    failed_count: int = 0
    previous_failed: int | None = None
    next_failed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch of a step. kind: `actions`, `else`, `default` or `case`. was_taken: None where it always runs."""

    kind: str
    name: str = ""
    was_taken: bool | None = None
    steps: tuple["Step", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A trigger or an action of the chosen passes. status: "" where it was not reached. path: of the shown repetition.

    from_run: the run it was taken over from, finished. status_number: of the HTTP answer of a failed call, 0 for none.
    """

    name: str
    type: str
    status: str = ""
    code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: ErrorDetail | None = None
    attempts: tuple[Attempt, ...] = ()
    connector: str = ""
    connection_id: str = ""
    diagnosis: Diagnosis | None = None
    wake_at: datetime | None = None
    repetition: tuple[int, ...] = ()
    run_after: tuple[str, ...] = ()
    branches: tuple[Branch, ...] = ()
    passes: Passes | None = None
    from_run: str = ""
    status_number: int = 0
    is_trigger: bool = False

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return f"a-{self.name}"

    @property
    def look(self) -> Look:
        return status_look(self.status, self.code, was_retried=len(self.attempts) > 1)

    @property
    def is_broken(self) -> bool:
        return self.status in BROKEN

    @property
    def is_untouched(self) -> bool:
        return self.status in _UNTOUCHED

    @property
    def code_in_full(self) -> str:
        """What went wrong as a code, an HTTP answer with its number: `401 Unauthorized`."""
        code = (
            self.diagnosis.code
            if self.diagnosis and self.diagnosis.code
            else self.error.code
            if self.error
            else self.code
        )
        number = self.status_number
        return f"{number} {code}" if number and str(number) not in code else code

    @property
    def words(self) -> str:
        """The name as people read it: `Create_order_line` is written by designers for `Create order line`."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Steps side by side. wire: how the line comes into them: `ok`, `bad`, `cut`, `off`, `run`, "" for none."""

    wire: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of the timeline, in per cent of the run's duration. tone: `good`, `bad`, …, `wait` between two attempts."""

    left: float
    width: float
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A step on the timeline: one stretch, or one for each of its attempts and the waits between."""

    step: Step
    stretches: tuple[Stretch, ...]


def levels(steps: tuple[Step, ...], *, after_something: bool = False) -> tuple[Level, ...]:
    """The steps of one scope as levels, in order. after_something: a line comes into the first one too."""
    depths = _depths(steps)
    rows: dict[int, list[Step]] = {}
    for step in steps:
        rows.setdefault(depths[step.name], []).append(step)
    drawn: list[Level] = []
    for _, side_by_side in sorted(rows.items()):
        row = tuple(side_by_side)
        drawn.append(Level(wire=_wire(row) if drawn or after_something else "", steps=row))
    return tuple(drawn)


def walk(steps: tuple[Step, ...]) -> Iterator[tuple[int, Step]]:
    """Every shown step with its depth of nesting, in the order of the picture."""
    for level in levels(steps):
        for step in level.steps:
            yield 0, step
            for branch in step.branches:
                yield from ((depth + 1, inner) for depth, inner in walk(branch.steps))


def first_broken(steps: tuple[Step, ...]) -> Step | None:
    """Where the run stopped: the innermost failed step that comes first."""
    broken = [step for _, step in walk(steps) if step.is_broken]
    return next((step for step in broken if not any(inner.is_broken for inner in _inside(step))), None)


def timeline(
    steps: tuple[Step, ...], started_at: datetime, ended_at: datetime, *, most: int = 40
) -> tuple[tuple[Bar, ...], int]:
    """The steps that took time, each with its stretches, and how many are left out: of more than `most`, the longest are shown.

    Scopes are told by what is in them, another run's time by that run.
    """
    took = [
        step
        for _, step in walk(steps)
        if step.started_at is not None and not (step.is_untouched or step.branches or step.from_run)
    ]
    longest = sorted(took, key=lambda step: step.is_broken * 1e9 + _seconds(step, ended_at), reverse=True)[:most]
    kept = {step.name for step in longest}
    whole = max((ended_at - started_at).total_seconds(), 0.001)

    def stretch(begins: datetime, ends: datetime, tone: str) -> Stretch:
        left = min(max((begins - started_at).total_seconds() / whole * 100, 0.0), 99.0)
        width = max((ends - begins).total_seconds() / whole * 100, 0.8)
        return Stretch(left=round(left, 2), width=round(min(width, 100 - left), 2), tone=tone)

    def bar(step: Step) -> Bar:
        tries = step.attempts
        if len(tries) < 2:
            begins = step.started_at or started_at
            return Bar(step=step, stretches=(stretch(begins, step.ended_at or ended_at, step.look.tone),))
        drawn = [stretch(one.started_at, one.ended_at, "bad") for one in tries[:-1]]
        waits = [stretch(one.ended_at, later.started_at, "wait") for one, later in pairwise(tries)]
        last = stretch(tries[-1].started_at, tries[-1].ended_at, step.look.tone)
        return Bar(step=step, stretches=(*waits, *drawn, last))

    return tuple(bar(step) for step in took if step.name in kept), len(took) - len(kept)


def _seconds(step: Step, ended_at: datetime) -> float:
    return 0.0 if step.started_at is None else ((step.ended_at or ended_at) - step.started_at).total_seconds()


def _inside(step: Step) -> Iterator[Step]:
    for branch in step.branches:
        yield from (inner for _, inner in walk(branch.steps))


def _depths(steps: tuple[Step, ...]) -> Mapping[str, int]:
    known = {step.name for step in steps}
    before = {step.name: {name for name in step.run_after if name in known and name != step.name} for step in steps}
    left = {name: len(names) for name, names in before.items()}
    followers: dict[str, list[str]] = {}
    for name, names in before.items():
        for one in names:
            followers.setdefault(one, []).append(name)
    depths: dict[str, int] = {}
    ready = deque(name for name, count in left.items() if not count)
    while len(depths) < len(before):
        # A circle is refused at import; should one be read from an old journal, it is shown in document order.
        name = ready.popleft() if ready else next(one for one in before if one not in depths)
        if name in depths:
            continue
        depths[name] = max((depths[one] + 1 for one in before[name] if one in depths), default=0)
        for follower in followers.get(name, ()):
            left[follower] -= 1
            if not left[follower]:
                ready.append(follower)
    return depths


def _wire(row: tuple[Step, ...]) -> str:
    if any(step.is_broken for step in row):
        # Into a scope the line goes on to the very step; in front of that step it is cut.
        return "bad" if any(step.is_broken and step.branches for step in row) else "cut"
    if all(step.is_untouched for step in row):
        return "off"
    if any(step.status in {Status.RUNNING, Status.WAITING} for step in row):
        return "run"
    return "ok"
