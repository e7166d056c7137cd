"""Why an action did not run, in the service's words (wdl.md §6)."""

from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.compiling import Node
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.state import OpenBranch, Repetition, RunState, Skip
from flowmend.core.run.terminate import TERMINATED
from flowmend.core.run.turn import Turn

_SKIPPED = "ActionSkipped"


def unsatisfied(state: RunState, node: Node, repetition: Repetition) -> ErrorDetail | None:
    """The first `runAfter` entry of an action that its finished predecessors do not satisfy."""
    for predecessor, accepted in node.predecessors:
        status = state.records[predecessor.name, repetition].status
        if status.value not in accepted:
            return _run_after_error(node, predecessor, accepted, status)
    return None


def skip(turn: Turn, node: Node, repetition: Repetition, error: ErrorDetail | None, code: str = _SKIPPED) -> None:
    """The record of an action that does not run."""
    now = turn.moment.now
    turn.emit(
        ActionRecord(
            name=node.name,
            repetition=repetition,
            status=Status.SKIPPED,
            code=code,
            started_at=now,
            ended_at=now,
            error=error,
        )
    )


def skip_in(turn: Turn, node: Node, opened: OpenBranch) -> None:
    """Skip an action because of what became of its branch."""
    if opened.skip is Skip.ENDED:
        skip(turn, node, opened.repetition, None, code=TERMINATED)
    else:
        skip(turn, node, opened.repetition, _branch_error(turn.state, node, opened))


def _branch_error(state: RunState, node: Node, opened: OpenBranch) -> ErrorDetail:
    if node.predecessors:
        # All of the branch is skipped, so what this one waits for is or will be; the message names the first.
        unmet = (entry for entry in node.predecessors if Status.SKIPPED.value not in entry[1])
        predecessor, accepted = next(unmet, node.predecessors[0])
        return _run_after_error(node, predecessor, accepted, Status.SKIPPED)
    if opened.skip is Skip.BRANCH_NOT_TAKEN or opened.owner_key is None:
        return ErrorDetail(
            "ActionBranchingConditionNotSatisfied",
            f"The execution of template action '{node.name}' skipped: the branching condition for this action is not "
            "satisfied.",
        )
    owner = state.records[opened.owner_key]
    return ErrorDetail(
        "ActionDependencyFailed",
        f"The execution of template action '{node.name}' is skipped: dependant action '{owner.name}' completed with "
        f"status '{owner.status.value}' and code '{owner.code}'.",
    )


def _run_after_error(node: Node, predecessor: Node, accepted: tuple[str, ...], status: Status) -> ErrorDetail:
    return ErrorDetail(
        "ActionConditionFailed",
        f"The execution of template action '{node.name}' is skipped: the 'runAfter' condition for action "
        f"'{predecessor.name}' is not satisfied. Expected status values '{', '.join(accepted)}' and actual value "
        f"'{status.value}'.",
    )
