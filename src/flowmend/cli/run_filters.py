"""The filters of `flowmend runs …`: one set for lists, exports and what is done with all that match."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from flowmend.core.errors import NotFound
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server

FlowFilter = Annotated[str | None, typer.Option("--flow", help="Only runs of this flow, by id or name.")]
StatusFilter = Annotated[str | None, typer.Option("--status", help="Only runs of this status, e.g. Failed.")]
ConnectionFilter = Annotated[
    str | None, typer.Option("--connection", help="Only runs that this connection failed, by id or name.")
]
IncidentFilter = Annotated[str | None, typer.Option("--incident", help="Only runs that this incident failed.")]
CategoryFilter = Annotated[
    str | None, typer.Option("--category", help="Only runs that failed for this, e.g. expired or wrong_password.")
]
TextFilter = Annotated[str | None, typer.Option("--text", help="Only runs with this in a tracked value, id or error.")]
TrackedFilter = Annotated[
    str | None, typer.Option("--tracked", metavar="NAME=VALUE", help="Only runs that track this value.")
]
FromFilter = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Only runs begun then or later, e.g. 2026-01-31T08:00Z.")
]
ToFilter = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only runs begun before then.")]
AllMatching = Annotated[
    bool, typer.Option("--all-matching", help="All runs that meet the filters, however many, instead of named ones.")
]


def query_of(
    server: "Server",
    *,
    flow: str | None = None,
    status: str | None = None,
    connection: str | None = None,
    incident: str | None = None,
    category: str | None = None,
    text: str | None = None,
    tracked: str | None = None,
    started_from: str | None = None,
    started_to: str | None = None,
) -> dict[str, str]:
    """The filters as the API is asked. Errors: NotFound for a flow or connection; typer.BadParameter for a status."""
    from flowmend.cli.lookup import connection_id, flow_id
    from flowmend.cli.server_client import segment

    found = {
        "flow_id": _known_flow(flow_id(server, flow)) if flow else None,
        "status": known_status(status),
        "connection_id": connection_id(server, connection) if connection else None,
        "incident_id": incident,
        "diagnosis_category": category,
        "text": text,
        "tracked": tracked,
        "started_from": started_from,
        "started_to": started_to,
    }
    if connection:
        server.get(f"/connections/{segment(str(found['connection_id']))}")  # says so where there is none
    return {name: value for name, value in found.items() if value}


def plan_all(server: "Server", query: dict[str, str], mode: str, *, yes: bool) -> Json:
    """Make a plan for all runs that match, show what it would do, and start it once somebody agrees.

    Errors: typer.Abort where nobody does; the plan is dismissed then.
    """
    from flowmend.cli.server_client import segment

    plan = server.send("POST", "/runs/plan", {"mode": mode}, query=query)
    place = f"/repair_plans/{segment(plan['id'])}"
    to_go = plan["counts"]["to_go"]
    if not to_go:
        server.send("POST", f"{place}/dismiss")
        return plan
    if not yes and not typer.confirm(f"{mode.capitalize()} {to_go} run{'s' if to_go != 1 else ''}?"):
        server.send("POST", f"{place}/dismiss")
        raise typer.Abort
    return server.send("POST", f"{place}/start", {"version": plan["version"]})


def known_status(text: str | None) -> str | None:
    """The status as the API writes it. Errors: typer.BadParameter naming those there are."""
    from flowmend.core.outcome import Status

    if text is None:
        return None
    known = [status.value for status in Status]
    fitting = next((name for name in known if name.casefold() == text.casefold()), None)
    if fitting is None:
        raise typer.BadParameter(f"{text!r} is no status. There are {', '.join(known)}.", param_hint="--status")
    return fitting


def _known_flow(found: str) -> str:
    """An id, also of a flow that was deleted; anything else is a name that no flow has."""
    try:
        UUID(found)
    except ValueError:
        raise NotFound(f"There is no flow {found}.", code="FlowNotFound", target=found) from None
    return found
