"""`flowmend runs compare`: two runs of a flow beside each other."""

from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.cli.runs import RunArgument, runs
from flowmend.core.json_value import Json

_SHOWN_CHARACTERS = 60


@runs.command("compare")
def compare(
    run: RunArgument,
    other: Annotated[
        str,
        typer.Argument(
            metavar="OTHER", help="Another run of the flow; its last one that succeeded where none is named."
        ),
    ] = "",
    passes: Annotated[
        list[str] | None, typer.Option("--pass", metavar="LOOP=N", help="Compare this pass of a loop, from 1.")
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """What went otherwise in each action, and which inputs and outputs differ."""
    from urllib.parse import urlencode

    from flowmend.cli.output import print_facts, print_json, print_table
    from flowmend.cli.server_client import find_server, segment

    query = f"?{urlencode({'passes': ','.join(passes)})}" if passes else ""
    path = f"/runs/{segment(run)}/compare" + (f"/{segment(other)}" if other else "")
    found = find_server(url, data).get(path + query)
    if json:
        print_json(found)
        return
    left, right = found["left"], found["right"]
    print_facts(
        [
            ("This run", f"{left['name']}  {left['status']}  {_seconds(left)}"),
            ("Other run", f"{right['name']}  {right['status']}  {_seconds(right)}"),
            (
                "Version",
                left["version"] if left["version"] == right["version"] else f"{left['version']} | {right['version']}",
            ),
        ]
    )
    differing = [one for one in found["actions"] if one["differs"]]
    print_table(
        ("Action", "This run", "Other run", "Took", "Took there", "Values"),
        (
            (
                _place(one),
                _ended(one.get("left")),
                _ended(one.get("right")),
                _seconds(one.get("left")),
                _seconds(one.get("right")),
                _count(one),
            )
            for one in differing
        ),
        nothing="Every action went the same way, with the same values.",
    )
    _print_values("Trigger", found["trigger"])
    for one in differing:
        for part in ("inputs", "outputs"):
            _print_values(f"{_place(one)} {part}", one[part])


def _print_values(title: str, found: Json) -> None:
    if not found["value"]:
        return
    typer.echo(f"\n{title}")
    for one in found["value"]:
        typer.echo(f"  {one['path'] or '(all)'}: {_shown(one, 'left')} | {_shown(one, 'right')}")
    if not found["is_whole"]:
        typer.echo("  and more")


def _shown(one: Json, side: str) -> str:
    import json

    if side not in one:
        return "(nothing)"
    text = json.dumps(one[side], ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _place(one: Json) -> str:
    numbers = ".".join(str(int(index) + 1) for index in one.get("repetition", "").split("-") if index)
    return f"{one['name']} ({numbers})" if numbers else str(one["name"])


def _ended(side: Json) -> str:
    if side is None:
        return "not in its version"
    code = side.get("code", "")
    return f"{side['status'] or 'not reached'}{f' ({code})' if code and code != 'OK' else ''}"


def _seconds(side: Json) -> str:
    seconds = side.get("duration_seconds") if side else None
    return "" if seconds is None else f"{seconds:.3f} s"


def _count(one: Json) -> str:
    count = len(one["inputs"]["value"]) + len(one["outputs"]["value"])
    return f"{count} differ" if count else ""
