"""Signs in to mailboxes by IMAP and performs operations there, with the standard library's client on threads of its own.

aioimaplib is licensed under the GPL, which this package's licence does not go with.
Source: RFC 9051 (IMAP4rev2), RFC 5530 (response codes), RFC 4616 (PLAIN).
"""

import ast
import asyncio
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeAlias

from msgspec.structs import replace

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn, TransportFailure
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import INVALID_RESPONSE, RESPONSE_TOO_LARGE, TLS_FAILED
from flowmend.transport.imap_operations import perform_imap
from flowmend.transport.open_sockets import Unreachable, failure_of, open_socket, unsent

#: More than are let to one server: one that hangs keeps no other mailbox waiting.
_MOST_AT_ONCE = 32
_LARGEST_SESSION_BYTES = 64 * 1024
_LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
_RESPONSE_CODE = re.compile(r"\[([A-Z][A-Z0-9-]*)")
#: How the client tells that a command was answered BAD: `UID command error: BAD [b'…', None]`.
_ANSWERED_BAD = re.compile(r"^(?P<command>\w+) command error: \w+ (?P<said>\[.*\])$", re.DOTALL)
_NOT_IN_A_QUOTED_STRING = re.compile(r"[\r\n\0]")


class ImapTransport:
    """Sends AUTHENTICATE PLAIN, or LOGIN where that is not offered, once. within: the longest wait for one answer."""

    def __init__(self, guard: AddressGuard, within: timedelta) -> None:
        self._guard = guard
        self._seconds = within.total_seconds()
        self._threads = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="imap")

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        answer = await self._in_session(server, credential, None)
        return SignedIn() if isinstance(answer, ProtocolAnswer) else answer

    async def perform(
        self,
        server: Server,
        operation_id: str,
        arguments: Mapping[str, Json],
        credential: BasicCredential,
        key: str,  # noqa: ARG002  a mailbox knows no names of calls
    ) -> ProtocolAnswer | ProtocolRefusal:
        return await self._in_session(server, credential, lambda client: perform_imap(client, operation_id, arguments))

    async def _in_session(
        self, server: Server, credential: BasicCredential, work: "_Work | None"
    ) -> ProtocolAnswer | ProtocolRefusal:
        """What the work comes to, an empty answer for none. Errors: Unreachable; what the work raises."""
        opened = await open_socket(self._guard, server.host, server.port)
        opened.settimeout(self._seconds)
        loop = asyncio.get_running_loop()
        with opened.dup() as handle:  # TLS takes the socket itself over
            try:
                answer = await loop.run_in_executor(self._threads, _session, opened, server, credential, work)
            finally:
                with contextlib.suppress(OSError):  # ends the thread's wait where the caller's time is over
                    handle.shutdown(socket.SHUT_RDWR)
                opened.close()
        if isinstance(answer, TransportFailure):
            raise Unreachable(answer)
        return answer

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class _TooMuch(Exception):
    """More came than any server says while one signs in, or than one operation may bring."""


_Work: TypeAlias = Callable[[imaplib.IMAP4], ProtocolAnswer]


class _Client(imaplib.IMAP4):
    """The library's client on a socket that is connected already, with a bound on all that it reads."""

    def __init__(self, opened: socket.socket, server: Server) -> None:
        self._opened = opened
        self._server = server
        self._left = _LARGEST_SESSION_BYTES
        super().__init__(server.host, server.port)

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002  the socket has its own
        if self._server.security != "tls":
            return self._opened
        return ssl.create_default_context().wrap_socket(self._opened, server_hostname=self._server.host)

    def may_read(self, size: int) -> None:
        """So much more may come."""
        self._left = size

    def read(self, size: int) -> bytes:
        self._take(size)  # before it is read: a literal says its size first
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _TooMuch


