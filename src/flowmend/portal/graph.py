"""A run as a picture: its steps in order and nesting, the line between them solid, cut or dashed.

Steps of one scope stand in levels: a step comes below everything its `runAfter` names, and steps of one level
run side by side. The line into a level says how the run came there, so following it ends where the run stopped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from flowmend.core.json_value import Json
from flowmend.core.outcome import Attempt, Diagnosis, ErrorDetail, Status
from flowmend.portal.words import Look, status_look

#: statuses that stop the line
BROKEN = frozenset({Status.FAILED, Status.FAULTED, Status.TIMED_OUT, Status.ABORTED})
_UNTOUCHED = frozenset({"", Status.SKIPPED, Status.IGNORED, Status.NOT_SPECIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The passes of a loop. statuses: of each pass, in order, "" where it was not reached; chosen: 0-based."""

    statuses: tuple[str, ...]
    chosen: int


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

    from_run: the run it was taken over from, finished.
    """

    name: str
    type: str
    status: str = ""
    code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    inputs: Json = None
    outputs: Json = None
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
        number = self.outputs.get("statusCode") if isinstance(self.outputs, dict) else None
        return f"{number} {code}" if isinstance(number, int) and str(number) not in code else code

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
class Bar:
    """A step's stretch of the timeline, in per cent of the run's duration."""

    step: Step
    left: float
    width: float


def levels(steps: tuple[Step, ...], *, after_something: bool = False) -> tuple[Level, ...]:
    """The steps of one scope as levels, in order. after_something: a line comes into the first one too."""
    depths = _depths(steps)
    drawn: list[Level] = []
    for depth in sorted(set(depths.values())):
        row = tuple(step for step in steps if depths[step.name] == depth)
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


def timeline(steps: tuple[Step, ...], started_at: datetime, ended_at: datetime) -> tuple[Bar, ...]:
    """The steps that took time, each with its stretch; scopes are told by what is in them, another run's time by that run."""
    whole = max((ended_at - started_at).total_seconds(), 0.001)
    bars = []
    for _, step in walk(steps):
        if step.started_at is None or step.is_untouched or step.branches or step.from_run:
            continue
        left = (step.started_at - started_at).total_seconds() / whole * 100
        width = ((step.ended_at or ended_at) - step.started_at).total_seconds() / whole * 100
        left = min(max(left, 0.0), 99.0)
        bars.append(Bar(step=step, left=round(left, 2), width=round(min(max(width, 0.8), 100 - left), 2)))
    return tuple(bars)


def _inside(step: Step) -> Iterator[Step]:
    for branch in step.branches:
        yield from (inner for _, inner in walk(branch.steps))


def _depths(steps: tuple[Step, ...]) -> Mapping[str, int]:
    depths: dict[str, int] = {}
    waiting = {step.name: [name for name in step.run_after if name != step.name] for step in steps}
    known = set(waiting)
    while waiting:
        ready = [name for name, after in waiting.items() if all(one in depths for one in after if one in known)]
        # A circle is refused at import; should one be read from an old journal, it is shown in document order.
        for name in ready or list(waiting)[:1]:
            depths[name] = max((depths[one] + 1 for one in waiting[name] if one in depths), default=0)
            del waiting[name]
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
