"""Incidents: each breakage of a credential source, open ones first, with what it broke."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.portal import Portal
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.incidents import IncidentSummary, list_incidents

_PAGE_OF = 25
_STATES = ("open", "closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsPage:
    """state: `open`, `closed` or "" for both. connection: only whose incidents are shown. older: an address, "" at the end."""

    incidents: tuple[IncidentSummary, ...]
    state: str
    connection: ConnectionRow | None
    open_count: int
    older: str

    def address(self, state: str) -> str:
        """The page with only these."""
        return _address(state, self.connection.connection_id if self.connection else "")


async def show_incidents(portal: Portal, request: Request) -> Response:
    """GET /incidents?state=&connection=&cursor="""
    services, asked = portal.services, request.query_params
    state = asked.get("state", "")
    state = state if state in _STATES else ""
    connection = services.store.connections.get(asked.get("connection", ""))
    connection_id = connection.connection_id if connection else ""
    found = await list_incidents(
        services, state=state, connection_id=connection_id, limit=_PAGE_OF, cursor=asked.get("cursor", "")
    )
    page = IncidentsPage(
        incidents=found.incidents,
        state=state,
        connection=connection,
        open_count=services.store.incidents.count_open(),
        older=_address(state, connection_id, found.next_cursor) if found.next_cursor else "",
    )
    return portal.answer(request, "incidents.html", place="incidents", page=page)


def _address(state: str, connection_id: str, cursor: str = "") -> str:
    query = {"state": state, "connection": connection_id, "cursor": cursor}
    chosen = urlencode({name: value for name, value in query.items() if value})
    return f"/incidents?{chosen}" if chosen else "/incidents"
