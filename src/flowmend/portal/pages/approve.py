"""The public side of an approval's mail: one person gives one answer, and sees nothing else.

How the link's secret comes and where it is kept: `portal.opened_links`.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotAllowed, TooManyAttempts
from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of
from flowmend.portal.language import marked
from flowmend.portal.opened_links import LinkPages, caller_of, sent_secret, with_waiting_time
from flowmend.portal.portal import Portal
from flowmend.use_cases.approval_links import Question, answer_by_link, open_approval_link

APPROVE_COOKIE = "flowmend_approve"
_PAGES = LinkPages(cookie=APPROVE_COOKIE, path="/approve", template="approve.html")
_NOT_GOOD = marked("This link is no longer good")
_TOO_MANY = marked("Too many tries for now")
_NOT_TAKEN = marked("Nothing was answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovePage:
    """question: None before the link is known. error, detail: why it went no further. answered: with what, once done."""

    question: Question | None = None
    comments: str = ""
    error: str = ""
    detail: str = ""
    answered: str = ""


async def show_approve(portal: Portal, request: Request) -> Response:
    """GET /approve: asks for the link's secret, which the page's script finds in the fragment."""
    return _PAGES.answer(portal, request, ApprovePage())


async def take_approve_link(portal: Portal, request: Request) -> Response:
    """POST /approve: the secret, or the whole link as it was pasted."""
    secret = sent_secret(await request.form())
    try:
        await open_approval_link(portal.services, secret, caller_of(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    return _PAGES.taken(portal, secret, "/approve/question")


async def show_question(portal: Portal, request: Request) -> Response:
    """GET /approve/question"""
    try:
        question = await open_approval_link(portal.services, _PAGES.secret(request), caller_of(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    return _PAGES.answer(portal, request, ApprovePage(question=question))


async def take_question(portal: Portal, request: Request) -> Response:
    """POST /approve/question: the answer."""
    services, secret, address = portal.services, _PAGES.secret(request), caller_of(request)
    form = await request.form()
    response, comments = form_text(form, "response"), form_text(form, "comments")
    try:
        question = await open_approval_link(services, secret, address)
        await answer_by_link(services, secret, response, comments, address)
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    except AskedWrongly as wrong:
        gettext = portal.rendering.gettext(language_of(request))
        page = ApprovePage(question=question, comments=comments, error=gettext(_NOT_TAKEN), detail=wrong.message)
        return _PAGES.answer(portal, request, page, status_code=400)
    answer = _PAGES.answer(portal, request, ApprovePage(answered=response))
    _PAGES.forget(answer)
    return answer


def _refused(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    gettext = portal.rendering.gettext(language_of(request))
    is_late = isinstance(wrong, TooManyAttempts)
    page = ApprovePage(error=gettext(_TOO_MANY if is_late else _NOT_GOOD), detail=wrong.message)
    answer = _PAGES.answer(portal, request, page, status_code=429 if is_late else 400)
    return with_waiting_time(answer, wrong) if isinstance(wrong, TooManyAttempts) else answer
