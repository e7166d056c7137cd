"""`flowmend sign-in-apps …`: list, show, add, replace the secret. Secrets come from the terminal, standard input or a file."""

import base64
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

sign_in_apps = typer.Typer(help="Sign-in apps of the running server.", no_args_is_help=True)

AppArgument = Annotated[str, typer.Argument(metavar="ID", help="A sign-in app's id, or its name.")]
CertificateOption = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", help="A PFX or PEM file with its private key, instead of a secret."),
]
SecretOption = Annotated[
    bool,
    typer.Option("--secret-stdin", help="Read the client secret, or the certificate's password, from standard input."),
]
ExpiryOption = Annotated[
    str | None, typer.Option("--secret-ends", metavar="DATE", help="When the secret ends, such as 2027-01-31.")
]


@sign_in_apps.command("list")
def list_apps(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Sign-in apps with their connections, those with broken ones first."""
    from flowmend.cli.output import print_json, print_table, when
    from flowmend.cli.server_client import find_server

    found = find_server(url, data).get("/sign_in_apps")["value"]
    if json:
        print_json(found)
        return
    print_table(
        ("Name", "Connector", "Connections", "Broken", "Proves itself by", "Ends", "Id"),
        (
            (
                one["display_name"],
                one["connector_name"],
                str(len(one["connections"]) or ""),
                str(one["broken"] or ""),
                one["proof"] if one["has_proof"] else "nothing",
                when(one["secret_expires_at"]),
                one["id"],
            )
            for one in found
        ),
        nothing="No sign-in apps yet. `flowmend sign-in-apps add CONNECTOR` keeps one.",
    )


@sign_in_apps.command("show")
def show_app(app: AppArgument, data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """One sign-in app: what to register at the service, and which connections act as it."""
    from flowmend.cli.output import print_facts, print_json, when
    from flowmend.cli.server_client import find_server

    one = _found(find_server(url, data).get("/sign_in_apps")["value"], app)
    if json:
        print_json(one)
        return
    print_facts(
        [
            ("Name", one["display_name"]),
            ("Id", one["id"]),
            ("Connector", one["connector_name"]),
            ("Redirect URL", one["redirect_url"]),
            ("Client id", one["client_id"]),
            ("Tenant", one["tenant"]),
            ("Proves itself by", one["proof"] if one["has_proof"] else "nothing"),
            ("Ends", when(one["secret_expires_at"])),
            ("Sent only to", ", ".join(one["origins"])),
            ("Connections", ", ".join(f"{user['display_name']} ({user['health']})" for user in one["connections"])),
        ]
    )


@sign_in_apps.command("add")
def add_app(
    connector: Annotated[str, typer.Argument(metavar="CONNECTOR", help="The connector's id.")],
    client_id: Annotated[str, typer.Option("--client-id", help="As the service shows it.")],
    name: Annotated[str, typer.Option("--name", help="What to call it.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Microsoft Entra's directory, for its apps.")] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", metavar="NAME=VALUE", help="A value the provider's address is made of; repeatable."
        ),
    ] = None,
    certificate: CertificateOption = None,
    secret_stdin: SecretOption = False,
    secret_ends: ExpiryOption = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Keep an app that was registered with a service; asks for its client secret on the terminal."""
    from flowmend.cli.connections import named_values
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    server = find_server(url, data)
    body = {
        "connector": connector,
        "client_id": client_id,
        "display_name": name,
        "tenant": tenant,
        "parameters": named_values(parameter or []),
        **_proof(certificate, from_stdin=secret_stdin),
        **_ends(secret_ends),
    }
    made = server.send("POST", "/sign_in_apps", body)
    if json:
        print_json(made)
    else:
        typer.echo(f"Kept {made['id']}. Register this redirect URL with the service: {made['redirect_url']}")


@sign_in_apps.command("replace-secret")
def replace_secret(
    app: AppArgument,
    certificate: CertificateOption = None,
    secret_stdin: SecretOption = False,
    secret_ends: ExpiryOption = None,
    data: DataOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Prove a new secret, put it in place, and mend every connection the old one broke; asks for it on the terminal."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server, segment

    server = find_server(url, data)
    one = _found(server.get("/sign_in_apps")["value"], app)
    body = {**_proof(certificate, from_stdin=secret_stdin), **_ends(secret_ends)}
    repair = server.send("POST", f"/sign_in_apps/{segment(one['id'])}/secret", body)
    if json:
        print_json(repair)
    elif repair["is_kept"]:
        typer.echo(f"{repair['result'].capitalize()}, and now in use. Connections mended: {len(repair['mended'])}.")
        names = {user["id"]: user["display_name"] for user in one["connections"]}
        for connection in repair["still_broken"]:
            typer.echo(f"Still needs repair: {names.get(connection, connection)}")
    else:
        typer.echo(f"Refused: {repair['message'] or repair['code']}. The old one stays in place.", err=True)
        raise typer.Exit(1)


def _proof(certificate: Path | None, *, from_stdin: bool) -> dict[str, str]:
    """The secret, or the certificate with its password, as the API takes them."""
    from flowmend.core.errors import AskedWrongly

    title = "Password of the certificate" if certificate else "Client secret"
    if from_stdin:
        secret = sys.stdin.readline().rstrip("\r\n")
    else:
        secret = typer.prompt(title, hide_input=True, default="", show_default=False)
    if certificate is None:
        return {"client_secret": secret}
    try:
        content = certificate.read_bytes()
    except OSError as error:
        raise AskedWrongly(
            f"{certificate} cannot be read: {error.strerror}.", code="FileNotRead", target=str(certificate)
        ) from error
    is_text = b"-----BEGIN " in content
    text = content.decode("utf-8", "replace") if is_text else base64.b64encode(content).decode("ascii")
    return {"certificate": text, "certificate_password": secret}


def _ends(date: str | None) -> dict[str, str]:
    return {"secret_expires_at": f"{date}T12:00:00Z"} if date else {}


def _found(apps: list[Json], wanted: str) -> Json:
    """The app of this id, or of this name. Errors: NotFound; AskedWrongly where several are called so."""
    from flowmend.core.errors import AskedWrongly, NotFound

    found = [one for one in apps if one["id"] == wanted] or [one for one in apps if one["display_name"] == wanted]
    if not found:
        raise NotFound(f"There is no sign-in app {wanted}.", code="SignInAppNotFound", target=wanted)
    if len(found) > 1:
        raise AskedWrongly(
            f"{len(found)} sign-in apps are called {wanted!r}; give an id.", code="NotUnique", target=wanted
        )
    return found[0]
