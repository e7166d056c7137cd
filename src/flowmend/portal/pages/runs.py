"""All runs, filtered by status, flow, connection and text."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.portal import Portal
from flowmend.portal.words import RUN_FILTERS, Look
from flowmend.store.rows import RunRow
from flowmend.use_cases.runs import list_runs

_PAGE_OF = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """chips: (address, look or None for all, whether it is the chosen one). older, newest: addresses, "" for none."""

    runs: tuple[RunRow, ...]
    headlines: Mapping[str, str]
    chips: tuple[tuple[str, Look | None, bool], ...]
    flow_names: dict[str, str]
    connection_names: dict[str, str]
    status: str
    flow_id: str
    connection_id: str
    incident_id: str
    text: str
    older: str
    newest: str
    is_later_page: bool

    @property
    def is_filtered(self) -> bool:
        return bool(self.status or self.flow_id or self.connection_id or self.incident_id or self.text)

    @property
    def flow_name(self) -> str:
        return self.flow_names.get(self.flow_id, "")

    @property
    def connection_name(self) -> str:
        return self.connection_names.get(self.connection_id, "")


async def show_runs(portal: Portal, request: Request) -> Response:
    """GET /runs?status=&flow=&connection=&incident=&text=&cursor="""
    services, asked = portal.services, request.query_params
    status = asked.get("status", "")
    chosen = {
        "status": status if status in RUN_FILTERS else "",
        "flow": asked.get("flow", ""),
        "connection": asked.get("connection", ""),
        "incident": asked.get("incident", ""),
        "text": asked.get("text", "").strip(),
    }
    cursor = asked.get("cursor", "")
    found = await list_runs(
        services,
        status=chosen["status"] or None,
        flow_id=chosen["flow"] or None,
        connection_id=chosen["connection"] or None,
        incident_id=chosen["incident"] or None,
        text=chosen["text"] or None,
        limit=_PAGE_OF,
        cursor=cursor,
    )
    page = RunsPage(
        runs=tuple(found.rows),
        headlines=found.headlines,
        chips=tuple(
            (_address(chosen | {"status": name}), look, name == chosen["status"])
            for name, look in {"": None, **RUN_FILTERS}.items()
        ),
        flow_names={row.flow_id: row.name for row in services.store.flows.list()},
        connection_names={row.connection_id: row.display_name for row in services.store.connections.list()},
        status=chosen["status"],
        flow_id=chosen["flow"],
        connection_id=chosen["connection"],
        incident_id=chosen["incident"],
        text=chosen["text"],
        older=_address(chosen | {"cursor": found.next_cursor}) if found.next_cursor else "",
        newest=_address(chosen),
        is_later_page=bool(cursor),
    )
    return portal.answer(request, "runs.html", place="runs", page=page)


def _address(filters: dict[str, str]) -> str:
    query = urlencode({name: value for name, value in filters.items() if value})
    return f"/runs?{query}" if query else "/runs"
