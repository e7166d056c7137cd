"""Performs HTTP requests over one aiohttp session; the only place that knows aiohttp.

Every foreign exception ends here as a `TransportFailure`. Its `was_sent` is what a repeat is decided by, so it
is True wherever there is doubt. Redirects are answers like any other and there are no cookies: a credential must
not wander to another origin, and no two flows may share a session by accident.

Where a kept connection turns out to have been closed by the other side, aiohttp itself sends a GET, HEAD, PUT or DELETE
once more on a new one, as RFC 9110 §9.2.2 allows for idempotent methods; a POST or PATCH it never repeats.
"""

import asyncio
import io
import ssl
from collections.abc import Collection
from datetime import timedelta

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from flowmend.core.connector.request import HttpRequest
from flowmend.core.connector.response import HttpResponse, TransportFailure
from flowmend.transport.address_guard import (
    ADDRESS_NOT_ALLOWED,
    AddressGuard,
    AddressNotAllowed,
    GuardedResolver,
    refusal,
)
from flowmend.transport.client_certificates import ClientContexts, UnusableCertificate, why_refused

UNRESOLVABLE_HOST_NAME = "UnresolvableHostName"  # Microsoft's own name for it (wdl.md §4)
CONNECTION_REFUSED = "ConnectionRefused"
CONNECTION_RESET = "ConnectionReset"
CONNECTION_FAILED = "ConnectionFailed"
REQUEST_TIMEOUT = "RequestTimeout"
TLS_FAILED = "TlsFailed"
RESPONSE_TOO_LARGE = "ResponseTooLarge"
INVALID_RESPONSE = "InvalidResponse"
INVALID_REQUEST = "InvalidRequest"

LARGEST_RESPONSE_BYTES = 100 * 1024 * 1024
_MOST_CONNECTIONS = 1000
_KEEP_ALIVE_SECONDS = 30
_CONNECT_SECONDS = 30
_LARGE_BODY_BYTES = 1024 * 1024  # aiohttp warns of larger bytes objects; a stream is written piece by piece


class HttpTransport:
    """Sends requests, guarded by address. allowed_private_hosts: `host:port` texts of `Settings`.

    resolver: how names become addresses, the system's where None; what it answers passes the guard all the same.
    """

    def __init__(self, allowed_private_hosts: Collection[str], *, resolver: AbstractResolver | None = None) -> None:
        self._guard = AddressGuard(allowed_private_hosts)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._resolving: GuardedResolver | None = None
        self._certificates = ClientContexts()

    async def start(self) -> None:
        """Open the connection pool; in the loop that will send."""
        self._resolving = GuardedResolver(self._guard, self._resolver or aiohttp.ThreadedResolver())
        connector = aiohttp.TCPConnector(
            limit=_MOST_CONNECTIONS,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            resolver=self._resolving,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            skip_auto_headers=("User-Agent", "Content-Type"),
            requote_redirect_url=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the pool; a second call does nothing."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout: timedelta,  # noqa: ASYNC109  part of the contract: the failure it ends in is a value, not an exception
        max_response_bytes: int = LARGEST_RESPONSE_BYTES,
    ) -> HttpResponse | TransportFailure:
        """The answer to a request, or why there is none; the whole exchange takes at most `timeout`.

        Errors: RuntimeError when not started, which is a mistake of assembly.
        """
        if self._session is None:
            raise RuntimeError("HttpTransport.send was called before start or after close")
        try:
            url = URL(request.url, encoded=True)
            host, port = url.host, url.port
        except ValueError:
            host = port = None
        if not host or not port or url.scheme not in {"http", "https"}:
            return _unsent(INVALID_REQUEST, "The address is not an absolute http or https URL.", is_retryable=False)
        if self._guard.refuses_literal(host, port):
            return _unsent(ADDRESS_NOT_ALLOWED, refusal(host, port), is_retryable=False)
        context: ssl.SSLContext | bool = True
        if request.client_certificate is not None:
            try:  # off the loop: reading the trusted authorities takes a while
                context = await asyncio.to_thread(self._certificates.get, request.client_certificate)
            except UnusableCertificate:
                message = "The connection's client certificate cannot be used. Verify the connection with another one."
                return _unsent(TLS_FAILED, message, is_retryable=False)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                return await self._exchange(self._session, request, url, max_response_bytes, context)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure_of(error, host, port, timeout)
        if isinstance(context, ssl.SSLContext) and self._resolving is not None and failure.code == CONNECTION_RESET:
            reason = await why_refused(context, self._resolving, host, port)
            return _tls_failed(host, port, reason) if reason else failure
        return failure

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        request: HttpRequest,
        url: URL,
        max_response_bytes: int,
        tls: ssl.SSLContext | bool,
    ) -> HttpResponse | TransportFailure:
        body = request.body
        async with session.request(
            request.method,
            url,
            headers=request.headers,
            data=io.BytesIO(body) if body is not None and len(body) > _LARGE_BODY_BYTES else body,
            allow_redirects=False,
            ssl=tls,
        ) as response:
            content = await _read_bounded(response, max_response_bytes)
            if content is None:
                response.close()
                return TransportFailure(
                    code=RESPONSE_TOO_LARGE,
                    message=f"The answer of '{url.host}' is larger than the limit of {max_response_bytes} bytes.",
                    was_sent=True,
                    is_retryable=False,
                )
            return HttpResponse(status=response.status, headers=_headers_of(response, content), body=content)


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    if (response.content_length or 0) > limit:
        return None
    first = await response.content.readany()
    if response.content.at_eof():
        return first if len(first) <= limit else None
    pieces, size = [first], len(first)
    while size <= limit:
        piece = await response.content.readany()
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    return None


