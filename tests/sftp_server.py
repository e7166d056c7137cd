"""A real SFTP server on loopback, over a folder of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh


class SftpServer:
    """passwords: by user. keys: public keys that user ada may show. tries: what was shown, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passwords = {"ada": "right-password"}
        self.keys: list[Any] = []
        self.by_keyboard_only = False
        self.tries: list[str] = []
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0

    @property
    def fingerprint(self) -> str:
        return str(self.host_key.get_fingerprint())


@asynccontextmanager
async def sftp_server(folder: Path) -> AsyncIterator[SftpServer]:
    there = SftpServer(folder)

    class Session(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return not there.by_keyboard_only

        def validate_password(self, username: str, password: str) -> bool:
            there.tries.append(f"password {username}")
            return there.passwords.get(username) == password

        def kbdint_auth_supported(self) -> bool:
            return True

        def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
            return ("", "", "", [("Password:", False)])

        def validate_kbdint_response(self, username: str, responses: Any) -> bool:
            there.tries.append(f"keyboard {username}")
            return list(responses) == [there.passwords.get(username)]

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: Any) -> bool:
            return key in there.keys

    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Session,
        server_host_keys=[there.host_key],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder).encode()),
    )
    there.port = listener.get_port()
    try:
        yield there
    finally:
        listener.close()
        await listener.wait_closed()
        await asyncio.sleep(0.05)
