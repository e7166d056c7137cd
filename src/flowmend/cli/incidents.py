"""`flowmend incidents …`: what stopped working, since when, what it broke and who can end it."""

from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

incidents = typer.Typer(help="Incidents of the running server: sign-ins that stopped working.", no_args_is_help=True)

_SHOWN_RUNS = 5


@incidents.command("list")
def list_incidents(
    state: Annotated[str | None, typer.Option("--state", help="Only open or only closed ones.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Incidents, open ones first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).pages("/incidents", limit=limit, state=state)
    if json:
        print_json(found)
        return
    print_table(
        ("What", "State", "Cause", "Since", "Failed runs", "Held", "Repair plan", "Id"),
        (
            (
                one["source"]["name"],
                one["state"],
                one["category"],
                when(one["first_bad_at"]),
                str(one["failed_runs"] or ""),
                str(one["held_events"] or ""),
                one["repair_plan"]["state"] if one["repair_plan"] else "",
                one["id"],
            )
            for one in found
        ),
        nothing="No incident. Every connection that flows use was accepted when it was last used.",
    )


@incidents.command("show")
def show_incident(
    incident: Annotated[str, typer.Argument(metavar="ID", help="The incident's id.")],
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """One incident: its times, what it broke, who can end it, and what was tried."""
    from flowmend.cli.output import print_facts, print_json, when
    from flowmend.cli.server_client import find_server, segment

    found = find_server(url, data).get(f"/incidents/{segment(incident)}")
    if json:
        print_json(found)
        return
    one, keys = found["incident"], found["business_keys"]
    more = "" if keys["is_complete"] else " at least"
    print_facts(
        [
            (
                "What",
                f"{one['source']['name']} ({one['source']['kind'].replace('_', ' ')}, {one['source']['service']})",
            ),
            ("State", one["state"]),
            ("Cause", one["category"]),
            ("Who can end it", one["who_can_fix"]["sentence"]),
            ("What to ask", found["question"]),
            ("Received", f"{one['code']}: {one['message']}" if one["message"] else one["code"]),
            ("Last good call", when(one["last_good_at"])),
            ("First refusal", when(one["first_bad_at"])),
            ("Last refusal", when(one["last_bad_at"])),
            ("Bad calls", str(one["bad_calls"])),
            ("Closed", f"{when(one['closed_at'])} by {one['closed_by']}" if one["closed_at"] else ""),
            ("Connections", ", ".join(_connection_words(each) for each in found["connections"])),
            ("Flows", ", ".join(each["name"] for each in found["flows"])),
            ("Failed runs", str(one["failed_runs"] or "")),
            ("Not put right", str(found["not_put_right"] or "")),
            ("Newest of them", ", ".join(each["name"] for each in found["latest_failed_runs"][:_SHOWN_RUNS])),
            ("What was hit", f"{', '.join(keys['latest'])} ({keys['count']}{more})" if keys["latest"] else ""),
            ("Held events", str(one["held_events"] or "")),
            ("Held runs", str(one["held_runs"] or "")),
            ("Repair plan", f"{plan['state']}, {plan['id']}" if (plan := one["repair_plan"]) else _to_plan(found)),
            ("Tried", ", ".join(f"{each['did']} {when(each['at'])}" for each in found["tried"])),
        ]
    )


def _to_plan(found: dict[str, Json]) -> str:
    """How to make a plan, where one would help."""
    one = found["incident"]
    is_wanted = found["not_put_right"] or one["held_events"]
    return f"`flowmend repair plan {one['id']}` makes one" if is_wanted else ""


def _connection_words(each: dict[str, str]) -> str:
    state = "mended" if each["mended_at"] else each["health"] or "deleted"
    return f"{each['name'] or each['id']} ({state})"
