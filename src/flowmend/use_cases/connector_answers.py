"""What a connector's policies add to a call: values asked for first, and its own reading of the answer."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from flowmend.core.connection.redaction import Redactor
from flowmend.core.connection.said_refusal import said_refusal
from flowmend.core.connector import HttpRequest, HttpResponse, TransportFailure, UnbuildableRequest
from flowmend.core.connector.answer_policies import changed_answer
from flowmend.core.connector.looked_up import looked_up_value, with_value
from flowmend.core.connector.operation import Operation
from flowmend.core.connector.request import may_go
from flowmend.core.outcome import Status
from flowmend.use_cases.judged_answer import JudgedAnswer
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.secret_uses import Purpose, note_use

_LARGEST_ANSWER = 1024 * 1024


class Looked(Struct, frozen=True, kw_only=True):
    """A request with every looked-up value in its place. values: those, which may be as secret as what they cost."""

    request: HttpRequest
    values: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Looked({self.request})"

    def redactor(self, opened: OpenedConnection) -> Redactor:
        return opened.redactor.also(self.values) if self.values else opened.redactor


async def look_up(
    services: Services,
    opened: OpenedConnection,
    request: HttpRequest,
    *,
    timeout: timedelta,  # noqa: ASYNC109  handed on, for each request
) -> Looked | HttpResponse | TransportFailure | UnbuildableRequest:
    """The request with its looked-up values, each asked for anew; else the answer that gave none, which is the call's own.

    Each is a use of the connection's secret and noted as one.
    """
    values: list[str] = []
    for lookup in request.lookups:
        if not may_go(lookup.request.origin, opened.origins):
            message = f"A value would be asked for at {lookup.request.origin}, which is not the connection's address."
            return UnbuildableRequest(code="OriginNotAllowed", message=message)
        answer = await services.http.send(lookup.request, timeout=timeout, max_response_bytes=_LARGEST_ANSWER)
        if isinstance(answer, TransportFailure) or not 200 <= answer.status < 300:
            return answer
        if opened.credential is not None:
            host = lookup.request.origin.partition("//")[2]
            note_use(services, opened.holder, Purpose.CALL, outcome="", host=host)
        value = looked_up_value(lookup, answer)
        if not (lookup.is_placeholder or lookup.is_beneath):  # of what is there, and to be seen in the answer
            values.append(value)
        filled = with_value(request, lookup, value)
        if isinstance(filled, UnbuildableRequest):
            return filled
        request = filled
    return Looked(request=request, values=tuple(values))


def as_connector_says(
    opened: OpenedConnection, operation: Operation | None, judged: JudgedAnswer, request: HttpRequest
) -> JudgedAnswer:
    """An answer changed and judged as the connector's policies want it; secrets they put in are taken out again."""
    operation_id = operation.operation_id if operation is not None else ""
    outcome = judged.outcome
    outputs = changed_answer(opened.connector, operation_id, outcome.outputs, opened.parameters, request.arguments)
    if outputs is not outcome.outputs:
        outcome = replace(outcome, outputs=opened.redactor.json(outputs))
    status = outputs.get("statusCode") if isinstance(outputs, dict) else None
    said = said_refusal(opened.connector, operation_id, status, opened.method.kind) if isinstance(status, int) else None
    if said is None or (judged.diagnosis is not None and judged.diagnosis.connection_broken):
        return replace(judged, outcome=outcome)
    if outcome.status is Status.SUCCEEDED:
        outcome = replace(outcome, status=Status.FAILED, code="Unauthorized", was_refused=True)
    return replace(judged, outcome=replace(outcome, diagnosis=said), diagnosis=said)
