"""Perform one call of a run at a server that is not spoken to over HTTP, and judge what it answered."""

from msgspec import Struct
from msgspec.structs import replace

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connector import (
    ProtocolRefusal,
    Server,
    TransportFailure,
    UnbuildableRequest,
    match_operation,
    outcome_of,
    refused_outcome,
    server_of,
    status_name,
)
from flowmend.core.connector.operation import Operation
from flowmend.core.connector.protocol_call import CURSOR, ProtocolAnswer, arguments_of, arguments_of_path
from flowmend.core.connector.request import may_go
from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis, ErrorDetail, Outcome, Status
from flowmend.core.run.events import ConnectorCall
from flowmend.use_cases.call_requests import Sent
from flowmend.use_cases.judged_answer import JudgedAnswer
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.secret_uses import Purpose, note_use


class _Asked(Struct, frozen=True, kw_only=True):
    server: Server
    operation: Operation
    arguments: dict[str, Json]


async def perform_call(
    services: Services, opened: OpenedConnection, call: Sent, client_request_id: str
) -> JudgedAnswer | Outcome:
    """The answer, judged; an Outcome where nothing was sent."""
    connection_id = opened.row.connection_id
    asked = _asked(opened, call)
    if isinstance(asked, UnbuildableRequest):
        return refused_outcome(asked.code, opened.redactor.text(asked.message), connection_id=connection_id)
    origin = asked.server.origin
    if not may_go(origin, opened.origins):
        message = (
            f"The call would go to {origin}, but the connection {opened.row.display_name!r} is bound to "
            f"{', '.join(sorted(opened.origins)) or 'no address'}. Verify the connection again."
        )
        return refused_outcome("OriginNotAllowed", message, connection_id=connection_id)
    answer = await services.protocols.perform(
        asked.server, asked.operation, asked.arguments, opened.credential, key=client_request_id
    )
    if isinstance(answer, UnbuildableRequest):
        return refused_outcome(answer.code, opened.redactor.text(answer.message), connection_id=connection_id)
    judged = _judged(services, opened, answer)
    if opened.credential is not None:
        code = "" if judged.outcome.status is Status.SUCCEEDED else judged.outcome.code
        note_use(services, opened.holder, Purpose.CALL, outcome=code, host=f"{asked.server.host}:{asked.server.port}")
    return judged


def _asked(opened: OpenedConnection, call: Sent) -> _Asked | UnbuildableRequest:
    connector = opened.connector
    if not isinstance(call, ConnectorCall):
        message = f"{connector.display_name} performs operations; there is no address of it to call."
        return UnbuildableRequest(code="OperationNotFound", message=message)
    if call.operation_id:
        operation, given = connector.operation(call.operation_id), call.parameters or {}
    else:
        path = call.path.partition("?")[0]
        found = match_operation(connector, call.method or "GET", path)
        operation = found.operation if found is not None else None
        given = {}
        if found is not None:
            given = arguments_of_path(found.operation, found.path_values, call.queries or {}, call.body)
            given |= call.parameters or {}
    if operation is None:
        name = call.operation_id or f"{call.method} {call.path}"
        message = f"The connector '{connector.display_name}' has no operation '{name}'."
        return UnbuildableRequest(code="OperationNotFound", message=message)
    arguments = arguments_of(operation, given)
    if isinstance(arguments, UnbuildableRequest):
        return arguments
    server = server_of(connector.protocol, opened.row.parameters or {})
    if isinstance(server, UnbuildableRequest):
        return server
    return _Asked(server=server, operation=operation, arguments=arguments)


def _judged(
    services: Services, opened: OpenedConnection, answer: ProtocolAnswer | ProtocolRefusal | TransportFailure
) -> JudgedAnswer:
    connection_id = opened.row.connection_id
    if isinstance(answer, ProtocolAnswer):
        outputs: dict[str, Json] = {"statusCode": answer.status, "headers": {}}
        if answer.body is not None:
            outputs["body"] = answer.body
        if answer.cursor is not None:
            outputs[CURSOR] = answer.cursor
        outcome = Outcome(
            status=Status.SUCCEEDED,
            code=status_name(answer.status),
            outputs=opened.redactor.json(outputs),
            retry_after_seconds=0.0 if answer.has_more else None,
            connection_id=connection_id,
        )
        return JudgedAnswer(outcome=outcome, diagnosis=None)
    if isinstance(answer, TransportFailure):
        received = ReceivedAnswer(failure_code=answer.code, body=opened.redactor.text(answer.message))
        diagnosis = _diagnosis(opened, received)
        outcome = outcome_of(answer, now=services.clock.now, connection_id=connection_id)
    else:
        phase = Phase.API_CALL if answer.status else Phase.CONNECT
        message = opened.redactor.text(answer.text)
        diagnosis = _diagnosis(opened, ReceivedAnswer(body=message, phase=phase, protocol=answer.protocol))
        if answer.status:  # it let us in, so whatever it says of what was asked for then is not about the credential
            diagnosis = replace(diagnosis, connection_broken=False)
        outcome = _refused(answer, message, diagnosis, connection_id)
    return JudgedAnswer(outcome=replace(outcome, diagnosis=diagnosis), diagnosis=diagnosis)


def _refused(refusal: ProtocolRefusal, message: str, diagnosis: Diagnosis, connection_id: str) -> Outcome:
    """What was refused while signing in has the status HTTP gives that: 401, or 503 where it passes by itself."""
    status = refusal.status or (401 if diagnosis.is_auth_failure else 503)
    error = ErrorDetail(refusal.code or status_name(status), message)
    return Outcome(
        status=Status.FAILED,
        code=status_name(status),
        outputs={
            "statusCode": status,
            "headers": {},
            "body": {"error": {"code": error.code, "message": error.message}},
        },
        error=error,
        is_retryable=status == 429 or status >= 500,
        was_refused=True,
        connection_id=connection_id,
    )


def _diagnosis(opened: OpenedConnection, received: ReceivedAnswer) -> Diagnosis:
    return diagnose(received, had_credential=opened.credential is not None, kind=opened.method.kind)
