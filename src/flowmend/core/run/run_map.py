"""Where a run's records stand in its journal and how each pass went: what a page must know of a long run before it reads.

A loop of 100,000 passes has hundreds of thousands of records, of which a page shows a few. The map knows of each record
its status and its place, in some twenty bytes, and so answers which pass failed next without a record being read.
"""

from array import array
from collections.abc import Iterator

from flowmend.core.outcome import Status
from flowmend.core.run.compiling import LOOPS, Node
from flowmend.core.run.record import ActionKey
from flowmend.core.run.state import Repetition

#: Of several statuses in a pass, the one that tells it is the last here that occurs.
_TELLING = (
    None, Status.NOT_SPECIFIED, Status.IGNORED, Status.SKIPPED, Status.SUCCEEDED, Status.CANCELLED, Status.SUSPENDED,
    Status.PAUSED, Status.RUNNING, Status.WAITING, Status.ABORTED, Status.TIMED_OUT, Status.FAULTED, Status.FAILED,
)  # fmt: skip
_RANKS = {status: rank for rank, status in enumerate(_TELLING)}
_FIRST_BROKEN, _WAITING, _RUNNING = _RANKS[Status.ABORTED], _RANKS[Status.WAITING], _RANKS[Status.RUNNING]
#: translates ranks to 1 where a pass is broken, else 0
_BROKEN = bytes(int(rank >= _FIRST_BROKEN) for rank in range(256))


class _Series:
    """The passes of one action inside the same outer passes, by the innermost index."""

    __slots__ = ("inputs_at", "is_looped", "last", "ranks")

    def __init__(self, *, is_looped: bool) -> None:
        self.is_looped = is_looped
        self.ranks = bytearray()
        self.inputs_at = array("q")
        self.last = array("q")

    def note(self, index: int, rank: int, place: int, *, has_inputs: bool) -> None:
        missing = index + 1 - len(self.ranks)
        if missing > 0:
            self.ranks.extend(bytes(missing))
            self.inputs_at.extend([-1] * missing)
            self.last.extend([-1] * missing)
        if has_inputs:
            self.inputs_at[index] = place
        self.ranks[index] = rank
        self.last[index] = place


class PassMap:
    """How each pass of a loop went, in order. ranks: a byte for each pass, what tells it."""

    __slots__ = ("_broken", "ranks")

    def __init__(self, ranks: bytes) -> None:
        self.ranks = ranks
        self._broken = ranks.translate(_BROKEN)

    def __len__(self) -> int:
        return len(self.ranks)

    def status(self, index: int) -> str:
        """What tells the pass, "" where it was not reached."""
        found = _TELLING[self.ranks[index]]
        return "" if found is None else found.value

    @property
    def failed_count(self) -> int:
        return self._broken.count(1)

    def failed_after(self, index: int) -> int | None:
        """The next pass that failed."""
        found = self._broken.find(1, index + 1)
        return None if found < 0 else found

    def failed_before(self, index: int) -> int | None:
        """The nearest earlier pass that failed."""
        found = self._broken.rfind(1, 0, max(index, 0))
        return None if found < 0 else found

    def first_other(self, other: "PassMap") -> int:
        """The first pass that went otherwise there or is in one of them alone; the most telling where none is."""
        for index, (here, there) in enumerate(zip(self.ranks, other.ranks, strict=False)):
            if here != there:
                return index
        shorter, longer = sorted((len(self), len(other)))
        return shorter if 0 < shorter < longer else self.most_telling

    @property
    def most_telling(self) -> int:
        """The first pass that failed, else that waits, else that is under way, else the first."""
        for found in (self._broken.find(1), self.ranks.find(_WAITING), self.ranks.find(_RUNNING)):
            if found >= 0:
                return found
        return 0


class RunMap:
    """Grows with the journal. A place is whatever number the journal's reader finds a record again by, from 0."""

    def __init__(self) -> None:
        self._series: dict[ActionKey, _Series] = {}
        self._passes: dict[ActionKey, tuple[int, PassMap]] = {}
        self.count = 0

    def note(self, name: str, repetition: Repetition, status: Status, place: int, *, has_inputs: bool = True) -> None:
        """A record of the journal; the later one of an action or pass counts. has_inputs: its inputs are not an earlier one's."""
        self.count += 1
        outer, index = (repetition[:-1], repetition[-1]) if repetition else ((), 0)
        series = self._series.get((name, outer))
        if series is None:
            series = self._series[name, outer] = _Series(is_looped=bool(repetition))
        series.note(index, _RANKS[status], place, has_inputs=has_inputs)

    def status(self, key: ActionKey) -> Status | None:
        """None where it was not reached."""
        found = self._found(key)
        return None if found is None else _TELLING[found[0].ranks[found[1]]]

    def places(self, key: ActionKey) -> tuple[int, int] | None:
        """Where the latest record of the action or pass stands, and the one that holds its inputs, -1 for none; None where it was
        not reached.
        """
        found = self._found(key)
        return None if found is None else (found[0].last[found[1]], found[0].inputs_at[found[1]])

    def passes(self, loop: Node, repetition: Repetition) -> PassMap:
        """How the passes of a loop went. repetition: of the loop itself."""
        kept = self._passes.get((loop.name, repetition))
        if kept is not None and kept[0] == self.count:
            return kept[1]
        found = [self._series.get((node.name, repetition)) for node in _directly_in(loop)]
        ranks = [bytes(one.ranks) for one in found if one is not None]
        longest = max(map(len, ranks), default=0)
        told = bytes(longest)
        for one in ranks:
            told = bytes(map(max, told, one.ljust(longest, b"\0")))
        made = PassMap(told)
        self._passes[loop.name, repetition] = (self.count, made)
        return made

    def keys(self) -> Iterator[ActionKey]:
        """Every action and pass with a record; each action's passes in order."""
        for (name, outer), series in self._series.items():
            for index in range(len(series.ranks)):
                if series.ranks[index]:
                    yield name, (*outer, index) if series.is_looped else ()

    def first_broken(self, name: str) -> ActionKey | None:
        """The action, or the first pass of it, that failed; None where none did."""
        for (one, outer), series in self._series.items():
            found = series.ranks.translate(_BROKEN).find(1) if one == name else -1
            if found >= 0:
                return name, (*outer, found) if series.is_looped else ()
        return None

    @property
    def waiting(self) -> tuple[ActionKey, ...]:
        """Actions and passes that wait."""
        return tuple(
            (name, (*outer, index) if series.is_looped else ())
            for (name, outer), series in self._series.items()
            if _WAITING in series.ranks
            for index, rank in enumerate(series.ranks)
            if rank == _WAITING
        )

    def _found(self, key: ActionKey) -> tuple[_Series, int] | None:
        name, repetition = key
        outer, index = (repetition[:-1], repetition[-1]) if repetition else ((), 0)
        series = self._series.get((name, outer))
        return (series, index) if series is not None and index < len(series.ranks) and series.ranks[index] else None


def _directly_in(loop: Node) -> Iterator[Node]:
    """The actions whose innermost loop this is."""
    waiting = [*loop.branches]
    while waiting:
        branch = waiting.pop()
        for node in branch.nodes:
            yield node
            if node.type not in LOOPS:
                waiting.extend(node.branches)
