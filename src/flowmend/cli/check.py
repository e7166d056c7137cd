"""`flowmend check`: what is wrong with flow files and what they need, without running them."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.flow_files import FlowFile, Known


def check(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE…", exists=True, help="Definitions, packages, or folders of them.")
    ],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Say every problem of flow files, with the place in the file, and what each flow needs.

    With a data folder it also says which connectors and connections are missing there.
    """
    from flowmend.cli.flow_files import NO_FILE, hold_files, read_flow_files
    from flowmend.cli.output import print_json, with_progress

    if not hold_files(paths):
        raise typer.BadParameter(NO_FILE)
    known = _known(data)
    checked = [
        _described(one) for path in with_progress(paths, "Checking") for one in read_flow_files(path, known=known)
    ]
    if json:
        print_json(checked)
    else:
        _print(checked)
    if any(problem["severity"] == "error" for one in checked for problem in one["problems"]):
        raise typer.Exit(1)


def _described(file: "FlowFile") -> dict[str, Json]:
    from flowmend.core.checking import needs

    found = needs(file.flow) if file.flow is not None else None
    return {
        "file": file.path,
        "flow": file.name,
        "problems": [
            {
                "severity": problem.severity.value,
                "code": problem.code,
                "pointer": problem.pointer,
                "message": problem.message,
                "hint": problem.hint,
            }
            for problem in file.problems
        ],
        "needs": {
            "connectors": list(found.connectors) if found else [],
            "connections": list(found.connections) if found else [],
            "parameters": sorted({*found.parameters, *file.missing_values}) if found else [],
            "secrets": list(found.secrets) if found else [],
        },
    }


def _known(data: Path | None) -> "Known | None":
    """What the data folder holds; None where there is none, and none is made."""
    from flowmend.cli.local_server import data_folder

    if not any(data_folder(data, os.environ).glob("*.db")) and not os.environ.get("FLOWMEND_DATABASE_URL"):
        return None
    from collections import Counter

    from flowmend.assembly import open_services
    from flowmend.cli.flow_files import Known
    from flowmend.settings import read_settings

    services = open_services(read_settings(os.environ, data=data)).services
    store = services.store
    try:
        counts = Counter(one.connector_id for one in store.connections.list())
        mapped: dict[str, set[str]] = {}
        for one in store.flows.mappings():
            mapped.setdefault(one.flow_id, set()).add(one.reference)
        return Known(
            connectors=services.connectors.ids(),
            connected=frozenset(connector for connector, count in counts.items() if count == 1),
            mapped={flow_id: frozenset(keys) for flow_id, keys in mapped.items()},
        )
    finally:
        store.close()


_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def _print(checked: Iterable[dict[str, Json]]) -> None:
    from rich.text import Text

    from flowmend.cli.output import console

    terminal = console()
    errors = files = 0
    for one in checked:
        files += 1
        terminal.print(Text.assemble((one["flow"], "bold"), f"  {one['file']}"))
        for problem in one["problems"]:
            errors += problem["severity"] == "error"
            terminal.print(
                Text.assemble(
                    "  ",
                    (problem["severity"], _STYLES[problem["severity"]]),
                    f" {problem['code']} at {problem['pointer'] or '/'}: {problem['message']} ",
                    (problem["hint"], "dim"),
                )
            )
        needed = {name: names for name, names in one["needs"].items() if names}
        for name, names in needed.items():
            terminal.print(Text(f"  needs {name}: {', '.join(map(str, names))}", style="dim"))
    terminal.print(f"{files} checked, {errors} error{'' if errors == 1 else 's'}.")
