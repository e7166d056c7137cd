"""TLS contexts that show a client certificate, made once for each certificate and kept in memory.

Python's `ssl` reads a key from a file only. So the key goes there encrypted, under a password that is made for that moment
and never written, into a file that only its owner may read and that is gone again before the call returns.
"""

import asyncio
import hashlib
import os
import secrets
import ssl
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from aiohttp.abc import AbstractResolver

from flowmend.core.connector.request import ClientCertificate

_MOST_KEPT = 256
_SAID_WITHIN_SECONDS = 3.0


class UnusableCertificate(Exception):
    """The certificate and key do not go together, or are of a kind that TLS does not take."""


class ClientContexts:
    """Contexts by what they show. Errors: UnusableCertificate."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    def get(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """The context for this certificate; servers are checked as everywhere."""
        digest = hashlib.sha256(f"{certificate.certificate_pem}\0{certificate.key_pem}".encode()).digest()
        found = self._kept.get(digest)
        if found is None:
            found = self._kept[digest] = client_context(certificate)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(digest)
        return found


def client_context(certificate: ClientCertificate) -> ssl.SSLContext:
    """A context of its own that shows this certificate. Errors: UnusableCertificate."""
    password = secrets.token_urlsafe(32)
    context = ssl.create_default_context()
    descriptor, name = tempfile.mkstemp(prefix="flowmend-", suffix=".pem")  # only its owner may read it
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_encrypted(certificate.key_pem, password) + certificate.certificate_pem.encode())
        context.load_cert_chain(name, password=password)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise UnusableCertificate from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
    return context


async def why_refused(context: ssl.SSLContext, resolver: AbstractResolver, host: str, port: int) -> str:
    """What the server says against our certificate, such as `SSLV3_ALERT_CERTIFICATE_EXPIRED`; "" where it says nothing.

    For a request that was cut off: since TLS 1.3 the refusal comes after the session is made, and is lost where the
    request is still being written. So the session is made once more and nothing is written into it.
    """
    try:
        async with asyncio.timeout(_SAID_WITHIN_SECONDS):
            (found, *_) = await resolver.resolve(host, port)
            reader, writer = await asyncio.open_connection(
                found["host"], found["port"], ssl=context, server_hostname=host
            )
            try:
                await reader.read(1)
            finally:
                writer.transport.abort()
    except ssl.SSLError as error:
        return error.reason or ""
    except (OSError, ValueError):
        return ""
    return ""


def _encrypted(key_pem: str, password: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(key_pem.encode(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
