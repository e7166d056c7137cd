"""Calls on their way out: the command for a recorded call, its repeat, and its timers.

What a call does beyond its first request shows in `details["phase"]`: `upload` sends the next piece of a chunked body,
`poll` asks where an accepted call stands, `unsubscribe` ends a webhook's subscription. A record without one is at its first request, or its retry.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from flowmend.core.definition.action_types import action_type
from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.outcome import ContentAwaited, ErrorDetail, Status
from flowmend.core.run.call_inputs import UNSUBSCRIBE, evaluate_authentication, evaluate_request
from flowmend.core.run.call_making import call_of, http_call
from flowmend.core.run.callbacks import callback_placeholder
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import Call, CallOperation, ConnectorCall, FollowUp, HttpCall, WaitUntil
from flowmend.core.run.finish import Finish, failed_expression
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.scope import RunScope
from flowmend.core.run.turn import Turn

POLL = "poll"
UPLOAD = "upload"
END = "unsubscribe"


def phase_of(record: ActionRecord) -> str:
    """`upload`, `poll`, `unsubscribe`, or "" for the call itself."""
    phase = record.details.get("phase", "") if isinstance(record.details, dict) else ""
    return str(phase)


def send(turn: Turn, node: Node, record: ActionRecord, call: Call, *, is_repeat: bool = False) -> None:
    """Has a recorded call made."""
    key = (node.name, record.repetition)
    is_end = phase_of(record) == END
    timeout_at = None if is_end else deadline(node, record)
    turn.commands.append(
        CallOperation(
            key=key,
            call=call,
            client_request_id=record.key,
            attempt=len(record.attempts) + 1,
            is_repeat=is_repeat,
            timeout_at=timeout_at,
            on_interruption="repeat" if is_end else node.on_interruption,  # to unsubscribe twice is no harm
        )
    )
    if timeout_at is not None:
        turn.commands.append(WaitUntil(key, timeout_at))


def first_call(turn: Turn, node: Node, record: ActionRecord, authentication: Json) -> Call:
    """The call an action is for."""
    call = call_of(turn.compiled, node, record.inputs, authentication)
    if node.type == "OpenApiConnectionWebhook" and isinstance(call, ConnectorCall):
        url = callback_placeholder(turn.state.start.run_name, node.name, record.repetition)
        return replace(call, notification_url=url)
    return call


def repeat_call(turn: Turn, node: Node, record: ActionRecord, *, is_repeat: bool = False) -> None:
    """Sends a recorded call again, with exactly the inputs and key of its record."""
    is_end = phase_of(record) == END
    try:
        call = _call_now(turn, node, record)
    except ExpressionError as error:
        if not is_end:
            turn.finish_begun(node, record, failed_expression(node.name, error))
            return
        call = None
    if call is not None:
        send(turn, node, record, call, is_repeat=is_repeat)
    elif is_end:
        finish_unsubscribed(turn, node, record)


def finish_unsubscribed(turn: Turn, node: Node, record: ActionRecord) -> None:
    """The end of a webhook's action, as it was decided before the unsubscribing."""
    end = record.details["end"]
    outputs = record.outputs.get("answer") if isinstance(record.outputs, dict) else None
    error = ErrorDetail(end["code"], end["message"]) if end.get("message") else None
    finish = Finish(status=Status(end["status"]), code=end["code"], outputs=outputs, error=error)
    turn.finish_begun(node, record, finish)


def unsubscribing_call(turn: Turn, node: Node, record: ActionRecord, subscribed: Json) -> Call | None:
    """The request that ends a webhook's subscription; None where the flow and the service's answer say none.

    subscribed: the outputs of the subscribing call. Errors: ExpressionError.
    """
    inputs = node.action.inputs
    if node.type == "HttpWebhook":
        if not isinstance(inputs, dict) or not inputs.get(UNSUBSCRIBE):
            return None
        view = ActionRecord(
            name=node.name,
            repetition=record.repetition,
            status=record.status,
            started_at=record.started_at,
            inputs=record.inputs,
            outputs=subscribed,
        )
        scope = RunScope(
            turn.state,
            turn.moment,
            node.loops,
            record.repetition,
            current=view,
            callback_url=callback_placeholder(turn.state.start.run_name, node.name, record.repetition),
        )
        request = evaluate_request(node, scope, UNSUBSCRIBE)
        return http_call(node, request.recorded, request.authentication, UNSUBSCRIBE)
    location = header_of(subscribed, "location")
    if not location:
        return None
    call = first_call(turn, node, record, evaluate_authentication(node, turn.scope(node, record.repetition)))
    return FollowUp(call=call, method="DELETE", location=location) if isinstance(call, ConnectorCall) else None


def wait(turn: Turn, node: Node, record: ActionRecord, wake_at: datetime) -> None:
    """Has the engine called at that time, or when the action's own time is over."""
    timeout_at = deadline(node, record)
    at = wake_at if timeout_at is None else min(wake_at, timeout_at)
    turn.commands.append(WaitUntil((node.name, record.repetition), at))


def deadline(node: Node, record: ActionRecord) -> datetime | None:
    """When `limit.timeout` ends an action; a wait for people does not count."""
    timeout = node.action.limit.timeout
    if timeout is None or record.started_at is None:
        return None
    held = record.details.get("held_seconds", 0.0) if isinstance(record.details, dict) else 0.0
    return record.started_at + timeout + timedelta(seconds=held)


def header_of(outputs: Json, name: str) -> str:
    """A header of an answer's outputs, its name in lower case; "" where it has none."""
    headers = outputs.get("headers") if isinstance(outputs, dict) else None
    found = headers.items() if isinstance(headers, dict) else ()
    return next((str(value) for key, value in found if key.lower() == name), "")


def is_polled(node: Node) -> bool:
    """Whether a 202 of this action means that its outcome is to be asked for (wdl.md §4, Async 202)."""
    known = action_type(node.type)
    return (
        known is not None
        and not node.is_webhook
        and node.type not in {"Workflow", "SendToBatch"}
        and "disableasyncpattern" not in node.action.operation_options
    )


def _call_now(turn: Turn, node: Node, record: ActionRecord) -> Call | None:
    if phase_of(record) == END:
        outputs = record.outputs if isinstance(record.outputs, dict) else {}
        return unsubscribing_call(turn, node, record, outputs.get("subscribed"))
    authentication = evaluate_authentication(node, turn.scope(node, record.repetition))
    call = first_call(turn, node, record, authentication)
    if not isinstance(call, HttpCall | ConnectorCall):
        return call
    location = header_of(record.outputs, "location")
    if phase_of(record) == POLL:
        return FollowUp(call=call, method="GET", location=location)
    if phase_of(record) == UPLOAD:
        awaited = ContentAwaited(start=record.details["start"], chunk_bytes=record.details["chunkBytes"])
        return FollowUp(call=call, method="PATCH", location=location, content=awaited)
    return call
