"""`flowmend flows settings …`: what a flow does while a connection is broken, and how long it holds and keeps things."""

from typing import Annotated

import typer

from flowmend.cli.flows import FlowArgument, flows
from flowmend.cli.lookup import flow_id
from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

_ON_BROKEN = {
    "holdEvents": "what arrives is held and begins after the repair",
    "fail": "each run begins and fails; whoever waits for an answer hears 503",
    "holdAtAction": "each run begins and waits at the action that cannot work",
}
_DEFAULT = "default"


@flows.command("settings")
def show_settings(flow: FlowArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """What a flow does while a connection is broken, and how long it holds events and keeps its history."""
    from flowmend.cli.output import print_facts, print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    found = server.get(f"/flows/{segment(flow_id(server, flow))}/settings")
    if json:
        print_json(found)
        return
    on_broken = found["on_broken_connection"]
    why = "chosen" if found["on_broken_connection_is_chosen"] else _why(answers_caller=found["answers_caller"])
    print_facts(
        [
            ("While a connection is broken", f"{on_broken}: {_ON_BROKEN.get(on_broken, '')} ({why})"),
            ("Events are held", _days(found["held_days"], is_chosen=found["held_days_is_chosen"])),
            ("History is kept", _days(found["history_days"], is_chosen=found["history_days_is_chosen"])),
        ]
    )


@flows.command("set-on-broken")
def set_on_broken(
    flow: FlowArgument,
    choice: Annotated[str, typer.Argument(metavar="|".join((*_ON_BROKEN, _DEFAULT)), help="What it does from now on.")],
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a flow does while one of its connections is broken. It is a new version of the flow."""
    if choice not in {*_ON_BROKEN, _DEFAULT}:
        raise typer.BadParameter(f"There are {', '.join(_ON_BROKEN)} and {_DEFAULT}.")
    _change(flow, "onBrokenConnection", None if choice == _DEFAULT else choice, data=data, url=url, json=json)


DaysArgument = Annotated[
    str, typer.Argument(metavar="DAYS", help="A number; 0 for ever; default for that of all flows.")
]


@flows.command("set-held-days")
def set_held_days(
    flow: FlowArgument, days: DaysArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """Say for how long a flow holds events; then they are let go for good, with a record."""
    _change(flow, "held_days", _number(days), data=data, url=url, json=json)


@flows.command("set-history-days")
def set_history_days(
    flow: FlowArgument, days: DaysArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """Say for how long a flow keeps its runs and the history of its trigger."""
    _change(flow, "history_days", _number(days), data=data, url=url, json=json)


def _change(flow: str, name: str, value: Json, *, data: DataOption, url: UrlOption, json: bool) -> None:
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    path = f"/flows/{segment(flow_id(server, flow))}"
    server.send("PATCH", path, {name: value})
    if json:
        print_json(server.get(f"{path}/settings"))
    else:
        typer.echo("Set. `flowmend flows settings` shows what holds now.")


def _number(text: str) -> int | None:
    if text == _DEFAULT:
        return None
    if not text.isdecimal():
        raise typer.BadParameter(
            f"{text!r} is no number of days; 0 is for ever, {_DEFAULT} is what holds for all flows."
        )
    return int(text)


def _why(*, answers_caller: bool) -> str:
    return "because it answers its caller" if answers_caller else "because nobody waits for its answer"


def _days(days: int, *, is_chosen: bool) -> str:
    text = f"for {days} day{'s' if days > 1 else ''}" if days else "for ever"
    return text if is_chosen else f"{text} (as all flows)"
