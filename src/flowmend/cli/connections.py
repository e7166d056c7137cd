"""`flowmend connections …`: list, show, create, verify, test. Secrets come from the terminal or standard input."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server

connections = typer.Typer(help="Connections of the running server.", no_args_is_help=True)

ConnectionArgument = Annotated[str, typer.Argument(metavar="ID", help="A connection's id, or its name.")]
SecretsOption = Annotated[
    bool, typer.Option("--secrets-stdin", help="Read a JSON object of the secret parameters from standard input.")
]


@connections.command("list")
def list_connections(
    needs_attention: Annotated[
        bool, typer.Option("--needs-attention", help="Only those that somebody must act on.")
    ] = False,
    text: Annotated[str | None, typer.Option("--text", help="Found in name, account, connector or id.")] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Connections with their status, those that need somebody first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    only = "true" if needs_attention else None
    found = find_server(url, data).pages("/connections", limit=1_000_000, needs_attention=only, text=text)
    if json:
        print_json(found)
        return
    print_table(
        ("Name", "Connector", "Status", "Since", "Failed runs", "Held", "Id"),
        (
            (
                one["display_name"],
                one["connector_name"],
                one["status_text"],
                when(one["health_changed_at"]),
                str(one["failed_runs"] or ""),
                str(one["held_events"] or ""),
                one["id"],
            )
            for one in found
        ),
        nothing="No connections yet. `flowmend connections create CONNECTOR` makes one.",
    )


@connections.command("show")
def show_connection(
    connection: ConnectionArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """One connection: its health, what refused it, and which flows use it."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.output import print_facts, print_json, when
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    one = server.get(f"/connections/{segment(connection_id(server, connection))}")
    if json:
        print_json(one)
        return
    error = one["statuses"][0].get("error")
    print_facts(
        [
            ("Name", one["display_name"]),
            ("Id", one["id"]),
            ("Connector", one["connector_name"]),
            ("Status", one["status_text"]),
            ("Error", f"{error['code']}: {error['message']}" if error else ""),
            ("Account", one["account"]),
            ("Sign-in", one["sign_in"]),
            ("Refused", when(one["refused_at"])),
            ("Last good call", when(one["last_good_at"])),
            ("Used by", ", ".join(flow["name"] for flow in one["used_by"])),
            ("Failed runs", str(one["failed_runs"] or "")),
            ("Newest of them", one["newest_failed_run"] or ""),
            ("Held events", str(one["held_events"] or "")),
            ("Its test", one["test"]["sentence"] if one["test"] else "cannot be tested"),
            ("Tested by itself", when(one["last_probe_at"])),
            ("Next", when(one["next_probe_at"])),
            ("Ends", when(one["ends"][0]["at"]) if one["ends"] else ""),
            ("Not granted", ", ".join(one["missing_scopes"])),
        ]
    )


@connections.command("create")
def create(
    connector: Annotated[str, typer.Argument(metavar="CONNECTOR", help="The connector's id.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; the connector's name if not given.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A value that is no secret; repeatable."),
    ] = None,
    way: Annotated[str, typer.Option("--way", help="The way to sign in, by its name; the first if not given.")] = "",
    sign_in_app: Annotated[
        str, typer.Option("--sign-in-app", metavar="ID", help="A sign-in app to act as, instead of a new one.")
    ] = "",
    connect_flows: Annotated[
        bool, typer.Option("--connect-flows", help="Choose it in every flow that lacks a connection to the connector.")
    ] = False,
    secrets_stdin: SecretsOption = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Create a connection; asks for its values on the terminal."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server
    from flowmend.core.errors import NotFound

    given = named_values(parameter or [])
    server = find_server(url, data)
    choice = next((one for one in server.get("/connectors")["value"] if one["id"] == connector), None)
    if choice is None:
        raise NotFound(f"There is no connector {connector}.", code="ConnectorNotFound", target=connector)
    asked = _asked(choice, way, has_app=bool(sign_in_app))
    _refuse_secrets(given, asked)
    values = given | _entered(asked, given, from_stdin=secrets_stdin)
    made = server.send(
        "POST",
        "/connections",
        {
            "connector": connector,
            "display_name": name or choice["display_name"],
            "parameters": values,
            "parameter_set": way,
            "sign_in_app": sign_in_app,
        },
    )
    lacking = connect_unconnected(server, made["id"], dry_run=not connect_flows)
    if json:
        print_json(made | {"connected_flows": lacking})
        return
    typer.echo(f"Created {made['id']}: {made['status_text']}")
    if connect_flows:
        tell_connected(lacking)
    elif lacking["references"]:
        many = _flow_count(lacking)
        typer.echo(
            f"{many} lack{'s' if many.startswith('1 ') else ''} a connection to {connector}. To choose this one there: "
            f"flowmend connections connect-flows {made['id']}"
        )


@connections.command("verify")
def verify(
    connection: ConnectionArgument,
    secrets_stdin: SecretsOption = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="I know that it belongs to the account of the old one.")
    ] = False,
    then_plan: Annotated[
        bool, typer.Option("--then-plan", help="Plan the repair: held events wait for it, see `flowmend repair`.")
    ] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Test a new credential; only a proven one replaces the old. Asks for it on the terminal."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.server_client import find_server, segment
    from flowmend.core.errors import AskedWrongly

    server = find_server(url, data)
    path = f"/connections/{segment(connection_id(server, connection))}"
    one = server.get(path)
    if not one["fields"]:
        raise AskedWrongly(
            f"{one['display_name']!r} is signed in at its provider. Open {server.url}{path} "
            "in a browser and choose Sign in again.",
            code="SignInNeedsBrowser",
        )
    if one["test"] and not secrets_stdin and not json:
        typer.echo(one["test"]["sentence"])
    values = _entered(one["fields"], {}, from_stdin=secrets_stdin)
    wanted = {"parameters": values, "confirmed": confirm, "then": "plan" if then_plan else None}
    verification = server.send("POST", f"{path}/verify", wanted)
    tell_verification(verification, json=json, refused="The old credential stays as it was.", is_replacement=True)


