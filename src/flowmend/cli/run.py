"""`flowmend run`: one run of a flow file, without a server."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.core.definition import Flow
    from flowmend.core.run import Entry
    from flowmend.use_cases.run_once import RunOnceResult


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A flow's definition.")],
    trigger_outputs: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON", help='The trigger\'s outputs, e.g. {"body": {…}}, or @FILE.'),
    ] = None,
    parameters: Annotated[
        str | None, typer.Option("--parameters", metavar="JSON", help="Values for the flow's parameters, or @FILE.")
    ] = None,
    mock: Annotated[bool, typer.Option("--mock", help="No call leaves this machine, and no wait takes time.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show what each expression came to.")] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Run a flow once, here. Exit 0 if it Succeeded, 1 if it ended otherwise, 2 if it could not start."""
    from flowmend.cli.failures import report
    from flowmend.core.errors import FlowmendError
    from flowmend.core.outcome import Status

    try:
        result = _run(file, trigger_outputs, parameters, mock=mock, trace=trace, data=data, quiet=json)
    except FlowmendError as error:
        report(error)
        raise typer.Exit(2) from error
    if json:
        _print_json(result, trace=trace)
    else:
        _print_end(result)
    if result.status is not Status.SUCCEEDED:
        raise typer.Exit(1)
