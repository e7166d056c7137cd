"""`flowmend check`: what is wrong with flow files and what they need, without running them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import JsonOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.flow_files import FlowFile


def check(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", exists=True, help="Definitions, or folders of them.")],
    json: JsonOption = False,
) -> None:
    """Say every problem of flow files, with the place in the file, and what each flow needs."""
    from flowmend.cli.flow_files import NO_FILE, files_below, read_flow_file
    from flowmend.cli.output import print_json, with_progress

    files = [file for path in paths for file in files_below(path)]
    if not files:
        raise typer.BadParameter(NO_FILE)
    checked = [_described(read_flow_file(file)) for file in with_progress(files, "Checking")]
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
        "file": str(file.path),
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
            "parameters": list(found.parameters) if found else [],
            "secrets": list(found.secrets) if found else [],
        },
    }


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
