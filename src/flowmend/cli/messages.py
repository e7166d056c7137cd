"""`flowmend messages …`: what people were told, where messages go, adding and removing addresses, trying one out."""

from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

messages = typer.Typer(
    help="Messages of the running server: who is told when a connection breaks.", no_args_is_help=True
)

RouteArgument = Annotated[str, typer.Argument(metavar="ROUTE", help="A route's id or address; `owner` is the owner's.")]


@messages.command("list")
def list_messages(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """What people were told, the latest first, and what became of each message."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = server.pages("/messages", limit=limit)
    if json:
        print_json(found)
        return
    routes = {one["id"]: one["address"] for one in server.get("/message_routes")["value"]}
    print_table(
        ("When", "What", "About", "Sent"),
        (
            (
                when(one["at"]),
                one["kind"],
                str(one["facts"].get("name") or one["facts"].get("failed_runs") or one["facts"].get("person") or ""),
                ", ".join(_sent(each, routes) for each in one["deliveries"]) or "in the portal only",
            )
            for one in found
        ),
        nothing="Nothing broke yet, so nobody was told anything.",
    )


@messages.command("routes")
def list_routes(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Where messages go, and whether mail leaves."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    found = server.get("/message_routes")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Address", "Channel", "When", "What", "On", "Id"),
        (
            (
                one["address"] or "no address yet",
                one["channel"],
                f"after {one['after_minutes']} min" if one["after_minutes"] else "at once",
                ", ".join(one["kinds"]) or "everything",
                "yes" if one["is_on"] else "no",
                one["id"],
            )
            for one in found
        ),
        nothing="Nobody is told.",
    )
    problem = server.get("/message_settings")["mail_problem"]
    if problem:
        typer.echo(f"No mail leaves: {problem}.", err=True)


@messages.command("add")
def add_route(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A mail address, or https://… for a webhook.")],
    after: Annotated[int, typer.Option("--after", min=0, help="Minutes; only what is still broken by then.")] = 0,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="broken, mended, escalated, digest or repaired; repeatable, all if not given."),
    ] = None,
    language: Annotated[str, typer.Option("--language", help="en or zh-Hant; the owner's if not given.")] = "",
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Tell an address too. A webhook's secret is printed, this once."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    body = {"address": address, "after_minutes": after, "kinds": kind or [], "language": language}
    made = find_server(url, data).send("POST", "/message_routes", body)
    if json:
        print_json(made)
        return
    typer.echo(f"{made['address']} is told now ({made['id']}).")
    if made["secret"]:
        typer.echo(f"Its messages are signed with this secret, which is shown once: {made['secret']}")


@messages.command("remove")
def remove_route(route: RouteArgument, data: DataOption = None, url: UrlOption = None) -> None:
    """Tell an address nothing any more."""
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    one = _found(server.get("/message_routes")["value"], route)
    server.send("DELETE", f"/message_routes/{segment(one['id'])}", None)
    typer.echo(f"{one['address']} is told nothing any more.")


@messages.command("turn")
def turn_route(
    route: RouteArgument,
    state: Annotated[str, typer.Argument(metavar="on|off", help="Whether it is told.")],
    data: DataOption = None,
    url: UrlOption = None,
) -> None:
    """Turn an address on or off, the owner's too."""
    from flowmend.cli.server_client import find_server, segment
    from flowmend.core.errors import AskedWrongly

    if state not in {"on", "off"}:
        raise AskedWrongly(f"Say on or off, not {state!r}.", code="InvalidState", target="state")
    server = find_server(url, data)
    one = _found(server.get("/message_routes")["value"], route)
    server.send("PATCH", f"/message_routes/{segment(one['id'])}", {"is_on": state == "on"})
    typer.echo(f"{one['address'] or one['id']} is {state}.")


@messages.command("owner")
def set_owner(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The owner's mail address.")],
    language: Annotated[str | None, typer.Option("--language", help="Of messages: en or zh-Hant.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
) -> None:
    """Say where the owner is told, who is told first."""
    from flowmend.cli.server_client import find_server

    body: dict[str, str] = {"owner_email": address} | ({} if language is None else {"owner_language": language})
    found = find_server(url, data).send("PATCH", "/message_settings", body)
    typer.echo(f"The owner is told at {found['owner_email']}.")
    if found["mail_problem"]:
        typer.echo(f"No mail leaves yet: {found['mail_problem']}.", err=True)


@messages.command("test")
def try_route(route: RouteArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Send a test message; what becomes of it stands in `flowmend messages list`."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    one = _found(server.get("/message_routes")["value"], route)
    sent = server.send("POST", f"/message_routes/{segment(one['id'])}/test", {})
    if json:
        print_json(sent)
    else:
        typer.echo(f"A test message is on its way to {one['address']}.")


def _sent(delivery: dict[str, Json], routes: dict[str, str]) -> str:
    why = f" ({delivery['code']})" if delivery["code"] else ""
    return f"{routes.get(str(delivery['route']), delivery['route'])}: {delivery['state']}{why}"


def _found(routes: list[Json], wanted: str) -> Json:
    """The route of this id, or of this address. Errors: NotFound; AskedWrongly where several have it."""
    from flowmend.core.errors import AskedWrongly, NotFound

    found = [one for one in routes if one["id"] == wanted] or [one for one in routes if one["address"] == wanted]
    if not found:
        raise NotFound(f"Nobody is told at {wanted}.", code="RouteNotFound", target=wanted)
    if len(found) > 1:
        raise AskedWrongly(f"{len(found)} routes lead to {wanted}; give an id.", code="NotUnique", target=wanted)
    return found[0]
