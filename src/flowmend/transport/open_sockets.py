"""TCP connections under the address guard, for protocols that are not HTTP.

The name is resolved once and the connection made to exactly those addresses, so a name that answers differently the
second time gains nothing.
"""

import asyncio
import ipaddress
import socket
from datetime import timedelta

from flowmend.core.connector import TransportFailure
from flowmend.transport.address_guard import ADDRESS_NOT_ALLOWED, AddressGuard, refusal
from flowmend.transport.http import (
    CONNECTION_FAILED,
    CONNECTION_REFUSED,
    CONNECTION_RESET,
    REQUEST_TIMEOUT,
    TLS_FAILED,
    UNRESOLVABLE_HOST_NAME,
)


class Unreachable(Exception):
    """No connection could be made; stays inside `transport`. failure: what the caller is told."""

    def __init__(self, failure: TransportFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def guarded_addresses(guard: AddressGuard, host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host that may be called, in the order to try them. Errors: Unreachable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"The host name '{host}' could not be resolved."
        raise Unreachable(unsent(UNRESOLVABLE_HOST_NAME, message)) from error
    # An IPv6 address may carry its zone, which the guard has no use for.
    addresses = dict.fromkeys(str(place[0]) for *_, place in found)
    allowed = tuple(one for one in addresses if guard.permits(host, port, ipaddress.ip_address(one.partition("%")[0])))
    if not allowed:
        raise Unreachable(unsent(ADDRESS_NOT_ALLOWED, refusal(host, port), is_retryable=False))
    return allowed


async def open_socket(guard: AddressGuard, host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket to the first address that answers. Errors: Unreachable."""
    last = unsent(CONNECTION_FAILED, f"'{host}:{port}' could not be reached.")
    for address in await guarded_addresses(guard, host, port):
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            await asyncio.get_running_loop().sock_connect(opened, (address, port))
        except OSError as error:
            opened.close()
            last = failure_of(error, host, port)
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise Unreachable(last)


def failure_of(error: BaseException, host: str, port: int) -> TransportFailure:
    """What went wrong with a connection, as a value; nothing that matters was sent before sign-in is answered."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "certificate verify failed"
        return unsent(TLS_FAILED, f"The certificate of '{host}' is not trusted: {reason}.", is_retryable=False)
    if isinstance(error, ssl.SSLError):
        return unsent(TLS_FAILED, f"No secure connection to '{host}:{port}' could be made.", is_retryable=False)
    if isinstance(error, ConnectionRefusedError):
        return unsent(CONNECTION_REFUSED, f"'{host}:{port}' refused the connection.")
    if isinstance(error, ConnectionError | EOFError):
        return unsent(CONNECTION_RESET, f"'{host}:{port}' closed the connection before it had answered.")
    if isinstance(error, TimeoutError):
        return unsent(REQUEST_TIMEOUT, f"'{host}:{port}' gave no answer in time.")
    return unsent(CONNECTION_FAILED, f"'{host}:{port}' could not be reached.")


def too_late(host: str, port: int, within: timedelta) -> TransportFailure:
    """The failure of a sign-in that took longer than it may."""
    return unsent(REQUEST_TIMEOUT, f"'{host}:{port}' gave no answer within {within.total_seconds():g} seconds.")


def unsent(code: str, message: str, *, is_retryable: bool = True) -> TransportFailure:
    """A failure before anything was asked for."""
    return TransportFailure(code=code, message=message, was_sent=False, is_retryable=is_retryable)
