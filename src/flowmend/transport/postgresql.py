"""Signs in to PostgreSQL with psycopg, on threads: its asynchronous form does not run on the event loop of Windows.

libpq tells no SQLSTATE of a refused sign-in, so what the server wrote is all there is.
Source: https://www.postgresql.org/docs/current/libpq-connect.html
"""

import asyncio
import math
import re
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn, TransportFailure
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import INVALID_RESPONSE, TLS_FAILED
from flowmend.transport.open_sockets import Unreachable, failure_of, open_socket, unsent

_MOST_AT_ONCE = 8
#: `FATAL:  …`, in whatever language the server speaks (interfaces/libpq/fe-protocol3.c, pqBuildErrorMessage3).
_OF_THE_SERVER = re.compile(r"[^\s:]{1,20}:  ")
#: What libpq writes itself (interfaces/libpq/fe-connect.c, fe-secure*.c).
_NO_TLS = "server does not support SSL"
_TLS_TROUBLE = ("SSL error", "certificate", "could not establish SSL", "SSL connection has been closed")
_BROKE_OFF = ("server closed the connection", "could not receive data", "could not send data")


class PostgresqlTransport:
    """Connects, which signs in, and leaves. within: the longest the server may take."""

    def __init__(self, guard: AddressGuard, within: timedelta) -> None:
        self._guard = guard
        self._seconds = max(2, math.ceil(within.total_seconds()))  # libpq takes no less
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="postgresql")

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        parameters = _parameters(server, credential, self._seconds)
        # libpq opens its own socket. It is given one address that answers: of several it would try each anew, and a
        # wrong password would count for as many.
        probing = await open_socket(self._guard, server.host, server.port)
        parameters["hostaddr"] = probing.getpeername()[0]
        probing.close()
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, _session, parameters, server)
        if isinstance(answer, TransportFailure):
            raise Unreachable(answer)
        return answer

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _parameters(server: Server, credential: BasicCredential, seconds: int) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {
        "host": server.host,
        "port": server.port,
        "user": credential.user,
        "password": credential.password,
        "dbname": server.database or credential.user,
        "sslmode": server.security,
        "gssencmode": "disable",
        "connect_timeout": seconds,
        "application_name": "flowmend",
    }
    if server.security == "verify-full":  # the certificates every other connection trusts
        parameters["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
    return parameters


def _session(parameters: dict[str, str | int], server: Server) -> SignedIn | ProtocolRefusal | TransportFailure:
    try:
        psycopg.connect(**parameters).close()  # type: ignore[arg-type]  # libpq's words, all texts and numbers
    except psycopg.errors.ConnectionTimeout:
        return failure_of(TimeoutError(), server.host, server.port)
    except psycopg.Error as error:
        return _refusal(str(error), server)
    return SignedIn()


def _refusal(said: str, server: Server) -> ProtocolRefusal | TransportFailure:
    place = f"'{server.host}:{server.port}'"
    # libpq puts where it connected to before what was said: `connection to server at "…", port … failed: `
    text = said.rpartition(" failed: ")[2].strip()
    if _OF_THE_SERVER.match(text):
        return ProtocolRefusal(text=text, code="", protocol="postgresql")
    if _NO_TLS in text:
        message = f"{place} does not offer TLS, so the password was not sent."
        return unsent(TLS_FAILED, message, is_retryable=False)
    if any(words in text for words in _TLS_TROUBLE):
        message = f"The certificate of '{server.host}' is not trusted: {text}."
        return unsent(TLS_FAILED, message, is_retryable=False)
    if any(words in text for words in _BROKE_OFF):
        return failure_of(EOFError(), server.host, server.port)
    return unsent(INVALID_RESPONSE, f"The answer of {place} is not PostgreSQL's: {text}.")
