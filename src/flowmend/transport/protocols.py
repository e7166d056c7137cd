"""Signs in to servers that do not speak HTTP, each protocol by its own transport, loaded when first asked for.

A transport connects under the address guard, signs in once, and ends the session. It never tries a second way to sign
in with the same password: every try counts towards the lockout of the account.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Protocol

import msgspec

from flowmend.core.connection.credentials import BasicCredential, Credential, secrets_of
from flowmend.core.connection.redaction import redact
from flowmend.core.connector import Connector, ProtocolRefusal, Server, SignedIn, TransportFailure, UnbuildableRequest
from flowmend.core.connector.server import server_of
from flowmend.core.json_value import Json
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.open_sockets import Unreachable, too_late

SIGN_IN_SECONDS = timedelta(seconds=30)
_LONGEST_TEXT = 2_000


class ProtocolTransport(Protocol):
    """One protocol's way to a server. Foreign exceptions end here as values."""

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        """What the server says. Errors: Unreachable."""
        ...

    def close(self) -> None: ...


class Protocols:
    """Every protocol but HTTP. allowed_private_hosts: `host:port` texts of `Settings`."""

    def __init__(self, allowed_private_hosts: Collection[str], *, within: timedelta = SIGN_IN_SECONDS) -> None:
        self._guard = AddressGuard(allowed_private_hosts)
        self._within = within
        self._transports: dict[str, ProtocolTransport] = {}

    async def sign_in(
        self, connector: Connector, parameters: Mapping[str, Json], credential: Credential
    ) -> SignedIn | ProtocolRefusal | TransportFailure | UnbuildableRequest:
        """Connect to the server these parameters name, sign in, and leave.

        UnbuildableRequest: a parameter cannot be used, nothing was sent. TransportFailure: no answer came.
        """
        import asyncio

        server = server_of(connector.protocol, parameters)
        if isinstance(server, UnbuildableRequest):
            return server
        if not isinstance(credential, BasicCredential) or "\0" in credential.user + credential.password:
            return UnbuildableRequest(code="InvalidCredential", message="A user name and a password are needed.")
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                answer = await self._transport(server.protocol).sign_in(server, credential)
        except Unreachable as error:
            return error.failure
        except TimeoutError:
            return too_late(server.host, server.port, self._within)
        return _without_secrets(answer, credential) if isinstance(answer, ProtocolRefusal) else answer

    def close(self) -> None:
        """Let go of what the transports hold."""
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()

    def _transport(self, protocol: str) -> ProtocolTransport:
        found = self._transports.get(protocol)
        if found is None:
            found = self._transports[protocol] = _new_transport(protocol, self._guard, self._within)
        return found


def _new_transport(protocol: str, guard: AddressGuard, within: timedelta) -> ProtocolTransport:
    if protocol == "smtp":
        from flowmend.transport.smtp import SmtpTransport

        return SmtpTransport(guard)
    if protocol == "imap":
        from flowmend.transport.imap import ImapTransport

        return ImapTransport(guard, within)
    from flowmend.transport.postgresql import PostgresqlTransport

    return PostgresqlTransport(guard, within)


def _without_secrets(refusal: ProtocolRefusal, credential: BasicCredential) -> ProtocolRefusal:
    plain = f"\0{credential.user}\0{credential.password}"  # SASL PLAIN, whose base64 a server may echo (RFC 4616)
    text = redact(refusal.text, (*secrets_of(credential), plain))
    return msgspec.structs.replace(refusal, text=text[:_LONGEST_TEXT])
