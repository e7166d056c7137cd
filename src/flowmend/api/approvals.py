"""Approvals: list, read, answer, and write to the approvers again."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import list_answer, next_link, person_of, query_limit, query_text, read_body
from flowmend.api.shapes.approval import ApprovalShape, approval_shape
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases import approvals
from flowmend.use_cases.approval_mail import mail_approvers
from flowmend.use_cases.ports import Services

_STATES = ("waiting", "done")
_MOST_PASSED_OVER = 1_000_000


class NewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """response: one of the approval's options. approver: whose answer it is, where that is not clear."""

    response: str
    comments: str = ""
    approver: str = ""


async def list_approvals(services: Services, request: Request) -> JsonAnswer:
    state = query_text(request, "state") or "waiting"
    if state not in _STATES:
        raise AskedWrongly("The query value state must be waiting or done.", code="InvalidQuery", target="state")
    cursor = query_text(request, "cursor") or "0"
    if not (cursor.isascii() and cursor.isdecimal()) or int(cursor) > _MOST_PASSED_OVER:
        raise AskedWrongly("The query value cursor must be one from nextLink.", code="InvalidQuery", target="cursor")
    page = await approvals.list_approvals(
        services,
        person_of(request).person_id,
        is_waiting=state == "waiting",
        limit=query_limit(request),
        offset=int(cursor),
    )
    link = next_link(services.settings, request, str(page.next_offset) if page.next_offset else "")
    return list_answer([approval_shape(view) for view in page.views], next_link=link)


async def get_approval(services: Services, request: Request) -> JsonAnswer:
    view = await approvals.read_approval(services, _approval_id(request), person_of(request).person_id)
    return JsonAnswer(approval_shape(view))


async def answer_approval(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewAnswer)
    view = await approvals.answer_approval(
        services,
        _approval_id(request),
        wanted.response,
        approver=wanted.approver,
        comments=wanted.comments,
        person_id=person_of(request).person_id,
        through="api",
    )
    return JsonAnswer(approval_shape(view))


async def mail_again(services: Services, request: Request) -> JsonAnswer:
    await mail_approvers(services, approvals.approval_row(services, _approval_id(request)), again=True)
    return await get_approval(services, request)


def _approval_id(request: Request) -> str:
    return str(request.path_params["approval_id"])


_TAG = "approvals"

APPROVAL_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/approvals",
        handler=list_approvals,
        summary="Approvals: those that wait, oldest first, or those that are done, newest first",
        tag=_TAG,
        gives=ApprovalShape,
        is_list=True,
        query=(
            QueryParameter(name="state", description="waiting, or done; waiting if absent"),
            QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
            QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
        ),
    ),
    Operation(
        method="GET",
        path="/approvals/{approval_id}",
        handler=get_approval,
        summary="One approval with who was asked and what they answered",
        tag=_TAG,
        gives=ApprovalShape,
    ),
    Operation(
        method="POST",
        path="/approvals/{approval_id}/answer",
        handler=answer_approval,
        summary="Answer an approval; where that decides it, the run that waits goes on",
        tag=_TAG,
        takes=NewAnswer,
        gives=ApprovalShape,
    ),
    Operation(
        method="POST",
        path="/approvals/{approval_id}/mail",
        handler=mail_again,
        summary="Write to those who have not answered again; links of earlier mails end",
        tag=_TAG,
        gives=ApprovalShape,
    ),
)