def _headers_of(response: aiohttp.ClientResponse, content: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if "Content-Encoding" in response.headers:  # already undone, so both headers would be untrue
        headers = {name: value for name, value in headers.items() if name.lower() != "content-encoding"}
        for name in headers:
            if name.lower() == "content-length":
                headers[name] = str(len(content))
    return headers


def _unsent(code: str, message: str, *, is_retryable: bool = True) -> TransportFailure:
    return TransportFailure(code=code, message=message, was_sent=False, is_retryable=is_retryable)


def _tls_failed(host: str, port: int, reason: str) -> TransportFailure:
    why = f": {reason}" if reason else ""
    return _unsent(TLS_FAILED, f"No secure connection to '{host}:{port}' could be made{why}.", is_retryable=False)


def _tls_reason(error: Exception) -> str | None:
    """What the TLS library said, such as `TLSV13_ALERT_CERTIFICATE_REQUIRED`, "" for nothing; None where it is no TLS error.

    Since TLS 1.3 a server refuses a client's certificate only after the session is made, so that the refusal may come in
    place of the answer. The request itself was not looked at.
    """
    if not isinstance(error, OSError):
        return None
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLError) and not isinstance(found, aiohttp.ClientError):
            return found.reason or ""
        # aiohttp's own inherit from both: what they are about hangs on them.
        found = found.__cause__ or getattr(found, "os_error", None)
    return "" if isinstance(error, aiohttp.ClientConnectorSSLError) else None


def _failure_of(error: Exception, host: str, port: int, timeout: timedelta) -> TransportFailure:
    """Foreign exception → value; the order matters, aiohttp's classes inherit from one another."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        if isinstance(error.os_error, AddressNotAllowed):
            return _unsent(ADDRESS_NOT_ALLOWED, refusal(host, port), is_retryable=False)
        return _unsent(UNRESOLVABLE_HOST_NAME, f"The host name '{host}' could not be resolved.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "certificate verify failed"
        return _unsent(TLS_FAILED, f"The certificate of '{host}' is not trusted: {reason}.", is_retryable=False)
    reason = _tls_reason(error)
    if reason is not None:
        return _tls_failed(host, port, reason)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _unsent(REQUEST_TIMEOUT, f"'{host}:{port}' did not accept a connection in time.")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):
            return _unsent(CONNECTION_REFUSED, f"'{host}:{port}' refused the connection.")
        return _unsent(CONNECTION_FAILED, f"'{host}:{port}' could not be reached: {error.os_error.strerror}.")
    if isinstance(error, aiohttp.InvalidURL):
        return _unsent(INVALID_REQUEST, "The address is not a valid URL.", is_retryable=False)
    if isinstance(error, TimeoutError):
        seconds = f"{timeout.total_seconds():g}"
        return TransportFailure(
            code=REQUEST_TIMEOUT, message=f"'{host}' gave no answer within {seconds} seconds.", was_sent=True
        )
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError):
        return TransportFailure(
            code=CONNECTION_RESET, message=f"'{host}' closed the connection without an answer.", was_sent=True
        )
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransportFailure(
            code=CONNECTION_RESET, message=f"The answer of '{host}' broke off before its end.", was_sent=True
        )
    if isinstance(error, aiohttp.ClientError):
        return TransportFailure(code=INVALID_RESPONSE, message=f"The answer of '{host}' is not HTTP.", was_sent=True)
    return _unsent(INVALID_REQUEST, "The request cannot be written as HTTP.", is_retryable=False)
