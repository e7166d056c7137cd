"""Signs in to PostgreSQL and performs operations there, with asyncpg, which tells the SQLSTATE of a refusal; libpq tells its words only, in whatever
language the server was set to.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import asyncpg
from msgspec.structs import replace

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import INVALID_RESPONSE, TLS_FAILED
from flowmend.transport.open_sockets import Unreachable, failure_of, guarded_addresses, unsent
from flowmend.transport.sql_operations import perform_sql

_NO_TLS = "rejected SSL upgrade"


class PostgresqlTransport:
    """Connects, which signs in, for each operation, and leaves. within: the longest the server may take."""

    def __init__(self, guard: AddressGuard, within: timedelta) -> None:
        self._guard = guard
        self._seconds = within.total_seconds()

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        session = await self._connected(server, credential)
        if isinstance(session, ProtocolRefusal):
            return session
        await session.close()
        return SignedIn()

    async def perform(
        self,
        server: Server,
        operation_id: str,
        arguments: Mapping[str, Json],
        credential: BasicCredential,
        key: str,  # noqa: ARG002  a statement carries no name of its own
    ) -> ProtocolAnswer | ProtocolRefusal:
        from flowmend.transport.postgresql_session import PostgresqlSession

        connection = await self._connected(server, credential)
        if isinstance(connection, ProtocolRefusal):
            return connection
        try:
            answer = await perform_sql(PostgresqlSession(connection), operation_id, arguments)
            await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            # It broke off: the statement may have been carried out, and most must not be carried out twice.
            cause = error if isinstance(error, OSError) else ConnectionResetError()
            failure = failure_of(cause, server.host, server.port)
            raise Unreachable(replace(failure, was_sent=True, is_retryable=False)) from error
        finally:
            connection.terminate()
        return answer

    async def _connected(self, server: Server, credential: BasicCredential) -> Any:
        """A connection, or the ProtocolRefusal. Errors: Unreachable."""
        last = OSError()
        for address in await guarded_addresses(self._guard, server.host, server.port):
            try:
                return await asyncpg.connect(
                    host=address,
                    port=server.port,
                    user=credential.user,
                    password=credential.password,
                    database=server.database or credential.user,
                    ssl=_context(server),
                    timeout=self._seconds,
                    server_settings={"application_name": "flowmend"},
                )
            except asyncpg.PostgresError as error:
                if error.severity is None:  # the library's own word for a session that broke off
                    raise _unreachable(ConnectionResetError(), server) from error
                return _refusal(error)
            except OSError as error:
                if isinstance(error, ssl.SSLError | TimeoutError) or _NO_TLS in str(error):
                    raise _unreachable(error, server) from error
                last = error
            except (asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as error:
                message = f"{_place(server)} does not answer as PostgreSQL does."
                raise Unreachable(unsent(INVALID_RESPONSE, message)) from error
        raise _unreachable(last, server) from last

    def close(self) -> None:
        pass


class _NamedContext(ssl.SSLContext):
    """Asks the server to prove its name, although it is connected to by its address. host: the name."""

    host: str

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return super().wrap_bio(*arguments, **{**options, "server_hostname": self.host})


def _context(server: Server) -> ssl.SSLContext | bool:
    if server.security == "disable":
        return False
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.host = server.host
    if server.security == "require":  # https://www.postgresql.org/docs/current/libpq-ssl.html
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_default_certs()
    return context


def _refusal(error: asyncpg.PostgresError) -> ProtocolRefusal:
    code = str(error.sqlstate or "")
    detail = f"\nDETAIL:  {error.detail}" if error.detail else ""
    text = f"{error.severity}:  {error.message}{f' (SQLSTATE {code})' if code else ''}{detail}"
    return ProtocolRefusal(text=text, code=code, protocol="postgresql")


def _unreachable(error: OSError, server: Server) -> Unreachable:
    if _NO_TLS in str(error):
        message = f"{_place(server)} does not offer TLS, so the password was not sent."
        return Unreachable(unsent(TLS_FAILED, message, is_retryable=False))
    return Unreachable(failure_of(error, server.host, server.port))


def _place(server: Server) -> str:
    return f"'{server.host}:{server.port}'"
