"""Which actions a run failed by: from how its branches ended, back to what went wrong.

A failure that the flow handled is not among them: whatever ran because of it succeeded, and the run went on. What a
Terminate ended is traced back from the Terminate, over its containers too, to the nearest failure before it.
"""

from collections.abc import Mapping

from flowmend.core.outcome import Status
from flowmend.core.run.compiling import Branch, CompiledFlow, Node
from flowmend.core.run.leaves import RESPONSE_SKIPPED
from flowmend.core.run.record import ActionKey, ActionRecord
from flowmend.core.run.state import Repetition
from flowmend.core.run.terminate import TERMINATED


class FailedWork:
    """What went wrong in a run that ended. records: the latest of each key."""

    def __init__(self, compiled: CompiledFlow, records: Mapping[ActionKey, ActionRecord]) -> None:
        self._records = records
        self._behind_terminate: dict[tuple[int, Repetition], set[str]] = {}
        for record in records.values():
            node = compiled.nodes[record.name]
            if node.type == "Terminate" and record.status is Status.SUCCEEDED:
                self._trace_terminate(node, record.repetition)

    def in_branch(self, branch: Branch, repetition: Repetition) -> set[str]:
        """Names of the actions of this branch, and pass, that went wrong; containers by what is in them."""
        found = set(self._behind_terminate.get((branch.number, repetition), ()))
        trail = [node for node in branch.nodes if not node.dependents or self._was_stopped(node, repetition)]
        seen: set[str] = set()
        while trail:
            node = trail.pop()
            if node.name in seen:
                continue
            seen.add(node.name)
            record = self._records.get((node.name, repetition))
            before = [predecessor for predecessor, _ in node.predecessors]
            if record is None:
                trail += before
            elif record.status is Status.SKIPPED:
                if record.code != RESPONSE_SKIPPED:
                    trail += before
            elif record.status is not Status.SUCCEEDED:
                found.add(node.name)
                trail += before  # why it ran: what went well there is passed over
        return found

    def _was_stopped(self, node: Node, repetition: Repetition) -> bool:
        record = self._records.get((node.name, repetition))
        if record is None or not record.status.is_terminal or record.status is Status.CANCELLED:
            return True
        return record.status is Status.SKIPPED and record.code == TERMINATED

    def _trace_terminate(self, node: Node, repetition: Repetition) -> None:
        while True:
            found = self._nearest_failures(node, repetition)
            if found:
                self._behind_terminate.setdefault((node.branch.number, repetition), set()).update(found)
                return
            owner = node.branch.owner
            if owner is None:
                return
            node, repetition = owner, repetition[: owner.depth]

    def _nearest_failures(self, node: Node, repetition: Repetition) -> set[str]:
        found: set[str] = set()
        seen: set[str] = set()
        trail = [predecessor for predecessor, _ in node.predecessors]
        while trail:
            before = trail.pop()
            if before.name in seen:
                continue
            seen.add(before.name)
            record = self._records.get((before.name, repetition))
            if record is not None and record.status not in {Status.SUCCEEDED, Status.SKIPPED}:
                found.add(before.name)
            else:
                trail += [predecessor for predecessor, _ in before.predecessors]
        return found
