"""A client certificate is shown to the server of its own request, and its key lies nowhere."""

import os
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from certificates import Authority
from flowmend.core.connection.diagnosis import diagnose
from flowmend.core.connection.received import ReceivedAnswer
from flowmend.core.connector import ClientCertificate, HttpRequest, HttpResponse, SignInKind, TransportFailure
from flowmend.transport import HttpTransport
from flowmend.transport.client_certificates import ClientContexts, UnusableCertificate, client_context
from made_certificates import make

pytestmark = pytest.mark.anyio

SOON = timedelta(seconds=5)


class _WhoIsThis(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shown = self.connection.getpeercert()
        names = dict(pair for part in shown["subject"] for pair in part)
        content = names.get("commonName", "").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library names it so
        pass


class _Server(ThreadingHTTPServer):
    """Blocking sockets: asyncio's own server ends a refused handshake without saying why, which no real one does."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def server(authority: Authority) -> Iterator[str]:
    """The origin of a server that lets in only who shows a certificate of our authority, and says who it is."""
    running = _Server(("127.0.0.1", 0), _WhoIsThis)
    context = authority.server_context(asks_for_client=True)
    running.socket = context.wrap_socket(running.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://localhost:{running.server_port}"
    running.shutdown()
    thread.join(5)
    running.server_close()


@pytest.fixture
async def transport(server: str, trusted_authority: Authority) -> AsyncIterator[HttpTransport]:
    started = HttpTransport((server.partition("//")[2],))
    await started.start()
    yield started
    await started.close()


def request(server: str, shown: tuple[str, str]) -> HttpRequest:
    certificate = ClientCertificate(certificate_pem=shown[0], key_pem=shown[1])
    return HttpRequest(method="GET", url=f"{server}/me", client_certificate=certificate)


async def test_each_request_shows_its_own(server: str, transport: HttpTransport, authority: Authority) -> None:
    for name in ("ada", "ben", "ada"):
        answer = await transport.send(request(server, authority.client(name)), timeout=SOON)
        assert isinstance(answer, HttpResponse), answer
        assert name in answer.body.decode()


@pytest.mark.parametrize(
    ("case", "category"),
    [("expired", "expired"), ("of another authority", "wrong_password")],
)
async def test_a_refused_certificate_is_told_and_diagnosed(
    case: str, category: str, server: str, transport: HttpTransport, authority: Authority
) -> None:
    stranger = make("ada", rsa_key=True)
    shown = {
        "expired": authority.client("ada", until=datetime.now(UTC) - timedelta(days=1)),
        "of another authority": (stranger.certificate_pem, stranger.key_pem),
    }[case]
    failure = await transport.send(request(server, shown), timeout=SOON)
    assert isinstance(failure, TransportFailure), failure
    assert failure.code == "TlsFailed"
    assert not failure.is_retryable
    received = ReceivedAnswer(failure_code=failure.code, body=failure.message)
    diagnosis = diagnose(received, had_credential=True, kind=SignInKind.CLIENT_CERTIFICATE)
    assert diagnosis.connection_broken, failure.message
    assert diagnosis.category.value == category


async def test_a_key_that_is_not_the_certificates_is_no_request(
    server: str, transport: HttpTransport, authority: Authority
) -> None:
    ada, ben = authority.client("ada"), authority.client("ben")
    failure = await transport.send(request(server, (ada[0], ben[1])), timeout=SOON)
    assert isinstance(failure, TransportFailure)
    assert (failure.code, failure.was_sent) == ("TlsFailed", False)


def test_the_key_is_in_no_file_and_no_text(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bytes, int]] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Watching(ssl.SSLContext):
        def load_cert_chain(self, certfile: str, *given: object, **more: object) -> None:  # type: ignore[override]
            seen.append((Path(certfile).read_bytes(), Path(certfile).stat().st_mode & 0o777))
            super().load_cert_chain(certfile, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl, "create_default_context", lambda: Watching(ssl.PROTOCOL_TLS_CLIENT))
    certificate, key = authority.client("ada")
    shown = ClientCertificate(certificate_pem=certificate, key_pem=key)
    client_context(shown)
    ((written, mode),) = seen
    assert b"ENCRYPTED PRIVATE KEY" in written
    assert not any(line in written for line in key.encode().splitlines()[1:-1])
    assert mode == 0o600 or os.name != "posix"
    assert list(tmp_path.iterdir()) == []
    assert "PRIVATE" not in repr(shown) + repr(HttpRequest(method="GET", url="https://x", client_certificate=shown))


def test_a_context_is_made_once_for_each_certificate(authority: Authority) -> None:
    contexts = ClientContexts()
    certificate, key = authority.client("ada")
    shown = ClientCertificate(certificate_pem=certificate, key_pem=key)
    assert contexts.get(shown) is contexts.get(ClientCertificate(certificate_pem=certificate, key_pem=key))
    with pytest.raises(UnusableCertificate):
        contexts.get(ClientCertificate(certificate_pem=certificate, key_pem="no key"))
