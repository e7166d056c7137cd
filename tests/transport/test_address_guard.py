import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from flowmend.transport.address_guard import (
    AddressGuard,
    AddressNotAllowed,
    GuardedResolver,
    is_public,
    literal_address,
)

FORBIDDEN = {
    "loopback": "127.0.0.1",
    "loopback, not .1": "127.8.9.10",
    "loopback 6": "::1",
    "unspecified": "0.0.0.0",  # noqa: S104  an address to refuse, not to bind
    "this network": "0.1.2.3",
    "unspecified 6": "::",
    "private 10": "10.1.2.3",
    "private 172": "172.16.0.1",
    "private 192": "192.168.1.1",
    "carrier NAT": "100.64.0.1",
    "metadata": "169.254.169.254",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Azure guests": "168.63.129.16",
    "metadata of AWS 6": "fd00:ec2::254",
    "link-local 6": "fe80::1",
    "link-local 6 with zone": "fe80::1%eth0",
    "unique local": "fc00::1",
    "site local": "fec0::1",
    "multicast": "224.0.0.1",
    "multicast 6": "ff02::1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "documentation": "192.0.2.1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped metadata, hex": "::ffff:a9fe:a9fe",
    "compatible loopback": "::127.0.0.1",
    "6to4 private": "2002:0a00:0001::1",
    "NAT64 loopback": "64:ff9b::7f00:1",
}

LITERAL_LOOPBACK = ["2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.1", "[::1]"]


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", LITERAL_LOOPBACK)
def test_every_spelling_of_a_literal_loopback_address_is_refused(host: str) -> None:
    assert AddressGuard([]).refuses_literal(host, 80)


@pytest.mark.parametrize("host", ["example.com", "1password.com", "10.example.org", "a.b", "", "0x.example"])
def test_a_name_is_no_literal_address(host: str) -> None:
    assert literal_address(host) is None


def test_settings_allow_the_very_host_and_port_only() -> None:
    guard = AddressGuard(["127.0.0.1:5001", "Orders.internal:80"])
    assert not guard.refuses_literal("127.0.0.1", 5001)
    assert guard.refuses_literal("127.0.0.1", 5002)
    assert guard.refuses_literal("127.0.0.2", 5001)
    private = ipaddress.ip_address("10.0.0.7")
    assert guard.permits("orders.INTERNAL", 80, private)
    assert not guard.permits("orders.internal", 443, private)


class _Answers(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.anyio
async def test_a_name_that_resolves_to_private_addresses_only_is_refused() -> None:
    resolver = GuardedResolver(AddressGuard([]), _Answers("127.0.0.1", "10.0.0.1"))
    with pytest.raises(AddressNotAllowed, match=r"rebind\.example"):
        await resolver.resolve("rebind.example", 80)


@pytest.mark.anyio
async def test_private_addresses_among_public_ones_are_left_out() -> None:
    resolver = GuardedResolver(AddressGuard([]), _Answers("1.1.1.1", "127.0.0.1"))
    assert [found["host"] for found in await resolver.resolve("mixed.example", 80)] == ["1.1.1.1"]
