"""Signing in to real servers: what each says of a right, wrong, expired and refused credential, and what is never sent."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from certificates import Authority
from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import Connector, ProtocolRefusal, SignedIn, TransportFailure, UnbuildableRequest
from flowmend.transport import Protocols
from flowmend.use_cases.built_in_connectors import built_in_connector
from mail_servers import Account, ImapServer, SmtpServer
from password_database import PasswordDatabase

pytestmark = pytest.mark.anyio
RIGHT = "right-password"
StartSmtp = Callable[[str], Awaitable[SmtpServer]]


def connector(protocol: str) -> Connector:
    return Connector(
        connector_id=protocol, display_name=protocol, base_url="", operations={}, sign_in=(), protocol=protocol
    )


async def answer_of(protocol: str, password: str = RIGHT, *, user: str = "ada", **parameters: Any) -> Any:
    place = {"host": "localhost", **parameters}
    protocols = Protocols({f"{place['host']}:{place.get('port')}"}, within=timedelta(seconds=8))
    try:
        return await protocols.sign_in(connector(protocol), place, BasicCredential(user=user, password=password))
    finally:
        protocols.close()
        await asyncio.sleep(0.05)  # a TLS session that was refused ends in the loop's next rounds


@pytest.fixture
async def start_smtp(trusted_authority: Authority, anyio_backend: str) -> AsyncIterator[StartSmtp]:
    """Starts a mail server with the account ada, spoken to in that way."""
    started: list[SmtpServer] = []

    async def start(security: str) -> SmtpServer:
        server = SmtpServer(security, trusted_authority.server_context())
        server.accounts["ada"] = Account(RIGHT)
        await server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
async def test_a_mail_server_accepts_the_right_password_and_refuses_a_wrong_one(
    start_smtp: StartSmtp, security: str
) -> None:
    server = await start_smtp(security)
    assert await answer_of("smtp", port=server.port, security=security) == SignedIn()
    refused = await answer_of("smtp", "wrong", port=server.port, security=security)
    assert (refused.code, refused.protocol) == ("535", "smtp")
    assert refused.text == "535 5.7.8 Error: authentication failed: authentication failure"


async def test_a_wrong_password_is_shown_to_a_mail_server_once(start_smtp: StartSmtp) -> None:
    server = await start_smtp("tls")
    await answer_of("smtp", "wrong", port=server.port, security="tls")
    assert server.tries == ["PLAIN ada"]


async def test_a_mail_server_that_repeats_the_password_is_quoted_without_it(start_smtp: StartSmtp) -> None:
    server = await start_smtp("tls")
    server.accounts["ada"].answer = "535 5.7.8 {password} is not it"
    refused = await answer_of("smtp", "pl4nted-secret", port=server.port, security="tls")
    assert refused.text == "535 5.7.8 *sanitized* is not it"


async def test_a_password_does_not_go_out_where_starttls_is_not_offered(start_smtp: StartSmtp) -> None:
    server = await start_smtp("none")
    refused = await answer_of("smtp", port=server.port, security="starttls")
    assert isinstance(refused, TransportFailure)
    assert refused.code == "TlsFailed"
    assert "does not offer STARTTLS" in refused.message
    assert server.tries == []


async def test_a_mail_server_without_sign_in_says_so(start_smtp: StartSmtp) -> None:
    server = await start_smtp("starttls")  # it offers AUTH only once TLS was begun
    refused = await answer_of("smtp", port=server.port, security="none")
    assert isinstance(refused, ProtocolRefusal)
    assert refused.code == "AuthNotOffered"
    assert server.tries == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_mailbox_accepts_the_right_password_and_names_what_it_refuses(
    imap_server: ImapServer, trusted_authority: Authority, security: str
) -> None:
    port = imap_server.tls_port if security == "tls" else imap_server.port
    imap_server.set_account("ada", RIGHT)
    assert await answer_of("imap", port=port, security=security) == SignedIn()
    refused = await answer_of("imap", "wrong", port=port, security=security)
    assert (refused.code, refused.protocol) == ("AUTHENTICATIONFAILED", "imap")
    assert refused.text == "[AUTHENTICATIONFAILED] Authentication failed."


@pytest.mark.parametrize(
    ("state", "code"), [("expired", "EXPIRED"), ("refused", "CONTACTADMIN"), ("away", "UNAVAILABLE")]
)
async def test_a_mailbox_tells_by_a_code_why_it_is_closed(
    imap_server: ImapServer, trusted_authority: Authority, state: str, code: str
) -> None:
    imap_server.set_account("ada", RIGHT, state)
    refused = await answer_of("imap", port=imap_server.tls_port, security="tls")
    assert refused.code == code


DATABASE_REFUSALS = {
    "wrong password": ("ada", "wrong", "postgres", "28P01", 'password authentication failed for user "ada"'),
    "expired": ("eve", RIGHT, "postgres", "28P01", 'password authentication failed for user "eve"'),
    "may not log in": ("fay", RIGHT, "postgres", "28000", 'role "fay" is not permitted to log in'),
    "no such database": ("ada", RIGHT, "nowhere", "3D000", 'database "nowhere" does not exist'),
    "may not connect": ("ada", RIGHT, "closed", "42501", 'permission denied for database "closed"'),
    "rejected by address": ("turned_away", RIGHT, "postgres", "28000", "pg_hba.conf rejects connection"),
}


@pytest.mark.parametrize("case", DATABASE_REFUSALS)
async def test_a_database_says_why_it_refuses(
    password_database: PasswordDatabase, trusted_authority: Authority, case: str
) -> None:
    user, password, database, code, words = DATABASE_REFUSALS[case]
    options = {"eve": "LOGIN VALID UNTIL '2020-01-01'", "fay": "NOLOGIN"}.get(user, "LOGIN")
    password_database.set_role(user, RIGHT, options)
    refused = await answer_of("postgresql", password, user=user, port=password_database.port, database=database)
    assert isinstance(refused, ProtocolRefusal)
    assert refused.code == code
    assert refused.text.startswith(f"FATAL:  {words}")
    assert f"(SQLSTATE {code})" in refused.text


@pytest.mark.parametrize("sslmode", ["verify-full", "require", "disable"])
async def test_a_database_accepts_the_right_password(
    password_database: PasswordDatabase, trusted_authority: Authority, sslmode: str
) -> None:
    password_database.set_role("ada", RIGHT)
    place = {"port": password_database.port, "sslmode": sslmode, "database": "postgres"}
    assert await answer_of("postgresql", **place) == SignedIn()


@pytest.mark.parametrize("protocol", ["smtp", "imap", "postgresql"])
async def test_a_server_whose_certificate_is_not_trusted_gets_no_password(
    request: pytest.FixtureRequest, authority: Authority, protocol: str
) -> None:
    if protocol == "smtp":
        server = SmtpServer("tls", authority.server_context())
        await server.start()
        refused = await answer_of("smtp", port=server.port)
        await server.stop()
        assert server.tries == []
    elif protocol == "imap":
        refused = await answer_of("imap", port=request.getfixturevalue("imap_server").tls_port)
    else:
        refused = await answer_of("postgresql", port=request.getfixturevalue("password_database").port)
    assert isinstance(refused, TransportFailure)
    assert refused.code == "TlsFailed"
    assert "certificate" in refused.message.lower()


@pytest.mark.parametrize("protocol", ["smtp", "imap", "postgresql"])
async def test_private_addresses_are_not_called_unless_allowed(protocol: str) -> None:
    protocols = Protocols(frozenset())
    for host in ("localhost", "127.0.0.1", "2130706433", "[::1]", "0177.0.0.1", "169.254.169.254"):
        place = {"host": host, "port": "25"}
        answer = await protocols.sign_in(connector(protocol), place, BasicCredential(user="ada", password=RIGHT))
        assert isinstance(answer, TransportFailure), host
        assert answer.code == "AddressNotAllowed", host
    protocols.close()


@pytest.mark.parametrize("protocol", ["smtp", "imap", "postgresql"])
async def test_nobody_there_is_a_failure_of_the_network(protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    answer = await answer_of(protocol, port=port)
    assert isinstance(answer, TransportFailure)
    assert (answer.code, answer.was_sent) == ("ConnectionRefused", False)


@pytest.mark.parametrize("protocol", ["smtp", "imap", "postgresql"])
async def test_a_server_that_hangs_up_or_speaks_something_else_is_a_failure_of_the_network(protocol: str) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def speak_http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    for behaviour, codes in ((hang_up, {"ConnectionReset"}), (speak_http, {"ConnectionReset", "InvalidResponse"})):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        answer = await answer_of(protocol, port=port, security="none", sslmode="disable")
        server.close()
        assert isinstance(answer, TransportFailure), answer
        assert answer.code in codes


@pytest.mark.parametrize(
    ("said", "text", "code"),
    [
        ("NO [AUTHENTICATIONFAILED] Nix da, Jürgen.", "[AUTHENTICATIONFAILED] Nix da, Jürgen.", "AUTHENTICATIONFAILED"),
        ("BAD Command it's line too long.", "Command it's line too long.", ""),
        ('BAD [CLIENTBUG] Née "Smith".', '[CLIENTBUG] Née "Smith".', "CLIENTBUG"),
    ],
)
async def test_what_a_mailbox_says_is_told_in_its_own_words(said: str, text: str, code: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        while line := await reader.readline():
            tag, command = line.split()[:2]
            if command == b"CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")
            else:
                writer.write(tag + b" " + said.encode() + b"\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    refused = await answer_of("imap", port=server.sockets[0].getsockname()[1], security="none")
    server.close()
    assert refused == ProtocolRefusal(text=text, code=code, protocol="imap")


@pytest.mark.parametrize("protocol", ["smtp", "imap"])
async def test_a_server_that_never_answers_is_given_up(protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        protocols = Protocols({f"localhost:{silent.getsockname()[1]}"}, within=timedelta(seconds=0.2))
        place = {"host": "localhost", "port": str(silent.getsockname()[1]), "security": "none"}
        answer = await protocols.sign_in(connector(protocol), place, BasicCredential(user="ada", password=RIGHT))
        protocols.close()
    assert isinstance(answer, TransportFailure)
    assert answer.code == "RequestTimeout"


async def test_servers_that_drip_hold_no_threads(imap_server: ImapServer, trusted_authority: Authority) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"*")
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0, ssl=trusted_authority.server_context())
    port = server.sockets[0].getsockname()[1]
    imap_server.set_account("ada", RIGHT)
    allowed = {f"localhost:{port}", f"localhost:{imap_server.tls_port}"}
    protocols = Protocols(allowed, within=timedelta(seconds=0.3))
    credential = BasicCredential(user="ada", password=RIGHT)

    def ask(port: int) -> Awaitable[Any]:
        return protocols.sign_in(connector("imap"), {"host": "localhost", "port": port}, credential)

    answers = await asyncio.gather(*(ask(port) for _ in range(10)))
    assert {answer.code for answer in answers} == {"RequestTimeout"}
    assert await ask(imap_server.tls_port) == SignedIn()
    server.close()
    protocols.close()


@pytest.mark.parametrize(
    ("protocol", "line"), [("smtp", b"220-x\r\n"), ("imap", b"* OK x\r\n"), ("imap", b"* {999999999}\r\n")]
)
async def test_a_server_that_never_stops_talking_fills_no_memory(protocol: str, line: bytes) -> None:
    sent = 0

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while True:
                writer.write(line * 1000)
                sent += 1000 * len(line)
                await writer.drain()
        except OSError:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await answer_of(protocol, port=port, security="none")
    server.close()
    assert not isinstance(answer, SignedIn)
    assert sent < 50_000_000  # what fits into the sockets' buffers, and no more


UNUSABLE = {
    "no host": ({"port": "25"}, "InvalidHost"),
    "a path": ({"host": "/var/run/postgresql"}, "InvalidHost"),
    "a list": ({"host": "a.example,b.example"}, "InvalidHost"),
    "a line break": ({"host": "a.example\r\nHELO"}, "InvalidHost"),
    "an option": ({"host": "a.example port=1"}, "InvalidHost"),
    "no number": ({"host": "a.example", "port": "smtp"}, "InvalidPort"),
    "too large": ({"host": "a.example", "port": "70000"}, "InvalidPort"),
    "unknown security": ({"host": "a.example", "security": "ssl3"}, "InvalidSecurity"),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_parameters_that_name_no_server_are_said_so_before_anything_is_sent(case: str) -> None:
    place, code = UNUSABLE[case]
    answer = await Protocols(()).sign_in(connector("smtp"), place, BasicCredential(user="ada", password=RIGHT))
    assert isinstance(answer, UnbuildableRequest)
    assert answer.code == code


@pytest.mark.parametrize("connector_id", ["smtp", "imap", "postgresql"])
async def test_a_built_in_connector_reads_and_says_its_protocol(connector_id: str) -> None:
    row = built_in_connector(connector_id)
    assert row is not None
    assert row.definition["x-flowmend-protocol"] == connector_id
