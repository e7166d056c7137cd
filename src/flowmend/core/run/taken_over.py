"""What of a run that ended stands, what is opened again, and what is done again."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.call_making import CALLED_TYPES
from flowmend.core.run.compiling import LOOPS, Branch, CompiledFlow, Node
from flowmend.core.run.failed_work import FailedWork
from flowmend.core.run.history import iteration_counts, latest_records
from flowmend.core.run.inline_actions import INLINE_ACTIONS
from flowmend.core.run.leaves import branch_failed
from flowmend.core.run.loops import COUNTED_FROM
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
    each opened loop has, as far as known. stopped: what never began because somebody ended the run. has_terminated: a
    Terminate ended it.
    """

    def __init__(self, records: dict[ActionKey, ActionRecord]) -> None:
        self.records = records
        self.kept: set[ActionKey] = set()
        self.opened: dict[ActionKey, ActionRecord] = {}
        self.failed: list[ActionKey] = []
        self.on_failure: set[ActionKey] = set()
        self.lengths: dict[ActionKey, int] = {}
        self.stopped: list[ActionKey] = []
        self.has_terminated = False

    @property
    def first_failed(self) -> ActionKey | None:
        """Of what failed, what ended first; None where nothing did. A container only where nothing in it failed.

        What a Terminate stopped did not fail. Of a run that was stopped between two actions, the first that never began.
        """
        if self.has_terminated:
            failed = [key for key in self.failed if self.records[key].status in _FAILED]
        else:
            failed = self.failed or self.stopped[:1]
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
        self._shifted: set[str] = set()  # and those by which later passes of a loop read what comes out otherwise then
        self.result = Judgement(self._records)

    def go_through(
        self, branch: Branch, repetition: Repetition, *, is_behind: bool = False, is_later: bool = False
    ) -> bool:
        """Judges the actions of one branch, or one pass of it; True where all of it stands.

        is_behind: the container around it ran behind a failure. is_later: it ran after something that is done again.
        """
        failed = self._failed.in_branch(branch, repetition)
        expected: dict[str, str] = {}  # how each ends where nothing fails any more
        stands: set[str] = set()
        is_whole = True
        for node in branch.in_order():
            key = (node.name, repetition)
            record = self._records.get(key)
            behind = is_behind or any(before.name not in stands for before, _ in node.predecessors)
            would_run = all(expected[before.name] in accepted for before, accepted in node.predecessors)
            expected[node.name] = _SUCCEEDED if would_run else _SKIPPED
            if not would_run:
                self._ran_on_failure(node, repetition)
            if record is None:
                self._is_redone(node, repetition, would_run=would_run)
            elif self._is_kept(node, record, is_failed=node.name in failed, is_behind=behind, would_run=would_run):
                stands.add(node.name)
                expected[node.name] = record.status.value
                if (is_later or behind) and record.status is Status.SUCCEEDED and self._is_made_again(node):
                    is_whole = False
                    self._make_again(node, record)
                else:
                    self._keep(node, repetition)
            elif node.is_container and would_run and self._goes_on(node, record, is_behind=behind):
                self._open(node, record, is_behind=behind, is_later=is_later or behind)
            else:
                if would_run and node.name in failed:
                    self.result.failed.append(key)
                    self._go_on_asking(node, record)
                elif would_run and record.code == TERMINATED:
                    self.result.stopped.append(key)
                self._is_redone(node, repetition, would_run=would_run)
        return is_whole and len(stands) == len(branch.nodes)

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

    def _is_redone(self, node: Node, repetition: Repetition, *, would_run: bool) -> None:
        self._note_redone(node, repetition, would_run=would_run)
        for inner, at in self._inside(node, repetition):
            self._note_redone(inner, at, would_run=would_run)

    def _ran_on_failure(self, node: Node, repetition: Repetition) -> None:
        self.result.on_failure.add((node.name, repetition))
        self.result.on_failure.update((inner.name, at) for inner, at in self._inside(node, repetition))

    def _note_redone(self, node: Node, repetition: Repetition, *, would_run: bool) -> None:
        self._redone.add(_spelled(_quoted(node.name)))
        record = self._records.get((node.name, repetition))
        # Also what did not run before: it does now, and then the variable says something else than was read.
        if would_run or (record is not None and record.status is Status.SUCCEEDED):
            changed = {_spelled(text) for text in _changed_variables(node)}
            self._redone |= changed
            self._shifted |= changed

    def _reads_what_is_redone(self, raw: Json) -> bool:
        return _reads(raw, self._redone)

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

    def _is_made_again(self, node: Node) -> bool:
        """Whether something here sets a variable or is made of one that was changed, and can be made once more.

        An Until cannot, for its condition would be asked again, nor what gives a variable its beginning.
        """
        if node.is_container and node.type != "Until":
            return any(self._is_made_again(inner) for branch in node.branches for inner in branch.nodes)
        if node.type == "InitializeVariable" or node.type not in INLINE_ACTIONS:
            return False
        return node.type.endswith("Variable") or _reads(node.action.raw, self._shifted)

    def _make_again(self, node: Node, record: ActionRecord) -> None:
        """What is done again sees variables as they were then; so what changed them later changes them later again.

        Nothing else that stands is judged anew for it.
        """
        if node.is_container:
            key = (node.name, record.repetition)
            self.result.opened[key] = self._opened(node, record, is_behind=False, is_later=True)
        else:
            self._shifted.add(_spelled(_quoted(node.name)))

    def _open(self, node: Node, record: ActionRecord, *, is_behind: bool, is_later: bool) -> None:
        key = (node.name, record.repetition)
        failed_before = len(self.result.failed)
        opened = self._opened(node, record, is_behind=is_behind, is_later=is_later)
        if len(self.result.failed) == failed_before and not self._holds_terminate(node, record):
            self.result.failed.append(key)
        self._redone.add(_spelled(_quoted(node.name)))
        self.result.opened[key] = opened

    def _opened(self, node: Node, record: ActionRecord, *, is_behind: bool, is_later: bool) -> ActionRecord:
        """The record by which a container goes on where it stood, once what is in it is judged."""
        repetition = record.repetition
        begun = self._begun.get((node.name, repetition)) or replace(
            record, status=Status.RUNNING, code="", ended_at=None, tracked_properties=None
        )
        details = dict(begun.details or {})
        if node.type == "Foreach":
            details |= self._go_through_passes(node, begun, is_behind=is_behind, is_later=is_later)
        elif node.type == "Until":
            index = details["iteration"] = self._go_through_until(node, repetition, is_behind=is_behind)
            if record.status is Status.TIMED_OUT:
                details[COUNTED_FROM] = index + 1  # as its time counts anew
        else:
            for branch in node.branches:
                if branch.name == details["branch"]:
                    self.go_through(branch, repetition, is_behind=is_behind, is_later=is_later)
                else:
                    self._keep_untaken(branch, repetition)
        return replace(begun, started_at=self._now, details=details, from_run="")

    def _go_through_passes(
        self, node: Node, begun: ActionRecord, *, is_behind: bool, is_later: bool
    ) -> dict[str, Json]:
        """How many passes of a Foreach had begun, and which of these go on."""
        key = (node.name, begun.repetition)
        count = self._counts.get(key, 0)
        again: list[Json] = []
        for index in range(count):
            later = is_later or (bool(again) and node.concurrency == 1)
            at = (*begun.repetition, index)
            if not self.go_through(node.branches[0], at, is_behind=is_behind, is_later=later):
                again.append(index)
        items = (begun.details or {}).get("items", begun.inputs)
        self.result.lengths[key] = len(items) if isinstance(items, list) else count
        return {"begun": count, "again": again}

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


def _changed_variables(node: Node) -> Iterator[str]:
    """How expressions read the variables that an action changes."""
    inputs = node.action.inputs
    if not node.type.endswith("Variable") or not isinstance(inputs, Mapping):
        return
    declared = inputs.get("variables")
    for one in declared if isinstance(declared, list) else (inputs,):
        name = str(one.get("name")) if isinstance(one, Mapping) else ""
        yield "variables(" if "@" in name else f"variables({_quoted(name)})"


def _reads(raw: Json, texts: Collection[str]) -> bool:
    spelled = _spelled(raw)
    return any(text in spelled for text in texts)


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _spelled(value: Json) -> str:
    """Values as they can be searched for names: in JSON, without the case and the spaces that expressions may have."""
    return "".join(json.dumps(value, default=str, ensure_ascii=False).lower().split()).strip('"')
