"""Outward actions: sent with a record of the intent first, tried again, held, in doubt, and ended.

What a call is waiting for shows in its record alone: Running without `wake_at` is on its way, Running with
one waits for the next try, Waiting says in its code who is to act. So recovery needs nothing else.
"""

from datetime import datetime

from msgspec.structs import replace

from flowmend.core.definition.retry_policy import RetryPolicy, read_retry_policy, wait_before_retry
from flowmend.core.errors import InvalidDocument
from flowmend.core.outcome import Attempt, ErrorDetail, Outcome, Status
from flowmend.core.run.call_inputs import evaluate_inputs, written_policy
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import CallFinished, DoubtAnswered
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.later_answers import await_callback, finish_early, goes_on, has_early_answer, recover_waiting
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.sending import END, finish_unsubscribed, first_call, phase_of, repeat_call, send, wait
from flowmend.core.run.state import Repetition
from flowmend.core.run.static_results import static_outcome
from flowmend.core.run.turn import Turn
from flowmend.core.run.views import client_request_id

#: Codes of a Waiting call, told to people.
NEEDS_REPAIR = "ConnectionNeedsRepair"
IN_DOUBT = "ActionInDoubt"
#: The code of a call whose owner said that it happened; its outputs are not known.
CONFIRMED = "ActionConfirmed"


