"""Approvals: those that wait and those that are done; one of them, to be answered."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.approval_mail import mail_approvers
from flowmend.use_cases.approvals import (
    ApprovalView,
    answer_approval,
    approval_row,
    list_approvals,
    read_approval,
)

_PAGE_OF = 25
_MOST_PASSED_OVER = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsPage:
    """state: `waiting` or `done`. older: an address, "" at the end."""

    views: tuple[ApprovalView, ...]
    state: str
    waiting_count: int
    older: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPage:
    """comments, approver: what was entered. error: why that was not taken; target: of which field."""

    view: ApprovalView
    comments: str = ""
    approver: str = ""
    error: str = ""
    target: str = ""

    @property
    def chosen(self) -> str:
        """For whom the answer is, before anybody says so."""
        return self.approver or self.view.mine

    @property
    def is_mailed(self) -> bool:
        return any(one.mailed_at or one.mail_problem for one in self.view.people)


async def show_approvals(portal: Portal, request: Request) -> Response:
    """GET /approvals?state=&from="""
    state = "done" if request.query_params.get("state") == "done" else "waiting"
    begin = request.query_params.get("from", "")
    offset = min(int(begin), _MOST_PASSED_OVER) if begin.isascii() and begin.isdecimal() and len(begin) < 9 else 0
    found = await list_approvals(
        portal.services, person_id(request), is_waiting=state == "waiting", limit=_PAGE_OF, offset=offset
    )
    page = ApprovalsPage(
        views=found.views,
        state=state,
        waiting_count=portal.services.store.approvals.count_waiting(),
        older=f"/approvals?state={state}&from={found.next_offset}" if found.next_offset else "",
    )
    return portal.answer(request, "approvals.html", place="approvals", page=page)


async def show_approval(portal: Portal, request: Request) -> Response:
    """GET /approvals/{approval_id}"""
    view = await read_approval(portal.services, _approval_id(request), person_id(request))
    return portal.answer(request, "approval.html", place="approvals", page=ApprovalPage(view=view))


async def take_answer(portal: Portal, request: Request) -> Response:
    """POST /approvals/{approval_id}"""
    form = await request.form()
    approval_id, comments, approver = _approval_id(request), form_text(form, "comments"), form_text(form, "approver")
    try:
        await answer_approval(
            portal.services,
            approval_id,
            form_text(form, "response"),
            approver=approver,
            comments=comments,
            person_id=person_id(request),
            through="portal",
        )
    except NotFound:
        raise
    except AskedWrongly as wrong:
        view = await read_approval(portal.services, approval_id, person_id(request))
        page = ApprovalPage(
            view=view, comments=comments, approver=approver, error=wrong.message, target=wrong.target or ""
        )
        status_code = 409 if isinstance(wrong, Conflict) else 400
        return portal.answer(request, "approval.html", place="approvals", status_code=status_code, page=page)
    return see(f"/approvals/{segment(approval_id)}?done=answered")


async def take_mail_again(portal: Portal, request: Request) -> Response:
    """POST /approvals/{approval_id}/mail"""
    row = approval_row(portal.services, _approval_id(request))
    await mail_approvers(portal.services, row, again=True)
    return see(f"/approvals/{segment(row.approval_id)}")


def _approval_id(request: Request) -> str:
    return str(request.path_params["approval_id"])
