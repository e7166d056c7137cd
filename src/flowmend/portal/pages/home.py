"""Home: what needs attention, or that nothing does."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.portal import Portal
from flowmend.use_cases.connections import ConnectionView
from flowmend.use_cases.overview import Overview, read_overview


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """flow_names: by id. connections: those that need somebody first."""

    overview: Overview
    flow_names: dict[str, str]
    connections: tuple[ConnectionView, ...]


async def show_home(portal: Portal, request: Request) -> Response:
    """GET /"""
    overview = await read_overview(portal.services)
    connections = (*overview.broken, *overview.connected)
    page = HomePage(overview=overview, flow_names=overview.flow_names, connections=connections)
    return portal.answer(request, "home.html", place="home", page=page)
