"""`flowmend runs …`: list, show, resubmit, cancel."""

from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.cli.run_filters import (
    AllMatching,
    CategoryFilter,
    ConnectionFilter,
    FlowFilter,
    FromFilter,
    IncidentFilter,
    StatusFilter,
    TextFilter,
    ToFilter,
    TrackedFilter,
    plan_all,
    query_of,
)
from flowmend.cli.run_lists import error_of, list_runs
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server

runs = typer.Typer(help="Runs of the running server.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, from `flowmend runs list`.")]
RunsArgument = Annotated[list[str], typer.Argument(metavar="RUN…", help="Names of runs.")]
SomeRunsArgument = Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="Names of runs.")]


runs.command("list")(list_runs)


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
            ("Error", error_of(found)),
            ("Start", when(found["startTime"])),
            ("Held", between(found["startTime"], found.get("begunTime"))),
            ("Duration", between(found.get("begunTime") or found["startTime"], found.get("endTime"))),
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
                error_of(it["properties"]),
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
    names: SomeRunsArgument = None,
    original_definition: Annotated[
        bool, typer.Option("--original-definition", help="Run the version the first run had, not the latest.")
    ] = False,
    all_matching: AllMatching = False,
    flow: FlowFilter = None,
    status: StatusFilter = None,
    connection: ConnectionFilter = None,
    incident: IncidentFilter = None,
    category: CategoryFilter = None,
    text: TextFilter = None,
    tracked: TrackedFilter = None,
    started_from: FromFilter = None,
    started_to: ToFilter = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --all-matching.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Start new runs for the same trigger events, with the latest definition."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    if bool(names) == all_matching:
        raise typer.BadParameter("Name runs, or choose with --all-matching and filters.", param_hint="RUN…")
    server = find_server(url, data)
    if all_matching:
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
        _tell_plan(plan_all(server, query, "resubmit", yes=yes), json=json)
        return
    made: list[Json] = []
    for name in names or ():
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
    names: SomeRunsArgument = None,
    all_of: Annotated[
        str | None, typer.Option("--all", metavar="FLOW", help="Every run of this flow that has not finished.")
    ] = None,
    all_matching: AllMatching = False,
    flow: FlowFilter = None,
    status: StatusFilter = None,
    connection: ConnectionFilter = None,
    text: TextFilter = None,
    tracked: TrackedFilter = None,
    started_from: FromFilter = None,
    started_to: ToFilter = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --all or --all-matching.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Cancel runs that have not finished."""
    from flowmend.cli.lookup import flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    if [bool(names), bool(all_of), all_matching].count(True) != 1:
        raise typer.BadParameter(
            "Name runs, or a flow with --all, or choose with --all-matching and filters.", param_hint="RUN…"
        )
    server = find_server(url, data)
    if all_matching:
        query = query_of(
            server,
            flow=flow,
            status=status,
            connection=connection,
            text=text,
            tracked=tracked,
            started_from=started_from,
            started_to=started_to,
        )
        _tell_plan(plan_all(server, query, "cancel", yes=yes), json=json)
        return
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


def _tell_plan(plan: Json, *, json: bool) -> None:
    from flowmend.cli.output import print_json

    if json:
        print_json(plan)
    elif plan["state"] in {"draft", "dismissed"}:
        typer.echo("No run that matches can be put right this way.")
    else:
        typer.echo(
            f"Started for {plan['counts']['total']} runs: `flowmend repair status {plan['id']} --wait` waits for its end."
        )


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
