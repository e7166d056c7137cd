"""A request that cannot be answered: what happened, and where to go on."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from flowmend.core.errors import (
    AskedWrongly,
    Conflict,
    FlowmendError,
    NotAllowed,
    NotFound,
    StoreUnavailable,
    TheyFailed,
    TooLarge,
    TooManyAttempts,
)
from flowmend.portal.frame import language_of
from flowmend.portal.language import marked
from flowmend.portal.portal import Portal

Page = Callable[[Portal, Request], Awaitable[Response]]


class Answer(NamedTuple):
    """How an error is shown; title and advice are to be translated."""

    error: type[FlowmendError]
    status_code: int
    title: str
    advice: str


#: the most particular first
_ANSWERS = (
    Answer(
        NotFound, 404, marked("There is no such page"), marked("What you were looking for is not here, or no longer.")
    ),
    Answer(NotAllowed, 401, marked("Sign in first"), marked("Nothing was changed.")),
    Answer(Conflict, 409, marked("This is not possible now"), marked("Nothing was changed.")),
    Answer(TooLarge, 413, marked("This is too large"), marked("Nothing was changed.")),
    Answer(
        TooManyAttempts,
        429,
        marked("Too many tries for now"),
        marked("Nothing was changed. Wait a while, then try again."),
    ),
    Answer(AskedWrongly, 400, marked("This could not be done"), marked("Nothing was changed.")),
    Answer(
        StoreUnavailable,
        503,
        marked("Nothing can be saved now"),
        marked("Nothing was changed. Try again after a while."),
    ),
    Answer(TheyFailed, 502, marked("The service did not answer as it should"), marked("Try again after a while.")),
    Answer(FlowmendError, 500, marked("Something went wrong here"), marked("Try again; the server's log says more.")),
)


async def answered(portal: Portal, page: Page, request: Request) -> Response:
    """The page, or the message that says why there is none."""
    try:
        return await page(portal, request)
    except FlowmendError as error:
        return show_error(portal, request, error)


async def answered_to_person(portal: Portal, page: Page, request: Request) -> Response:
    """As `answered`, for pages that need somebody signed in."""
    if getattr(request.state, "person", None) is None:
        return RedirectResponse("/login", 303)
    return await answered(portal, page, request)


async def show_nothing(_portal: Portal, request: Request) -> Response:
    """GET of a path that no page has. Programs at the signed URLs get no page."""
    if request.url.path.startswith(("/api/", "/workflows/")):
        return PlainTextResponse("Not Found", 404)
    raise NotFound("There is nothing at this address.")


def show_error(portal: Portal, request: Request, error: FlowmendError) -> Response:
    """The error as a page. The detail is as it was raised, in English."""
    shown = next(one for one in _ANSWERS if isinstance(error, one.error))
    gettext = portal.rendering.gettext(language_of(request))
    answer = portal.answer(
        request,
        "message.html",
        status_code=shown.status_code,
        title=gettext(shown.title),
        advice=gettext(shown.advice),
        detail=error.message,
        code=error.code,
        tone="idle" if shown.status_code == 404 else "bad",
        ways=_ways(request, gettext),
    )
    if isinstance(error, TooManyAttempts | StoreUnavailable):
        answer.headers["retry-after"] = str(error.retry_after_seconds)
    return answer


def _ways(request: Request, gettext: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    if getattr(request.state, "person", None) is None:
        return (("/login", gettext("Sign in")),)
    parts = request.url.path.strip("/").split("/")
    ways: tuple[tuple[str, str], ...] = (("/", gettext("Home")),)
    if parts[0] in {"flows", "runs", "connections"}:
        words = {"flows": gettext("My flows"), "runs": gettext("All runs"), "connections": gettext("Connections")}
        ways = ((f"/{parts[0]}", words[parts[0]]), *ways)
    if parts[0] == "import":
        ways = (("/import", gettext("Choose another file")), *ways)
    if request.method == "POST" and len(parts) > 2 and parts[0] in {"flows", "runs", "connections"}:
        ways = ((f"/{parts[0]}/{parts[1]}", gettext("Back")), *ways)
    return ways
