"""Make a repair link for the owner of a connection's account, see what became of earlier ones, end them."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import Conflict
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.incident_rows import RepairLinkRow
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.repair_links import MadeLink, list_repair_links, make_repair_link, revoke_repair_links


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairLinkPage:
    """made: the link just made, shown this once. links: all of the connection, newest first, without their secrets.

    asks_whose: a link is of use only where its maker vouches for whoever gets it.
    """

    view: ConnectionView
    links: Sequence[RepairLinkRow]
    made: MadeLink | None = None
    obstacle: str = ""
    asks_whose: bool = False


async def show_repair_link(portal: Portal, request: Request, *, made: MadeLink | None = None) -> Response:
    """GET /connections/{connection_id}/repair_link"""
    return await _answer(portal, request, made=made)


async def take_repair_link(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/repair_link"""
    connection_id = request.path_params["connection_id"]
    confirmed = form_text(await request.form(), "confirmed") == "true"
    try:
        made = await make_repair_link(portal.services, connection_id, person_id(request), confirmed=confirmed)
    except Conflict as wrong:
        return await _answer(portal, request, obstacle=wrong.message)
    return await _answer(portal, request, made=made)


async def take_revoke(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/repair_link/revoke"""
    connection_id = request.path_params["connection_id"]
    await revoke_repair_links(portal.services, connection_id, person_id(request))
    return see(f"/connections/{segment(connection_id)}/repair_link?done=revoked")


async def _answer(portal: Portal, request: Request, *, made: MadeLink | None = None, obstacle: str = "") -> Response:
    services, connection_id = portal.services, request.path_params["connection_id"]
    view = await read_connection(services, connection_id)
    page = RepairLinkPage(
        view=view,
        links=await list_repair_links(services, connection_id),
        made=made,
        obstacle=obstacle,
        asks_whose=not (view.test is not None and view.row.account_name),
    )
    status_code = 409 if obstacle else 200
    return portal.answer(request, "repair_link.html", place="connections", status_code=status_code, page=page)
