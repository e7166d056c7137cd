"""Answers that come later than the call's own: chunked bodies, accepted calls that are polled, child flows, webhooks.

While an action waits for one its record is Waiting with a code that says for what, so that the run can leave memory; a
polled call is Running and says when it is asked about next.
"""

from datetime import timedelta

from msgspec.structs import replace

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.outcome import Attempt, ContentAwaited, ErrorDetail, Outcome, Status
from flowmend.core.run.call_inputs import evaluate_authentication
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import CallOperation, Unsubscribe, WaitUntil
from flowmend.core.run.finish import Finish
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.sending import (
    END,
    POLL,
    UPLOAD,
    deadline,
    first_call,
    header_of,
    is_polled,
    phase_of,
    repeat_call,
    send,
    unsubscribing_call,
    wait,
)
from flowmend.core.run.turn import Turn, with_secured

#: Codes of actions that wait for an answer which no person gives.
AWAITS_CALLBACK = "AwaitingCallback"
AWAITS_CHILD = "AwaitingChildFlow"

_ACCEPTED = 202
#: How often an accepted call is asked about where its answer does not say (wdl.md §4).
_POLL_AFTER = timedelta(seconds=10)
#: A child's answer is brought by the child. It is asked for as well, in case that was lost: soon, then seldom.
_LOOK_SOON = timedelta(seconds=60)
_LOOK_SELDOM = timedelta(minutes=10)

_TIMED_OUT = ErrorDetail("ActionTimedOut", "The action timed out: its 'limit.timeout' was over before it ended.")


def goes_on(turn: Turn, node: Node, begun: ActionRecord, outcome: Outcome, attempts: tuple[Attempt, ...]) -> bool:
    """Whether an action goes on after a call that succeeded; what follows is then under way."""
    if turn.compiled.is_mock:
        return False
    if node.is_webhook:
        _subscribed(turn, node, begun, outcome, attempts)
        return True
    if outcome.content_awaited is not None:
        _send_on(turn, node, begun, outcome, outcome.content_awaited)
        return True
    if not is_polled(node) or not _is_accepted(begun, outcome):
        return False
    seconds = outcome.retry_after_seconds
    wake_at = turn.moment.now + (_POLL_AFTER if seconds is None else timedelta(seconds=seconds))
    outputs = outcome.outputs
    if not header_of(outputs, "location"):  # a poll may leave out where to ask next
        outputs = outputs | {"headers": outputs["headers"] | {"Location": header_of(begun.outputs, "location")}}
    details = with_secured(node, {**_kept_details(begun), "phase": POLL})
    turn.emit(replace(begun, outputs=outputs, wake_at=wake_at, details=details, connection_id=outcome.connection_id))
    wait(turn, node, begun, wake_at)
    return True


