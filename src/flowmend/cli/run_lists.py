"""`flowmend runs list`: runs by any filter, as a table or as a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.cli.run_filters import (
    CategoryFilter,
    ConnectionFilter,
    FlowFilter,
    FromFilter,
    IncidentFilter,
    StatusFilter,
    TextFilter,
    ToFilter,
    TrackedFilter,
    query_of,
)
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server

_HOW_TEXTS_ARE_FOUND = (
    "A text that is a whole value was looked for in every run; as a part of one only in the newest 5,000 that meet the other "
    "filters. A flow, a status or a time looks further back."
)


def list_runs(
    flow: FlowFilter = None,
    status: StatusFilter = None,
    connection: ConnectionFilter = None,
    incident: IncidentFilter = None,
    category: CategoryFilter = None,
    text: TextFilter = None,
    tracked: TrackedFilter = None,
    started_from: FromFilter = None,
    started_to: ToFilter = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write all that match to this file, - for here.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="COLUMN", help="With --csv: one more, value:NAME or output:PATH."),
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Runs, newest first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    query = query_of(
        server,
        flow=flow,
        status=status,
        connection=connection,
        incident=incident,
        category=category,
        text=text,
        tracked=tracked,
        started_from=started_from,
        started_to=started_to,
    )
    if csv is not None:
        _write_csv(server, csv, query, column or ())
        if text:
            typer.echo(_HOW_TEXTS_ARE_FOUND, err=True)
        return
    found = server.pages("/runs", limit=limit, **query)
    if json:
        print_json(found)
        return
    flow_names = {one["id"]: one["name"] for one in server.get("/flows")["value"]}
    print_table(
        ("Run", "Flow", "Start", "Duration", "Status", "Error"),
        (
            (
                one["name"],
                flow_names.get(one["id"].split("/")[2], ""),
                when(one["properties"]["startTime"]),
                _took(one["properties"]),
                one["properties"]["status"],
                error_of(one["properties"]),
            )
            for one in found
        ),
        nothing="No runs.",
    )


def _took(properties: dict[str, Json]) -> str:
    """How long a run took, from when it began."""
    from flowmend.cli.output import between

    return between(properties.get("begunTime") or properties["startTime"], properties.get("endTime"))


def error_of(properties: dict[str, Json]) -> str:
    """What a run or an action failed with, "" where it did not."""
    error = properties.get("error")
    return f"{error['code']}: {error['message']}" if error else ""


def _write_csv(server: "Server", target: Path, query: dict[str, str], columns: Sequence[str]) -> None:
    """As it comes: there may be more than memory holds."""
    import sys

    asked = [*query.items(), *(("column", one) for one in columns)]
    if str(target) == "-":
        server.copy("/runs.csv", asked, sys.stdout.buffer)
        return
    with target.open("wb") as file:
        server.copy("/runs.csv", asked, file)
    typer.echo(f"Wrote {target}", err=True)
