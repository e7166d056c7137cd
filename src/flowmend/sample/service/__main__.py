"""`python -m flowmend.sample.service`: the order service in a process of its own, until Ctrl+C."""

import argparse
import socket
import sys
from contextlib import suppress
from dataclasses import replace

import uvicorn

from flowmend.sample.service.application import build_application
from flowmend.sample.service.service import OrderService
from flowmend.sample.service.settings import LOOPBACK_HOSTS, ServiceSettings


def main() -> None:
    """Read the command line, listen, say where, serve."""
    settings = _read_arguments()
    try:
        sockets = listen(settings.host, settings.port)
    except OSError as error:
        sys.exit(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Try another --port.")
    port = sockets[0].getsockname()[1]
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    sys.stdout.write(f"Sample order service on http://{name}:{port}/\n")
    sys.stdout.flush()
    # No access log: a key in a query would stand in it, and its cost would count in a load test.
    config = uvicorn.Config(
        build_application(OrderService(settings)), access_log=False, log_level="warning", server_header=False, ws="none"
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has stopped
        uvicorn.Server(config).run(sockets=sockets)


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets of one port. `localhost` means IPv4 and, where the machine has it, IPv6: some clients try
    IPv6 first and wait long for the refusal.

    Errors: OSError if the port is taken.
    """
    first = _socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, "127.0.0.1" if host == "localhost" else host, port
    )
    if host != "localhost" or not socket.has_ipv6:
        return [first]
    try:
        return [first, _socket(socket.AF_INET6, "::1", first.getsockname()[1])]
    except OSError:
        return [first]


def _socket(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let a second process take the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _read_arguments() -> ServiceSettings:
    defaults = ServiceSettings()
    parser = argparse.ArgumentParser(
        prog="python -m flowmend.sample.service", description="A small order service that really checks who calls it."
    )
    parser.add_argument("--host", choices=sorted(LOOPBACK_HOSTS), default=defaults.host)
    parser.add_argument("--port", type=int, default=defaults.port, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--access-token-seconds",
        type=float,
        default=defaults.access_token_seconds,
        help="how long an access token lives (default: %(default)g)",
    )
    parser.add_argument(
        "--redirect-uri",
        action="append",
        metavar="URI",
        help="where codes may be sent, instead of the defaults; may be given more than once",
    )
    given = parser.parse_args()
    application = defaults.application
    if given.redirect_uri:
        application = replace(application, redirect_uris=tuple(given.redirect_uri))
    return replace(
        defaults,
        host=given.host,
        port=given.port,
        access_token_seconds=given.access_token_seconds,
        application=application,
    )


if __name__ == "__main__":
    main()
