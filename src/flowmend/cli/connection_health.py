"""`flowmend connections …`: how one is tested, what of its sign-in ends, and what stops when somebody goes."""

from typing import Annotated

import typer

from flowmend.cli.connections import ConnectionArgument, connections
from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

_ENDS = {
    "access_token": "access token, which nothing renews",
    "app_secret": "secret of the sign-in app",
    "certificate": "certificate",
    "idle": "sign-in, if it is not used",
    "noted": "as its owner noted",
    "refresh_token": "sign-in",
}
_PROBES = {
    "chosen": "chosen by the owner",
    "declared": "declared by the connector",
    "failed_call": "the call that failed last",
    "inferred": "a guess",
    "refresh": "a refresh of the tokens",
    "none": "none; judged by runs",
}


@connections.command("forecast")
def forecast(
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How far to look ahead.")] = 30,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """What of the sign-ins ends before long, the soonest first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/forecast", days=days)["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Connection", "What ends", "When", "Days left", "Id"),
        (
            (
                one["display_name"],
                _ENDS.get(one["kind"], one["kind"]),
                when(one["at"]),
                str(one["days_left"]),
                one["connection"],
            )
            for one in found
        ),
        nothing=f"Nothing ends within {days} days, as far as is known. `flowmend connections ends ID DATE` notes an end.",
    )


@connections.command("leaving")
def leaving(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="An account, a mail address, or a name here.")],
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """What stops when somebody goes: connections signed in as them, and the flows that need these."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/leaving", person=person)
    if json:
        print_json(found)
        return
    if not (found["accounts"] or found["owned"] or found["flows"] or found["sign_in_apps"]):
        typer.echo(f"Nothing here concerns {person}.")
        return
    rows: list[tuple[str, ...]] = [("Connection", one["name"], "stops", one["id"]) for one in found["accounts"]]
    rows += [("Connection", one["name"], "needs another owner", one["id"]) for one in found["owned"]]
    rows += [("Sign-in app", one["name"], "needs another owner", one["id"]) for one in found["sign_in_apps"]]
    rows += [("Flow", one["name"], _fate(one), one["id"]) for one in found["flows"]]
    print_table(("What", "Name", "Then", "Id"), rows, nothing="")
    if found["stopping_flows"]:
        typer.echo("Sign in to those that stop as somebody else, in time: `flowmend connections verify ID`.")


@connections.command("probe")
def probe(
    connection: ConnectionArgument,
    operation: Annotated[
        str | None, typer.Option("--operation", metavar="ID", help="Let this read of the connector test it.")
    ] = None,
    argument: Annotated[
        list[str] | None,
        typer.Option("--argument", metavar="NAME=VALUE", help="An argument of that operation; repeatable."),
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Forget the choice.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Show or choose the call that tests a connection."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.output import print_facts, print_json, when
    from flowmend.cli.server_client import find_server, segment

    if default and operation:
        raise typer.BadParameter("Give either --operation or --default.")
    server = find_server(url, data)
    path = f"/connections/{segment(connection_id(server, connection))}/probe"
    if operation:
        found = server.send("PUT", path, {"operation_id": operation, "arguments": _named(argument or [])})
    elif default:
        found = server.send("DELETE", path)
    else:
        found = server.get(path)
    if json:
        print_json(found)
        return
    print_facts(
        [
            ("Its test", _PROBES.get(found["kind"], found["kind"])),
            ("Operation", found["operation_id"]),
            ("Calls", f"{found['method']} {found['url_hint']}".strip()),
            ("Proves the credential", "yes" if found["is_trusted"] else "not known yet"),
            ("Last tested by itself", when(found["last_probe_at"])),
            ("Next", when(found["next_probe_at"])),
            ("May be chosen", ", ".join(one["operation_id"] for one in found["choices"])),
        ]
    )


@connections.command("ends")
def ends(
    connection: ConnectionArgument,
    date: Annotated[
        str, typer.Argument(metavar="DATE", help="Until when the key or password is good, as 2026-12-31; or `never`.")
    ],
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Note until when a key or password is good, so that its end is told beforehand."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.output import print_json, when
    from flowmend.cli.server_client import find_server, segment

    ends_at = None if date.lower() == "never" else _day(date)
    server = find_server(url, data)
    path = f"/connections/{segment(connection_id(server, connection))}/ends_at"
    found = server.send("PUT", path, {"ends_at": ends_at})
    if json:
        print_json(found)
    elif ends_at is None:
        typer.echo(f"{found['display_name']}: no end is noted any more.")
    else:
        typer.echo(f"{found['display_name']}: good until {when(ends_at)}, as noted.")


def _day(text: str) -> str:
    from datetime import UTC, datetime

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date such as 2026-12-31.", param_hint="DATE") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


def _fate(flow: dict[str, Json]) -> str:
    if flow["stops"]:
        return "stops"
    return "needs another owner" if flow["is_theirs"] else "goes on" if flow["is_on"] else "is off"


def _named(texts: list[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--argument")
        named[name] = value
    return named
