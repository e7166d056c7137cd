"""Test a credential by one harmless call, and say what it proved.

The declared `testConnection` operation is believed. Without one, a GET without required parameters whose name speaks
of identity is tried; it may be public, so it proves something only if the same call without a credential is refused.
OAuth without a probe is proven by its token endpoint. Everything else is judged by runs.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

import msgspec

from flowmend.core.connection.credentials import ApiKeyCredential, BasicCredential, Credential, OAuthCredential
from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connection.sign_in import SignInRefusal
from flowmend.core.connector import (
    Connector,
    HttpRequest,
    HttpResponse,
    Operation,
    SignInKind,
    TransportFailure,
    UnbuildableRequest,
    build_request,
    status_name,
)
from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential

_PROBE_SECONDS = timedelta(seconds=30)
_LARGEST_PROBE_ANSWER = 4 * 1024 * 1024
_SPEAKS_OF_IDENTITY = re.compile(
    r"(?:^|[^a-z])(?:me|user|account|profile|who_?am_?i|current_?user|self|identity)(?:[^a-z]|$)"
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OF_ONE_THING = re.compile(r"\b(?:list|search|all|create|delete|update)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPlan:
    """What a test would call. url_hint: without query. is_inferred: no connector author named this operation."""

    __test__: ClassVar[bool] = False  # not a class of tests

    operation_id: str
    method: str
    url_hint: str
    sentence: str
    is_inferred: bool
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialTest:
    """What a test showed. is_testable: False where nothing harmless could be called, or its answer proves nothing.

    code: `OK`, the name of the status, or a transport code. message: secrets removed. diagnosis: None where proven.
    """

    is_testable: bool
    is_proven: bool
    operation_id: str = ""
    status_code: int | None = None
    code: str = ""
    message: str = ""
    diagnosis: Diagnosis | None = None
    duration_ms: int = 0


def plan_test(connector: Connector, parameters: Mapping[str, Json]) -> TestPlan | None:
    """The call that would test a connection with these parameters; None where there is none."""
    declared = connector.test_operation
    if declared is not None:
        operation = connector.operations[declared.operation_id]
        if not operation.unsupported:
            return _plan(connector, operation, parameters, declared.arguments, is_inferred=False)
    candidates = sorted(
        (operation for operation in connector.operations.values() if _may_probe(operation)),
        key=lambda operation: (len(operation.path), operation.operation_id),
    )
    for operation in candidates:
        if _names_identity(operation):
            return _plan(connector, operation, parameters, {}, is_inferred=True)
    return None


async def test_credential(
    services: Services, connector: Connector, connection_row: ConnectionRow, credential: Credential
) -> CredentialTest:
    """Try a credential, which need not be the stored one, on a connection as this row says it is.

    An access token that has aged is refreshed first where it is the stored one, and kept.
    Errors: SecretUnreadable, Conflict where what is stored cannot be opened.
    """
    began = time.perf_counter()
    opened = open_connection(connection_row, connector, credential)
    plan = plan_test(connector, connection_row.parameters or {})
    oauth = opened.oauth
    if oauth is not None and (plan is None or oauth.is_due(services.clock.now)):
        refreshed = await _refresh_if_stored(services, opened, oauth)
        if isinstance(refreshed, SignInRefusal):
            return _timed(_refused_by_provider(refreshed), began)
        if plan is None:  # the token endpoint has just accepted it, now or when it was issued
            return _timed(CredentialTest(is_testable=True, is_proven=True, operation_id="token", code="OK"), began)
        opened = refreshed
    if plan is None:
        message = "This connector offers no call that could test a credential; runs will show whether it works."
        return CredentialTest(is_testable=False, is_proven=False, code="NotTestable", message=message)
    test = await _probe(services, opened, plan)
    if test.is_proven and plan.is_inferred and await _is_public(services, opened, plan):
        test = CredentialTest(
            is_testable=False,
            is_proven=False,
            operation_id=plan.operation_id,
            status_code=test.status_code,
            code="NotTestable",
            message="The only call that could test this credential answers without one, so it proves nothing.",
        )
    return _timed(test, began)


async def _probe(services: Services, opened: OpenedConnection, plan: TestPlan) -> CredentialTest:
    request = _request(opened, plan)
    if isinstance(request, UnbuildableRequest):
        return CredentialTest(
            is_testable=False,
            is_proven=False,
            operation_id=plan.operation_id,
            code=request.code,
            message=request.message,
        )
    if request.origin not in opened.origins:
        message = "The test would go to another address than the connection's, so it was not sent."
        return CredentialTest(
            is_testable=False, is_proven=False, operation_id=plan.operation_id, code="OriginNotAllowed", message=message
        )
    answer = await services.http.send(request, timeout=_PROBE_SECONDS, max_response_bytes=_LARGEST_PROBE_ANSWER)
    if isinstance(answer, TransportFailure):
        received = ReceivedAnswer(failure_code=answer.code, body=answer.message)
        return CredentialTest(
            is_testable=True,
            is_proven=False,
            operation_id=plan.operation_id,
            code=answer.code,
            message=answer.message,
            diagnosis=diagnose(received, had_credential=True, kind=opened.method.kind),
        )
    answer = opened.redactor.answer(answer)
    diagnosis = _diagnosis(answer, opened)
    if 200 <= answer.status < 300 and not diagnosis.connection_broken:
        return CredentialTest(
            is_testable=True, is_proven=True, operation_id=plan.operation_id, status_code=answer.status, code="OK"
        )
    return CredentialTest(
        is_testable=True,
        is_proven=False,
        operation_id=plan.operation_id,
        status_code=answer.status,
        code=status_name(answer.status) if answer.status >= 300 else "Unauthorized",
        message=opened.redactor.text(diagnosis.message),
        diagnosis=diagnosis,
    )


def _diagnosis(answer: HttpResponse, opened: OpenedConnection) -> Diagnosis:
    received = ReceivedAnswer(
        status=answer.status,
        headers=answer.headers,
        body=answer.body[:20_000].decode("utf-8", "replace"),
        phase=Phase.API_CALL,
    )
    return diagnose(received, had_credential=True, kind=opened.method.kind)


async def _refresh_if_stored(
    services: Services, opened: OpenedConnection, credential: OAuthCredential
) -> OpenedConnection | SignInRefusal:
    """The stored credential refreshed and kept; another one as it is, for it has only just been issued."""
    row = services.store.connections.get(opened.row.connection_id)
    stored = credential_holder(services, row) if row is not None else None
    if row is None or stored is None or not stored.sealed_credential:
        return opened
    renews_itself = opened.method.kind is SignInKind.CLIENT_CREDENTIALS
    if not (credential.refresh_token or renews_itself) or open_credential(services.vault, stored) != credential:
        return opened
    stale = open_connection(row, opened.connector, credential, holder=stored)
    return await services.operations.refresher.refreshed(services, stale)


async def _is_public(services: Services, opened: OpenedConnection, plan: TestPlan) -> bool:
    """Whether the call answers without a credential too. None is sent rather than a wrong one: those lock accounts."""
    credential = opened.credential
    empty: Credential | None = None
    if isinstance(credential, BasicCredential | ApiKeyCredential):
        empty = ApiKeyCredential(values={})
    without = open_connection(opened.row, opened.connector, empty)
    request = _request(without, plan)
    if isinstance(request, UnbuildableRequest):
        return False
    answer = await services.http.send(request, timeout=_PROBE_SECONDS, max_response_bytes=_LARGEST_PROBE_ANSWER)
    if isinstance(answer, TransportFailure):
        return False
    return 200 <= answer.status < 300 and not _diagnosis(answer, without).connection_broken


def _request(opened: OpenedConnection, plan: TestPlan) -> HttpRequest | UnbuildableRequest:
    operation = opened.connector.operations[plan.operation_id]
    request = build_request(opened.connector, operation, plan.arguments, opened.parameters, sign_in=opened.sign_in)
    if isinstance(request, UnbuildableRequest):
        return request
    return msgspec.structs.replace(request, headers={**request.headers, "User-Agent": "flowmend"})


def _refused_by_provider(refusal: SignInRefusal) -> CredentialTest:
    return CredentialTest(
        is_testable=True,
        is_proven=False,
        operation_id="token",
        status_code=refusal.status,
        code=refusal.code,
        message=refusal.message,
        diagnosis=refusal.diagnosis,
    )


def _plan(
    connector: Connector,
    operation: Operation,
    parameters: Mapping[str, Json],
    arguments: Mapping[str, Json],
    *,
    is_inferred: bool,
) -> TestPlan:
    request = build_request(connector, operation, arguments, parameters)
    url = request.url.partition("?")[0] if isinstance(request, HttpRequest) else operation.path
    return TestPlan(
        operation_id=operation.operation_id,
        method=operation.method,
        url_hint=url,
        sentence=f"{operation.method} {url} must answer.",
        is_inferred=is_inferred,
        arguments=arguments,
    )


def _may_probe(operation: Operation) -> bool:
    is_harmless = operation.method == "GET" and operation.may_probe and not operation.is_trigger
    needs_nothing = not any(one.is_required and one.default is None for one in operation.parameters)
    return is_harmless and needs_nothing and not operation.unsupported


def _names_identity(operation: Operation) -> bool:
    name = _WORD_START.sub("_", operation.operation_id).lower()
    last = operation.path.rstrip("/").rpartition("/")[2].lower()
    if _OF_ONE_THING.search(name.replace("_", " ")):
        return False
    return bool(_SPEAKS_OF_IDENTITY.search(name) or _SPEAKS_OF_IDENTITY.search(last))


def _timed(test: CredentialTest, began: float) -> CredentialTest:
    return CredentialTest(
        is_testable=test.is_testable,
        is_proven=test.is_proven,
        operation_id=test.operation_id,
        status_code=test.status_code,
        code=test.code,
        message=test.message,
        diagnosis=test.diagnosis,
        duration_ms=round((time.perf_counter() - began) * 1000),
    )
