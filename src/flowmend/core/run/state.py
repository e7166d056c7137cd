"""Where a run stands: exactly what folding its journal gives, plus whether its caller still waits."""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.compiling import Branch, CompiledFlow, Node
from flowmend.core.run.record import ActionKey, ActionRecord, EndRecord, RunStart

Repetition = tuple[int, ...]


class Skip(Enum):
    """Why nothing in an open branch is started any more."""

    BRANCH_NOT_TAKEN = "branch not taken"
    CONTAINER_DID_NOT_RUN = "container did not run"
    ENDED = "ended"  # by a Terminate, a cancellation or the container's time-out


@dataclass(slots=True, eq=False, repr=False)
class OpenBranch:
    """One pass through a branch. remaining: actions without an end. waiting: per node, predecessors without one."""

    branch: Branch
    repetition: Repetition
    owner_key: ActionKey | None
    remaining: int
    waiting: list[int]
    skip: Skip | None = None


@dataclass(slots=True, eq=False, repr=False)
class OpenLoop:
    """A Foreach or Until under way. items: of a Foreach. next_index: the iteration to begin next.

    again: iterations that an earlier run began and this one goes on with, before any new one.
    """

    items: list[Json]
    next_index: int = 0
    open_count: int = 0
    has_failed: bool = False
    again: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False, repr=False)
class Variable:
    """A variable of the run. is_lent: an expression saw `value`, so an append must copy it first.

    value: of a string it may be a list of pieces, until `read` joins them.
    """

    name: str
    type: str
    value: Json
    is_lent: bool = True

    def read(self) -> Json:
        """The value, which whoever reads it may keep: it is never changed in place afterwards."""
        if self.type == "string":
            if isinstance(self.value, list):
                self.value = "".join(self.value)
        else:
            self.is_lent = True
        return self.value


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run is to end, decided before its actions were through."""

    status: Status
    code: str
    error: ErrorDetail | None


@dataclass(slots=True, eq=False, repr=False)
class RunState:
    """Where a run stands; only `transitions.apply` changes it.

    records: the latest of each key. unfinished: those without an end, in the order they began. ready: what the next step may take up, in order. loops: also those that ended, for `items` of late readers is not
    needed but their count is. kept_keys: of calls that carry the key of an earlier run. held_back: containers
    that an earlier run had begun and that go on once all before them has an end. has_caller: a synchronous caller waits for a Response.
    """

    compiled: CompiledFlow
    start: RunStart
    root: OpenBranch
    has_caller: bool
    records: dict[ActionKey, ActionRecord] = field(default_factory=dict)
    unfinished: dict[ActionKey, ActionRecord] = field(default_factory=dict)
    branches: dict[tuple[int, Repetition], OpenBranch] = field(default_factory=dict)
    loops: dict[ActionKey, OpenLoop] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    ready: OrderedDict[ActionKey, Node] = field(default_factory=OrderedDict)
    kept_keys: dict[ActionKey, str] = field(default_factory=dict)
    held_back: set[ActionKey] = field(default_factory=set)
    ending: Ending | None = None
    has_responded: bool = False
    end: EndRecord | None = None

    @property
    def answer_is_missing(self) -> bool:
        """The run ended without the answer its caller waits for: the caller gets 502 (wdl.md §4)."""
        return self.end is not None and self.compiled.has_response and not self.has_responded
