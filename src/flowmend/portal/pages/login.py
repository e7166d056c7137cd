"""Sign in by a link: the page has a button that uses the link up, so that a mail scanner's look does not."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.forms import form_text
from flowmend.portal.frame import local_path
from flowmend.portal.portal import Portal, see
from flowmend.use_cases.access import SESSION_COOKIE, login_link_is_good, sign_out, use_login_link


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """link: the secret of the link that was opened. return_to: where the person was on the way to."""

    link: str
    was_given: bool
    is_good: bool
    is_signed_out: bool
    return_to: str


async def show_login(portal: Portal, request: Request) -> Response:
    """GET /login?link=&return_to="""
    link = request.query_params.get("link", "")
    page = LoginPage(
        link=link,
        was_given=bool(link),
        is_good=bool(link) and await login_link_is_good(portal.services, link),
        is_signed_out=request.query_params.get("done") == "signed_out",
        return_to=local_path(request.query_params.get("return_to", "")),
    )
    return portal.answer(request, "login.html", page=page)


async def take_login(portal: Portal, request: Request) -> Response:
    """POST /login"""
    form = await request.form()
    cookie, session = await use_login_link(portal.services, form_text(form, "link"))
    answer = see(local_path(form_text(form, "return_to")))
    answer.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=int((session.expires_at - portal.services.clock.now).total_seconds()),
        path="/",
        secure=portal.services.settings.base_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return answer


async def take_logout(portal: Portal, request: Request) -> Response:
    """POST /logout"""
    if secret := request.cookies.get(SESSION_COOKIE, ""):
        await sign_out(portal.services, secret)
        portal.streams.end_all(secret)
    answer = see("/login?done=signed_out")
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer
