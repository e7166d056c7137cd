"""`flowmend repair …`: plan what goes on after a repair, start it, watch it, pause, stop or dismiss it."""

from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server

repair = typer.Typer(
    help="Repair plans of the running server: what failed or was held goes on, in order, each once.",
    no_args_is_help=True,
)

_POLLS_SECONDS = 0.5
_OVER = ("done", "dismissed", "stopped", "paused")
_MODES = {
    "resume": "resume at {action}",
    "resubmit": "resubmit from the start",
    "start": "start",
    "cancel": "cancel",
    "none": "nothing can be done",
}

PlanArgument = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's id, or its incident's.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait for its end; exit code 1 unless everything in it succeeded.")
]


@repair.command("plan")
def make_plan(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="The incident's id.")],
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Show what would go on, from where, and what would happen twice. Nothing begins."""
    from flowmend.cli.server_client import find_server

    plan = find_server(url, data).send("POST", "/repair_plans", {"incident": incident})
    _tell(plan, json=json)


@repair.command("status")
def status(
    plan: PlanArgument,
    wait: WaitOption = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Where a plan stands."""
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = _found(server, plan)
    _end(_ended(server, found) if wait else found, json=json, is_judged=wait)


@repair.command("list")
def list_plans(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Repair plans, the newest first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).pages("/repair_plans", limit=limit)
    if json:
        print_json(found)
        return
    print_table(
        ("What", "State", "Made", "Done", "Failed", "Id"),
        (
            (
                one["name"] or "chosen runs",
                one["state"],
                when(one["created_at"]),
                f"{one['done']} of {one['total']}",
                str(one["failed"] or ""),
                one["id"],
            )
            for one in found
        ),
        nothing="No repair plan yet. `flowmend repair plan INCIDENT` makes one.",
    )


@repair.command("run")
def run(
    plan: PlanArgument,
    version: Annotated[
        int | None, typer.Option("--version", help="Only where the plan is still as it was seen: its version.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", min=1, help="Begin at most so many a minute.")
    ] = None,
    one_per_flow: Annotated[
        bool, typer.Option("--one-per-flow", help="One run of each flow first, not one of all.")
    ] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Pause once the first one has gone well.")] = False,
    at_once: Annotated[
        int | None, typer.Option("--at-once", min=1, max=64, help="Runs under way at most; 16 unless said.")
    ] = None,
    calls_at_once: Annotated[
        int | None,
        typer.Option("--calls-at-once", min=1, max=64, help="Calls of these under way at most; 4 unless said."),
    ] = None,
    wait: WaitOption = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Start a plan: one run first, then the rest in order of arrival. It stops by itself where it goes wrong.

    What is not said here stays as it was chosen for the plan before.
    """
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    found = _found(server, plan)
    said = {
        "canary": "one_per_flow" if one_per_flow else None,
        "ask_before_rest": ask or None,
        "per_minute": per_minute,
        "at_once": at_once,
        "calls_at_once": calls_at_once,
    }
    settings = found["settings"] | {name: value for name, value in said.items() if value is not None}
    wanted = {"version": found["version"] if version is None else version, "settings": settings}
    started = server.send("POST", f"/repair_plans/{segment(found['id'])}/start", wanted)
    _end(_ended(server, started) if wait else started, json=json, is_judged=wait)


@repair.command("pause")
def pause(plan: PlanArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Begin nothing more until it goes on; what runs, runs to its end."""
    _act(plan, "pause", data, url, json=json)


@repair.command("resume")
def resume(
    plan: PlanArgument,
    wait: WaitOption = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Let a paused plan go on, or start a stopped one again."""
    _act(plan, "resume", data, url, json=json, wait=wait)


@repair.command("stop")
def stop(plan: PlanArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Begin nothing more until somebody starts it again. What it keeps back stays held."""
    _act(plan, "stop", data, url, json=json)


@repair.command("dismiss")
def dismiss(plan: PlanArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Give up what has not begun: held events go on by themselves, failed runs stay as they are."""
    _act(plan, "dismiss", data, url, json=json)


def _act(plan: str, verb: str, data: DataOption, url: UrlOption, *, json: bool, wait: bool = False) -> None:
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    found = server.send("POST", f"/repair_plans/{segment(_found(server, plan)['id'])}/{verb}")
    _end(_ended(server, found) if wait else found, json=json, is_judged=wait)


def _found(server: "Server", plan: str) -> dict[str, Json]:
    """The plan of this id, or the one made last for the incident of this id."""
    from flowmend.cli.server_client import segment

    of_incident = server.pages("/repair_plans", limit=1, incident=plan)
    found: dict[str, Json] = server.get(f"/repair_plans/{segment(of_incident[0]['id'] if of_incident else plan)}")
    return found


def _ended(server: "Server", plan: dict[str, Json]) -> dict[str, Json]:
    """The plan once nothing more happens by itself."""
    import time

    from flowmend.cli.server_client import segment

    while plan["state"] not in _OVER or (plan["state"] != "done" and plan["counts"]["running"]):
        time.sleep(_POLLS_SECONDS)
        plan = server.get(f"/repair_plans/{segment(plan['id'])}")
    return plan


def _end(plan: dict[str, Json], *, json: bool, is_judged: bool) -> None:
    _tell(plan, json=json)
    counts = plan["counts"]
    if is_judged and (plan["state"] != "done" or counts["failed"] or counts["refused"]):
        raise typer.Exit(1)


def _tell(plan: dict[str, Json], *, json: bool) -> None:
    from flowmend.cli.output import print_facts, print_json, print_table, when

    if json:
        print_json(plan)
        return
    counts = plan["counts"]
    print_table(
        ("Flow", "What", "Count", "How", "What would happen twice"),
        (
            (
                one["flow_name"],
                "held events" if one["kind"] == "event" else "runs",
                str(one["count"]),
                ("left out" if one["is_left_out"] else _MODES[one["mode"]].format(action=one["from_action"]))
                + (f": {one['reason_text']}" if one["reason_text"] else ""),
                ", ".join(_repeat(each) for each in one["repeats"]) or "nothing",
            )
            for one in plan["groups"]
        ),
        nothing="Nothing failed and nothing is held.",
    )
    print_facts(
        [
            ("Plan", f"{plan['id']}, version {plan['version']}"),
            ("State", plan["state"]),
            ("Why", plan["stop_text"] or plan["cannot_start_reason"]),
            ("Done", f"{counts['done']} of {counts['total']}" if plan["started_at"] else ""),
            ("Succeeded", str(counts["succeeded"] or "")),
            ("Failed", str(counts["failed"] + counts["refused"] or "")),
            ("Running", str(counts["running"] or "")),
            ("Waiting", str(counts["waiting"] or "")),
            ("To go", str(counts["to_go"] or "")),
            ("Left", f"about {_duration(plan['seconds_left'])}" if plan["seconds_left"] else ""),
            ("Held back until", when(plan["keeps_back_until"]) if plan["state"] == "draft" else ""),
            ("To start it", f"flowmend repair run {plan['id']}" if plan["can_start"] else ""),
        ]
    )


def _repeat(each: dict[str, Json]) -> str:
    times = f"{each['count']} times" if each["count"] != 1 else "once"
    known = ", which the service knows as a repeat" if each["key_is_honoured"] else ""
    return f"{each['operation']}, {times}{known}"


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min"