@connections.command("test")
def try_credential(
    connection: ConnectionArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """Test the connection's present credential."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    verification = server.send("POST", f"/connections/{segment(connection_id(server, connection))}/test")
    tell_verification(verification, json=json, refused=f"`flowmend connections verify {connection}` enters a new one.")


def tell_verification(verification: dict[str, Json], *, json: bool, refused: str, is_replacement: bool = False) -> None:
    """Print how a test went; exit code 1 where the tested credential is not in place and proven."""
    from flowmend.cli.output import print_json

    others, released = len(verification["also_mended"]), verification["released"]
    if json:
        print_json(verification)
    elif verification["code"] == "ConfirmationNeeded":
        typer.echo(f"{verification['message']} Add --confirm to replace the old one. Nothing was changed.", err=True)
    elif verification["is_proven"]:
        more = f" {released} held event{'s' if released > 1 else ''} started." if released else ""
        more += f" {others} other connection{'s' if others > 1 else ''} of the account mended too." if others else ""
        plan = verification.get("repair_plan")
        more += f" `flowmend repair run {plan}` starts the repair plan." if plan else ""
        typer.echo(f"Works ({verification['duration_ms']} ms). The connection is connected.{more}")
    elif is_replacement and verification["is_kept"]:
        typer.echo(f"Replaced, and not proven yet. {verification['message']}")
    else:
        typer.echo(f"Refused: {verification['code']}: {verification['message']} {refused}", err=True)
    if not verification["is_proven"] or not verification["is_kept"]:
        raise typer.Exit(1)


def connect_unconnected(
    server: "Server", connection_id: str, *, flows: list[str] | None = None, dry_run: bool = False
) -> dict[str, Json]:
    """Choose the connection where flows lack one of its connector, or say where that would be."""
    from flowmend.cli.server_client import segment

    path = f"/connections/{segment(connection_id)}/connect_flows"
    answer: dict[str, Json] = server.send("POST", path, {"flows": flows, "dry_run": dry_run})
    return answer


def tell_connected(answer: dict[str, Json]) -> None:
    """Print in which flows a connection was chosen, or would be."""
    for one in answer["references"]:
        typer.echo(f"{one['flow_name']}  {one['reference']}")
    many = _flow_count(answer)
    if answer["is_made"]:
        typer.echo(f"Chosen in {many}. `flowmend flows turn-on FLOW` turns one on.")
    else:
        typer.echo(f"It would be chosen in {many}. Nothing was changed.")


def _flow_count(answer: dict[str, Json]) -> str:
    count = len({one["flow"] for one in answer["references"]})
    return f"{count} flow{'' if count == 1 else 's'}"


def _entered(fields: list[Json], given: dict[str, str], *, from_stdin: bool) -> dict[str, str]:
    """The values of the fields that were not given: from standard input, else asked for, secrets unseen."""
    if from_stdin:
        return _secrets_of_stdin()
    if not sys.stdin.isatty():
        raise typer.BadParameter("There is no terminal to ask on. Use --secrets-stdin.")
    entered: dict[str, str] = {}
    for field in fields:
        if field["name"] in given or field.get("is_hidden"):
            continue
        title = field["title"] or field["name"]
        if field["is_secret"]:
            entered[field["name"]] = typer.prompt(title, hide_input=True, default="" if not field["required"] else None)
        else:
            entered[field["name"]] = typer.prompt(
                title, default=field["value"] or ("" if not field["required"] else None)
            )
    return {name: value for name, value in entered.items() if value}


def _secrets_of_stdin() -> dict[str, str]:
    import msgspec

    try:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, str])
    except msgspec.MsgspecError:
        # The message would quote what was sent.
        raise typer.BadParameter('Standard input must be a JSON object of texts, {"name": "value"}.') from None


def _asked(choice: Json, way: str, *, has_app: bool) -> list[Json]:
    """The values this way to sign in asks for. Errors: AskedWrongly naming the ways there are."""
    from flowmend.core.errors import AskedWrongly

    found = next((one for one in choice["ways"] if not way or one["name"] == way), None)
    if found is None:
        names = ", ".join(one["name"] for one in choice["ways"] if one["name"]) or "one, unnamed"
        raise AskedWrongly(f"There is no way to sign in named {way!r}. There is: {names}.", code="UnknownParameterSet")
    known = found["app_values"] if has_app else []
    return [one for one in found["parameters"] if one["name"] not in known]


def named_values(texts: list[str]) -> dict[str, str]:
    """{name: value} of `NAME=VALUE` texts."""
    named: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--parameter")
        named[name] = value
    return named


def _refuse_secrets(given: dict[str, str], fields: list[Json]) -> None:
    secret = {field["name"] for field in fields if field["is_secret"]}
    for name in given:
        if name in secret:
            raise typer.BadParameter(
                f"{name} is a secret, and arguments are seen by other programs. Enter it when asked, or use --secrets-stdin.",
                param_hint="--parameter",
            )
