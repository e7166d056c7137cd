"""Make the call of a probe, and read what it says of the credential."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import msgspec

from flowmend.core.connection.account import NOBODY, Identity, identity_in_body
from flowmend.core.connection.credentials import ApiKeyCredential, BasicCredential, Credential
from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connection.probe import Probe, ProbeKind, SafeCall
from flowmend.core.connection.said_refusal import said_refusal
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector import (
    NO_SIGN_IN,
    Connector,
    HttpRequest,
    HttpResponse,
    SignInParts,
    TransportFailure,
    UnbuildableRequest,
    build_http_action,
    build_path_request,
    build_request,
    status_name,
)
from flowmend.core.connector.judging import retry_after_seconds
from flowmend.core.connector.request import may_go
from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis, FixableBy
from flowmend.use_cases.connector_answers import Looked, look_up
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services

_PROBE_SECONDS = timedelta(seconds=30)
_LARGEST_PROBE_ANSWER = 4 * 1024 * 1024
_READ_FOR_DIAGNOSIS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialTest:
    """What a test showed. is_testable: False where nothing harmless could be called, or its answer proves nothing.

    code: `OK`, the name of the status, or a transport code. message: secrets removed. diagnosis: None where proven.
    kind: where the probe came from. is_trusted: False of a guess that was never seen to tell good from bad.
    identity: who the answer says is signed in.
    replayed: the status with which the very call that had failed answered afterwards, None where it was not made again.
    """

    __test__: ClassVar[bool] = False  # not a class of tests

    is_testable: bool
    is_proven: bool
    operation_id: str = ""
    status_code: int | None = None
    code: str = ""
    message: str = ""
    diagnosis: Diagnosis | None = None
    duration_ms: int = 0
    kind: ProbeKind = ProbeKind.NONE
    is_trusted: bool = True
    replayed: int | None = None
    retry_after_seconds: float | None = None
    identity: Identity = NOBODY

    @property
    def is_refused(self) -> bool:
        """Whether the credential was found wrong, rather than the service away or the request at fault."""
        return self.diagnosis is not None and self.diagnosis.connection_broken

    @property
    def is_transient(self) -> bool:
        """Whether the same question may have another answer soon."""
        return self.diagnosis is not None and not self.is_refused and self.diagnosis.fixable_by is FixableBy.WAIT


async def probe_once(services: Services, opened: OpenedConnection, probe: Probe) -> CredentialTest:
    """The probe's call with the credential of `opened`; nothing is sent to an origin that is not the connection's."""
    operation_id = probe.call.operation_id
    request = probe_request(opened, probe.call)
    if isinstance(request, UnbuildableRequest):
        return _cannot(probe, request.code, opened.redactor.text(request.message))
    if not may_go(request.origin, opened.origins):
        message = "The test would go to another address than the connection's, so it was not sent."
        return _cannot(probe, "OriginNotAllowed", message)
    answer = await _answer(services, opened, request)
    if isinstance(answer, UnbuildableRequest):
        return _cannot(probe, answer.code, answer.message)
    if isinstance(answer, TransportFailure):
        received = ReceivedAnswer(failure_code=answer.code, body=answer.message)
        return CredentialTest(
            is_testable=True,
            is_proven=False,
            operation_id=operation_id,
            code=answer.code,
            message=answer.message,
            diagnosis=diagnose(received, had_credential=True, kind=opened.method.kind),
            kind=probe.kind,
        )
    diagnosis = _diagnosis(answer, opened, operation_id)
    if 200 <= answer.status < 300 and not diagnosis.connection_broken:
        return CredentialTest(
            is_testable=True,
            is_proven=True,
            operation_id=operation_id,
            status_code=answer.status,
            code="OK",
            kind=probe.kind,
            identity=identity_in_body(answer.body),
        )
    return CredentialTest(
        is_testable=True,
        is_proven=False,
        operation_id=operation_id,
        status_code=answer.status,
        code=status_name(answer.status) if answer.status >= 300 else "Unauthorized",
        message=diagnosis.message,
        diagnosis=diagnosis,
        kind=probe.kind,
        retry_after_seconds=retry_after_seconds(answer.header("retry-after"), services.clock.now),
    )


async def answers_anybody(services: Services, opened: OpenedConnection, probe: Probe) -> bool:
    """Whether the call is answered without a credential too. None is sent rather than a wrong one: those lock accounts."""
    credential = opened.credential
    empty: Credential | None = None
    if isinstance(credential, BasicCredential | ApiKeyCredential):
        empty = ApiKeyCredential(values={})
    without = open_connection(opened.row, opened.connector, empty)
    request = probe_request(without, probe.call)
    if isinstance(request, UnbuildableRequest) or not may_go(request.origin, opened.origins):
        return False
    answer = await _answer(services, opened, request)
    if not isinstance(answer, HttpResponse):
        return False
    return 200 <= answer.status < 300 and not _diagnosis(answer, without, probe.call.operation_id).connection_broken


async def _answer(
    services: Services, opened: OpenedConnection, request: HttpRequest
) -> HttpResponse | TransportFailure | UnbuildableRequest:
    """What the service answers, without our secrets; where a value it needs is refused, that refusal."""
    answer = await look_up(services, opened, request, timeout=_PROBE_SECONDS)
    redactor = opened.redactor
    if isinstance(answer, Looked):
        redactor = answer.redactor(opened)
        answer = await services.http.send(
            answer.request, timeout=_PROBE_SECONDS, max_response_bytes=_LARGEST_PROBE_ANSWER
        )
    if isinstance(answer, HttpResponse):
        return redactor.answer(answer)
    return msgspec.structs.replace(answer, message=redactor.text(answer.message))


def refused_by_provider(refusal: SignInRefusal) -> CredentialTest:
    """A refresh that gave no tokens, as a test."""
    return CredentialTest(
        is_testable=True,
        is_proven=False,
        operation_id="token",
        status_code=refusal.status,
        code=refusal.code,
        message=refusal.message,
        diagnosis=refusal.diagnosis,
        kind=ProbeKind.REFRESH,
    )


def probe_request(opened: OpenedConnection, call: SafeCall) -> HttpRequest | UnbuildableRequest:
    """The request of a probe's call, signed in."""
    request = _built(opened.connector, call, opened.parameters, opened)
    if isinstance(request, UnbuildableRequest):
        return request
    return msgspec.structs.replace(request, headers={**request.headers, "User-Agent": "flowmend"})


