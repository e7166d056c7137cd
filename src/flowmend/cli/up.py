"""`flowmend up`: portal, API and engine in one process."""

import os

from flowmend.cli.options import DataOption, HostOption, PortOption


def up(data: DataOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Serve portal, API and engine until Ctrl+C; all data stays in one folder."""
    from flowmend.cli.serving import serve
    from flowmend.settings import read_settings

    serve(read_settings(os.environ, data=data, host=host, port=port))