def start_call(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Evaluates the inputs, records the intent, and has the call made. Errors: ExpressionError."""
    scope = turn.scope(node, repetition)
    inputs = evaluate_inputs(node, scope, is_mock=turn.compiled.is_mock)
    try:
        policy = written_policy(node)
        details = None
        if policy is not None:
            template = node.template("retryPolicy", policy)
            evaluated = template.evaluate(scope)
            read_retry_policy(evaluated)
            details = None if template.is_literal else {"retryPolicy": evaluated}
    except InvalidDocument as error:
        turn.finish(node, repetition, failed(error.code, error.message, inputs=inputs.recorded), started_at)
        return
    outcome = static_outcome(turn.compiled.flow, node.action)
    if outcome is not None:
        end = Finish(
            status=outcome.status,
            code=outcome.code,
            inputs=inputs.recorded,
            outputs=outcome.outputs,
            error=outcome.error,
        )
        turn.finish(node, repetition, end, started_at)
        return
    key = turn.state.kept_keys.get((node.name, repetition)) or client_request_id(
        turn.state.start.run_name, node.name, repetition
    )
    record = turn.begin(node, repetition, started_at, inputs=inputs.recorded, details=details, key=key)
    send(turn, node, record, first_call(turn, node, record, inputs.authentication))


def recover_call(turn: Turn, node: Node, record: ActionRecord) -> None:
    """After a restart: the command by which an unfinished call goes on, where it does so by itself."""
    if record.status is Status.RUNNING:
        if record.wake_at is None:
            repeat_call(turn, node, record, is_repeat=True)
        else:
            wait(turn, node, record, record.wake_at)
    else:
        recover_waiting(turn, node, record)


def call_finished(turn: Turn, node: Node, begun: ActionRecord, event: CallFinished) -> None:
    """A try ended: the action ends with it, waits for the next try, or is held until its connection works."""
    outcome = event.outcome
    if phase_of(begun) == END:
        finish_unsubscribed(turn, node, begun)
        return
    attempt = Attempt(
        started_at=event.started_at,
        ended_at=event.ended_at,
        code=outcome.code,
        client_request_id=begun.key,
        service_request_id=outcome.service_request_id,
        error=outcome.error,
        was_refused=outcome.was_refused,
    )
    attempts = (*begun.attempts, attempt)
    if outcome.status is Status.SUCCEEDED:
        if goes_on(turn, node, begun, outcome, attempts):
            return
    elif has_early_answer(node, begun):
        finish_early(turn, node, begun)
        return
    else:
        diagnosis = outcome.diagnosis
        if diagnosis is not None and diagnosis.connection_broken and node.holds_on_broken_connection:
            turn.emit(_held(begun, outcome, attempts))
            return
        if outcome.is_retryable:
            pause = wait_before_retry(
                _policy(node, begun), len(attempts), turn.moment.draw(), outcome.retry_after_seconds
            )
            if pause is not None:
                wake_at = turn.moment.now + pause
                turn.emit(replace(begun, attempts=attempts, wake_at=wake_at, connection_id=outcome.connection_id))
                wait(turn, node, begun, wake_at)
                return
    details = {"secure": list(node.secured)} if node.secured else None
    record = replace(
        begun,
        status=outcome.status,
        code=outcome.code,
        ended_at=turn.moment.now,
        outputs=outcome.outputs,
        error=outcome.error,
        attempts=attempts,
        diagnosis=outcome.diagnosis,
        connection_id=outcome.connection_id,
        details=details,
    )
    turn.emit_end(node, record)


def call_in_doubt(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """Sent, no answer known, and not to be repeated unasked: it waits for its owner's word."""
    error = ErrorDetail(
        IN_DOUBT,
        f"Action '{node.name}' was sent before an interruption and its answer is not known. Look in the service whether "
        "it happened, then say so, have it sent again, or let it fail.",
    )
    turn.emit(replace(begun, status=Status.WAITING, code=IN_DOUBT, error=error))


def doubt_answered(turn: Turn, node: Node, begun: ActionRecord, event: DoubtAnswered) -> None:
    """The owner's word on a call in doubt.

    `happened` ends it as Succeeded with code `ActionConfirmed` and no outputs, since its answer is lost, and lets a
    webhook wait for its callback;
    `send_again` repeats it under the same key; anything else fails it.
    """
    if event.answer == "send_again":
        _resume(turn, node, begun)
    elif event.answer == "happened" and node.is_webhook:
        await_callback(turn, node, begun)
    elif event.answer == "happened":
        turn.finish_begun(node, begun, Finish(code=CONFIRMED, details={"confirmed_by": event.by}))
    else:
        message = f"Whether action '{node.name}' happened is not known; its owner let it fail."
        error = ErrorDetail(IN_DOUBT, message)
        turn.finish_begun(node, begun, Finish(status=Status.FAILED, code=IN_DOUBT, error=error))


def connection_repaired(turn: Turn, connection_id: str) -> None:
    """Everything that waited for this connection is sent again."""
    for record in tuple(turn.state.unfinished.values()):
        if record.code == NEEDS_REPAIR and record.connection_id == connection_id:
            _resume(turn, turn.compiled.nodes[record.name], record)


def try_again(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """The wait before a retry is over. Recorded first, so that a crash in this try is told from the wait."""
    record = replace(begun, wake_at=None)
    turn.emit(record)
    repeat_call(turn, node, record)


def wait_more(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """The timer of a retry came early, or was meant for the action's time-out."""
    if begun.wake_at is not None:
        wait(turn, node, begun, begun.wake_at)


def _held(begun: ActionRecord, outcome: Outcome, attempts: tuple[Attempt, ...]) -> ActionRecord:
    return replace(
        begun,
        status=Status.WAITING,
        code=NEEDS_REPAIR,
        error=outcome.error,
        attempts=attempts,
        diagnosis=outcome.diagnosis,
        connection_id=outcome.connection_id,
    )


def _resume(turn: Turn, node: Node, begun: ActionRecord) -> None:
    # From the beginning of the wait, which is the end of the last try, or of the action where none ended.
    since = begun.attempts[-1].ended_at if begun.attempts else begun.started_at
    details = dict(begun.details or {})
    if node.action.limit.timeout is not None and since is not None:
        details["held_seconds"] = details.get("held_seconds", 0.0) + (turn.moment.now - since).total_seconds()
    record = replace(begun, status=Status.RUNNING, code="", error=None, diagnosis=None, details=details or None)
    turn.emit(record)
    repeat_call(turn, node, record)


def _policy(node: Node, record: ActionRecord) -> RetryPolicy:
    evaluated = record.details.get("retryPolicy") if isinstance(record.details, dict) else None
    return read_retry_policy(written_policy(node) if evaluated is None else evaluated)
