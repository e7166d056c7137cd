"""`flowmend connector …`: add, check, list, show. A connector is a folder of two files, or an OpenAPI document."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.connector_files import ReadFolder

connectors = typer.Typer(help="Connectors: what services can do, as data.", no_args_is_help=True)

FoldersArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER…",
        exists=True,
        help="Connector folders, trees of them, or OpenAPI documents (JSON or YAML).",
    ),
]
_NONE = (
    "There is no connector in what you named: no folder with apiProperties.json and apiDefinition.swagger.json, and no "
    "OpenAPI document."
)


@connectors.command("list")
def list_connectors(
    words: Annotated[
        list[str] | None, typer.Argument(help="Only those in whose names, or operations' names, each of them stands.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Every connector one can connect to, and how one signs in to it."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/connectors", text=" ".join(words or ()) or None)["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Name", "Sign-in", "Asks for", "Id"),
        ((one["display_name"], one["sign_in"], ", ".join(_asked_for(one["parameters"])), one["id"]) for one in found),
        nothing="None has these words."
        if words
        else "No connectors yet. `flowmend connector add FOLDER` installs one.",
    )


@connectors.command("add")
def add_connectors(
    folders: FoldersArgument,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="The id by which flows name it, such as sharepointonline; the folder's name if not given."
        ),
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Install connectors, or replace those of the same ids. One that does not read is named, and the others go on."""
    from flowmend.cli.connector_files import read_folders
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server
    from flowmend.core.connector.folders import connector_id_of

    found = read_folders(folders)
    first = next(found, None)
    second = next(found, None) if first is not None and name is not None else None
    if first is None:
        raise typer.BadParameter(_NONE, param_hint="FOLDER…")
    if second is not None:
        raise typer.BadParameter("--name is for a single connector, and there are several.", param_hint="--name")
    server = find_server(url, data)
    installed, refused = [], []
    for one in (first, *found):
        if one.connector is None:
            refused.append(one)
            continue
        body = {
            "name": name or connector_id_of(one.name),
            "definition": one.documents.definition,
            "properties": one.documents.properties or {},
        }
        installed.append(server.send("POST", "/connectors", body))
    if json:
        print_json(installed[0] if len(installed) == 1 and not refused else installed)
    else:
        for made in installed:
            typer.echo(
                f"{made['display_name']} is installed. `flowmend connections create {made['id']}` connects to it."
            )
    for one in refused:
        typer.echo(f"{one.folder} is not installed: {one.problems[0].message}", err=True)
    if refused:
        raise typer.Exit(1)


@connectors.command("check")
def check_connectors(folders: FoldersArgument, json: JsonOption = False) -> None:
    """Say what of connector folders can run, what needs its script, and every problem with its place."""
    from flowmend.cli.connector_files import connector_folders, read_folder
    from flowmend.cli.output import print_json, with_progress

    files = [one for path in folders for one in connector_folders(path)]
    if not files:
        raise typer.BadParameter(_NONE, param_hint="FOLDER…")
    checked = [_described(read_folder(one)) for one in with_progress(files, "Checking")]
    if json:
        print_json(checked)
    else:
        _print(checked)
    if any(one["operations"] == 0 for one in checked):
        raise typer.Exit(1)


@connectors.command("show")
def show_connectors(folders: FoldersArgument, json: JsonOption = False) -> None:
    """The operations of connector folders, and how one signs in."""
    from flowmend.cli.connector_files import read_folders
    from flowmend.cli.output import print_facts, print_json, print_table

    found = list(read_folders(folders))
    if not found:
        raise typer.BadParameter(_NONE, param_hint="FOLDER…")
    shown = [_shown(one) for one in found]
    if json:
        print_json(shown)
        return
    for one in shown:
        print_facts(
            (
                ("Connector", one["name"]),
                ("Folder", one["folder"]),
                ("Address", one["address"]),
                ("Sign-in", ", ".join(one["sign_in"])),
                ("Tested by", one["tested_by"]),
            )
        )
        print_table(
            ("Operation", "Kind", "Request", "Runs"),
            ((it["id"], it["kind"], f"{it['method']} {it['path']}", it["code"] or "yes") for it in one["operations"]),
            nothing="It has no operations that can be read; `flowmend connector check` says why.",
        )


def _described(one: "ReadFolder") -> dict[str, Json]:
    operations = list(one.connector.operations.values()) if one.connector is not None else []
    scripted = [operation for operation in operations if operation.unsupported.startswith("UnsupportedScript")]
    return {
        "folder": one.folder,
        "name": one.connector.display_name if one.connector is not None else one.name,
        "operations": len(operations),
        "runnable": sum(not operation.unsupported for operation in operations),
        "needs_script": len(scripted),
        "problems": [
            {"code": problem.code, "pointer": problem.pointer, "message": problem.message} for problem in one.problems
        ],
    }


def _shown(one: "ReadFolder") -> dict[str, Json]:
    made = one.connector
    return {
        "folder": one.folder,
        "name": made.display_name if made is not None else one.name,
        "address": made.base_url if made is not None else "",
        "sign_in": [method.kind.value for method in made.sign_in] if made is not None else [],
        "tested_by": made.test_operation.operation_id if made is not None and made.test_operation is not None else "",
        "operations": [
            {
                "id": operation.operation_id,
                "title": operation.summary,
                "kind": "trigger" if operation.is_trigger else "action",
                "method": operation.method,
                "path": operation.path,
                "code": operation.unsupported.partition(":")[0],
                "parameters": [parameter.name for parameter in operation.parameters],
            }
            for operation in (made.operations.values() if made is not None else ())
        ],
        "problems": [
            {"code": problem.code, "pointer": problem.pointer, "message": problem.message} for problem in one.problems
        ],
    }


def _print(checked: list[dict[str, Json]]) -> None:
    from rich.text import Text

    from flowmend.cli.output import console

    terminal = console()
    whole = 0
    for one in checked:
        can_all = one["operations"] > 0 and one["runnable"] + one["needs_script"] == one["operations"]
        whole += can_all
        told = f"  {one['runnable']} of {one['operations']} operations run"
        script = f", {one['needs_script']} need their script" if one["needs_script"] else ""
        terminal.print(Text.assemble((one["name"], "bold" if can_all else "bold red"), told + script))
        for problem in one["problems"]:
            place = f" at {problem['pointer']}" if problem["pointer"] else ""
            terminal.print(Text(f"  {problem['code']}{place}: {problem['message']}", style="dim"))
    terminal.print(f"{len(checked)} checked, {whole} with every operation runnable or known to need its script.")


def _asked_for(fields: list[Json]) -> list[str]:
    return [field["name"] for field in fields if not field.get("is_hidden")]