def answer_awaited(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """A child flow has begun and answers later."""
    if begun.status is Status.RUNNING:
        begun = replace(begun, status=Status.WAITING, code=AWAITS_CHILD)
        turn.emit(begun)
    _look_again(turn, node, begun)


def answer_arrived(turn: Turn, node: Node, begun: ActionRecord, outcome: Outcome) -> None:
    """The answer itself. A callback that comes before its subscription is through waits for that."""
    if begun.code == AWAITS_CHILD or (node.type == "Workflow" and begun.status is Status.RUNNING):
        turn.finish_begun(node, begun, _finish_of(outcome))
    elif begun.code == AWAITS_CALLBACK:
        _unsubscribe(turn, node, begun, begun.outputs, _finish_of(outcome))
    elif node.is_webhook and begun.status is Status.WAITING:
        # Held or in doubt: that it was called back says that its subscribing did happen.
        _unsubscribe(turn, node, replace(begun, error=None, diagnosis=None), None, _finish_of(outcome))
    elif node.is_webhook and begun.status is Status.RUNNING and not phase_of(begun) and not _early_answer(begun):
        turn.emit(replace(begun, outputs={"answer": outcome.outputs}))


def has_early_answer(node: Node, begun: ActionRecord) -> bool:
    """Whether a webhook was called back although its subscribing did not end well."""
    return node.is_webhook and not phase_of(begun) and _early_answer(begun)


def finish_early(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """Ends a webhook that was called back before its subscribing was through."""
    _unsubscribe(turn, node, begun, None, Finish(code="OK", outputs=begun.outputs["answer"]))


def await_callback(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """From now on the action waits to be called back."""
    record = replace(begun, status=Status.WAITING, code=AWAITS_CALLBACK, error=None)
    turn.emit(record)
    _watch(turn, node, record)


def recover_waiting(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """After a restart, or a rest: waits on; a child is asked for what it has to say."""
    if begun.code == AWAITS_CHILD:
        _look(turn, node, begun)
    elif begun.code == AWAITS_CALLBACK:
        _watch(turn, node, begun)


def look_or_wait(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """A timer of a waiting action came: its time is over, or a child is to be asked for."""
    ends_at = deadline(node, begun)
    if ends_at is not None and turn.moment.now >= ends_at:
        time_out_waiting(turn, node, begun)
    else:
        recover_waiting(turn, node, begun)


def time_out_waiting(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """`limit.timeout` of an action that waits for an answer is over."""
    finish = Finish(status=Status.TIMED_OUT, code=_TIMED_OUT.code, error=_TIMED_OUT)
    if begun.code == AWAITS_CALLBACK:
        _unsubscribe(turn, node, begun, begun.outputs, finish)
    else:
        turn.finish_begun(node, begun, finish)


def let_go(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """A webhook whose run or container ended: its service is told, if that can be done, and nothing waits for it."""
    if begun.code != AWAITS_CALLBACK:
        return
    try:
        call = unsubscribing_call(turn, node, begun, begun.outputs)
    except ExpressionError:
        return
    if call is not None:
        turn.commands.append(Unsubscribe(key=(node.name, begun.repetition), call=call, client_request_id=begun.key))


def _send_on(turn: Turn, node: Node, begun: ActionRecord, outcome: Outcome, awaited: ContentAwaited) -> None:
    """Sends the next piece of a chunked body; recorded first, so that after a crash no more than this one is sent again."""
    details = {**_kept_details(begun), "phase": UPLOAD, "start": awaited.start, "chunkBytes": awaited.chunk_bytes}
    record = replace(
        begun,
        # Where the pieces go stands in the first answer.
        outputs=begun.outputs if phase_of(begun) == UPLOAD else outcome.outputs,
        details=with_secured(node, details),
        connection_id=outcome.connection_id,
    )
    turn.emit(record)
    repeat_call(turn, node, record)


def _subscribed(turn: Turn, node: Node, begun: ActionRecord, outcome: Outcome, attempts: tuple[Attempt, ...]) -> None:
    if _early_answer(begun):
        _unsubscribe(turn, node, begun, outcome.outputs, Finish(code="OK", outputs=begun.outputs["answer"]))
        return
    subscribed = replace(begun, outputs=outcome.outputs, attempts=attempts, connection_id=outcome.connection_id)
    await_callback(turn, node, subscribed)


def _unsubscribe(turn: Turn, node: Node, begun: ActionRecord, subscribed: Json, finish: Finish) -> None:
    """Records how the action ends, then ends the subscription; the action ends after that."""
    end: dict[str, Json] = {"status": finish.status.value, "code": finish.code}
    if finish.error is not None:
        end["message"] = finish.error.message
    record = replace(
        begun,
        status=Status.RUNNING,
        code="",
        outputs={"subscribed": subscribed, "answer": finish.outputs},
        wake_at=None,
        details=with_secured(node, {**_kept_details(begun), "phase": END, "end": end}),
    )
    try:
        call = unsubscribing_call(turn, node, record, subscribed)
    except ExpressionError:
        call = None
    if call is None:
        turn.finish_begun(node, begun, finish)
        return
    turn.emit(record)
    send(turn, node, record, call)


def _look(turn: Turn, node: Node, begun: ActionRecord) -> None:
    authentication = evaluate_authentication(node, turn.scope(node, begun.repetition))
    call = first_call(turn, node, begun, authentication)
    turn.commands.append(
        CallOperation(
            key=(node.name, begun.repetition),
            call=call,
            client_request_id=begun.key,
            attempt=len(begun.attempts) + 1,
            is_repeat=True,
            on_interruption=node.on_interruption,
        )
    )


def _look_again(turn: Turn, node: Node, begun: ActionRecord) -> None:
    now = turn.moment.now
    is_young = begun.started_at is not None and now < begun.started_at + _LOOK_SOON
    wait(turn, node, begun, now + (_LOOK_SOON if is_young else _LOOK_SELDOM))


def _watch(turn: Turn, node: Node, begun: ActionRecord) -> None:
    ends_at = deadline(node, begun)
    if ends_at is not None:
        turn.commands.append(WaitUntil((node.name, begun.repetition), ends_at))


def _is_accepted(begun: ActionRecord, outcome: Outcome) -> bool:
    outputs = outcome.outputs
    if not isinstance(outputs, dict) or outputs.get("statusCode") != _ACCEPTED:
        return False
    is_known = phase_of(begun) == POLL
    return bool(header_of(outputs, "location")) or is_known


def _early_answer(begun: ActionRecord) -> bool:
    return isinstance(begun.outputs, dict) and "answer" in begun.outputs


def _kept_details(begun: ActionRecord) -> dict[str, Json]:
    return dict(begun.details) if isinstance(begun.details, dict) else {}


def _finish_of(outcome: Outcome) -> Finish:
    return Finish(status=outcome.status, code=outcome.code, outputs=outcome.outputs, error=outcome.error)
