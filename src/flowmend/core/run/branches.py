"""If, Switch and Scope: which branch is taken, and how the container ends."""

from datetime import datetime

from msgspec.structs import replace

from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import WaitUntil
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.leaves import branch_failed
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.state import Repetition
from flowmend.core.run.turn import Turn
from flowmend.core.run.views import NOT_SPECIFIED

#: The end of a container, and of a run, in which an action failed for good.
ACTION_FAILED = ErrorDetail("ActionFailed", "An action failed. No dependent actions succeeded.")
FAILED_INSIDE = Finish(status=Status.FAILED, code=ACTION_FAILED.code, error=ACTION_FAILED)

_EVALUATION_FAILED = "ExpressionEvaluationFailed"


def start_if(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Evaluates the condition and opens one branch. Errors: ExpressionError."""
    is_true = node.condition("expression", node.action.condition).evaluate(turn.scope(node, repetition))
    _open(
        turn,
        node,
        repetition,
        started_at,
        branch="actions" if is_true else "else",
        result={"expressionResult": is_true},
    )


def start_switch(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Evaluates the expression and opens the branch of its case. Errors: ExpressionError."""
    value = node.template("expression", node.action.condition).evaluate(turn.scope(node, repetition))
    if kind_name(value) not in {"String", "Integer"}:
        message = (
            f"The execution of template action '{node.name}' failed: the result of the evaluation of 'expression' is of "
            f"type '{kind_name(value)}'. The result must be a valid string or integer."
        )
        turn.finish(node, repetition, failed(_EVALUATION_FAILED, message), started_at)
        return
    # Type-strict and case-sensitive (wdl.md §4); in Python 1 == True, but a boolean does not come this far.
    cases = node.action.cases.items()
    taken = next((f"case:{name}" for name, case in cases if type(case) is type(value) and case == value), "default")
    _open(turn, node, repetition, started_at, branch=taken, result={"expressionResult": value})


def start_scope(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Opens the only branch."""
    _open(turn, node, repetition, started_at, branch="actions")


def go_on(turn: Turn, node: Node, held_back: ActionRecord) -> None:
    """Goes on with a container that an earlier run had begun, now that what comes before it has ended."""
    record = replace(held_back, started_at=turn.moment.now)
    turn.emit(record)
    if node.type != "Until":
        watch_timeout(turn, node, record)


def finish_container(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """The end of a container whose taken branch is through."""
    taken = next((branch for branch in node.branches if branch.name == begun.details["branch"]), None)
    has_failed = taken is not None and branch_failed(turn.state.records, taken, begun.repetition)
    status, error = (Status.FAILED, ACTION_FAILED) if has_failed else (Status.SUCCEEDED, None)
    code = error.code if error else NOT_SPECIFIED
    turn.finish_begun(
        node, begun, Finish(status=status, code=code, error=error, details={"branch": begun.details["branch"]})
    )


def watch_timeout(turn: Turn, node: Node, record: ActionRecord) -> None:
    """Has the engine called when a container's `limit.timeout` is over."""
    timeout = node.action.limit.timeout
    if timeout is not None and record.started_at is not None:
        turn.commands.append(WaitUntil((node.name, record.repetition), record.started_at + timeout))


def _open(
    turn: Turn,
    node: Node,
    repetition: Repetition,
    started_at: datetime,
    *,
    branch: str,
    result: dict[str, Json] | None = None,
) -> None:
    record = turn.begin(node, repetition, started_at, inputs=result, details={"branch": branch})
    watch_timeout(turn, node, record)
