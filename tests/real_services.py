"""One account at a real server of each kind, which can be made to refuse it: what a connection meets in life."""

import base64
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import trustme
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certificates import Authority
from made_certificates import Made, make
from mail_servers import Account, ImapServer, SmtpServer
from password_database import PasswordDatabase

USER = "ada"
#: How long a certificate that runs out lives: long enough to be accepted once.
_MOMENTS = timedelta(seconds=1.5)


class RealService(ABC):
    """port: where it listens on localhost. first, second: what it may be told to take. wrong: what it never takes.

    secret_name: the parameter of a connection that these are.
    """

    connector_id: ClassVar[str]
    secret_name: ClassVar[str] = "password"
    port: int
    first, second, wrong = "first-password", "second-password", "this-is-not-it"

    @abstractmethod
    def be(self, state: str, secret: str) -> None:
        """Take this and nothing else from now on. state: `good`, or `expired` or `refused` although it is right."""

    @property
    def values(self) -> dict[str, str]:
        """The parameters of a connection, but for the secret."""
        return {"host": "localhost", "port": str(self.port), "user": USER}


class HttpBasic(RealService):
    """An HTTP service with user name and password (RFC 7617)."""

    connector_id = "shop"
    definition: ClassVar[dict[str, Any]] = {
        "swagger": "2.0",
        "info": {"title": "Shop", "version": "1"},
        "host": "localhost",
        "schemes": ["http"],
        "paths": {"/me": {"get": {"operationId": "GetMe", "parameters": []}}},
        "securityDefinitions": {"basic": {"type": "basic"}},
        "x-ms-capabilities": {"testConnection": {"operationId": "GetMe", "parameters": {}}},
    }
    properties: ClassVar[dict[str, Any]] = {
        "properties": {
            "connectionParameters": {
                "host_url": {"type": "string"},
                "user": {"type": "string", "uiDefinition": {"constraints": {"required": "true"}}},
                "password": {"type": "securestring"},
            },
            "policyTemplateInstances": [
                {
                    "templateId": "dynamichosturl",
                    "parameters": {"x-ms-apimTemplateParameter.urlTemplate": "@connectionParameters('host_url')"},
                }
            ],
        }
    }
    _ANSWERS: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {
        "good": (200, {"login": USER}),
        "wrong": (401, {"error": {"code": "InvalidCredentials", "message": "Invalid username or password."}}),
        "expired": (401, {"error": {"code": "PasswordExpired", "message": "Your password has expired."}}),
        "refused": (403, {"error": {"code": "AccountDisabled", "message": "The user account is disabled."}}),
    }

    def __init__(self) -> None:
        self._state = self._password = ""

    def be(self, state: str, secret: str) -> None:
        self._state, self._password = state, secret

    @property
    def values(self) -> dict[str, str]:
        return {"host_url": f"http://localhost:{self.port}", "user": USER}

    async def answer(self, request: web.Request) -> web.Response:
        pair = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        is_right = request.headers.get("Authorization") == f"Basic {pair}"
        status, body = self._ANSWERS[self._state if is_right else "wrong"]
        return web.json_response(body, status=status)


class Smtp(RealService):
    connector_id = "smtp"
    _ANSWERS: ClassVar[dict[str, str]] = {
        "good": "",
        "expired": "535 5.7.8 Error: authentication failed: Password expired",
        "refused": "525 5.7.13 User account is disabled",
    }

    def __init__(self, server: SmtpServer) -> None:
        self._server, self.port = server, server.port

    def be(self, state: str, secret: str) -> None:
        self._server.accounts[USER] = Account(secret, self._ANSWERS[state])


class Imap(RealService):
    connector_id = "imap"

    def __init__(self, server: ImapServer) -> None:
        self._server, self.port = server, server.tls_port

    def be(self, state: str, secret: str) -> None:
        self._server.set_account(USER, secret, state)


class Postgresql(RealService):
    connector_id = "postgresql"

    def __init__(self, database: PasswordDatabase) -> None:
        self._database, self.port = database, database.port

    def be(self, state: str, secret: str) -> None:
        options = {"expired": "LOGIN VALID UNTIL '2020-01-01'", "refused": "NOLOGIN"}.get(state, "LOGIN")
        self._database.set_role(USER, secret, options)

    @property
    def values(self) -> dict[str, str]:
        return {**super().values, "database": "postgres"}