def shown_address(connector: Connector, call: SafeCall, parameters: Mapping[str, Json]) -> tuple[str, str]:
    """(method, address) of a probe's call for people: without query, and without what a run had put into its path."""
    operation = connector.operation(call.operation_id) if call.operation_id else None
    if operation is not None:
        request = build_request(connector, operation, call.arguments, parameters)
        if not isinstance(request, HttpRequest):
            return operation.method, operation.path
        if "{" in operation.path:
            return operation.method, request.origin + operation.path
        return operation.method, request.url.partition("?")[0]
    if not connector.operations:
        request = _plain_request(call)
        return call.method, request.origin if isinstance(request, HttpRequest) else ""
    return call.method, connector.base_url


def _built(
    connector: Connector, call: SafeCall, parameters: Mapping[str, Json], opened: OpenedConnection
) -> HttpRequest | UnbuildableRequest:
    if call.operation_id:
        operation = connector.operation(call.operation_id)
        if operation is None:
            return UnbuildableRequest(
                code="OperationNotFound", message=f"The connector has no operation '{call.operation_id}'."
            )
        return build_request(connector, operation, call.arguments, parameters, sign_in=opened.sign_in)
    if connector.operations:
        return build_path_request(
            connector,
            call.method,
            call.path,
            parameters,
            queries=call.queries,
            headers=call.headers,
            sign_in=opened.sign_in,
        )
    return _plain_request(call, opened.sign_in)


def _plain_request(call: SafeCall, sign_in: SignInParts = NO_SIGN_IN) -> HttpRequest | UnbuildableRequest:
    """The request of an HTTP action, whose connector has no operations and no host."""
    return build_http_action(
        method=call.method,
        uri=call.path,
        headers=call.headers,
        queries=call.queries,
        body=None,
        has_body=False,
        authentication=None,
        sign_in=sign_in,
    )


def _diagnosis(answer: HttpResponse, opened: OpenedConnection, operation_id: str) -> Diagnosis:
    said = said_refusal(opened.connector, operation_id, answer.status, opened.method.kind)
    if said is not None:
        return said
    received = ReceivedAnswer(
        status=answer.status,
        headers=answer.headers,
        body=answer.body[:_READ_FOR_DIAGNOSIS].decode("utf-8", "replace"),
        phase=Phase.API_CALL,
        provider=opened.connector.display_name,
    )
    return diagnose(received, had_credential=True, kind=opened.method.kind)


def _cannot(probe: Probe, code: str, message: str) -> CredentialTest:
    return CredentialTest(
        is_testable=False,
        is_proven=False,
        operation_id=probe.call.operation_id,
        code=code,
        message=message,
        kind=probe.kind,
    )
