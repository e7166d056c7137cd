"""What of a run that ended stands, what is opened again, and what is done again."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.call_making import CALLED_TYPES
from flowmend.core.run.compiling import LOOPS, Branch, CompiledFlow, Node
from flowmend.core.run.failed_work import FailedWork
from flowmend.core.run.history import iteration_counts, latest_records
from flowmend.core.run.leaves import branch_failed
from flowmend.core.run.record import ActionKey, ActionRecord, Entry
from flowmend.core.run.sending import END, POLL, UPLOAD, phase_of
from flowmend.core.run.state import Repetition
from flowmend.core.run.terminate import TERMINATED

_NEVER = datetime.max.replace(tzinfo=UTC)
_FAILED = frozenset({Status.FAILED, Status.TIMED_OUT, Status.ABORTED, Status.FAULTED})
_SUCCEEDED, _SKIPPED = Status.SUCCEEDED.value, Status.SKIPPED.value
#: What is not repeated once it succeeded, whatever it reads: it has reached the outside.
_OUTWARD = CALLED_TYPES | {"Response"}


class Judgement:
    """records: the latest of each key. kept: keys taken over as they ended. opened: containers that go on, and calls that a service
    is still busy with, by the record they go on from. failed: what went wrong, innermost first. on_failure: what ran only because of it. lengths: how many passes
    each opened loop has, as far as known. has_terminated: a Terminate ended the run.
    """

    def __init__(self, records: dict[ActionKey, ActionRecord]) -> None:
        self.records = records
        self.kept: set[ActionKey] = set()
        self.opened: dict[ActionKey, ActionRecord] = {}
        self.failed: list[ActionKey] = []
        self.on_failure: set[ActionKey] = set()
        self.lengths: dict[ActionKey, int] = {}
        self.has_terminated = False

    @property
    def first_failed(self) -> ActionKey | None:
        """Of what failed, what ended first; None where nothing did. A container only where nothing in it failed.

        What a Terminate stopped did not fail.
        """
        failed = [key for key in self.failed if not self.has_terminated or self.records[key].status in _FAILED]
        return min(failed, key=self._ended_at, default=None)

    def _ended_at(self, key: ActionKey) -> datetime:
        return self.records[key].ended_at or _NEVER


def judge(compiled: CompiledFlow, entries: Sequence[Entry], now: datetime) -> Judgement:
    """Goes through a run that ended. now: when what is opened again counts as begun, so its time-out starts anew."""
    judging = _Judging(compiled, entries, now)
    judging.go_through(compiled.root, ())
    return judging.result


class _Judging:
    def __init__(self, compiled: CompiledFlow, entries: Sequence[Entry], now: datetime) -> None:
        self._records = latest_records(entries)
        self._begun: dict[ActionKey, ActionRecord] = {}
        self._last: dict[ActionKey, ActionRecord] = {}
        for entry in entries:
            if isinstance(entry, ActionRecord) and not entry.status.is_terminal:
                self._begun.setdefault((entry.name, entry.repetition), entry)
                self._last[entry.name, entry.repetition] = entry
        self._failed = FailedWork(compiled, self._records)
        self._counts = iteration_counts(compiled, self._records.values())
        self._now = now
        self._redone: set[str] = set()  # texts by which expressions read what is done again
        self.result = Judgement(self._records)

    def go_through(self, branch: Branch, repetition: Repetition, *, is_behind: bool = False) -> bool:
        """Judges the actions of one branch, or one pass of it; True where all of it stands.

        is_behind: the container around it ran behind a failure.
        """
        failed = self._failed.in_branch(branch, repetition)
        expected: dict[str, str] = {}  # how each ends where nothing fails any more
        stands: set[str] = set()
        for node in _in_order(branch):
            key = (node.name, repetition)
            record = self._records.get(key)
            behind = is_behind or any(before.name not in stands for before, _ in node.predecessors)
            would_run = all(expected[before.name] in accepted for before, accepted in node.predecessors)
            expected[node.name] = _SUCCEEDED if would_run else _SKIPPED
            if not would_run:
                self._ran_on_failure(node, repetition)
            if record is None:
                self._is_redone(node, repetition)
            elif self._is_kept(node, record, is_failed=node.name in failed, is_behind=behind, would_run=would_run):
                stands.add(node.name)
                self._keep(node, repetition)
                expected[node.name] = record.status.value
            elif node.is_container and would_run and self._goes_on(node, record, is_behind=behind):
                self._open(node, record, is_behind=behind)
            else:
                if would_run and node.name in failed:
                    self.result.failed.append(key)
                    self._go_on_asking(node, record)
                self._is_redone(node, repetition)
        return len(stands) == len(branch.nodes)

    def _is_kept(self, node: Node, record: ActionRecord, *, is_failed: bool, is_behind: bool, would_run: bool) -> bool:
        if node.type == "Terminate" and record.status is Status.SUCCEEDED:
            self.result.has_terminated = True
            return False
        if is_failed or (record.status is Status.SKIPPED and record.code == TERMINATED):
            return False
        if not is_behind:
            return not self._holds_terminate(node, record)
        if not would_run or record.status is not Status.SUCCEEDED or self._holds_terminate(node, record):
            return False
        return node.type in _OUTWARD or not self._reads_what_is_redone(node.action.raw)

    def _goes_on(self, node: Node, record: ActionRecord, *, is_behind: bool) -> bool:
        if record.status is Status.SKIPPED or (node.name, record.repetition) not in self._begun:
            return False
        # A decision that reads what failed, or that ended the run because of it, is made anew.
        decides_by = self._reads_what_is_redone([node.action.condition, node.action.foreach])
        return not is_behind or not (decides_by or self._holds_terminate(node, record))

    def _holds_terminate(self, node: Node, record: ActionRecord) -> bool:
        """Whether a Terminate in this container ended the run."""
        if not node.is_container or record.status is Status.SKIPPED:
            return False
        return any(
            inner.type == "Terminate" and self._records[inner.name, at].status is Status.SUCCEEDED
            for inner, at in self._inside(node, record.repetition)
        )

    # -- what becomes of an action -----------------------------------------------------------------------

    def _keep(self, node: Node, repetition: Repetition) -> None:
        self.result.kept.add((node.name, repetition))
        self.result.kept.update((inner.name, at) for inner, at in self._inside(node, repetition))

    def _is_redone(self, node: Node, repetition: Repetition) -> None:
        self._note_redone(node, repetition)
        for inner, at in self._inside(node, repetition):
            self._note_redone(inner, at)

    def _ran_on_failure(self, node: Node, repetition: Repetition) -> None:
        self.result.on_failure.add((node.name, repetition))
        self.result.on_failure.update((inner.name, at) for inner, at in self._inside(node, repetition))

    def _note_redone(self, node: Node, repetition: Repetition) -> None:
        self._redone.add(f"'{node.name.lower()}'")
        record = self._records.get((node.name, repetition))
        if record is None or not node.type.endswith("Variable") or record.status is not Status.SUCCEEDED:
            return
        body = record.outputs.get("body") if isinstance(record.outputs, dict) else None
        if isinstance(body, dict):
            self._redone.add(f"variables('{str(body.get('name')).lower()}')")

    def _reads_what_is_redone(self, raw: Json) -> bool:
        text = json.dumps(raw, default=str, ensure_ascii=False).lower()
        return any(name in text for name in self._redone)

    def _go_on_asking(self, node: Node, record: ActionRecord) -> None:
        """A call that its service has taken up is not made again where only the asking about it failed."""
        key = (node.name, record.repetition)
        last = self._last.get(key)
        if last is None or (phase := phase_of(last)) not in {POLL, UPLOAD, END}:
            return
        if phase == END and last.details["end"]["status"] != _SUCCEEDED:
            return
        tried = record.attempts[len(last.attempts) :]
        is_auth = record.diagnosis is not None and record.diagnosis.is_auth_failure
        if not is_auth and any(attempt.was_refused for attempt in tried):
            return  # the service's own last word on it
        self.result.opened[key] = replace(
            last,
            started_at=self._now,
            attempts=(),
            wake_at=None if last.wake_at is None else self._now,
            from_run="",
        )

    def _open(self, node: Node, record: ActionRecord, *, is_behind: bool) -> None:
        repetition = record.repetition
        key = (node.name, repetition)
        begun = self._begun[key]
        failed_before = len(self.result.failed)
        details = dict(begun.details or {})
        if node.type == "Foreach":
            count = self._counts.get(key, 0)
            again = [
                index
                for index in range(count)
                if not self.go_through(node.branches[0], (*repetition, index), is_behind=is_behind)
            ]
            details |= {"begun": count, "again": again}
            items = details.get("items", begun.inputs)
            self.result.lengths[key] = len(items) if isinstance(items, list) else count
        elif node.type == "Until":
            details["iteration"] = self._go_through_until(node, repetition, is_behind=is_behind)
        else:
            taken = details["branch"]
            for branch in node.branches:
                if branch.name == taken:
                    self.go_through(branch, repetition, is_behind=is_behind)
                else:
                    self._keep_untaken(branch, repetition)
        if len(self.result.failed) == failed_before and not self._holds_terminate(node, record):
            self.result.failed.append(key)
        self._redone.add(f"'{node.name.lower()}'")
        self.result.opened[key] = replace(begun, started_at=self._now, details=details, from_run="")

    def _keep_untaken(self, branch: Branch, repetition: Repetition) -> None:
        for node in branch.nodes:
            if (node.name, repetition) in self._records:
                self._keep(node, repetition)

    def _go_through_until(self, node: Node, repetition: Repetition, *, is_behind: bool) -> int:
        """The pass an Until goes on at: of the failed ones it ended with, the first after which no call succeeded."""
        branch = node.branches[0]
        index = max(self._counts.get((node.name, repetition), 1) - 1, 0)
        while index > 0 and self._failed_idly(branch, repetition, index):
            index -= 1
        for earlier in range(index):
            for inner in branch.nodes:
                self._keep(inner, (*repetition, earlier))
        self.go_through(branch, (*repetition, index), is_behind=is_behind)
        return index

    def _failed_idly(self, branch: Branch, repetition: Repetition, index: int) -> bool:
        """Whether this pass and the one before it failed, and no call of this one succeeded."""
        before = (*repetition, index - 1)
        if any((leaf.name, before) not in self._records for leaf in branch.leaves):
            return False
        if not branch_failed(self._records, branch, before):
            return False
        here = (*repetition, index)
        inner = [(node, here) for node in branch.nodes]
        inner += [one for node in branch.nodes for one in self._inside(node, here)]
        return not any(
            node.type in _OUTWARD
            and (record := self._records.get((node.name, at))) is not None
            and record.status is Status.SUCCEEDED
            for node, at in inner
        )

    def _inside(self, node: Node, repetition: Repetition) -> Iterator[tuple[Node, Repetition]]:
        """Everything in a container that has a record."""
        places = [repetition]
        if node.type in LOOPS:
            places += [(*repetition, index) for index in range(self._counts.get((node.name, repetition), 0))]
        for branch in node.branches:
            for child in branch.nodes:
                for at in places:
                    if (child.name, at) in self._records:
                        yield child, at
                        if child.is_container:
                            yield from self._inside(child, at)


def _in_order(branch: Branch) -> Iterator[Node]:
    """The nodes of a branch, each after those it runs after."""
    waits = list(branch.waits)
    ready = list(branch.starts)
    for node in ready:  # grows as it goes
        yield node
        for follower in node.dependents:
            waits[follower.index] -= 1
            if waits[follower.index] == 0:
                ready.append(follower)
