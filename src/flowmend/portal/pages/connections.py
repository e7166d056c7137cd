"""Connections: each with its health, and beside a broken one the way to mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.health import HealthState
from flowmend.portal.portal import Portal
from flowmend.store.connection_list import ConnectionFilter
from flowmend.use_cases.connection_views import (
    ConnectionCounts,
    ConnectionView,
    count_connections,
    needing_attention,
    page_of_connections,
)

_SHOWN = 50
_LONGEST_TEXT = 200
_ATTENTION = "attention"
_ONLY: Mapping[str, HealthState] = {
    "broken": HealthState.BROKEN,
    "unfinished": HealthState.PENDING_CONSENT,
    "suspect": HealthState.SUSPECT,
    "untested": HealthState.UNTESTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsPage:
    """only: `attention`, `broken`, `unfinished`, `suspect`, `untested` or "" for all. text: searched for.

    more: the address of the next page, "" on the last. is_first: False where others stand before these.
    """

    views: tuple[ConnectionView, ...]
    counts: ConnectionCounts
    only: str = ""
    text: str = ""
    more: str = ""
    is_first: bool = True

    @property
    def is_filtered(self) -> bool:
        return bool(self.only or self.text)


async def show_connections(portal: Portal, request: Request) -> Response:
    """GET /connections?only=&text=&cursor="""
    services, asked = portal.services, request.query_params
    only = asked.get("only", "")
    only = only if only in _ONLY or only == _ATTENTION else ""
    text, cursor = asked.get("text", "").strip()[:_LONGEST_TEXT], asked.get("cursor", "")
    if only == _ATTENTION:
        wanted = needing_attention(services, text=text)
    else:
        wanted = ConnectionFilter(states=(_ONLY[only],) if only else (), text=text)
    found = await page_of_connections(services, wanted, limit=_SHOWN, cursor=cursor)
    query = {"only": only, "text": text, "cursor": found.cursor}
    more = urlencode({name: value for name, value in query.items() if value})
    page = ConnectionsPage(
        views=found.views,
        counts=await count_connections(services),
        only=only,
        text=text,
        more=f"/connections?{more}" if found.cursor else "",
        is_first=not cursor,
    )
    return portal.answer(request, "connections.html", place="connections", page=page)
