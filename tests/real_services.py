"""One account at a real server of each kind, which can be made to refuse it: what a connection meets in life."""

import base64
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from aiohttp import web

from certificates import Authority
from mail_servers import Account, ImapServer, SmtpServer
from password_database import PasswordDatabase

USER = "ada"


class RealService(ABC):
    """port: where it listens on localhost. password: that it takes now."""

    connector_id: ClassVar[str]
    port: int

    def __init__(self) -> None:
        self.password = ""

    @abstractmethod
    def be(self, state: str, password: str) -> None:
        """Take this password from now on. state: `good`, or `expired` or `refused` although it is right."""

    @property
    def values(self) -> dict[str, str]:
        """The parameters of a connection, but for the password."""
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
        super().__init__()
        self._state = "good"

    def be(self, state: str, password: str) -> None:
        self._state, self.password = state, password

    @property
    def values(self) -> dict[str, str]:
        return {"host_url": f"http://localhost:{self.port}", "user": USER}

    async def answer(self, request: web.Request) -> web.Response:
        pair = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
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
        super().__init__()
        self._server, self.port = server, server.port

    def be(self, state: str, password: str) -> None:
        self.password = password
        self._server.accounts[USER] = Account(password, self._ANSWERS[state])


class Imap(RealService):
    connector_id = "imap"

    def __init__(self, server: ImapServer) -> None:
        super().__init__()
        self._server, self.port = server, server.tls_port

    def be(self, state: str, password: str) -> None:
        self.password = password
        self._server.set_account(USER, password, state)


class Postgresql(RealService):
    connector_id = "postgresql"

    def __init__(self, database: PasswordDatabase) -> None:
        super().__init__()
        self._database, self.port = database, database.port

    def be(self, state: str, password: str) -> None:
        self.password = password
        options = {"expired": "LOGIN VALID UNTIL '2020-01-01'", "refused": "NOLOGIN"}.get(state, "LOGIN")
        self._database.set_role(USER, password, options)

    @property
    def values(self) -> dict[str, str]:
        return {**super().values, "database": "postgres"}


@asynccontextmanager
async def real_service(kind: str, request: pytest.FixtureRequest, authority: Authority) -> AsyncIterator[RealService]:
    """A service of this kind, running; the account takes no password before `be` was told one."""
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
    elif kind == "smtp":
        server = SmtpServer("tls", authority.server_context())
        await server.start()
        yield Smtp(server)
        await server.stop()
    else:
        yield Imap(find("imap_server")) if kind == "imap" else Postgresql(find("password_database"))
