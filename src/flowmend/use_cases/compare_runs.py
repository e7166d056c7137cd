"""Two runs of one flow beside each other: what went otherwise in each action, and which values differ.

Of each loop one pass is compared, that of the same number in both: as asked for, else the first that went otherwise. What is
read is therefore bounded by the flow, not by its runs. Runs of different versions are compared by the names of their actions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import ActionKey, ActionRecord
from flowmend.core.run.comparison import Differences, differences
from flowmend.core.run.compiling import LOOPS, Branch, Node
from flowmend.core.run.history import readable
from flowmend.core.run.run_map import PassMap
from flowmend.core.run.views import SANITIZED
from flowmend.store.rows import RunRow
from flowmend.store.runs import RunFilter
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_journals import RunJournal
from flowmend.use_cases.runs import RunHead, read_run_head

#: Headers that are others in each answer and so tell nothing: times and the names of requests.
_PASSING_HEADERS = frozenset(
    {
        "date", "age", "expires", "last-modified", "server-timing", "x-runtime", "x-request-id", "request-id", "client-request-id",
        "x-ms-request-id", "x-ms-correlation-request-id", "x-ms-client-request-id", "x-ms-workflow-run-id", "x-correlation-id",
        "traceparent", "tracestate", "idempotency-key",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How an action ended in one of the runs. status: "" where it was not reached."""

    status: str
    code: str = ""
    error_message: str = ""
    started_at: datetime | None = None
    duration: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSides:
    """How often a loop went round in each run, and how many of these passes failed."""

    left_passes: int
    right_passes: int
    left_failed: int
    right_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedAction:
    """One action, or the compared pass of it. left, right: None where the run's version has no such action."""

    name: str
    type: str
    repetition: tuple[int, ...]
    left: Side | None
    right: Side | None
    inputs: Differences = field(default_factory=Differences)
    outputs: Differences = field(default_factory=Differences)
    loop: LoopSides | None = None

    @property
    def is_in_one(self) -> bool:
        """Whether only one of the versions has it."""
        return self.left is None or self.right is None

    @property
    def ended_otherwise(self) -> bool:
        """Whether status or code differ; how long it took does not count."""
        left, right = self.left, self.right
        return left is not None and right is not None and (left.status, left.code) != (right.status, right.code)

    @property
    def has_same_values(self) -> bool:
        """Whether both runs came here, and with the same inputs and outputs as far as they are shown."""
        ran = all(side is not None and side.status not in {"", Status.SKIPPED} for side in (self.left, self.right))
        parts = (self.inputs, self.outputs)
        return ran and not any(part or part.is_hidden for part in parts)

    @property
    def differs(self) -> bool:
        loop = self.loop
        counts = loop is not None and (loop.left_passes, loop.left_failed) != (loop.right_passes, loop.right_failed)
        return self.is_in_one or self.ended_otherwise or bool(self.inputs) or bool(self.outputs) or counts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """actions: of the left run's version in its order, then those that only the right one has. chosen: `{loop: pass, from 0}`."""

    left: RunHead
    right: RunHead
    actions: tuple[ComparedAction, ...]
    trigger: Differences
    chosen: Mapping[str, int]

    @property
    def is_of_one_version(self) -> bool:
        return self.left.row.version == self.right.row.version

    @property
    def differing(self) -> tuple[ComparedAction, ...]:
        return tuple(one for one in self.actions if one.differs)


def run_to_compare(services: Services, row: RunRow) -> str:
    """The run that tells most beside this one: the flow's last that succeeded, else what this one repeats, else the one before; "" for none."""
    found = services.store.runs.list(RunFilter(flow_id=row.flow_id, statuses=(Status.SUCCEEDED.value,)), limit=2)[0]
    names = [one.run_name for one in found if one.run_name != row.run_name]
    if names or row.origin_run:
        return names[0] if names else row.origin_run
    others, _ = services.store.runs.list(RunFilter(flow_id=row.flow_id), limit=2)
    return next((one.run_name for one in others if one.run_name != row.run_name), "")


async def compare_runs(
    services: Services, left_name: str, right_name: str = "", passes: Mapping[str, int] | None = None
) -> RunComparison:
    """right_name: "" for the run that tells most. passes: `{loop: pass, from 0}` as asked for.

    Errors: NotFound; AskedWrongly `RunsOfDifferentFlows`, `NothingToCompare`.
    """
    return await compare_with(services, await read_run_head(services, left_name), right_name, passes)


