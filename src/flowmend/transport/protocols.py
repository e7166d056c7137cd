"""Signs in to servers that do not speak HTTP and performs operations there, each protocol by its own transport, loaded
when first asked for.

A transport connects under the address guard, signs in once, and ends the session. It never tries a second way to sign
in with the same password: every try counts towards the lockout of the account.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from flowmend.core.connection.credentials import BasicCredential, Credential, secrets_of
from flowmend.core.connection.redaction import redact
from flowmend.core.connector import Connector, ProtocolRefusal, Server, SignedIn, TransportFailure, UnbuildableRequest
from flowmend.core.connector.operation import Operation
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.connector.server import WITHOUT_SERVER, server_of
from flowmend.core.json_value import Json
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import REQUEST_TIMEOUT, HttpTransport
from flowmend.transport.open_sockets import Unreachable, too_late
from flowmend.transport.operation_arguments import BadArgument, Refused

SIGN_IN_SECONDS = timedelta(seconds=30)
#: How long one operation may take, as a call by HTTP (wdl.md §8).
OPERATION_SECONDS = timedelta(seconds=120)
#: At once at one server: mail servers and databases let nobody in where there are many more, and each run is one.
_MOST_SESSIONS = 8
#: Of a protocol that nobody signs in to.
_NOBODY = BasicCredential(user="", password="")
_LONGEST_TEXT = 2_000


class ProtocolTransport(Protocol):
    """One protocol's way to a server. Foreign exceptions end here as values."""

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        """What the server says. Errors: Unreachable."""
        ...

    async def perform(
        self, server: Server, operation_id: str, arguments: Mapping[str, Json], credential: BasicCredential, key: str
    ) -> ProtocolAnswer | ProtocolRefusal:
        """Sign in, perform one operation, and leave. ProtocolRefusal: signing in was refused.

        arguments: by the operation's own names, defaults filled in. key: of the call, the same when it is repeated.
        Errors: Unreachable; BadArgument, nothing was sent; Refused.
        """
        ...

    def close(self) -> None: ...


class Protocols:
    """Every protocol but HTTP.

    allowed_private_hosts, files_roots: of `Settings`. http: feeds are read over it; needed for them alone.
    """

    def __init__(
        self,
        allowed_private_hosts: Collection[str],
        *,
        http: HttpTransport | None = None,
        files_roots: Collection[Path] = (),
        within: timedelta = SIGN_IN_SECONDS,
        operation_within: timedelta = OPERATION_SECONDS,
    ) -> None:
        self._guard = AddressGuard(allowed_private_hosts)
        self._http = http
        self._files_roots = tuple(files_roots)
        self._within = within
        self._operation_within = operation_within
        self._transports: dict[str, ProtocolTransport] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def sign_in(
        self, connector: Connector, parameters: Mapping[str, Json], credential: Credential | None
    ) -> SignedIn | ProtocolRefusal | TransportFailure | UnbuildableRequest:
        """Connect to the server these parameters name, sign in, and leave.

        UnbuildableRequest: a parameter cannot be used, nothing was sent. TransportFailure: no answer came.
        """
        server = server_of(connector.protocol, parameters)
        if isinstance(server, UnbuildableRequest):
            return server
        shown = _shown(server, credential)
        if isinstance(shown, UnbuildableRequest):
            return shown
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                answer = await self._transport(server.protocol).sign_in(server, shown)
        except BadArgument as error:
            return error.request
        except Refused as error:
            answer = error.refusal
        except Unreachable as error:
            return error.failure
        except TimeoutError:
            return too_late(server.host, server.port, self._within)
        return _without_secrets(answer, shown) if isinstance(answer, ProtocolRefusal) else answer

    async def perform(
        self,
        server: Server,
        operation: Operation,
        arguments: Mapping[str, Json],
        credential: Credential | None,
        *,
        key: str,
    ) -> ProtocolAnswer | ProtocolRefusal | TransportFailure | UnbuildableRequest:
        """One operation at a server, signed in for it alone. key: of the call, the same when it is repeated.

        TransportFailure: no answer came; of an operation that is no read it says so where it may have happened all the same.
        """
        shown = _shown(server, credential)
        if isinstance(shown, UnbuildableRequest):
            return shown
        within = self._operation_within
        turns = self._turns.setdefault(server.origin, asyncio.Semaphore(_MOST_SESSIONS))
        try:
            async with turns, asyncio.timeout(within.total_seconds()):
                transport = self._transport(server.protocol)
                answer = await transport.perform(server, operation.operation_id, arguments, shown, key)
        except BadArgument as error:
            return error.request
        except Refused as error:
            return _without_secrets(error.refusal, shown)
        except Unreachable as error:
            return error.failure
        except TimeoutError:
            message = f"'{server.origin}' did not finish within {within.total_seconds():g} seconds."
            return TransportFailure(
                code=REQUEST_TIMEOUT, message=message, was_sent=True, is_retryable=operation.is_read
            )
        return _without_secrets(answer, shown) if isinstance(answer, ProtocolRefusal) else answer

    def close(self) -> None:
        """Let go of what the transports hold."""
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()

    def _transport(self, protocol: str) -> ProtocolTransport:
        found = self._transports.get(protocol)
        if found is None:
            found = self._transports[protocol] = self._new_transport(protocol)
        return found

    def _new_transport(self, protocol: str) -> ProtocolTransport:
        if protocol == "smtp":
            from flowmend.transport.smtp import SmtpTransport

            return SmtpTransport(self._guard)
        if protocol == "imap":
            from flowmend.transport.imap import ImapTransport

            return ImapTransport(self._guard, self._within)
        if protocol == "files":
            from flowmend.transport.local_files import FilesTransport

            return FilesTransport(self._files_roots)
        if protocol == "sqlite":
            from flowmend.transport.sqlite import SqliteTransport

            return SqliteTransport(self._files_roots)
        if protocol == "sftp":
            try:
                from flowmend.transport.sftp import SftpTransport
            except ImportError as error:
                text = "SFTP needs an extra of the package: pip install 'flowmend[sftp]'."
                raise BadArgument(text, "MissingExtra") from error
            return SftpTransport(self._guard)
        if protocol == "rss":
            from flowmend.transport.feeds import FeedsTransport

            if self._http is None:
                raise RuntimeError("Protocols was made without the transport that feeds are read over")

            return FeedsTransport(self._http)
        from flowmend.transport.postgresql import PostgresqlTransport

        return PostgresqlTransport(self._guard, self._within)


def _shown(server: Server, credential: Credential | None) -> BasicCredential | UnbuildableRequest:
    """What to sign in with."""
    if server.protocol in WITHOUT_SERVER:
        return _NOBODY
    if not isinstance(credential, BasicCredential) or "\0" in credential.user + credential.password:
        return UnbuildableRequest(code="InvalidCredential", message="A user name and a password are needed.")
    return credential


def _without_secrets(refusal: ProtocolRefusal, credential: BasicCredential) -> ProtocolRefusal:
    plain = f"\0{credential.user}\0{credential.password}"  # SASL PLAIN, whose base64 a server may echo (RFC 4616)
    text = redact(refusal.text, (*secrets_of(credential), plain))
    return msgspec.structs.replace(refusal, text=text[:_LONGEST_TEXT])
