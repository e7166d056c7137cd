"""Home: what needs attention, or that nothing does."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.health import HealthState
from flowmend.portal.incident_words import Cure, cure_of
from flowmend.portal.portal import Portal
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.incidents import IncidentSummary, list_incidents, open_incidents
from flowmend.use_cases.overview import Overview, read_overview

#: More are on their own page.
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """incidents: the open ones, each with what cures it. unfinished: connections that need somebody without an incident: a
    sign-in that nobody finished only where a flow waits for it.

    flow_names: by id. connections: those that need somebody first.
    """

    overview: Overview
    incidents: tuple[tuple[IncidentSummary, Cure], ...]
    unfinished: tuple[ConnectionRow, ...]
    flow_names: dict[str, str]
    connections: tuple[ConnectionRow, ...]


async def show_home(portal: Portal, request: Request) -> Response:
    """GET /"""
    overview = await read_overview(portal.services)
    found = await list_incidents(portal.services, state="open", limit=_MOST_SHOWN)
    covered = open_incidents(portal.services, [row.connection_id for row in overview.broken])
    connections = (*overview.broken, *overview.connected)
    page = HomePage(
        overview=overview,
        incidents=tuple((one, cure_of(one)) for one in found.incidents),
        unfinished=tuple(
            row
            for row in overview.broken
            if row.connection_id not in covered
            and (row.health is not HealthState.PENDING_CONSENT or row.connection_id in overview.waited_for)
        ),
        flow_names=overview.flow_names,
        connections=connections,
    )
    return portal.answer(request, "home.html", place="home", page=page)
