"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="FLOWMEND_DATA",
        help="The data folder; ./flowmend-data if not given.",
        show_envvar=True,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="FLOWMEND_URL",
        help="The server to speak to, with FLOWMEND_TOKEN; else the one that runs on the data folder.",
        show_envvar=True,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
HostOption = Annotated[
    str | None, typer.Option("--host", envvar="FLOWMEND_HOST", help="The address to listen on; 127.0.0.1 if not given.")
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port",
        envvar="FLOWMEND_PORT",
        min=0,
        max=65535,
        help="The port to listen on; 8080 if not given, 0 for any free one.",
    ),
]
