"""Signs in to mail servers by SMTP and sends mail there; the only place that knows aiosmtplib.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3463 (enhanced status codes).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import aiosmtplib
import msgspec

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn, TransportFailure
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import INVALID_RESPONSE, TLS_FAILED
from flowmend.transport.mail_message import OutgoingMail, outgoing_mail
from flowmend.transport.open_sockets import Unreachable, failure_of, open_socket, too_late, unsent
from flowmend.transport.operation_arguments import Refused, mapping, refuse

_ERRORS = (aiosmtplib.SMTPException, OSError, ValueError)

#: From the first packet until a mail may be handed over.
_ADMITS_WITHIN = timedelta(seconds=60)
#: Without TLS, CRAM-MD5 at least keeps the password itself off the wire.
_WAYS_IN_THE_CLEAR = ("cram-md5", "plain", "login")
_WAYS_UNDER_TLS = ("plain", "login", "cram-md5")


class SmtpTransport:
    """Sends AUTH once, by one mechanism, and no mail twice."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        async with self._session(server) as client:
            try:
                refusal = await _authenticated(client, server, credential)
                if refusal is None:
                    await client.quit()
            except _ERRORS as error:
                return _refused_or_unreachable(error, server)
        return refusal or SignedIn()

    async def perform(
        self,
        server: Server,
        operation_id: str,  # noqa: ARG002  SendEmail is the one operation, under any of its names
        arguments: Mapping[str, Json],
        credential: BasicCredential,
        key: str,
    ) -> ProtocolAnswer | ProtocolRefusal:
        mail = outgoing_mail(mapping(arguments, "emailMessage"), user=credential.user, key=key)
        async with AsyncExitStack() as ending:
            try:
                # A server that takes its time here was not given the mail yet, so it may be sent again.
                async with asyncio.timeout(_ADMITS_WITHIN.total_seconds()):
                    client = await ending.enter_async_context(self._session(server))
                    refusal = await _admitted(client, server, credential)
            except TimeoutError as error:
                raise Unreachable(too_late(server.host, server.port, _ADMITS_WITHIN)) from error
            except _ERRORS as error:
                return _refused_or_unreachable(error, server)
            return refusal or await _sent(client, server, mail)

    @asynccontextmanager
    async def _session(self, server: Server) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connected client. Errors: Unreachable; Refused with what the server says instead of a greeting."""
        opened = await open_socket(self._guard, server.host, server.port)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=opened,
            local_hostname=_address_literal(opened),
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=None if server.security == "none" else ssl.create_default_context(),
            timeout=None,  # the caller's holds for the whole of it
        )
        try:
            try:
                await client.connect()
            except _ERRORS as error:
                raise Refused(_refused_or_unreachable(error, server)) from error
            yield client
        finally:
            client.close()

    def close(self) -> None:
        pass


async def _authenticated(
    client: aiosmtplib.SMTP, server: Server, credential: BasicCredential
) -> ProtocolRefusal | None:
    """What the server refuses, None where it accepts. `login` of the library would try every way it knows."""
    await client.ehlo()
    offered = {way.lower() for way in client.server_auth_methods}
    ways = _WAYS_IN_THE_CLEAR if server.security == "none" else _WAYS_UNDER_TLS
    way = next((one for one in ways if one in offered), "")
    if way == "plain":
        await client.auth_plain(credential.user, credential.password)
    elif way == "login":
        await client.auth_login(credential.user, credential.password)
    elif way == "cram-md5":
        await client.auth_crammd5(credential.user, credential.password)
    else:
        others = f" It offers: {', '.join(sorted(offered))}." if offered else ""
        text = f"The mail server does not offer to sign in with a user name and a password here.{others}"
        return ProtocolRefusal(text=text, code="AuthNotOffered", protocol="smtp")
    return None


async def _admitted(client: aiosmtplib.SMTP, server: Server, credential: BasicCredential) -> ProtocolRefusal | None:
    """As `_authenticated`; without a user name nobody signs in, where the server asks nobody. A connection has one."""
    if credential.user:
        return await _authenticated(client, server, credential)
    await client.ehlo()
    return None


def _refused_or_unreachable(error: Exception, server: Server) -> ProtocolRefusal:
    """What the server said. Errors: Unreachable where it said nothing."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 0:
        return ProtocolRefusal(text=f"{error.code} {error.message}", code=str(error.code), protocol="smtp")
    raise Unreachable(_failure(error, server)) from error


async def _sent(client: aiosmtplib.SMTP, server: Server, mail: OutgoingMail) -> ProtocolAnswer:
    """Errors: Refused where nobody gets it; Unreachable, which says whether somebody may have got it."""
    options = []
    if mail.is_utf8:
        if not client.supports_extension("smtputf8"):
            refuse("smtp", 400, "SmtpUtf8NotOffered", "The mail server takes no addresses with such characters.")
        options.append("SMTPUTF8")
    if client.supports_extension("size"):
        options.append(f"SIZE={len(mail.data)}")
    refused: list[Json] = []
    is_sent = False
    try:
        await client.mail(mail.sender, options=options, encoding="utf-8")
        for recipient in mail.recipients:
            try:
                await client.rcpt(recipient, encoding="utf-8")
            except aiosmtplib.SMTPRecipientRefused as error:
                if len(refused) + 1 == len(mail.recipients):
                    raise
                refused.append({"address": recipient, "code": str(error.code), "message": error.message})
        is_sent = True
        accepted = await client.data(mail.data)
    except _ERRORS as error:
        if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 0:
            refuse("smtp", _status(error.code), str(error.code), f"{error.code} {error.message}")
        failure = _failure(error, server)
        if is_sent:  # the server may have taken it before its answer was lost, and a mail cannot be called back
            failure = msgspec.structs.replace(failure, was_sent=True, is_retryable=False)
        raise Unreachable(failure) from error
    with contextlib.suppress(*_ERRORS):
        await client.quit()
    left_out = {str(one["address"]) for one in refused}
    return ProtocolAnswer(
        body={
            "messageId": mail.message_id,
            "accepted": [one for one in mail.recipients if one not in left_out],
            "refused": refused,
            "response": accepted.message,
        }
    )


def _status(code: int) -> int:
    """What HTTP would say: 503 of what passes by itself (RFC 5321 §4.2.1)."""
    return 503 if 400 <= code < 500 else 400


def _failure(error: Exception, server: Server) -> TransportFailure:
    place = f"'{server.host}:{server.port}'"
    if "STARTTLS" in str(error):
        return unsent(TLS_FAILED, f"{place} does not offer STARTTLS, so the password was not sent.", is_retryable=False)
    # The library's own errors are ConnectionErrors too; what they were raised from says more.
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, OSError):
        return failure_of(cause, server.host, server.port)
    return unsent(INVALID_RESPONSE, f"The answer of {place} is not SMTP.")


def _address_literal(opened: socket.socket) -> str:
    """This side as EHLO names it: always valid, and no name of this machine is told (RFC 5321 §4.1.3)."""
    address = opened.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
