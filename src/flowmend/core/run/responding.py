"""The Response action: the one answer a synchronous caller gets (wdl.md §4)."""

from collections.abc import Mapping
from datetime import datetime

from flowmend.core.expression import to_text
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import SendResponse
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.leaves import RESPONSE_SKIPPED
from flowmend.core.run.record import ResponseRecord
from flowmend.core.run.skipping import skip
from flowmend.core.run.state import Repetition
from flowmend.core.run.turn import Turn
from flowmend.core.run.views import SANITIZED

#: Headers an answer may not set. Source: learn.microsoft.com/azure/logic-apps/logic-apps-workflow-actions-triggers#response-action
_DROPPED = frozenset({"allow", "cookie", "expires", "last-modified", "set-cookie", "transfer-encoding"})
_KEPT_CONTENT = frozenset({"content-disposition", "content-encoding", "content-type"})


def start_response(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Answers the caller, once; the run goes on after it. Errors: ExpressionError."""
    state = turn.state
    if state.has_responded:
        message = f"The action '{node.name}' cannot answer: another Response action has answered the caller already."
        turn.finish(node, repetition, failed("ResponseAlreadySent", message, record_code="Conflict"), started_at)
        return
    if not state.has_caller:
        message = (
            f"The execution of template action '{node.name}' is skipped: the client application is not waiting for a "
            "response from service."
        )
        skip(turn, node, repetition, ErrorDetail(RESPONSE_SKIPPED, message), code=RESPONSE_SKIPPED)
        return
    inputs = _inputs(turn, node, repetition)
    status_code = _status_code(inputs.get("statusCode", 200))
    if status_code is None:
        message = (
            f"The 'statusCode' of action '{node.name}' is '{inputs.get('statusCode')}'. Use a number of the ranges 200 to "
            "299 and 400 to 599."
        )
        turn.finish(node, repetition, failed("InvalidResponseStatusCode", message, inputs=inputs), started_at)
        return
    outputs = inputs | {"statusCode": status_code}
    turn.finish(node, repetition, Finish(code="OK", inputs=inputs, outputs=outputs), started_at)
    answer = SendResponse(
        status_code=status_code, headers=_sent_headers(inputs.get("headers")), body=inputs.get("body")
    )
    # Of a secret answer the action's own record keeps the values, which the store seals.
    shown = SendResponse(status_code=status_code, headers={}, body=SANITIZED) if node.secured else answer
    turn.emit(
        ResponseRecord(
            action=node.name, status_code=status_code, headers=shown.headers, body=shown.body, at=turn.moment.now
        )
    )
    turn.commands.append(answer)


def _inputs(turn: Turn, node: Node, repetition: Repetition) -> dict[str, Json]:
    raw = node.action.inputs
    if isinstance(raw, Mapping):
        raw = {key: value for key, value in raw.items() if key != "schema"}
    inputs = node.template("response", raw).evaluate(turn.scope(node, repetition))
    return inputs if isinstance(inputs, dict) else {}


def _status_code(value: Json) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 8:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 200 <= value < 300 or 400 <= value < 600 else None


def _sent_headers(headers: Json) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        return {}
    return {name: to_text(value) for name, value in headers.items() if not _is_dropped(name.lower())}


def _is_dropped(name: str) -> bool:
    return name in _DROPPED or (name.startswith("content-") and name not in _KEPT_CONTENT)
