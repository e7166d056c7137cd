"""Incidents: for now each connection that needs repair, with what it broke."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.portal import Portal
from flowmend.use_cases.connections import ConnectionView
from flowmend.use_cases.overview import read_overview


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsPage:
    """views: the connection that broke most first."""

    views: tuple[ConnectionView, ...]


async def show_incidents(portal: Portal, request: Request) -> Response:
    """GET /incidents"""
    overview = await read_overview(portal.services)
    return portal.answer(request, "incidents.html", place="incidents", page=IncidentsPage(views=overview.broken))
