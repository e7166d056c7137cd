"""The service behind the built-in connector `approvals`: it lies inside, and is spoken to by the requests of any connector.

So flows name its operations, fill them, wait for its callback and end their subscription as with every service. What is
asked stands in the store before the request is answered, known by the key of the call: its repeat asks nobody twice.
"""

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

import msgspec

from flowmend.core.approval import NotAskable, WantedApproval, read_wanted
from flowmend.core.approval.answering import created_body
from flowmend.core.connector import HttpRequest, HttpResponse
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.store.approval_rows import ApprovalRow, ApprovalState, ApprovalWaitRow, ApproverRow
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.action_callbacks import CalledBack, action_called_back_at
from flowmend.use_cases.approval_mail import mail_approvers
from flowmend.use_cases.approvals import asked_of, let_go, tell_waiting
from flowmend.use_cases.ports import Services
from flowmend.use_cases.secret_uses import on_behalf_of

#: The built-in connector, and the address of its documents, at which nothing answers (RFC 2606).
APPROVALS = "approvals"
_SUBSCRIBE = "$subscriptions"
_CALLBACK = "notificationurl"
_FIRST_KIND = "Basic"


async def ask_approval_service(services: Services, connection: ConnectionRow, request: HttpRequest) -> HttpResponse:
    """What the service answers. Errors: StoreUnavailable."""
    steps = [unquote(step) for step in urlsplit(request.url).path.strip("/").split("/")]
    body = _decoded(request.body)
    match request.method, steps:
        case "POST", ["types", kind, last] if last == _SUBSCRIBE:
            return await _asked(services, connection, request, kind, body, is_awaited=True)
        case "POST", ["basic", last] if last == _SUBSCRIBE:
            return await _asked(services, connection, request, _FIRST_KIND, body, is_awaited=True)
        case "POST", ["types", kind]:
            return await _asked(services, connection, request, kind, body, is_awaited=False)
        case "POST", ["approvals", name, last] if last == _SUBSCRIBE:
            return await _awaited(services, name, body)
        case "DELETE", ["approvals", name, "waits", run_name, action, repetition]:
            await let_go(services, name, run_name, action, "" if repetition == "-" else repetition)
            return _answer(200, {})
    return _refusal(
        404, "ResourceNotFound", f"Approvals have nothing at {request.method} {urlsplit(request.url).path}."
    )


async def _asked(
    services: Services, connection: ConnectionRow, request: HttpRequest, kind: str, body: Json, *, is_awaited: bool
) -> HttpResponse:
    wanted = read_wanted(kind, body)
    if isinstance(wanted, NotAskable):
        return _refusal(400, wanted.code, wanted.message)
    waiting: CalledBack | None = None
    if is_awaited:
        found = _waiting(services, body)
        if isinstance(found, HttpResponse):
            return found
        waiting = found
    row = _row(services, connection, request, wanted, waiting)
    people = [
        ApproverRow(approval_id=row.approval_id, approver=one, position=position)
        for position, one in enumerate(wanted.approvers)
    ]
    kept = services.store.approvals.ask(row, people, _wait(row.approval_id, waiting) if waiting is not None else None)
    services.changes.publish("approval", approval_id=kept.approval_id, state=kept.state.value)
    await mail_approvers(services, kept)
    location = _location(_wait(kept.approval_id, waiting)) if waiting is not None else ""
    return _answer(201, created_body(asked_of(kept)), location)


async def _awaited(services: Services, name: str, body: Json) -> HttpResponse:
    row = services.store.approvals.get(name)
    if row is None:
        return _refusal(404, "ApprovalNotFound", f"There is no approval {name!r}.")
    waiting = _waiting(services, body)
    if isinstance(waiting, HttpResponse):
        return waiting
    wait = _wait(name, waiting)
    services.store.approvals.wait(wait)
    now = services.store.approvals.get(name) or row  # decided just before it was waited for
    if now.state is not ApprovalState.WAITING:
        await tell_waiting(services, now, only=wait)
    return _answer(201, created_body(asked_of(row)), _location(wait))


def _row(
    services: Services,
    connection: ConnectionRow,
    request: HttpRequest,
    wanted: WantedApproval,
    waiting: CalledBack | None,
) -> ApprovalRow:
    run_name, action = on_behalf_of()
    flow_id = ""
    if waiting is not None:
        flow_id, run_name, action = waiting.flow_id, waiting.run_name, waiting.action
    elif run_name and (run := services.store.runs.get(run_name)) is not None:
        flow_id = run.flow_id
    approval_id = str(services.clock.guid())
    key = next((text for name, text in request.headers.items() if name.lower() == "idempotency-key"), "")
    return ApprovalRow(
        approval_id=approval_id,
        request_id=key or approval_id,
        connection_id=connection.connection_id,
        flow_id=flow_id,
        run_name=run_name,
        action=action,
        approval_type=wanted.type.value,
        title=wanted.title,
        details=wanted.details,
        item_link=wanted.item_link,
        item_link_description=wanted.item_link_description,
        requestor=wanted.requestor,
        options=list(wanted.options),
        approver_count=len(wanted.approvers),
        is_notified=wanted.is_notified,
        created_at=services.clock.now,
    )


def _waiting(services: Services, body: Json) -> CalledBack | HttpResponse:
    """The action that is to be called back: one of this Flowmend, as its signature says."""
    given = body if isinstance(body, Mapping) else {}
    url = next((value for name, value in given.items() if name.lower() == _CALLBACK), "")
    try:
        return action_called_back_at(services, url if isinstance(url, str) else "")
    except AskedWrongly as error:
        return _refusal(400, error.code, error.message)


def _wait(approval_id: str, waiting: CalledBack) -> ApprovalWaitRow:
    return ApprovalWaitRow(
        approval_id=approval_id,
        run_name=waiting.run_name,
        action=waiting.action,
        repetition=waiting.repetition,
        flow_id=waiting.flow_id,
    )


def _location(wait: ApprovalWaitRow) -> str:
    """Where the wait is ended, which is what ends a subscription."""
    steps = ("approvals", wait.approval_id, "waits", wait.run_name, wait.action, wait.repetition or "-")
    return "/" + "/".join(quote(step, safe="") for step in steps)


def _decoded(body: bytes | None) -> Json:
    try:
        return msgspec.json.decode(body or b"null")
    except msgspec.DecodeError:
        return None


def _answer(status: int, body: Json, location: str = "") -> HttpResponse:
    headers = {"Content-Type": "application/json"} | ({"Location": location} if location else {})
    return HttpResponse(status=status, headers=headers, body=msgspec.json.encode(body))


def _refusal(status: int, code: str, message: str) -> HttpResponse:
    return _answer(status, {"error": {"code": code, "message": message}})
