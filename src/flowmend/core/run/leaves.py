"""How a branch ended: by its leaves, the actions that nothing runs after (wdl.md §6)."""

from collections.abc import Mapping

from flowmend.core.outcome import Status
from flowmend.core.run.compiling import Branch, Node
from flowmend.core.run.record import ActionKey, ActionRecord

#: The code of a Response whose caller is gone; it fails nothing.
RESPONSE_SKIPPED = "ActionResponseSkipped"


def branch_failed(records: Mapping[ActionKey, ActionRecord], branch: Branch, repetition: tuple[int, ...]) -> bool:
    """Whether a finished branch counts as failed: a leaf failed, or was skipped after something that did."""
    return any(_failed(records, leaf, repetition) for leaf in branch.leaves)


def _failed(records: Mapping[ActionKey, ActionRecord], leaf: Node, repetition: tuple[int, ...]) -> bool:
    status = records[leaf.name, repetition].status
    if status is Status.SUCCEEDED:
        return False
    # Backwards from a skipped leaf over what was skipped, to the actions that had an outcome. With a trail
    # of its own: a chain of actions may be longer than Python's stack.
    seen: set[str] = set()
    trail = [leaf]
    while trail:
        node = trail.pop()
        if node.name in seen:
            continue
        seen.add(node.name)
        record = records[node.name, repetition]
        if record.status is Status.SKIPPED:
            if record.code != RESPONSE_SKIPPED:
                trail += [predecessor for predecessor, _ in node.predecessors]
        elif record.status is not Status.SUCCEEDED:
            return True
    return False
