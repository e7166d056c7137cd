"""`flowmend held …`: the events that flows hold: list, count, discard."""

from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

held = typer.Typer(help="Events that wait for a repair, or for their turn.", no_args_is_help=True)

_WHY = {
    "repair": "its connection needs repair",
    "plan": "a repair plan keeps it back",
    "flow": "its flow is off",
    "reading": "its flow no longer reads",
    "turn": "its turn",
}
FlowOption = Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="Only of this flow, by id or name.")]


@held.command("list")
def list_held(
    flow: FlowOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Held events, oldest first: when each came, what it is about, and what it waits for."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = server.pages("/held_events", limit=limit, flow=flow_id(server, flow) if flow else None)
    if json:
        print_json(found)
        return
    print_table(
        ("Arrived", "Flow", "About", "Waits for", "What came", "Name"),
        (
            (when(one["arrived_at"]), one["flow_name"], one["business_key"], _why(one), _shown(one), one["name"])
            for one in found
        ),
        nothing="Nothing is held.",
    )


@held.command("flows")
def list_flows(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """The flows that hold events: how many, since when, and why."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/held_events/flows")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Flow", "Held", "Since", "Waits for", "Let go after", "Id"),
        (
            (
                one["flow_name"],
                str(one["count"]),
                when(one["oldest_at"]),
                _why(one),
                f"{one['held_days']} days" if one["held_days"] else "",
                one["flow"],
            )
            for one in found
        ),
        nothing="Nothing is held.",
    )


@held.command("discard")
def discard(
    events: Annotated[list[str] | None, typer.Argument(metavar="EVENT…", help="Names of held events.")] = None,
    all_of: Annotated[str | None, typer.Option("--all-of", metavar="FLOW", help="Everything this flow holds.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Let held events go for good: they will never run. Their records stay, with who did it."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    if bool(events) == bool(all_of):
        raise typer.BadParameter("Name events, or say --all-of FLOW.")
    server = find_server(url, data)
    if all_of:
        flow = flow_id(server, all_of)
        known = {one["flow"]: one for one in server.get("/held_events/flows")["value"]}
        path, body = f"/flows/{segment(flow)}/held_events/discard_all", {}
        what = f"{known[flow]['count'] if flow in known else 0} events that {all_of!r} holds"
    else:
        path, body = "/held_events/discard", {"events": events}
        what = f"{len(events or [])} held event{'s' if len(events or []) > 1 else ''}"
    if not yes:
        typer.confirm(f"Discard {what}? They will never run, and what they brought is gone for good.", abort=True)
    answer = server.send("POST", path, body)
    if json:
        print_json(answer)
    else:
        typer.echo(f"Discarded: {answer['discarded']}.")


def _why(one: dict[str, Json]) -> str:
    if one.get("behind_run"):
        return f"the end of run {one['behind_run']}"
    return _WHY.get(str(one["waits_for"]), "")


def _shown(one: dict[str, Json]) -> str:
    return "secure" if one["is_secret"] else str(one["preview"])
