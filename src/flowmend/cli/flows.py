"""`flowmend flows …`: list, show, turn on and off, run, connect."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

flows = typer.Typer(help="Flows of the running server.", no_args_is_help=True)

FlowArgument = Annotated[str, typer.Argument(metavar="FLOW", help="A flow's id, or its name.")]


@flows.command("list")
def list_flows(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Every flow with its state and newest run."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/flows")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Name", "State", "Lacks", "Trigger", "Newest run", "At", "Id"),
        (
            (
                one["name"],
                one["state"],
                ", ".join(needed for needs in one["needs"].values() for needed in needs),
                one["trigger"]["type"],
                one["last_run"]["status"] if one["last_run"] else "",
                when(one["last_run"]["started_at"]) if one["last_run"] else "",
                one["id"],
            )
            for one in found
        ),
        nothing="No flows yet. `flowmend import FILE` brings one in.",
    )


@flows.command("show")
def show_flow(flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """One flow: what it needs, what is wrong with it, and how it is started."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_facts, print_json, print_table, when
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    one = server.get(f"/flows/{segment(flow_id(server, flow))}")
    if json:
        print_json(one)
        return
    words = {known["id"]: known["status_text"] for known in server.pages("/connections", limit=1_000_000)}
    callback, problem = one["callback_url"], one["trigger_problem"]
    print_facts(
        [
            ("Name", one["name"]),
            ("Id", one["id"]),
            ("State", one["state"]),
            ("Version", one["version"]),
            ("Changed", when(one["changed_at"])),
            ("Trigger", f"{one['trigger']['type']} {one['trigger']['kind']}".strip()),
            ("When on", one["will_begin"]),
            ("Next at", when(one["next_at"])),
            ("News since", when(one["asks_since"])),
            ("Trigger problem", problem["message"] or problem["code"] if problem else ""),
            ("", _way_to_repair(problem["connection"]) if problem and problem["connection"] else ""),
            ("Callback URL", callback["value"] if callback else ""),
        ]
    )
    print_table(
        ("Connection reference", "Connector", "Connection", "Status"),
        (
            (
                ", ".join(known["steps"]) or known["key"],
                known["connector"],
                known["display_name"] or "none yet",
                words.get(known["connection"], ""),
            )
            for known in one["connection_references"]
        ),
        nothing="It needs no connections.",
    )
    if one["problems"] or one["blocking"]:
        both = [*one["blocking"], *(found for found in one["problems"] if found not in one["blocking"])]
        print_table(
            ("Problem", "At", "What to do"),
            ((found["message"], found["pointer"], found["hint"]) for found in both),
            nothing="",
        )


