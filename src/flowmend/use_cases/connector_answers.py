"""What a connector's policies add to a call: values asked for first, and its own reading of the answer."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from flowmend.core.connection.diagnosis import ReceivedAnswer, diagnose
from flowmend.core.connection.redaction import Redactor
from flowmend.core.connection.said_refusal import said_refusal
from flowmend.core.connector import HttpRequest, HttpResponse, TransportFailure, UnbuildableRequest
from flowmend.core.connector.answer_policies import changed_answer, failure_in
from flowmend.core.connector.looked_up import looked_up_value, with_value
from flowmend.core.connector.operation import Operation
from flowmend.core.connector.request import ValueLookup, may_go
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import to_text
from flowmend.core.outcome import Diagnosis, ErrorDetail, Outcome, Status
from flowmend.use_cases.judged_answer import JudgedAnswer
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.secret_uses import Purpose, note_use

#: The service answered, and what its connector's data says of answers does not fit this one.
UNREADABLE = "UnreadableAnswer"
_LARGEST_ANSWER = 1024 * 1024
_READ_FOR_DIAGNOSIS = 20_000
_KEPT_FOR = timedelta(minutes=5)
#: Of an answer to a call with a kept value: they may mean that it has aged, and the call did nothing.
MAY_HAVE_AGED = frozenset({401, 403})


class Looked(Struct, frozen=True, kw_only=True):
    """A request with every looked-up value in its place. values: those, which may be as secret as what they cost.

    has_kept: one of them was asked for by an earlier call, so that a refusal may only mean that it has aged.
    """

    request: HttpRequest
    values: tuple[str, ...] = ()
    has_kept: bool = False

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
    """The request with its looked-up values; else the answer that gave none, which is the call's own.

    Each that is asked for is a use of the connection's secret and noted as one. A value of the connection itself, such as a token
    for its key, is used for a few minutes: asked for with every call, services lock accounts.
    """
    values: list[str] = []
    has_kept = False
    for lookup in request.lookups:
        known = opened.kept.get(_key(lookup)) if lookup.is_reusable else None
        if known is not None and services.clock.now < known[1]:
            has_kept = True
            values.append(known[0])
            filled = with_value(request, lookup, known[0])
            if isinstance(filled, UnbuildableRequest):
                return filled
            request = filled
            continue
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
        if lookup.is_secret:
            values.append(value)
        filled = with_value(request, lookup, value)
        if isinstance(filled, UnbuildableRequest):
            return filled
        request = filled
        if lookup.is_reusable:
            opened.kept[_key(lookup)] = value, services.clock.now + _KEPT_FOR
    return Looked(request=request, values=tuple(values), has_kept=has_kept)


def _key(lookup: ValueLookup) -> tuple[str, str]:
    return f"{lookup.request.method} {lookup.request.url}", lookup.name


def as_connector_says(
    opened: OpenedConnection, operation: Operation | None, judged: JudgedAnswer, request: HttpRequest
) -> JudgedAnswer:
    """An answer changed and judged as the connector's data wants it.

    That sees no secret of the connection: reworked into another form, one would not be known again in the history.
    """
    operation_id = operation.operation_id if operation is not None else ""
    outcome, outputs = judged.outcome, judged.outcome.outputs
    secret = opened.method.secret_names
    parameters = {name: value for name, value in opened.parameters.items() if name not in secret}
    try:
        failure = failure_in(opened.connector, operation_id, outputs, parameters, request.arguments)
        if failure is None:
            outputs = changed_answer(opened.connector, operation_id, outputs, parameters, request.arguments)
    except ExpressionError as error:
        failure = ErrorDetail(UNREADABLE, f"The service answered, but not as its connector expects: {error.message}")
    if outputs is not outcome.outputs:
        outcome = replace(outcome, outputs=opened.redactor.json(outputs))
    if failure is not None and outcome.status is Status.SUCCEEDED:
        outcome = replace(
            outcome,
            status=Status.FAILED,
            code=failure.code,
            error=ErrorDetail(failure.code, opened.redactor.text(failure.message)),
            was_refused=failure.code != UNREADABLE,  # what answered in another form may well have done it
        )
        judged = replace(judged, diagnosis=_of_failure(opened, outcome))
        outcome = replace(outcome, diagnosis=judged.diagnosis)
    status = outputs.get("statusCode") if isinstance(outputs, dict) else None
    said = said_refusal(opened.connector, operation_id, status, opened.method.kind) if isinstance(status, int) else None
    if said is None or (judged.diagnosis is not None and judged.diagnosis.connection_broken):
        return replace(judged, outcome=outcome)
    if outcome.status is Status.SUCCEEDED:
        outcome = replace(outcome, status=Status.FAILED, code="Unauthorized", was_refused=True)
    return replace(judged, outcome=replace(outcome, diagnosis=said), diagnosis=said)


def _of_failure(opened: OpenedConnection, outcome: Outcome) -> Diagnosis | None:
    """What a failure that came with a good status says of the credential; nothing where the answer merely did not read."""
    outputs = outcome.outputs
    if outcome.code == UNREADABLE or not isinstance(outputs, dict):
        return None
    received = ReceivedAnswer(
        status=outputs["statusCode"],
        headers=outputs.get("headers") or {},
        body=to_text(outputs.get("body"))[:_READ_FOR_DIAGNOSIS],
        provider=opened.connector.display_name,
    )
    return diagnose(received, had_credential=opened.credential is not None, kind=opened.method.kind)