def _session(
    opened: socket.socket, server: Server, credential: BasicCredential, work: _Work | None
) -> ProtocolAnswer | ProtocolRefusal | TransportFailure:
    is_in = False
    try:
        client = _Client(opened, server)
        try:
            if server.security == "starttls":
                if "STARTTLS" not in client.capabilities:
                    message = f"'{server.host}:{server.port}' does not offer STARTTLS, so the password was not sent."
                    return unsent(TLS_FAILED, message, is_retryable=False)
                client.starttls(ssl.create_default_context())
            refusal = _authenticated(client, credential)
            if refusal is not None:
                return refusal
            is_in = True
            client.may_read(_LARGEST_SESSION_BYTES if work is None else _LARGEST_ANSWER_BYTES)
            answer = work(client) if work is not None else ProtocolAnswer()
            with contextlib.suppress(imaplib.IMAP4.error, OSError):  # what was asked for is done
                client.logout()
            return answer
        finally:
            with contextlib.suppress(OSError):  # it is closed already after LOGOUT
                client.shutdown()
    except imaplib.IMAP4.abort as error:
        return _broken_off(_of_abort(error, server), is_in=is_in)
    except imaplib.IMAP4.error as error:
        refusal = _refusal(_said(error))
        return replace(refusal, status=400) if is_in else refusal
    except _TooMuch:
        most = _LARGEST_ANSWER_BYTES if is_in else _LARGEST_SESSION_BYTES
        message = f"'{server.host}:{server.port}' says more than {most} bytes{'' if is_in else ' before it lets in'}."
        return unsent(RESPONSE_TOO_LARGE, message, is_retryable=False)
    except (OSError, EOFError) as error:
        return _broken_off(failure_of(error, server.host, server.port), is_in=is_in)
    except ValueError:
        return unsent(INVALID_RESPONSE, f"The answer of '{server.host}:{server.port}' is not IMAP.")


def _broken_off(failure: ProtocolRefusal | TransportFailure, *, is_in: bool) -> ProtocolRefusal | TransportFailure:
    """What was lost once the session had begun may have been done."""
    return replace(failure, was_sent=True) if is_in and isinstance(failure, TransportFailure) else failure


def _authenticated(client: imaplib.IMAP4, credential: BasicCredential) -> ProtocolRefusal | None:
    """What the server refuses, None where it accepts."""
    if "AUTH=PLAIN" in client.capabilities:
        client.authenticate("PLAIN", lambda _: f"\0{credential.user}\0{credential.password}".encode())
    elif "LOGINDISABLED" in client.capabilities:  # then it must not be sent (RFC 9051 §6.2.3)
        return _refusal("[PRIVACYREQUIRED] The server takes a password only over TLS (LOGINDISABLED).")
    else:
        pair = credential.user + credential.password
        if not pair.isascii() or _NOT_IN_A_QUOTED_STRING.search(pair):
            return _refusal("The server cannot be sent a user name or password with such characters.")
        client.login(client._quote(credential.user), credential.password)  # noqa: SLF001  it quotes the password only
    return None


def _of_abort(error: imaplib.IMAP4.abort, server: Server) -> ProtocolRefusal | TransportFailure:
    """The session broke off: with a BYE that says why, or without a word."""
    said = _said(error)
    if _RESPONSE_CODE.search(said):
        return _refusal(said)
    cause = error.__context__ if isinstance(error.__context__, OSError) else EOFError()
    return failure_of(cause, server.host, server.port)


def _said(error: imaplib.IMAP4.error) -> str:
    """What the server said: the client raises some of it as bytes, and some as the written form of a list of bytes."""
    said = error.args[0] if error.args else ""
    if isinstance(said, bytes):
        return said.decode("utf-8", "replace")
    answered = _ANSWERED_BAD.match(str(said))
    if answered is None:
        return str(said)
    parts = [part for part in ast.literal_eval(answered["said"]) if isinstance(part, bytes)]
    return b" ".join(parts).decode("utf-8", "replace") or f"The server does not take {answered['command']}."


def _refusal(text: str) -> ProtocolRefusal:
    code = _RESPONSE_CODE.search(text)
    return ProtocolRefusal(text=text, code=code[1] if code else "", protocol="imap")
