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
    from flowmend.core.run import Entry
    from flowmend.use_cases.run_once import RunOnceResult


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A flow's definition or package.")
    ],
    trigger_outputs: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON", help='The trigger\'s outputs, e.g. {"body": {…}}, or @FILE.'),
    ] = None,
    parameters: Annotated[
        str | None, typer.Option("--parameters", metavar="JSON", help="Values for the flow's parameters, or @FILE.")
    ] = None,
    flow: Annotated[
        str | None, typer.Option("--flow", metavar="NAME", help="Which flow, of a package of several: its name or id.")
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
        result = _run(file, flow, trigger_outputs, parameters, mock=mock, trace=trace, data=data, quiet=json)
    except FlowmendError as error:
        report(error)
        raise typer.Exit(2) from error
    if json:
        _print_json(result, trace=trace)
    else:
        _print_end(result)
    if result.status is not Status.SUCCEEDED:
        raise typer.Exit(1)


def _run(
    file: Path,
    name: str | None,
    trigger_outputs: str | None,
    parameters: str | None,
    *,
    mock: bool,
    trace: bool,
    data: Path | None,
    quiet: bool,
) -> "RunOnceResult":
    """Errors: InvalidDocument where the file holds no flow that runs; AskedWrongly."""
    from flowmend.cli.flow_files import read_one_flow
    from flowmend.cli.flows import read_input
    from flowmend.cli.run_tree import RunTree
    from flowmend.core.errors import AskedWrongly
    from flowmend.use_cases.run_once import run_once

    outputs = None if trigger_outputs is None else read_input(trigger_outputs, "--input")
    values = {} if parameters is None else read_input(parameters, "--parameters")
    if not isinstance(values, dict):
        raise AskedWrongly("The parameters must be a JSON object, {name: value}.", code="InvalidParameters")
    flow = read_one_flow(file, values, name)

    async def mocked(on_entry: "Callable[[Entry], None] | None") -> "RunOnceResult":
        return await run_once(
            flow, trigger_outputs=outputs, mock=True, parameters=values, trace=trace, on_entry=on_entry
        )

    async def live(on_entry: "Callable[[Entry], None] | None") -> "RunOnceResult":
        from flowmend.cli.live_calls import live_calls

        async with live_calls(flow, data, os.environ) as perform:
            return await run_once(
                flow, trigger_outputs=outputs, perform=perform, parameters=values, trace=trace, on_entry=on_entry
            )

    begin = mocked if mock else live
    if quiet:
        return asyncio.run(begin(None))
    with RunTree(flow, show_values=trace) as tree:
        result = asyncio.run(begin(tree.note))
        tree.finish(result.traces)
        return result


def _print_json(result: "RunOnceResult", *, trace: bool) -> None:
    from flowmend.cli.output import print_json
    from flowmend.core.run.history import repetition_name

    document = result.run
    if trace:
        traces = [
            {"action": name, "repetition": repetition_name(repetition), "inputs": found}
            for (name, repetition), found in result.traces.items()
        ]
        document = {**document, "traces": traces}
    print_json(document)


def _print_end(result: "RunOnceResult") -> None:
    from rich.text import Text

    from flowmend.cli.output import STATUS_STYLES, console

    found: Json = result.run["properties"]
    error = found.get("error")
    console().print(
        Text.assemble(
            "The run ended ",
            (found["status"], STATUS_STYLES.get(found["status"], "")),
            f": {error['code']}: {error['message']}" if error else ".",
        )
    )
    if "response" in found:
        console().print(Text(f"It answered {found['response']['outputs']['statusCode']}."))
