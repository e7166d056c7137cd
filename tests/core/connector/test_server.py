from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connector import PROTOCOLS, Server, UnbuildableRequest, allowed_origins, read_connector, server_of


def definition(protocol: Any) -> dict[str, Any]:
    return {"swagger": "2.0", "paths": {}, "x-flowmend-protocol": protocol}


#: what the connection says → the origin its credential is bound to
PLACES = {
    "TLS from the start is the default": ("smtp", {"host": "Mail.Example"}, "smtp+tls://mail.example:465"),
    "the port follows the security": ("smtp", {"host": "a", "security": "starttls"}, "smtp+starttls://a:587"),
    "in the clear": ("imap", {"host": "a", "security": "none"}, "imap+none://a:143"),
    "a port of its own": ("imap", {"host": "a.example", "port": "1993"}, "imap+tls://a.example:1993"),
    "a number as port": ("imap", {"host": "a.example", "port": 1993}, "imap+tls://a.example:1993"),
    "a database": ("postgresql", {"host": "db", "database": "sales"}, "postgresql+verify-full://db:5432"),
    "an IPv6 address": ("smtp", {"host": "[2001:DB8::1]"}, "smtp+tls://[2001:db8::1]:465"),
    "without brackets": ("smtp", {"host": "2001:db8::1"}, "smtp+tls://[2001:db8::1]:465"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_credential_is_bound_to_host_port_and_privacy(case: str) -> None:
    protocol, parameters, origin = PLACES[case]
    server = server_of(protocol, parameters)
    assert isinstance(server, Server)
    assert server.origin == origin
    connector = read_connector(definition(protocol), None, connector_id="x").connector
    assert connector is not None
    assert allowed_origins(connector, parameters) == (origin,)


@given(st.text(max_size=40), st.sampled_from(sorted(PROTOCOLS)))
def test_a_host_is_a_name_or_an_address_and_nothing_else(text: str, protocol: str) -> None:
    server = server_of(protocol, {"host": text})
    if isinstance(server, Server):
        assert not set(server.host) & set(" /\\@,='\"\r\n\t\0%?#")
        assert not server.host.startswith("-")
    else:
        assert isinstance(server, UnbuildableRequest)


def test_a_definition_says_what_is_spoken() -> None:
    reading = read_connector(definition("SMTP"), None, connector_id="x")
    assert reading.connector is not None
    assert (reading.connector.protocol, reading.connector.base_url) == ("smtp", "")
    assert not reading.problems


def test_one_that_says_nothing_speaks_http() -> None:
    reading = read_connector({"swagger": "2.0", "host": "a.example", "paths": {}}, None, connector_id="x")
    assert reading.connector is not None
    assert reading.connector.protocol == "http"


@pytest.mark.parametrize("protocol", ["gopher", 7, ["smtp"]])
def test_a_protocol_nobody_speaks_here_is_a_problem_with_its_place(protocol: Any) -> None:
    (problem,) = read_connector(definition(protocol), None, connector_id="x").problems
    assert (problem.code, problem.pointer) == ("UnsupportedProtocol", "/x-flowmend-protocol")
