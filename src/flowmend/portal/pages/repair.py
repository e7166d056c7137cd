"""The public side of a repair link: the owner of an account mends one connection, and sees nothing else.

How its secret comes and where it is kept: `portal.opened_links`. Nothing here depends on who is signed in.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flowmend.core.errors import AskedWrongly, NotAllowed, TooManyAttempts
from flowmend.portal.consent_binding import bind_browser, browser_binding
from flowmend.portal.forms import file_texts, form_texts
from flowmend.portal.frame import language_of
from flowmend.portal.language import marked
from flowmend.portal.opened_links import LinkPages, caller_of, sent_secret, with_waiting_time
from flowmend.portal.portal import Portal
from flowmend.use_cases.account_check import CONFIRMATION_NEEDED
from flowmend.use_cases.repair_links import RepairPlan, link_for_consent, open_repair_link, repair_by_link
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import Verification

REPAIR_COOKIE = "flowmend_repair"
_PAGES = LinkPages(cookie=REPAIR_COOKIE, path="/repair", template="repair.html")
_NOT_GOOD = marked("This link is no longer good")
_ASK_AGAIN = marked(
    "It was used, withdrawn or is older than a day, or the connection works again. Ask whoever sent it for a new one."
)
_TOO_MANY = marked("Too many tries for now")
_WAIT = marked("Try again in %(minutes)s minutes.")
_NOT_TESTED = marked("Nothing was tested and nothing was changed")
_NOT_SIGNED_IN = marked("The sign-in did not succeed")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPage:
    """plan: what there is to mend, None before the link is known. error, detail: why it went no further; advice: what to do then.

    may_try_again: the link is good still. is_done: the connection works again. needs_maker: it works, but whoever made the link has to vouch for its holder.
    """

    plan: RepairPlan | None = None
    result: Verification | None = None
    error: str = ""
    detail: str = ""
    advice: str = ""
    may_try_again: bool = False
    is_done: bool = False
    needs_maker: bool = False


async def show_repair(portal: Portal, request: Request) -> Response:
    """GET /repair: asks for the link's secret, which the page's script finds in the fragment."""
    return _PAGES.answer(portal, request, RepairPage())


async def take_link(portal: Portal, request: Request) -> Response:
    """POST /repair: the secret, or the whole link as it was pasted."""
    secret = sent_secret(await request.form())
    try:
        await open_repair_link(portal.services, secret, caller_of(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    return _PAGES.taken(portal, secret, "/repair/connection")


async def show_connection_to_repair(portal: Portal, request: Request) -> Response:
    """GET /repair/connection"""
    try:
        plan = await open_repair_link(portal.services, _PAGES.secret(request), caller_of(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    return _PAGES.answer(portal, request, RepairPage(plan=plan))


async def take_repair(portal: Portal, request: Request) -> Response:
    """POST /repair/connection: the new secrets."""
    services, secret, address = portal.services, _PAGES.secret(request), caller_of(request)
    form = await request.form()
    values = form_texts(form, "p.") | await file_texts(form, "p.")
    try:
        plan = await open_repair_link(services, secret, address)
        result = await repair_by_link(services, secret, values, address)
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    except AskedWrongly as wrong:
        gettext = portal.rendering.gettext(language_of(request))
        page = RepairPage(plan=plan, error=gettext(_NOT_TESTED), detail=wrong.message)
        return _PAGES.answer(portal, request, page, status_code=400)
    return _ended(portal, request, plan, result)


async def start_repair_sign_in(portal: Portal, request: Request) -> Response:
    """GET /repair/sign_in: on to the provider's own page. A plain link leads here (`pages.verify.start_consent`)."""
    services = portal.services
    try:
        link = link_for_consent(services, _PAGES.secret(request), caller_of(request))
    except (NotAllowed, TooManyAttempts) as wrong:
        return _refused(portal, request, wrong)
    binding = browser_binding(request)
    try:
        url = await begin_consent(
            services, link.connection_id, link.created_by, binding, "", confirmed=link.is_confirmed, link=link
        )
    except AskedWrongly as wrong:
        return _not_signed_in(portal, request, wrong)
    answer = RedirectResponse(url, 303, {"cache-control": "no-store"})
    bind_browser(answer, binding, services.settings)
    return answer


async def take_repair_consent(portal: Portal, request: Request) -> Response:
    """GET /oauth/callback of a sign-in that a repair link began. The cookie is not sent here: the state knows the link."""
    try:
        result = await finish_consent(portal.services, dict(request.query_params), browser_binding(request))
    except NotAllowed as wrong:
        return _refused(portal, request, wrong)
    except AskedWrongly as wrong:
        return _not_signed_in(portal, request, wrong)
    page = replace(_page_of(None, result), may_try_again=not result.is_kept)
    return _PAGES.answer(portal, request, page, status_code=_status(result))


def _ended(portal: Portal, request: Request, plan: RepairPlan, result: Verification) -> Response:
    answer = _PAGES.answer(portal, request, _page_of(plan, result), status_code=_status(result))
    if result.is_kept:
        _PAGES.forget(answer)
    return answer


def _page_of(plan: RepairPlan | None, result: Verification) -> RepairPage:
    return RepairPage(plan=plan, result=result, is_done=result.is_kept, needs_maker=result.code == CONFIRMATION_NEEDED)


def _status(result: Verification) -> int:
    return 200 if result.is_kept else 422


def _not_signed_in(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    gettext = portal.rendering.gettext(language_of(request))
    page = RepairPage(error=gettext(_NOT_SIGNED_IN), detail=wrong.message, may_try_again=True)
    return _PAGES.answer(portal, request, page, status_code=400)


def _refused(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    gettext = portal.rendering.gettext(language_of(request))
    if not isinstance(wrong, TooManyAttempts):
        page = RepairPage(error=gettext(_NOT_GOOD), advice=gettext(_ASK_AGAIN))
        return _PAGES.answer(portal, request, page, status_code=400)
    page = RepairPage(error=gettext(_TOO_MANY), advice=gettext(_WAIT) % {"minutes": wrong.retry_after_minutes})
    return with_waiting_time(_PAGES.answer(portal, request, page, status_code=429), wrong)
