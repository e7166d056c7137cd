"""Signs in to PostgreSQL with asyncpg, which tells the SQLSTATE of a refusal; libpq tells its words only, in whatever
language the server was set to.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import ssl
from datetime import timedelta
from typing import Any

import asyncpg

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import INVALID_RESPONSE, TLS_FAILED
from flowmend.transport.open_sockets import Unreachable, failure_of, guarded_addresses, unsent

_NO_TLS = "rejected SSL upgrade"


class PostgresqlTransport:
    """Connects, which signs in, and leaves. within: the longest the server may take."""

    def __init__(self, guard: AddressGuard, within: timedelta) -> None:
        self._guard = guard
        self._seconds = within.total_seconds()

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        last = OSError()
        for address in await guarded_addresses(self._guard, server.host, server.port):
            try:
                session = await asyncpg.connect(
                    host=address,
                    port=server.port,
                    user=credential.user,
                    password=credential.password,
                    database=server.database or credential.user,
                    ssl=_context(server),
                    timeout=self._seconds,
                    server_settings={"application_name": "flowmend"},
                )
                await session.close()
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
            else:
                return SignedIn()
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
