"""`flowmend runs resume`: go on where runs failed."""

from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.cli.runs import RunsArgument, runs
from flowmend.core.json_value import Json


@runs.command("resume")
def resume(
    names: RunsArgument,
    latest: Annotated[
        bool, typer.Option("--latest", help="Run the latest version, where it says the same of what has run.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say where it would go on and what would be repeated; start nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also where a later run for the same event succeeded or is under way.")
    ] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Start new runs that go on where these failed; what they finished is not repeated."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    made: list[Json] = []
    can_all = True
    for name in names:
        path = f"/runs/{segment(name)}/resume"
        if dry_run:
            answer = server.get(path, latest_definition="true" if latest else "false")
            can_all = can_all and answer["can_resume"]
        else:
            answer = server.send("POST", path, {"latest_definition": latest, "again": again})
        made.append(answer)
        if not json:
            typer.echo(_would_resume(name, answer) if dry_run else f"{name} goes on as {answer['name']}")
    if json:
        print_json(made)
    if not can_all:
        raise typer.Exit(1)


def _would_resume(name: str, found: Json) -> str:
    """What a resume would do, in lines."""
    if not found["can_resume"]:
        lines = [f"{name} cannot be resumed: {found['message']}"]
        return "\n".join([*lines, *(f"  {one['action']}: {one['what']}" for one in found["differences"])])
    passes = "".join(
        f", pass {one['number']}" + (f" of {one['of']}" if one.get("of") else "") + f" in {one['loop']}"
        for one in found["passes"]
    )
    lines = [f"{name} would go on at {found['from_action']}{passes}; finished actions not repeated: {found['kept']}"]
    if found["later_run"]:
        lines.append(f"  {found['later_run']} has done it, or is at it, already: only with --again")
    for one in found["repeats"]:
        verb = "would be repeated" if one["is_certain"] else "may have happened, and would be sent again"
        verb += ", if it fails again" if one["only_on_failure"] else ""
        known = "; its service knows a repeat by the key" if one["key_is_honoured"] else ""
        lines.append(f"  {one['action']} ({one['operation']}) × {one['count']} {verb}{known}")
    return "\n".join(lines)
