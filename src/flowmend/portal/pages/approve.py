"""The public side of an approval's mail: one person gives one answer, and sees nothing else.

As with repair links the secret stands in the fragment of the address, so no server sees it until the page's script, or a
person's own hand, sends it in a form; from then on a cookie of these pages alone holds it.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotAllowed, TooManyAttempts
from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of
from flowmend.portal.language import marked
from flowmend.portal.portal import Portal, see
from flowmend.use_cases.approval_links import Question, answer_by_link, open_approval_link

APPROVE_COOKIE = "flowmend_approve"
_COOKIE_LASTS_SECONDS = 3600
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
    return _answer(portal, request, ApprovePage())


async def take_approve_link(portal: Portal, request: Request) -> Response:
    """POST /approve: the secret, or the whole link as it was pasted."""
    secret = form_text(await request.form(), "code").strip().rpartition("#")[2]
    try:
        await open_approval_link(portal.services, secret, _address(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    answer = see("/approve/question")
    answer.set_cookie(
        APPROVE_COOKIE,
        secret,
        max_age=_COOKIE_LASTS_SECONDS,
        path="/approve",
        secure=portal.services.settings.base_url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return answer


async def show_question(portal: Portal, request: Request) -> Response:
    """GET /approve/question"""
    try:
        question = await open_approval_link(portal.services, _secret(request), _address(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    return _answer(portal, request, ApprovePage(question=question))


async def take_question(portal: Portal, request: Request) -> Response:
    """POST /approve/question: the answer."""
    services, secret, address = portal.services, _secret(request), _address(request)
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
        return _answer(portal, request, page, status_code=400)
    answer = _answer(portal, request, ApprovePage(answered=response))
    answer.delete_cookie(APPROVE_COOKIE, path="/approve")
    return answer


def _refused(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    gettext = portal.rendering.gettext(language_of(request))
    is_late = isinstance(wrong, TooManyAttempts)
    page = ApprovePage(error=gettext(_TOO_MANY if is_late else _NOT_GOOD), detail=wrong.message)
    answer = _answer(portal, request, page, status_code=429 if is_late else 400)
    if isinstance(wrong, TooManyAttempts):
        answer.headers["retry-after"] = str(wrong.retry_after_seconds)
    return answer


def _answer(portal: Portal, request: Request, page: ApprovePage, status_code: int = 200) -> Response:
    # Whoever is signed in in this browser: the page is the same, and shows nothing of what is theirs.
    request.state.person = None
    return portal.answer(request, "approve.html", status_code=status_code, page=page)


def _secret(request: Request) -> str:
    return request.cookies.get(APPROVE_COOKIE, "")


def _address(request: Request) -> str:
    return str(getattr(request.state, "address", "") or (request.client.host if request.client else ""))
