"""`flowmend check-url`: whether services outside reach the running server."""

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption

_SENTENCES = {
    "Reachable": "It leads back to this server.",
    "HostChanged": "It leads back to this server, but what stands between does not pass on the host name.",
    "NotSet": "No public address is set. Set FLOWMEND_PUBLIC_URL to the address at which services reach this server.",
    "NameUnknown": "Its name is not known. Look at the name's DNS record.",
    "Private": "Its name leads into a private network: services outside do not reach it.",
    "TlsFailed": "No secure connection can be made. Look at the certificate: its name, its end, its chain.",
    "NoAnswer": "Nobody answers there. Look at the firewall, the proxy and the port.",
    "Redirected": "It leads elsewhere; services that call do not follow. Set FLOWMEND_PUBLIC_URL to where it leads.",
    "HostRefused": "It leads here, under a host name that this server does not answer to. Let the proxy pass on Host.",
    "OtherServer": "Another server answers there.",
}


def check_url(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Whether the public address leads back to the running server, and which triggers need it. Exit 1 where it does not."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    check = server.send("POST", "/public_address/check")
    triggers = server.get("/public_address/triggers")["value"]
    if json:
        print_json({**check, "triggers": triggers})
    else:
        typer.echo(f"{check['address']}: {_SENTENCES.get(check['verdict'], check['verdict'])}")
        if check["detail"]:
            typer.echo(check["detail"])
        print_table(
            ("Flow", "Trigger", "Type", "On", "Called by"),
            (
                (
                    one["flow_name"],
                    one["trigger"],
                    one["type"],
                    "yes" if one["is_on"] else "no",
                    "its service" if one["needs_address"] else "whoever has its URL",
                )
                for one in triggers
            ),
            nothing="No trigger is called from outside.",
        )
    if not check["reachable"]:
        raise typer.Exit(1)
