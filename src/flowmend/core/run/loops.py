"""Foreach and Until: how they begin, go on and end."""

from datetime import datetime, timedelta

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.branches import FAILED_INSIDE, watch_timeout
from flowmend.core.run.compiling import Node
from flowmend.core.run.finish import Finish, failed, failed_expression
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.scope import RunScope
from flowmend.core.run.state import Repetition
from flowmend.core.run.turn import Turn, with_secured

#: Source: wdl.md §6 and §8.
_DEFAULT_ITERATIONS = 60
_DEFAULT_TIMEOUT = timedelta(hours=1)
_DEFAULT_STATELESS_TIMEOUT = timedelta(minutes=5)

#: In a record's details, of an Until that reached its limit in an earlier run: from which pass its limit counts anew.
COUNTED_FROM = "countedFrom"

_LIMIT_REACHED = "The Until reached its limit before its condition was met."


def start_foreach(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Evaluates the array and opens the first iterations. Errors: ExpressionError."""
    items = node.template("foreach", node.action.foreach).evaluate(turn.scope(node, repetition))
    if not isinstance(items, list):
        message = (
            f"The execution of template action '{node.name}' failed: the result of the evaluation of 'foreach' "
            f"expression '{node.action.foreach}' is of type '{kind_name(items)}'. The result must be a valid array."
        )
        turn.finish(node, repetition, failed("ExpressionEvaluationFailed", message), started_at)
    elif not items:
        turn.finish(node, repetition, Finish(details={"count": 0}), started_at)
    else:
        # The store seals inputs where they are secret, and never details.
        inputs, details = (items, None) if node.secured else (None, {"items": items})
        record = turn.begin(node, repetition, started_at, inputs=inputs, details=details)
        watch_timeout(turn, node, record)


def finish_foreach(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """The end of a Foreach whose iterations are all through."""
    loop = turn.state.loops[node.name, begun.repetition]
    turn.finish_begun(node, begun, _counted(FAILED_INSIDE if loop.has_failed else Finish(), len(loop.items)))


def start_until(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Opens the first iteration: the body comes before the test."""
    turn.begin(node, repetition, started_at, details={"iteration": 0})


def continue_until(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """After an iteration: the end, or the next one.

    Whether the condition was met is journalled as one or the other, so it is never evaluated again.
    """
    loop = turn.state.loops[node.name, begun.repetition]
    done = loop.next_index
    end = FAILED_INSIDE if loop.has_failed else Finish()
    # The condition stands inside the loop: it sees the last iteration's actions and its index.
    scope = RunScope(turn.state, turn.moment, (*node.loops, node), (*begun.repetition, done - 1), current=begun)
    try:
        is_met = node.condition("expression", node.action.condition).evaluate(scope)
    except ExpressionError as error:
        turn.finish_begun(node, begun, _counted(failed_expression(node.name, error), done))
        return
    if is_met:
        turn.finish_begun(node, begun, _counted(end, done))
    elif _limit_is_reached(turn, node, begun, done):
        if "failwhenlimitsreached" in node.action.operation_options:
            error_detail = ErrorDetail("ActionTimedOut", _LIMIT_REACHED)
            end = Finish(status=Status.TIMED_OUT, code=error_detail.code, error=error_detail)
        turn.finish_begun(node, begun, _counted(end, done))
    else:
        details = with_secured(node, {**_counted_from(begun), "iteration": done})
        turn.emit(
            ActionRecord(
                name=node.name,
                repetition=begun.repetition,
                status=Status.RUNNING,
                started_at=begun.started_at,
                details=details,
            )
        )


def _limit_is_reached(turn: Turn, node: Node, begun: ActionRecord, done: int) -> bool:
    limit = node.action.limit
    if done - _counted_from(begun).get(COUNTED_FROM, 0) >= (limit.count or _DEFAULT_ITERATIONS):
        return True
    is_stateless = turn.compiled.flow.is_stateless
    timeout = limit.timeout or (_DEFAULT_STATELESS_TIMEOUT if is_stateless else _DEFAULT_TIMEOUT)
    return begun.started_at is not None and turn.moment.now >= begun.started_at + timeout


def _counted_from(begun: ActionRecord) -> dict[str, int]:
    details = begun.details or {}
    return {COUNTED_FROM: details[COUNTED_FROM]} if COUNTED_FROM in details else {}


def _counted(finish: Finish, count: int) -> Finish:
    return Finish(status=finish.status, code=finish.code, error=finish.error, details={"count": count})
