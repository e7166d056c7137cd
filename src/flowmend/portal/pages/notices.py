"""Messages in the portal: what broke, what works again, and what came of telling people."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import NotFound
from flowmend.portal.notice_words import path_of
from flowmend.portal.portal import Portal, see
from flowmend.store.notice_rows import DeliveryRow, NoticeRow
from flowmend.use_cases.message_routes import list_notices, mark_read

_PAGE_OF = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNotice:
    """A notice. deliveries: what was sent of it, with whom it went to."""

    row: NoticeRow
    deliveries: tuple[tuple[DeliveryRow, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesPage:
    """older: an address, "" at the end."""

    notices: tuple[ShownNotice, ...]
    unread: int
    older: str = ""


async def show_notices(portal: Portal, request: Request) -> Response:
    """GET /notices?cursor="""
    services = portal.services
    found = await list_notices(services, limit=_PAGE_OF, cursor=request.query_params.get("cursor", ""))
    to = {one.route_id: one.address for one in services.store.message_routes.list()}
    owner = next(iter(services.store.access.people()), None)
    shown = tuple(
        ShownNotice(
            row=row,
            deliveries=tuple(
                (one, to.get(one.route_id) or (owner.email if owner else ""))
                for one in found.deliveries.get(row.notice_id, ())
            ),
        )
        for row in found.notices
    )
    older = f"/notices?cursor={found.next_cursor}" if found.next_cursor else ""
    page = NoticesPage(notices=shown, unread=found.unread, older=older)
    return portal.answer(request, "notices.html", place="notices", page=page)


async def take_all_read(portal: Portal, request: Request) -> Response:  # noqa: ARG001  # as every page
    """POST /notices/read"""
    await mark_read(portal.services)
    return see("/notices")


async def take_open(portal: Portal, request: Request) -> Response:
    """POST /notices/{notice_id}/open: read, and on to the page it leads to."""
    notice_id = request.path_params["notice_id"]
    row = portal.services.store.notices.get(notice_id)
    if row is None:
        raise NotFound("There is no such message.", code="NoticeNotFound", target=notice_id)
    await mark_read(portal.services, notice_id)
    return see(path_of(row) or "/notices")
