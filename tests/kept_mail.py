"""A real mail server on a thread of its own that takes every mail and keeps it."""

import re
import socket
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PASSWORD = "right-password"


class Mailbox:
    """mails: those that came, in order. refuses: whether it lets nobody in. sign_ins: how often somebody tried. It listens in the clear on loopback."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = False
        self.sign_ins = 0
        self._is_running = False
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, auth_require_tls=False, authenticator=self._judge
        )

    @property
    def parameters(self) -> dict[str, str]:
        """Of a connection to it."""
        return {
            "host": "127.0.0.1",
            "port": str(self.port),
            "security": "none",
            "user": "flows@example.com",
            "password": PASSWORD,
        }

    def start(self) -> None:
        self._controller.start()
        self._is_running = True

    def stop(self) -> None:
        """May be called twice."""
        if self._is_running:
            self._is_running = False
            self._controller.stop()

    def links_to(self, address: str) -> list[str]:
        """The addresses of the links in the mails to somebody, in order."""
        texts = [str(mail.get_content()) for mail in self.mails if mail["To"] == address]
        return [link for text in texts for link in re.findall(r'<a href="([^"]*/approve#[^"]*)"', text)]

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.mails.append(cast("EmailMessage", message_from_bytes(envelope.content, policy=default)))
        return "250 OK"

    def _judge(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, shown: Any) -> AuthResult:
        self.sign_ins += 1
        if self.refuses:
            return AuthResult(success=False, handled=False, message="535 5.7.8 Error: authentication failed")
        return AuthResult(success=shown.password.decode() == PASSWORD)
