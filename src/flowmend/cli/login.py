"""`flowmend login` and `flowmend token`: a link for a browser, a token for a program."""

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from flowmend.use_cases.ports import Services


def login(data: DataOption = None, json: JsonOption = False) -> None:
    """Print a link that signs a browser in; it works once, for ten minutes."""
    from flowmend.cli.output import print_json
    from flowmend.use_cases.access import issue_login_link

    with _OpenServices(data) as services:
        link, ends_at = asyncio.run(issue_login_link(services))
    if json:
        print_json({"url": link, "expires_at": ends_at})
    else:
        typer.echo(link)


def token(
    data: DataOption = None,
    name: Annotated[str, typer.Option("--name", help="What the token is for.")] = "printed by flowmend token",
    json: JsonOption = False,
) -> None:
    """Print a new API token; it is shown this once. Programs send it as `Authorization: Bearer …`."""
    from flowmend.cli.output import print_json
    from flowmend.use_cases.access import issue_token

    with _OpenServices(data) as services:
        text = asyncio.run(issue_token(services, name))
    if json:
        print_json({"token": text, "name": name})
    else:
        typer.echo(text)


class _OpenServices:
    """The data folder opened beside a running server, whose address links are to bear."""

    def __init__(self, data: "DataOption") -> None:
        from flowmend.assembly import open_services
        from flowmend.cli.local_server import read_local_server
        from flowmend.settings import read_settings

        settings = read_settings(os.environ, data=data)
        local = read_local_server(settings.data)
        if local is not None and not settings.public_url:
            settings = replace(settings, public_url=local.url)
        self._application = open_services(settings)

    def __enter__(self) -> "Services":
        return self._application.services

    def __exit__(self, *_: object) -> None:
        self._application.services.store.close()
