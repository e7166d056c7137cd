"""`flowmend flows …`: a flow's text, versions and parameters."""

from pathlib import Path
from typing import Annotated

import typer

from flowmend.cli.flows import FlowArgument, flow_id, flows, read_input
from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A version, from `flowmend flows versions`.")]
TextArgument = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The edited text.")]

_SIGNS = {"added": "+", "removed": "-", "same": " "}
_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


@flows.command("versions")
def list_versions(flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Every version of a flow, newest first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = server.get(f"/flows/{flow_id(server, flow)}/versions")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Version", "Made", "By", ""),
        (
            (
                one["version"],
                when(one["created_at"]),
                one["made_by"].replace("_", " "),
                "current" if one["is_latest"] else "",
            )
            for one in found
        ),
        nothing="",
    )


@flows.command("text")
def show_text(
    flow: FlowArgument,
    version: Annotated[str | None, typer.Option("--version", help="An earlier version instead of the current.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
) -> None:
    """A flow's definition as text, to be edited and saved with `flowmend flows save`."""
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    place = f"/flows/{flow_id(server, flow)}"
    chosen = version or server.get(place)["version"]
    typer.echo(server.get(f"{place}/versions/{segment(chosen)}")["text"])


@flows.command("diff")
def show_differences(
    flow: FlowArgument,
    older: VersionArgument,
    newer: Annotated[str | None, typer.Argument(metavar="[NEWER]", help="The current one if not given.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """What changed from one version to another."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    place = f"/flows/{flow_id(server, flow)}"
    chosen = newer or server.get(place)["version"]
    found = server.send("GET", f"{place}/versions/{segment(chosen)}/differences", query={"from": older})
    if json:
        print_json(found)
        return
    for line in found["lines"]:
        typer.echo("…" if line["kind"] == "gap" else f"{_SIGNS[line['kind']]} {line['text']}")
    for name in found["values"]:
        typer.echo(f"The parameter {name} has another value.")
    if not found["lines"] and not found["values"]:
        typer.echo("They are the same.")


@flows.command("restore")
def restore(
    flow: FlowArgument,
    version: VersionArgument,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Make an earlier version's definition the current one again; values of parameters stay."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    answer = server.send("POST", f"/flows/{flow_id(server, flow)}/versions/{segment(version)}/restore")
    if json:
        print_json(answer)
    else:
        typer.echo(f"Restored as version {answer['version']}." if answer["is_new"] else "It is the current one.")


@flows.command("check")
def check_text(
    flow: FlowArgument, file: TextArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """What would be wrong with a text as this flow's definition; nothing is stored."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = server.send("POST", f"/flows/{flow_id(server, flow)}/check", content=file.read_bytes())
    if json:
        print_json(found)
    else:
        _print_problems(file, found["problems"])
    if any(one["severity"] == "error" for one in found["problems"]):
        raise typer.Exit(1)


@flows.command("save")
def save_text(
    flow: FlowArgument,
    file: TextArgument,
    base_version: Annotated[
        str | None,
        typer.Option("--base-version", help="The version the text was made from; the current one if not given."),
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Save a text as the flow's new version."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    place = f"/flows/{flow_id(server, flow)}"
    base = base_version or server.get(place)["version"]
    answer = server.send("PUT", f"{place}/definition", query={"base_version": base}, content=file.read_bytes())
    if json:
        print_json(answer)
    elif not answer["is_new"]:
        typer.echo("Nothing was changed.")
    else:
        typer.echo(f"Saved as version {answer['version']}.")
        for place in answer["moved_secrets"]:
            typer.echo(f"A secret stood at {place}; it is sealed in the vault now.")


@flows.command("parameters")
def list_parameters(
    flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """A flow's parameters and environment variables; values of secret ones are never shown."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = server.get(f"/flows/{flow_id(server, flow)}/parameters")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Name", "Type", "Value", "From", "Environment variable"),
        (
            (one["name"], one["type"], _shown(one), one["source"] or "no value", one["environment_variable"])
            for one in found
        ),
        nothing="It has no parameters.",
    )


@flows.command("set")
def set_values(
    flow: FlowArgument,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE…", help="Values; =@FILE reads one from a file.")
    ] = None,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", metavar="NAME", help="Ask for this secret value; repeatable.")
    ] = None,
    clear: Annotated[
        list[str] | None, typer.Option("--clear", metavar="NAME", help="Take this value away; repeatable.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Give parameters and environment variables values; new runs use them."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    place = f"/flows/{flow_id(server, flow)}/parameters"
    known = {one["name"]: one for one in server.get(place)["value"]}
    wanted: dict[str, Json] = dict.fromkeys(clear or [])
    for pair in values or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE.")
        if name in known and known[name]["is_secret"]:
            raise typer.BadParameter(f"{name} is secret, and commands are kept in histories. Use --secret {name}.")
        wanted[name] = read_input(value, name) if value.startswith("@") else value
    for name in secret or []:
        wanted[name] = typer.prompt(name, hide_input=True)
    if not wanted:
        raise typer.BadParameter("Say which values: NAME=VALUE, --secret NAME or --clear NAME.")
    answer = server.send("PATCH", place, wanted)
    if json:
        print_json(answer)
    else:
        typer.echo(f"Set, as version {answer['version']}.")


def _shown(parameter: dict[str, Json]) -> str:
    import json as json_text

    if parameter["is_secret"]:
        return "sealed" if parameter["source"] else ""
    value = parameter["value"]
    return value if isinstance(value, str) else "" if value is None else json_text.dumps(value)


def _print_problems(file: Path, problems: list[Json]) -> None:
    from rich.text import Text

    from flowmend.cli.output import console

    for one in problems:
        place = f"{file}:{one['first_line']}" if one["first_line"] else str(file)
        line = Text(f"{place}: ")
        line.append(one["severity"], style=_STYLES[one["severity"]])
        line.append(f" {one['code']}: {one['message']} {one['hint']}".rstrip())
        console().print(line)
    if not problems:
        console().print(f"{file}: no problem found", markup=False)
