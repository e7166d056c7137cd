"""`flowmend connectors …`: list, add. A connector is a folder of two files that say what a service can do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption

if TYPE_CHECKING:
    from flowmend.core.json_value import Json

connectors = typer.Typer(help="Connectors of the running server.", no_args_is_help=True)

_DEFINITION = "apiDefinition.swagger.json"
_PROPERTIES = "apiProperties.json"


@connectors.command("list")
def list_connectors(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Every installed connector and how one signs in to it."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/connectors")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Name", "Sign-in", "Asks for", "Id"),
        (
            (one["display_name"], one["sign_in"], ", ".join(it["name"] for it in one["parameters"]), one["id"])
            for one in found
        ),
        nothing="No connectors yet. `flowmend connectors add FOLDER` installs one.",
    )


@connectors.command("add")
def add_connector(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", exists=True, file_okay=False, help=f"It holds {_DEFINITION} and {_PROPERTIES}."
        ),
    ],
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
    """Install a connector from its folder, or replace the one of that id."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    body = {
        "name": name or "".join(folder.resolve().name.split()),  # ids of connectors have no blanks
        "definition": _document(folder / _DEFINITION),
        "properties": _document(folder / _PROPERTIES),
    }
    installed = find_server(url, data).send("POST", "/connectors", body)
    if json:
        print_json(installed)
    else:
        typer.echo(
            f"{installed['display_name']} is installed. `flowmend connections create {installed['id']}` connects to it."
        )


def _document(path: Path) -> "Json":
    from flowmend.core.definition.document_text import read_document

    if not path.is_file():
        raise typer.BadParameter(f"There is no {path.name} in {path.parent}.", param_hint="FOLDER")
    return read_document(path.read_bytes())
