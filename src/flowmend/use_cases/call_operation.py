"""Perform one call of a run: the request, the sign-in, the answer, and what it says of the connection.

Here alone a run's credentials are opened. What leaves is an `Outcome` without secrets: a service that echoes our
password must not put it into the history.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from flowmend.core.connection.claims_challenge import claims_in_header
from flowmend.core.connection.health import HealthEvent, HealthState
from flowmend.core.connection.redaction import Redactor
from flowmend.core.connection.token_grants import can_renew
from flowmend.core.connector import (
    HttpRequest,
    HttpResponse,
    SignInKind,
    TransportFailure,
    UnbuildableRequest,
    after_transfer,
    build_http_action,
    opening_of,
    outcome_of,
    refused_outcome,
)
from flowmend.core.connector.operation import READ_METHODS, Operation
from flowmend.core.connector.request import may_go
from flowmend.core.connector.request_signing import signed
from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import Category, Diagnosis, ErrorDetail, Outcome, Status
from flowmend.core.run.events import BatchCall, Call, ChildCall, ConnectorCall, FollowUp, HttpCall, TypedCall
from flowmend.use_cases.approval_service import APPROVALS, ask_approval_service
from flowmend.use_cases.call_requests import Sent, operation_of, request_of, secrets_of_http, with_our_headers
from flowmend.use_cases.connection_reports import report_good, report_refusal, stop_call
from flowmend.use_cases.connector_answers import MAY_HAVE_AGED, Looked, as_connector_says, look_up
from flowmend.use_cases.failed_calls import note_failed_call
from flowmend.use_cases.follow_ups import follow_request, leads_elsewhere, with_all_pages
from flowmend.use_cases.inline_sign_in import InlineSignIns
from flowmend.use_cases.judged_answer import JudgedAnswer, judge
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.opened_connections import OpenedConnection, OpenedConnections
from flowmend.use_cases.partial_answers import send_whole
from flowmend.use_cases.ports import Services
from flowmend.use_cases.protocol_calls import perform_call
from flowmend.use_cases.refresh_token import TokenRefresher
from flowmend.use_cases.secret_uses import Purpose, note_use
from flowmend.use_cases.sign_in_gate import GUARDED, SignInGate

#: How long a service may take; the platform's own limit for synchronous calls (wdl.md §8).
CALL_TIMEOUT = timedelta(seconds=120)
_BLAMES_THE_TOKEN = frozenset({Category.UNKNOWN, Category.EXPIRED, Category.WRONG_PASSWORD})
_NO_SECRETS = Redactor(())


class OperationFacts(Struct, frozen=True, kw_only=True):
    """What decides whether a call may be repeated. connection_id: "" where none is mapped or none is needed.

    operation, protocol: of a connector's call, None where the connector does not know it.
    """

    is_read: bool
    honours_key: bool
    connection_id: str
    operation: Operation | None = None
    protocol: str = "http"


class CallOperations:
    """Performs calls; keeps opened connections between them."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._opened = OpenedConnections()
        self._gate = SignInGate()
        self._inline = InlineSignIns()
        self.refresher = TokenRefresher()

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`."""
        if topic == "connection":
            self._opened.forget(facts["connection_id"])
            if facts.get("health") == HealthState.CONNECTED:
                self._gate.forget_refusals()
        elif topic == "connector":
            self._opened.forget_connector(facts["connector_id"])

    def facts(self, call: Call, mappings: Mapping[str, str]) -> OperationFacts:
        """What is known of a call before it is made; of an unknown operation only what its method says."""
        if isinstance(call, TypedCall):
            return OperationFacts(is_read=True, honours_key=False, connection_id="")
        if isinstance(call, ChildCall | BatchCall):
            return OperationFacts(is_read=False, honours_key=True, connection_id="")  # known by the name they get
        if isinstance(call, FollowUp):
            # A piece of content says which bytes it is, so that to send it again is no harm.
            says_what = call.content is not None
            return OperationFacts(is_read=call.method in READ_METHODS, honours_key=says_what, connection_id="")
        if isinstance(call, HttpCall):
            is_read, connection_id = call.method.upper() in READ_METHODS, mappings.get(call.embedded, "")
            return OperationFacts(is_read=is_read, honours_key=False, connection_id=connection_id)
        connection_id = mappings.get(call.reference, "")
        try:
            opened = self._opened.get(self._services(), connection_id) if connection_id else None
        except FlowmendError:
            opened = None  # the call itself will say why
        operation = operation_of(opened, call) if opened is not None else None
        return OperationFacts(
            is_read=call.method.upper() in READ_METHODS if operation is None else operation.is_read,
            honours_key=operation is not None and operation.honours_key,
            connection_id=connection_id,
            operation=operation,
            protocol=opened.connector.protocol if opened is not None else "http",
        )

    async def call(
        self,
        call: Call,
        *,
        flow_id: str,
        mappings: Mapping[str, str],
        client_request_id: str,
        trace_headers: Mapping[str, str],
        attempt: int,  # noqa: ARG002  retries send exactly what the first attempt sent
    ) -> Outcome:
        """How the call ended. mappings: {connection reference: connection id} of the flow.

        Errors: StoreUnavailable.
        """
        if isinstance(call, TypedCall):
            return refused_outcome(call.code, f"Nothing here performs this action of type '{call.type}'.")
        if isinstance(call, ChildCall | BatchCall):
            return refused_outcome("MissingServer", f"The flow '{call.flow}' can be called on a server only.")
        outcome = await self._call_once(
            call, flow_id=flow_id, mappings=mappings, client_request_id=client_request_id, trace_headers=trace_headers
        )
        if isinstance(call, FollowUp) or call.minimum_items is None:
            return outcome

        async def next_page(link: str) -> Outcome:
            follow = FollowUp(call=call, method="GET", location=link, is_page=True)
            return await self._call_once(
                follow,
                flow_id=flow_id,
                mappings=mappings,
                client_request_id=client_request_id,
                trace_headers=trace_headers,
            )

        return await with_all_pages(outcome, call.minimum_items, next_page, self.facts(call, mappings).operation)

    async def _call_once(
        self,
        call: Sent,
        *,
        flow_id: str,
        mappings: Mapping[str, str],
        client_request_id: str,
        trace_headers: Mapping[str, str],
    ) -> Outcome:
        begun = call.call if isinstance(call, FollowUp) else call
        traces = {} if "suppressworkflowheaders" in begun.options else dict(trace_headers)
        connection_id = mappings.get(begun.embedded if isinstance(begun, HttpCall) else begun.reference, "")
        if isinstance(call, FollowUp) and isinstance(begun, HttpCall) and leads_elsewhere(begun.uri, call.location):
            connection_id = ""  # nothing of it is sent there, so what is answered there says nothing of it
        services = self._services()
        try:
            opened = self._opened.get(services, connection_id) if connection_id else None
            if opened is None:
                if isinstance(begun, HttpCall):
                    return await self._call_http(call, begun, client_request_id, traces)
                return _not_mapped(begun, flow_id)
            if opened.method.kind not in GUARDED:
                return await self._call_connector(services, opened, call, client_request_id, traces)
            async with self._gate.passage(self._gate.key_of(opened)) as passage:
                if passage.has_waited:  # what the others were answered may have broken it
                    opened = self._opened.get(services, connection_id) or opened
                if passage.known_refusal is not None and not needs_repair(opened.row.health):
                    # Another connection of the same sign-in was refused: asking again would only lock the account.
                    code = passage.known_refusal.code or "Unauthorized"
                    await report_refusal(services, opened, HealthEvent.REFUSED, passage.known_refusal, code)
                outcome = await self._call_connector(services, opened, call, client_request_id, traces)
                if outcome.diagnosis is not None and outcome.diagnosis.connection_broken:
                    passage.refused = outcome.diagnosis
                return outcome
        except StoreUnavailable:
            raise
        except FlowmendError as error:
            return refused_outcome(error.code, error.message, connection_id=connection_id)

    async def _call_connector(
        self,
        services: Services,
        opened: OpenedConnection,
        call: Sent,
        client_request_id: str,
        traces: Mapping[str, str],
    ) -> Outcome:
        if needs_repair(opened.row.health):
            return await stop_call(services, opened.row)
        is_first = opened.credential is None and opened.method.kind is SignInKind.CLIENT_CREDENTIALS
        if opened.credential is None and opened.method.kind is not SignInKind.NONE and not is_first:
            return _not_signed_in(opened)
        if is_first or (opened.oauth is not None and opened.oauth.is_due(services.clock.now)):
            fresh = await self._refreshed(services, opened)
            if isinstance(fresh, Outcome):
                return fresh
            opened = fresh
        attempt = await self._send(services, opened, call, client_request_id, traces)
        if isinstance(attempt, Outcome):
            return attempt
        diagnosis = attempt.diagnosis
        if diagnosis is not None and opened.oauth is not None and _may_only_have_aged(attempt):
            await report_refusal(services, opened, HealthEvent.DOUBTED, diagnosis, attempt.outcome.code)
            fresh = await self._refreshed(services, opened, after=diagnosis)
            if isinstance(fresh, Outcome):
                if fresh.diagnosis is None:
                    return fresh
                await note_failed_call(services, opened, call)
                return replace(attempt.outcome, diagnosis=fresh.diagnosis)
            opened = fresh
            attempt = await self._send(services, opened, call, client_request_id, traces)
            if isinstance(attempt, Outcome):
                return attempt
            await self._report(services, opened, attempt, HealthEvent.REFUSED_AGAIN, call)
        else:
            await self._report(services, opened, attempt, HealthEvent.REFUSED, call)
        return attempt.outcome

    async def _refreshed(
        self, services: Services, opened: OpenedConnection, *, after: Diagnosis | None = None
    ) -> OpenedConnection | Outcome:
        """The connection with newer tokens, or how the call ends without them.

        after: what was diagnosed of the token in hand; None ahead of expiry, when it may still serve.
        """
        credential, connection_id = opened.oauth, opened.row.connection_id
        if credential is not None and not can_renew(opened.method, credential) and after is None:
            return opened  # nothing to refresh with: the service says when it is over
        fresh = await self.refresher.refreshed(services, opened)
        if isinstance(fresh, OpenedConnection):
            self._opened.put(fresh)
            return fresh
        if fresh.was_judged or (after is not None and fresh.code == "MissingRefreshToken"):
            diagnosis = fresh.diagnosis if fresh.was_judged or after is None else after
            await report_refusal(services, opened, HealthEvent.REFUSED_AGAIN, diagnosis, "Unauthorized")
            outcome = refused_outcome("Unauthorized", fresh.message or fresh.code, connection_id=connection_id)
            return replace(outcome, diagnosis=diagnosis)
        is_alive = credential is not None and (
            credential.expires_at is None or services.clock.now < credential.expires_at
        )
        if is_alive and after is None:
            return opened
        message = f"The sign-in of {opened.row.display_name!r} could not be refreshed: {fresh.message or fresh.code}"
        return Outcome(
            status=Status.FAILED,
            code="TokenRefreshFailed",
            error=ErrorDetail("TokenRefreshFailed", message),
            is_retryable=True,
            connection_id=connection_id,
        )

    async def _send(
        self,
        services: Services,
        opened: OpenedConnection,
        call: Sent,
        client_request_id: str,
        traces: Mapping[str, str],
    ) -> JudgedAnswer | Outcome:
        if opened.connector.protocol != "http":
            return await perform_call(services, opened, call, client_request_id)
        connection_id = opened.row.connection_id
        request = request_of(opened, call, client_request_id)
        if isinstance(request, UnbuildableRequest):
            return refused_outcome(request.code, opened.redactor.text(request.message), connection_id=connection_id)
        if request.answer is not None:  # nothing is sent, so nothing is said of the connection
            here = HttpResponse(status=200, headers={"Content-Type": "application/json"}, body=request.answer)
            return outcome_of(here, now=services.clock.now, connection_id=connection_id)
        if not may_go(request.origin, opened.origins):
            message = (
                f"The request would go to {request.origin}, but the credential of {opened.row.display_name!r} is bound "
                f"to {', '.join(sorted(opened.origins)) or 'no address'}. Verify the connection again."
            )
            return refused_outcome("OriginNotAllowed", message, connection_id=connection_id)
        redactor = opened.redactor
        looked = await look_up(services, opened, request, timeout=CALL_TIMEOUT)
        if isinstance(looked, UnbuildableRequest):
            return refused_outcome(looked.code, looked.message, connection_id=connection_id)
        answer: HttpResponse | TransportFailure
        if isinstance(looked, Looked):
            sent = with_our_headers(looked.request, client_request_id, traces)
            sent = signed(sent, opened.method, opened.parameters, services.clock.now)
            if opened.row.connector_id == APPROVALS:
                answer = await ask_approval_service(services, opened.row, sent)
            else:
                answer = await send_whole(services.http, sent, timeout=CALL_TIMEOUT)
            if looked.has_kept and isinstance(answer, HttpResponse) and answer.status in MAY_HAVE_AGED:
                opened.kept.clear()
                return await self._send(services, opened, call, client_request_id, traces)
            redactor = looked.redactor(opened)
        else:
            answer = looked
        judged = judge(
            answer,
            redactor,
            now=services.clock.now,
            kind=opened.method.kind,
            connection_id=connection_id,
            provider=opened.connector.display_name,
        )
        begun = call.call if isinstance(call, FollowUp) else call
        if isinstance(begun, ConnectorCall):
            judged = as_connector_says(opened, operation_of(opened, begun), judged, request)
        if isinstance(answer, HttpResponse) and answer.status == 401:
            services.consents.note_claims(connection_id, claims_in_header(answer.header("www-authenticate")))
        if opened.credential is not None:
            outcome = (
                "" if judged.diagnosis is None and judged.outcome.status is Status.SUCCEEDED else judged.outcome.code
            )
            note_use(services, opened.holder, Purpose.CALL, outcome=outcome, host=request.origin.partition("//")[2])
        return replace(judged, outcome=after_transfer(request, judged.outcome))

    async def _report(
        self, services: Services, opened: OpenedConnection, attempt: JudgedAnswer, refused: HealthEvent, call: Sent
    ) -> None:
        diagnosis = attempt.diagnosis
        if diagnosis is None:
            await report_good(services, opened)
        elif diagnosis.connection_broken and opened.credential is not None:
            before = opened.row.health
            await report_refusal(services, opened, refused, diagnosis, attempt.outcome.code)
            if opened.row.health is not before:
                await note_failed_call(services, opened, call)

    async def _call_http(
        self, call: Sent, begun: HttpCall, client_request_id: str, traces: Mapping[str, str]
    ) -> Outcome:
        services = self._services()
        signed = await self._inline.sign_in(services, begun.authentication)
        if isinstance(signed, UnbuildableRequest):
            return refused_outcome(signed.code, signed.message)
        request = build_http_action(
            method=begun.method,
            uri=begun.uri,
            headers=begun.headers,
            queries=begun.queries,
            body=begun.body,
            has_body=begun.has_body,
            authentication=signed.authentication,
            sign_in=signed.parts,
        )
        if isinstance(call, FollowUp) and isinstance(request, HttpRequest):
            request = follow_request(request, call)
        elif begun.is_chunked and isinstance(request, HttpRequest):
            request = opening_of(request)
        if isinstance(request, UnbuildableRequest):
            return refused_outcome(request.code, request.message)
        secrets = (*secrets_of_http(begun.authentication, request), *signed.secrets)
        redactor = Redactor(secrets) if secrets else _NO_SECRETS
        sent = with_our_headers(request, client_request_id, traces)
        answer = await send_whole(services.http, sent, timeout=CALL_TIMEOUT)
        judged = judge(answer, redactor, now=services.clock.now, kind=SignInKind.BASIC, had_credential=bool(secrets))
        return after_transfer(request, judged.outcome)


def _may_only_have_aged(attempt: JudgedAnswer) -> bool:
    """Whether new tokens may cure the refusal: the diagnosis says so, or a 401 blames the token without saying why."""
    diagnosis, outputs = attempt.diagnosis, attempt.outcome.outputs
    if diagnosis is None or diagnosis.try_silent_refresh_first:
        return diagnosis is not None
    is_401 = isinstance(outputs, dict) and outputs.get("statusCode") == 401
    return is_401 and diagnosis.connection_broken and diagnosis.category in _BLAMES_THE_TOKEN


def _not_signed_in(opened: OpenedConnection) -> Outcome:
    if opened.method.kind is SignInKind.UNSUPPORTED:
        code, message = "UnsupportedSignIn", f"Signing in to {opened.connector.display_name!r} is not supported yet."
    else:
        code = "NoCredential"
        message = f"The connection {opened.row.display_name!r} has no credential. Verify it on its page."
    return refused_outcome(code, message, connection_id=opened.row.connection_id)


def _not_mapped(call: ConnectorCall, flow_id: str) -> Outcome:
    code = "MissingServiceProvider" if call.connector.startswith("serviceproviders/") else "ConnectionNotMapped"
    return refused_outcome(
        code,
        f"The connection reference {call.reference!r} of flow {flow_id} means no connection"
        f"{f' to {call.connector}' if call.connector else ''}. Choose one on the flow's page.",
    )