@flows.command("turn-on")
def turn_on(flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Let the flow's trigger start runs; says what begins."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    path = f"/flows/{segment(flow_id(server, flow))}"
    answer = server.send("POST", f"{path}/turn_on")
    if json:
        print_json(answer)
    else:
        typer.echo(f"On. {answer['will_begin']}")
        for broken in server.get(path)["broken_connections"]:
            name, chosen = broken["display_name"], broken["id"]
            typer.echo(
                f"Events are held until {name!r} works: `flowmend connections verify {chosen}` puts it right.", err=True
            )


@flows.command("turn-off")
def turn_off(flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Start no more runs; those under way finish."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    answer = server.send("POST", f"/flows/{segment(flow_id(server, flow))}/turn_off")
    if json:
        print_json(answer)
    else:
        typer.echo("Off. Runs under way finish; new events start nothing.")


@flows.command("history")
def trigger_history(
    flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """What the flow's trigger did: fired, held, found nothing new, or failed."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    found = server.get(f"/flows/{segment(flow_id(server, flow))}/trigger_histories")["value"]
    if json:
        print_json(found)
        return
    entries = [one["properties"] for one in found]
    print_table(
        ("Started", "Until", "Status", "Checks", "Code", "Run"),
        (
            (
                when(one["startTime"]),
                when(one.get("endTime")),
                one["status"],
                str(one.get("checks", 1)),
                one.get("code", ""),
                one["run"]["name"] if one.get("run") else "",
            )
            for one in entries
        ),
        nothing="Its trigger has done nothing yet.",
    )


@flows.command("callback-url")
def callback_url(
    flow: FlowArgument,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="An address that ends then, e.g. 2027-01-31T09:00:00Z."),
    ] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new one; every earlier one is refused.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """The signed address that starts a flow."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    if until and rotate:
        raise typer.BadParameter("Make a new one first, then ask for one that ends.", param_hint="--until")
    server = find_server(url, data)
    place = f"/flows/{segment(flow_id(server, flow))}/callback_url"
    made = server.send("POST", f"{place}/rotate") if rotate else server.send("POST", place, {"notAfter": until})
    if json:
        print_json(made)
    else:
        typer.echo(made["value"])


@flows.command("run")
def run_flow(
    flow: FlowArgument,
    body: Annotated[str | None, typer.Option("--input", metavar="JSON", help="The trigger's body, or @FILE.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Start a run now."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    given = None if body is None else read_input(body, "--input")
    answer = server.send("POST", f"/flows/{segment(flow_id(server, flow))}/run", given)
    if json:
        print_json(answer)
    elif answer["held"]:
        typer.echo(f"Held until its connection is repaired: {answer['event_name']}")
    else:
        typer.echo(f"Started {answer['name']}")


@flows.command("connect")
def connect(
    flow: FlowArgument,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The flow's name for the connection.")],
    connection: Annotated[
        str, typer.Argument(metavar="CONNECTION", help="The connection it is to mean, by id or name.")
    ],
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Say which connection a connection reference of a flow means."""
    from flowmend.cli.lookup import connection_id, flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    chosen = {"reference": reference, "connection": connection_id(server, connection)}
    answer = server.send("PUT", f"/flows/{segment(flow_id(server, flow))}/connections", chosen)
    if json:
        print_json(answer)
    else:
        typer.echo(f"{reference} now means {connection}.")


@flows.command("export")
def export(
    flow: FlowArgument,
    form: Annotated[
        str, typer.Option("--format", metavar="plain|standard", help="A definition, or the zip of a Standard app.")
    ] = "plain",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write it; - or nothing: here.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
) -> None:
    """Write a flow as a file, without its secrets."""
    from flowmend.cli.server_client import find_server

    if form == "standard" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("A zip is nothing for a terminal. Name a file.", param_hint="--output")
    server = find_server(url, data)
    content = server.download(f"/flows/{flow_id(server, flow)}/export", format=form)
    if output is None or str(output) == "-":
        sys.stdout.buffer.write(content)
        return
    output.write_bytes(content)
    typer.echo(f"Wrote {output}", err=True)


def _way_to_repair(connection: str) -> str:
    return f"`flowmend connections verify {connection}` puts it right."


def flow_id(server: "Json", named: str) -> str:
    """The id for a path, of a flow given by id or by name. Errors: NotFound; AskedWrongly where a name is not unique."""
    from flowmend.cli.server_client import segment
    from flowmend.core.errors import AskedWrongly

    found = server.get("/flows")["value"]
    if any(one["id"] == named for one in found):
        return segment(named)
    fitting = [one["id"] for one in found if one["name"].casefold() == named.casefold()]
    if len(fitting) > 1:
        raise AskedWrongly(
            f"{len(fitting)} flows are called {named!r}: {', '.join(fitting)}. Give the id.", code="AmbiguousName"
        )
    return segment(fitting[0] if fitting else named)


def read_input(text: str, option: str) -> Json:
    """The JSON of an option: written out, or `@FILE`. Errors: InvalidDocument; typer.BadParameter without the file."""
    from flowmend.core.definition.document_text import read_document
    from flowmend.core.errors import InvalidDocument

    if not text.startswith("@"):
        try:
            return read_document(text.encode())
        except InvalidDocument as error:
            told = error.message.removeprefix("The file ")
            raise InvalidDocument(f"What {option} gives {told} (A file is given as @FILE.)", code=error.code) from error
    path = Path(text[1:])
    if not path.is_file():
        raise typer.BadParameter(f"There is no file {path}.", param_hint=option)
    return read_document(path.read_bytes())
