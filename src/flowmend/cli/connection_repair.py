"""`flowmend connections …`: repair links, the old credential, another connection instead, and uses of a secret."""

from typing import Annotated

import typer

from flowmend.cli.connections import (
    ConnectionArgument,
    connect_unconnected,
    connections,
    tell_connected,
    tell_verification,
)
from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

_WARNINGS = {
    "AnotherAccount": "They are signed in as different accounts: the flows would act as somebody else.",
    "NeedsRepair": "The connection to use instead needs repair itself.",
}


@connections.command("repair-link")
def make_repair_link(
    connection: ConnectionArgument,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="I know that the person it goes to holds the connection's account.")
    ] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="End the unused links instead of making one.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Print a link with which the owner of a broken connection's account mends it: once, within 24 hours."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.output import print_json, when
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    path = f"/connections/{segment(connection_id(server, connection))}/repair_links"
    answer = server.send("DELETE", path) if revoke else server.send("POST", path, {"confirmed": confirm})
    if json:
        print_json(answer)
    elif revoke:
        typer.echo(f"Unused links ended: {answer['revoked']}")
    else:
        typer.echo(answer["url"])
        typer.echo(f"Good until {when(answer['expires_at'])}. Whoever has it can enter the new secret.", err=True)


@connections.command("put-back")
def put_back(
    connection: ConnectionArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False
) -> None:
    """Put the credential back that was replaced last; kept until the first good use of the new one."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    verification = server.send("POST", f"/connections/{segment(connection_id(server, connection))}/put_back")
    tell_verification(verification, json=json, refused="The present credential stays as it is.", is_replacement=True)


@connections.command("swap")
def swap(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The connection that flows use now: its id or name.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The connection to use instead, to the same connector.")],
    flow: Annotated[
        list[str] | None, typer.Option("--flow", metavar="FLOW", help="Only this flow; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="The flows may act as another account.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Let flows use another connection from their next run on. No definition is edited."""
    from flowmend.cli.lookup import connection_id, flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    old_id, new_id = connection_id(server, old), connection_id(server, new)
    flows = [flow_id(server, one) for one in flow] if flow else None
    wanted = {"to": new_id, "flows": flows, "dry_run": dry_run, "confirmed": confirm}
    answer = server.send("POST", f"/connections/{segment(old_id)}/swap", wanted)
    if json:
        print_json(answer)
        return
    for one in answer["references"]:
        typer.echo(f"{one['flow_name']}  {one['reference']}")
    for warning in answer["warnings"]:
        typer.echo(_WARNINGS.get(warning, warning), err=True)
    changed = {one["flow"] for one in answer["references"]}
    many = f"{len(changed)} flow{'' if len(changed) == 1 else 's'}"
    if dry_run:
        typer.echo(f"{many} would use the other connection. Nothing was changed.")
    else:
        back = " ".join([*(f"--flow {one}" for one in sorted(changed)), *(["--confirm"] if confirm else [])])
        typer.echo(f"{many} use the other connection now. To undo: flowmend connections swap {new_id} {old_id} {back}")


@connections.command("connect-flows")
def connect_flows(
    connection: ConnectionArgument,
    flow: Annotated[
        list[str] | None, typer.Option("--flow", metavar="FLOW", help="Only this flow; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Choose a connection in every flow that lacks one of its connector. No definition is edited, no flow turned on."""
    from flowmend.cli.lookup import connection_id, flow_id
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    flows = [flow_id(server, one) for one in flow] if flow else None
    answer = connect_unconnected(server, connection_id(server, connection), flows=flows, dry_run=dry_run)
    if json:
        print_json(answer)
    else:
        tell_connected(answer)


@connections.command("uses")
def list_uses(
    connection: ConnectionArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    purpose: Annotated[
        str | None,
        typer.Option(
            "--purpose", help="Only uses for this: call, refresh, probe, verify, repair_link, consent or revoke."
        ),
    ] = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Every use of a connection's secret, newest first: when, what for, where to, and how it ended."""
    from flowmend.cli.lookup import connection_id
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    path = f"/connections/{segment(connection_id(server, connection))}/uses"
    found: list[Json] = server.pages(path, limit=limit, purpose=purpose)
    if json:
        print_json(found)
        return
    print_table(
        ("Time", "For", "Run", "Action", "Host", "Outcome"),
        (
            (when(one["at"]), one["purpose"], one["run"] or "", one["action"] or "", one["host"], one["outcome"])
            for one in found
        ),
        nothing="Its secret was not used yet.",
    )
