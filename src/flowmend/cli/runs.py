"""`flowmend runs …`: list, show, resubmit, cancel."""

from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server

runs = typer.Typer(help="Runs of the running server.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, from `flowmend runs list`.")]
RunsArgument = Annotated[list[str], typer.Argument(metavar="RUN…", help="Names of runs.")]


@runs.command("list")
def list_runs(
    flow: Annotated[str | None, typer.Option("--flow", help="Only runs of this flow, by id or name.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Only runs of this status, e.g. Failed.")] = None,
    connection: Annotated[
        str | None, typer.Option("--connection", help="Only runs that this connection failed, by id or name.")
    ] = None,
    incident: Annotated[str | None, typer.Option("--incident", help="Only runs that this incident failed.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Only runs with this in a tracked value, id or error.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Runs, newest first."""
    from flowmend.cli.lookup import connection_id, flow_id
    from flowmend.cli.output import between, print_json, print_table, when
    from flowmend.cli.server_client import find_server, segment

    wanted = _status(status)
    server = find_server(url, data)
    path = f"/flows/{segment(flow_id(server, flow))}/runs" if flow else "/runs"
    failed_by = connection_id(server, connection) if connection else None
    if failed_by:
        server.get(f"/connections/{segment(failed_by)}")  # says so where there is none
    found = server.pages(path, limit=limit, status=wanted, connection_id=failed_by, incident_id=incident, text=text)
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
                between(one["properties"]["startTime"], one["properties"].get("endTime")),
                one["properties"]["status"],
                _error(one["properties"]),
            )
            for one in found
        ),
        nothing="No runs.",
    )


@runs.command("show")
def show_run(run: RunArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """One run and what became of each of its actions; with --json inputs and outputs as links."""
    from flowmend.cli.output import between, print_facts, print_json, print_table, when
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    one = server.get(f"/runs/{segment(run)}")
    actions = server.get(f"/runs/{segment(run)}/actions")["value"]
    if json:
        print_json(
            {**one, "properties": {**one["properties"], "actions": {it["name"]: it["properties"] for it in actions}}}
        )
        return
    found = one["properties"]
    print_facts(
        [
            ("Run", one["name"]),
            ("Status", found["status"]),
            ("Error", _error(found)),
            ("Start", when(found["startTime"])),
            ("Duration", between(found["startTime"], found.get("endTime"))),
            ("Version", found["workflow"]["name"]),
            ("Resubmits", found.get("originRun", "")),
            ("Failed action", found.get("failedAction", "")),
            ("Connection", found.get("connection", "")),
        ]
    )
    print_table(
        ("Action", "Status", "Code", "Duration", "Times", "Error"),
        (
            (
                it["name"],
                it["properties"]["status"],
                it["properties"].get("code", ""),
                between(it["properties"].get("startTime"), it["properties"].get("endTime")),
                str(it["properties"].get("repetitionCount") or it["properties"].get("iterationCount") or ""),
                _error(it["properties"]),
            )
            for it in actions
        ),
        nothing="No action has begun.",
    )
    if found.get("connection") and found["status"] == "Failed":
        typer.echo(f"How to fix: {_cure(server, found['connection'])}, then flowmend runs resubmit {one['name']}")


@runs.command("trace")
def trace(
    name: RunArgument,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="An action of the run.")],
    repetition: Annotated[
        str | None, typer.Option("--repetition", help="The pass of an action in a loop, e.g. 000001.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """How each expression of an action computed, from the run's history."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    place = f"/runs/{segment(name)}/actions/{segment(action)}"
    place += f"/repetitions/{segment(repetition)}" if repetition else ""
    found = server.send("POST", f"{place}/expression_traces")["inputs"]
    if json:
        print_json(found)
        return
    for one in found:
        _print_trace(one, 0)
    if not found:
        typer.echo("Nothing to show: it has no expressions, was never reached, or hides its inputs.")


@runs.command("resubmit")
def resubmit(
    names: RunsArgument,
    original_definition: Annotated[
        bool, typer.Option("--original-definition", help="Run the version the first run had, not the latest.")
    ] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Start new runs for the same trigger events, with the latest definition."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    made: list[Json] = []
    for name in names:
        body = {"original_definition": original_definition}
        answer = server.send("POST", f"/runs/{segment(name)}/resubmit", body)
        made.append(answer)
        if not json:
            word = "held as" if answer["held"] else "resubmitted as"
            typer.echo(f"{name} {word} {answer['name']} (version {answer['version']})")
    if json:
        print_json(made)


@runs.command("cancel")
def cancel(
    names: Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="Names of runs.")] = None,
    all_of: Annotated[
        str | None, typer.Option("--all", metavar="FLOW", help="Every run of this flow that has not finished.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --all.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Cancel runs that have not finished."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    if bool(names) == bool(all_of):
        raise typer.BadParameter("Name runs, or a flow with --all.", param_hint="RUN…")
    server = find_server(url, data)
    if all_of:
        flow = flow_id(server, all_of)
        if not yes:
            typer.confirm(f"Cancel every run of {all_of} that has not finished?", abort=True)
        _cancel_all(server, f"/flows/{segment(flow)}/cancel_runs", is_json=json)
        return
    for name in names or ():
        server.send("POST", f"/runs/{segment(name)}/cancel")
        if not json:
            typer.echo(f"{name} cancelled")
    if json:
        print_json([{"name": name} for name in names or ()])


def _cancel_all(server: "Server", path: str, *, is_json: bool) -> None:
    """Ask for it, and tell how far it has come until it is done; whoever stops listening does not stop it."""
    from time import sleep

    from flowmend.cli.output import print_json

    asked = server.send("POST", path)
    left = asked["left"]
    while left:
        sleep(0.2)
        left, before = server.get(path)["left"], left
        if not is_json and left != before:
            typer.echo(f"{asked['runs'] - left} of {asked['runs']} cancelled")
    if is_json:
        print_json(asked)
    elif not asked["runs"]:
        typer.echo("No run of this flow is under way.")


def _status(text: str | None) -> str | None:
    """The status as the API writes it. Errors: typer.BadParameter naming those there are."""
    from flowmend.core.outcome import Status

    if text is None:
        return None
    known = [status.value for status in Status]
    fitting = next((name for name in known if name.casefold() == text.casefold()), None)
    if fitting is None:
        raise typer.BadParameter(f"{text!r} is no status. There are {', '.join(known)}.", param_hint="--status")
    return fitting


def _error(properties: dict[str, Json]) -> str:
    error = properties.get("error")
    return f"{error['code']}: {error['message']}" if error else ""


def _print_trace(trace: dict[str, Json], depth: int) -> None:
    import json

    place = f"{trace['path']}: " if trace.get("path") else ""
    error = trace.get("error")
    value = error["message"] if error else json.dumps(trace["value"], ensure_ascii=False)
    other = "" if trace.get("repeatable", True) else "  (other each time)"
    typer.echo(f"{'  ' * depth}{place}{trace['text']} → {value}{other}")
    for inner in trace.get("subexpressions", ()):
        _print_trace(inner, depth + 1)


def _cure(server: "Server", connection_id: str) -> str:
    in_need = {one["id"] for one in server.pages("/connections", limit=1_000_000, needs_attention="true")}
    return f"flowmend connections verify {connection_id}" if connection_id in in_need else "see to what the error says"