async def compare_with(
    services: Services, left: RunHead, right_name: str = "", passes: Mapping[str, int] | None = None
) -> RunComparison:
    """As `compare_runs`, of a run that was read."""
    right_name = right_name or run_to_compare(services, left.row)
    if not right_name:
        raise AskedWrongly(
            "The flow has no other run to compare with.", code="NothingToCompare", target=left.row.run_name
        )
    right = await read_run_head(services, right_name)
    if left.row.flow_id != right.row.flow_id:
        raise AskedWrongly(
            "These are runs of different flows: only runs of one flow are compared.", code="RunsOfDifferentFlows"
        )
    sides = [await _open(services, head) for head in (left, right)]
    comparing = _Comparing(*sides, asked=passes or {})
    actions = tuple(comparing.actions())
    hides_trigger = any(side.loaded.has_secure_trigger for side in sides)
    trigger_outputs = (SANITIZED, SANITIZED) if hides_trigger else tuple(_trigger_outputs(one) for one in (left, right))
    return RunComparison(
        left=left,
        right=right,
        actions=actions,
        trigger=differences(*trigger_outputs),
        chosen=comparing.chosen,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    loaded: LoadedFlow
    journal: RunJournal

    def passes(self, node: Node | None, repetition: tuple[int, ...]) -> PassMap:
        return PassMap(b"") if node is None else self.journal.map.passes(node, repetition)

    def record(self, key: ActionKey) -> ActionRecord | None:
        found = self.journal.record(key)
        return None if found is None else readable(found)


async def _open(services: Services, head: RunHead) -> _Opened:
    return _Opened(
        loaded=services.flows.version(head.row.flow_id, head.row.version),
        journal=await services.journals.open(services.store, services.vault, head.row.run_name),
    )


_Compare = Callable[[Node, tuple[int, ...]], ComparedAction | None]


class _Comparing:
    def __init__(self, left: _Opened, right: _Opened, *, asked: Mapping[str, int]) -> None:
        self._left, self._right, self._asked = left, right, asked
        self.chosen: dict[str, int] = {}

    def actions(self) -> Iterator[ComparedAction]:
        yield from self._of(self._left.loaded.compiled.root, (), self._compared)
        yield from self._of(self._right.loaded.compiled.root, (), self._only_right)

    def _of(self, branch: Branch, repetition: tuple[int, ...], compare: _Compare) -> Iterator[ComparedAction]:
        for node in branch.nodes:
            found = compare(node, repetition)
            if found is not None:
                yield found
            inner = (*repetition, self._pass(node, repetition)) if node.type in LOOPS else repetition
            for one in node.branches:
                yield from self._of(one, inner, compare)

    def _compared(self, node: Node, repetition: tuple[int, ...]) -> ComparedAction:
        other = self._right.loaded.compiled.nodes.get(node.name)
        key = (node.name, repetition)
        left, right = self._left.record(key), self._right.record(key) if other is not None else None
        return ComparedAction(
            name=node.name,
            type=node.type,
            repetition=repetition,
            left=_side(left),
            right=None if other is None else _side(right),
            inputs=_parts(left, right, "inputs"),
            outputs=_parts(left, right, "outputs"),
            loop=self._loop(node, repetition) if node.type in LOOPS else None,
        )

    def _only_right(self, node: Node, repetition: tuple[int, ...]) -> ComparedAction | None:
        if node.name in self._left.loaded.compiled.nodes:
            return None
        record = self._right.record((node.name, repetition))
        return ComparedAction(name=node.name, type=node.type, repetition=repetition, left=None, right=_side(record))

    def _loop(self, node: Node, repetition: tuple[int, ...]) -> LoopSides:
        left, right = self._both(node, repetition)
        return LoopSides(
            left_passes=len(left),
            right_passes=len(right),
            left_failed=left.failed_count,
            right_failed=right.failed_count,
        )

    def _pass(self, loop: Node, repetition: tuple[int, ...]) -> int:
        if loop.name not in self.chosen:
            left, right = self._both(loop, repetition)
            wanted = self._asked.get(loop.name)
            chosen = left.first_other(right) if wanted is None else wanted
            self.chosen[loop.name] = max(min(chosen, max(len(left), len(right)) - 1), 0)
        return self.chosen[loop.name]

    def _both(self, loop: Node, repetition: tuple[int, ...]) -> tuple[PassMap, PassMap]:
        left, right = (side.loaded.compiled.nodes.get(loop.name) for side in (self._left, self._right))
        return self._left.passes(left, repetition), self._right.passes(right, repetition)


def _side(record: ActionRecord | None) -> Side:
    if record is None:
        return Side(status="")
    ended = record.ended_at - record.started_at if record.started_at and record.ended_at else None
    return Side(
        status=record.status.value,
        code=record.code,
        error_message=record.error.message if record.error else "",
        started_at=record.started_at,
        duration=ended,
    )


def _parts(left: ActionRecord | None, right: ActionRecord | None, part: str) -> Differences:
    """Of an action that one of the runs did not reach, that it was not is all there is to tell."""
    if left is None or right is None or Status.SKIPPED in (left.status, right.status):
        return Differences()
    values: list[Json] = [_lasting(getattr(record, part)) for record in (left, right)]
    return differences(*values)


def _lasting(value: Json) -> Json:
    """Without the headers that are others in each answer."""
    headers = value.get("headers") if isinstance(value, dict) else None
    if not isinstance(headers, dict):
        return value
    kept = {name: one for name, one in headers.items() if name.lower() not in _PASSING_HEADERS}
    return {**value, "headers": kept}


def _trigger_outputs(head: RunHead) -> Json:
    return head.start.trigger.get("outputs")
