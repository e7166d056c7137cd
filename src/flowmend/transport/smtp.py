"""Signs in to mail servers by SMTP; the only place that knows aiosmtplib.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 3463 (enhanced status codes).
"""

import socket
import ssl

import aiosmtplib

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn, TransportFailure
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.http import INVALID_RESPONSE, TLS_FAILED
from flowmend.transport.open_sockets import Unreachable, failure_of, open_socket, unsent

#: Without TLS, CRAM-MD5 at least keeps the password itself off the wire.
_WAYS_IN_THE_CLEAR = ("cram-md5", "plain", "login")
_WAYS_UNDER_TLS = ("plain", "login", "cram-md5")


class SmtpTransport:
    """Sends AUTH once, by one mechanism."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
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
            await client.connect()
            refusal = await _authenticated(client, server, credential)
            if refusal is None:
                await client.quit()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 0:
                return ProtocolRefusal(text=f"{error.code} {error.message}", code=str(error.code), protocol="smtp")
            raise Unreachable(_failure(error, server)) from error
        finally:
            client.close()
        return refusal or SignedIn()

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
