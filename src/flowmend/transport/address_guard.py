"""The address guard: which addresses an outgoing call may reach.

A flow is somebody else's text, and this process sits inside a private network: a call must not reach what
only that network should see. So whatever is not a public unicast address is refused unless the settings
allow the very host and port. The check is made on resolved addresses, and the connection is made to exactly
those, so a name that answers differently the second time gains nothing. aiohttp asks no resolver for
literal addresses; `refused_literal` looks at those before a request is sent.

Source: RFC 6890 (special-purpose addresses); RFC 6052, 3056 and 4380 (IPv4 inside IPv6).
"""

import ipaddress
import socket
from collections.abc import Collection
from functools import lru_cache

from aiohttp.abc import AbstractResolver, ResolveResult

ADDRESS_NOT_ALLOWED = "AddressNotAllowed"
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PUBLIC_BUT_METADATA = frozenset(
    {ipaddress.IPv4Address("168.63.129.16")}
)  # Azure's host agent, reachable in its guests only


class AddressNotAllowed(OSError):
    """A name resolves to addresses of which none may be called. An OSError because aiohttp's resolver contract asks so."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(refusal(host, port))


def refusal(host: str, port: int) -> str:
    """The sentence for a refused address: what happened and what an operator can do."""
    return (
        f"The host '{host}' is a private, loopback or otherwise reserved address, which flows may not call. "
        f"If this is meant, add {host}:{port} to the setting FLOWMEND_ALLOWED_PRIVATE_HOSTS."
    )


def is_public(address: _Address) -> bool:
    """Whether an address is public unicast, looking through IPv4 addresses carried inside IPv6 ones."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _ipv4_inside(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    elif address in _PUBLIC_BUT_METADATA:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@lru_cache(maxsize=1024)
def literal_address(host: str) -> _Address | None:
    """The address a host text stands for, in every spelling a C library accepts; None for a name.

    Decimal (2130706433), octal (0177.0.0.1), hexadecimal (0x7f000001) and short (127.1) forms count.
    """
    text = host.strip("[]")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    if not text or not (text[-1].isalnum() and (text[0].isdigit())):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


class AddressGuard:
    """Decides by host, port and address. allowed: `host:port` texts, compared ignoring case."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(text.lower() for text in allowed)

    def permits(self, host: str, port: int, address: _Address) -> bool:
        return is_public(address) or self.is_allowed_by_settings(host, port)

    def is_allowed_by_settings(self, host: str, port: int) -> bool:
        return f"{host.strip('[]')}:{port}".lower() in self._allowed or f"{host}:{port}".lower() in self._allowed

    def refuses_literal(self, host: str, port: int) -> bool:
        """Whether a host is written as an address that may not be called."""
        address = literal_address(host)
        return address is not None and not self.permits(host, port, address)


class GuardedResolver(AbstractResolver):
    """Resolves as the wrapped resolver does, leaving out every address the guard refuses.

    Errors: AddressNotAllowed where none is left; what the wrapped resolver raises.
    """

    def __init__(self, guard: AddressGuard, resolver: AbstractResolver) -> None:
        self._guard = guard
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        permitted = [
            result for result in found if self._guard.permits(host, port, ipaddress.ip_address(result["host"]))
        ]
        if found and not permitted:
            raise AddressNotAllowed(host, port)
        return permitted

    async def close(self) -> None:
        await self._resolver.close()


def _ipv4_inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
