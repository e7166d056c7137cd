"""Settings of messages: how mail leaves, who is told what and when, trying it out, and what became of each message."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotFound, TooManyAttempts
from flowmend.portal.delivery_words import TOLD_OF, WAITS
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id, see
from flowmend.use_cases.message_routes import (
    MessagesView,
    NewRoute,
    add_route,
    change_owner,
    change_route,
    read_messages,
    remove_route,
    send_again,
    send_test,
)
from flowmend.use_cases.message_settings import change_message_settings

_ADDRESS = "/settings/messages"
#: Longer is no number of minutes that anybody means.
_MOST_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesPage:
    """made: a route just added, with its secret. values: what was entered. error, target: why it was refused, and where.

    to: {route id: where it leads}. waits: offered minutes. told_of: offered choices.
    """

    view: MessagesView
    to: dict[str, str]
    made: NewRoute | None = None
    values: dict[str, str] = field(default_factory=dict)
    error: str = ""
    target: str = ""
    waits: tuple[int, ...] = WAITS
    told_of: tuple[str, ...] = tuple(TOLD_OF)


async def show_messages(portal: Portal, request: Request) -> Response:
    """GET /settings/messages"""
    return await _page(portal, request)


async def take_settings(portal: Portal, request: Request) -> Response:
    """POST /settings/messages"""
    form = await request.form()
    change_message_settings(
        portal.services,
        mail_connection=form_text(form, "mail_connection"),
        digest=form_text(form, "digest"),
        person_id=person_id(request),
    )
    return see(f"{_ADDRESS}?done=changed")


async def take_owner(portal: Portal, request: Request) -> Response:
    """POST /settings/messages/owner"""
    form = await request.form()
    values = {"email": form_text(form, "email"), "language": form_text(form, "language")}
    try:
        await change_owner(portal.services, **values, person_id=person_id(request))
    except AskedWrongly as wrong:
        return await _page(portal, request, values=values, error=wrong, target="email")
    return see(f"{_ADDRESS}?done=changed")


async def take_route(portal: Portal, request: Request) -> Response:
    """POST /settings/messages/routes"""
    form = await request.form()
    values = {name: form_text(form, name).strip() for name in ("address", "after", "told_of", "route_language")}
    digits = values["after"]
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS
    try:
        made = await add_route(
            portal.services,
            values["address"],
            after_minutes=int(digits) if is_number else 0,
            kinds=[kind.value for kind in TOLD_OF.get(values["told_of"], ())],
            language=values["route_language"],
            person_id=person_id(request),
        )
    except AskedWrongly as wrong:
        return await _page(portal, request, values=values, error=wrong, target="address")
    if made.secret:  # shown this once, so the page itself is the answer
        return await _page(portal, request, made=made)
    return see(f"{_ADDRESS}?done=added")


async def take_test(portal: Portal, request: Request) -> Response:
    """POST /settings/messages/routes/{route_id}/test"""
    try:
        await send_test(portal.services, request.path_params["route_id"], request.state.person)
    except NotFound:
        raise
    except AskedWrongly as wrong:
        return await _page(portal, request, error=wrong, target="routes")
    return see(f"{_ADDRESS}?done=tested#history")


async def take_switch(portal: Portal, request: Request) -> Response:
    """POST /settings/messages/routes/{route_id}/switch"""
    is_on = form_text(await request.form(), "is_on") == "true"
    await change_route(portal.services, request.path_params["route_id"], is_on=is_on, person_id=person_id(request))
    return see(f"{_ADDRESS}?done=changed")


async def take_removal(portal: Portal, request: Request) -> Response:
    """POST /settings/messages/routes/{route_id}/remove"""
    await remove_route(portal.services, request.path_params["route_id"], person_id(request))
    return see(f"{_ADDRESS}?done=removed")


async def take_send_again(portal: Portal, request: Request) -> Response:
    """POST /settings/messages/deliveries/{notice_id}/{route_id}/again"""
    asked = request.path_params
    await send_again(portal.services, asked["notice_id"], asked["route_id"], person_id(request))
    return see(f"{_ADDRESS}?done=again#history")


async def _page(
    portal: Portal,
    request: Request,
    *,
    made: NewRoute | None = None,
    values: dict[str, str] | None = None,
    error: AskedWrongly | None = None,
    target: str = "",
) -> Response:
    view = await read_messages(portal.services)
    page = MessagesPage(
        view=view,
        to={one.row.route_id: one.address for one in view.routes},
        made=made,
        values=values or {},
        error=error.message if error is not None else "",
        target=target,
    )
    status_code = 200
    if error is not None:
        status_code = 429 if isinstance(error, TooManyAttempts) else 400
    return portal.answer(request, "messages.html", place="settings", status_code=status_code, page=page)
