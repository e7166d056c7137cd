"""Connections: each with its health, and beside a broken one the way to mend it."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.health import HealthState
from flowmend.portal.portal import Portal
from flowmend.use_cases.connection_views import ConnectionView, list_connections

_FIRST = (HealthState.BROKEN, HealthState.PENDING_CONSENT, HealthState.REPAIRING, HealthState.SUSPECT)
_ONLY = {"broken": HealthState.BROKEN, "unfinished": HealthState.PENDING_CONSENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsPage:
    """only: `broken`, `unfinished` or "" for all. total, broken, unfinished: how many there are."""

    views: tuple[ConnectionView, ...]
    only: str
    total: int
    broken: int
    unfinished: int


async def show_connections(portal: Portal, request: Request) -> Response:
    """GET /connections?only="""
    views = sorted(await list_connections(portal.services), key=_order)
    only = request.query_params.get("only", "")
    only = only if only in _ONLY else ""
    page = ConnectionsPage(
        views=tuple(view for view in views if not only or view.row.health is _ONLY[only]),
        only=only,
        total=len(views),
        broken=sum(view.row.health is HealthState.BROKEN for view in views),
        unfinished=sum(view.row.health is HealthState.PENDING_CONSENT for view in views),
    )
    return portal.answer(request, "connections.html", place="connections", page=page)


def _order(view: ConnectionView) -> tuple[int, str]:
    health = view.row.health
    return _FIRST.index(health) if health in _FIRST else len(_FIRST), view.row.display_name.casefold()
