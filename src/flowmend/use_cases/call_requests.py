"""The request of one call of a run: what its flow asks for, signed in, with our own headers."""

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import quote, unquote

from msgspec.structs import replace

from flowmend.core.connector import (
    HttpRequest,
    TransferPiece,
    UnbuildableRequest,
    build_http_action,
    build_path_request,
    build_request,
    match_operation,
    opening_of,
)
from flowmend.core.connector.operation import READ_METHODS, Operation
from flowmend.core.connector.request import SIGN_IN_HEADERS
from flowmend.core.json_value import Json
from flowmend.core.run.events import ConnectorCall, FollowUp, HttpCall
from flowmend.use_cases.follow_ups import follow_request
from flowmend.use_cases.opened_connections import OpenedConnection

#: What becomes one request.
Sent: TypeAlias = HttpCall | ConnectorCall | FollowUp
USER_AGENT = "flowmend"
#: Anything shorter in a header guards nothing, and would be taken out of half the words of an answer.
_SHORTEST_SECRET = 6


def operation_of(opened: OpenedConnection, call: ConnectorCall) -> Operation | None:
    """The operation a call means, in either spelling; None for one its connector does not have."""
    if call.operation_id:
        return opened.connector.operation(call.operation_id)
    found = match_operation(opened.connector, call.method, call.path.partition("?")[0])
    return found.operation if found is not None else None


def request_of(opened: OpenedConnection, call: Sent, key: str = "") -> HttpRequest | UnbuildableRequest:
    """The request to make now: of a call whose operation takes its content in pieces, the one that begins that.

    key: the call's own, the same for its every attempt.
    """
    request = _build(opened, call, key)
    if isinstance(call, HttpCall) and call.is_chunked and isinstance(request, HttpRequest):
        return opening_of(request)
    if isinstance(call, ConnectorCall) and call.is_chunked and isinstance(request, HttpRequest):
        operation = operation_of(opened, call)
        return opening_of(request) if operation is not None and operation.takes_chunks else request
    return request


def _build(opened: OpenedConnection, call: Sent, key: str) -> HttpRequest | UnbuildableRequest:
    if isinstance(call, FollowUp):
        first = _build(opened, call.call, key)
        return follow_request(first, call) if isinstance(first, HttpRequest) else first
    if isinstance(call, HttpCall):
        return build_http_action(
            method=call.method,
            uri=call.uri,
            headers=call.headers,
            queries=call.queries,
            body=call.body,
            has_body=call.has_body,
            authentication=None,
            sign_in=opened.sign_in,
        )
    if call.operation_id:
        operation = opened.connector.operation(call.operation_id)
        if operation is None:
            return UnbuildableRequest(
                code="OperationNotFound",
                message=f"The connector '{opened.connector.display_name}' has no operation '{call.operation_id}'.",
            )
        arguments = call.parameters or {}
        if call.notification_url and operation.notification_parameter:
            arguments = {**arguments, operation.notification_parameter: call.notification_url}
        request = build_request(
            opened.connector, operation, arguments, opened.parameters, sign_in=opened.sign_in, key=key
        )
        return _with_additions(request, call) if isinstance(request, HttpRequest) else request
    return build_path_request(
        opened.connector,
        call.method,
        call.path,
        opened.parameters,
        queries=call.queries,
        headers=call.headers,
        body=call.body,
        sign_in=opened.sign_in,
        key=key,
    )


def _with_additions(request: HttpRequest, call: ConnectorCall) -> HttpRequest:
    """The request with the queries and headers a call of an operation has besides its parameters: a poll's place."""
    if call.queries:
        address, _, query = request.url.partition("?")
        added = {name.lower() for name in call.queries}
        kept = [one for one in query.split("&") if one and unquote(one.partition("=")[0]).lower() not in added]
        kept += [f"{quote(name, safe='$')}={quote(str(text), safe='')}" for name, text in call.queries.items()]
        request = replace(request, url=f"{address}?{'&'.join(kept)}")
    if call.headers:
        request = replace(
            request, headers={**request.headers, **{name: str(one) for name, one in call.headers.items()}}
        )
    return request


def with_our_headers(request: HttpRequest, client_request_id: str, traces: Mapping[str, str]) -> HttpRequest:
    """The request with our headers; what the flow or the connector set stands."""
    headers = {"User-Agent": USER_AGENT, "x-ms-client-request-id": client_request_id, **traces}
    if request.method not in READ_METHODS:
        part = f"-{request.start}" if isinstance(request, TransferPiece) else ""
        headers["Idempotency-Key"] = client_request_id + part
    if request.headers:
        given = {name.lower() for name in request.headers}
        headers = {name: text for name, text in headers.items() if name.lower() not in given}
        headers.update(request.headers)
    return HttpRequest(
        method=request.method,
        url=request.url,
        headers=headers,
        body=request.body,
        client_certificate=request.client_certificate,
    )


def secrets_of_http(authentication: Json, request: HttpRequest) -> tuple[str, ...]:
    """What signs an Http action's request in and must not come back into the history, in the forms given and sent.

    authentication: the action's own; headers that sign in count as much where the flow writes them by hand.
    """
    texts: list[Json] = []
    if isinstance(authentication, dict):
        texts = [authentication.get(name) for name in ("password", "value", "secret", "pfx")]
    for name, sent in request.headers.items():
        if name.lower() in SIGN_IN_HEADERS and len(sent) >= _SHORTEST_SECRET:
            texts += (sent, sent.partition(" ")[2])
    return tuple(text for text in texts if isinstance(text, str) and text)