class ClientCertificates(RealService):
    """An HTTPS service that asks for a client certificate, and refuses in the TLS session as RFC 8446 §6.2 says."""

    connector_id = "vault"
    secret_name = "certificate"
    definition: ClassVar[dict[str, Any]] = {**HttpBasic.definition, "schemes": ["https"], "securityDefinitions": {}}
    properties: ClassVar[dict[str, Any]] = {
        "properties": {
            "connectionParameters": {
                "host_url": {"type": "string"},
                "certificate": {"type": "clientCertificate"},
            },
            "policyTemplateInstances": HttpBasic.properties["properties"]["policyTemplateInstances"],
        }
    }

    def __init__(self, authority: Authority, *, is_short_lived: bool) -> None:
        """is_short_lived: the first certificate runs out within moments."""
        self._authority = authority
        self._days = _MOMENTS.total_seconds() / 86_400 if is_short_lived else 30.0
        self._one, self._other = trustme.CA(), trustme.CA()
        self.first = _issued(self._one, days=self._days).pem
        self.second = _issued(self._other).pem
        self.wrong = _issued(trustme.CA()).pem
        self._server = _AskingServer(("127.0.0.1", 0), _Greeting)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.port = self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    def be(self, state: str, secret: str) -> None:
        if state == "expired":
            time.sleep(_MOMENTS.total_seconds())
        issuer = self._one if secret == self.first else self._other
        context = self._authority.server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=issuer.cert_pem.bytes().decode())
        if state == "refused":
            revoked = self._authority.root.parent / "revoked.pem"  # such lists are read from files only
            revoked.write_bytes(_revoking(issuer, secret))
            context.load_verify_locations(revoked)
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        self._server.context = context

    @property
    def values(self) -> dict[str, str]:
        return {"host_url": f"https://localhost:{self.port}"}


class _AskingServer(ThreadingHTTPServer):
    """context: of the sessions from now on. Blocking: asyncio ends a refused handshake without saying why."""

    context: ssl.SSLContext

    def get_request(self) -> tuple[Any, Any]:
        opened, address = super().get_request()
        return self.context.wrap_socket(opened, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class _Greeting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library names it so
        pass


def _issued(issuer: trustme.CA, *, days: float = 30) -> Made:
    return make(USER, signed_by=_signing(issuer), days=days)


def _signing(issuer: trustme.CA) -> Made:
    key = load_pem_private_key(issuer.private_key_pem.bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return Made(certificate=x509.load_pem_x509_certificate(issuer.cert_pem.bytes()), key=key)


def _revoking(issuer: trustme.CA, pem: str) -> bytes:
    """A list of revoked certificates with this one on it (RFC 5280 §5), as PEM."""
    signing, now = _signing(issuer), datetime.now(UTC)
    serial = x509.load_pem_x509_certificate(pem.encode()).serial_number
    revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    listed = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signing.certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=1))
        .add_revoked_certificate(revoked)
    )
    return listed.sign(signing.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@asynccontextmanager
async def real_service(kind: str, request: pytest.FixtureRequest, authority: Authority) -> AsyncIterator[RealService]:
    """A service of this kind, running; it takes nothing before `be` was told what."""
    find: Callable[[str], Any] = request.getfixturevalue
    if kind == "http":
        shop = HttpBasic()
        application = web.Application()
        application.router.add_get("/me", shop.answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "localhost", 0).start()
        shop.port = runner.addresses[0][1]
        yield shop
        await runner.cleanup()
    elif kind == "tls":
        vault = ClientCertificates(authority, is_short_lived="expired" in request.node.name)
        vault.start()
        yield vault
        vault.stop()
    elif kind == "smtp":
        server = SmtpServer("tls", authority.server_context())
        await server.start()
        yield Smtp(server)
        await server.stop()
    else:
        yield Imap(find("imap_server")) if kind == "imap" else Postgresql(find("password_database"))
