"""Real mail servers on loopback: SMTP by aiosmtpd, IMAP by Dovecot in a process of its own."""

import asyncio
import getpass
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from certificates import Authority

_STARTS_WITHIN_SECONDS = 60.0
_BINARIES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))


@dataclass
class Account:
    """A mail account. answer: what the server says instead of judging the password, "" judges it."""

    password: str
    answer: str = ""


class SmtpServer:
    """security: how it is spoken to. accounts: by user name; may be changed while it runs. tries: `PLAIN ada`, …"""

    def __init__(self, security: str, tls: ssl.SSLContext) -> None:
        self.security = security
        self.accounts: dict[str, Account] = {}
        self.tries: list[str] = []
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._sessions: list[SMTP] = []
        self.port = 0

    async def start(self) -> None:
        def session() -> SMTP:
            starttls = self._tls if self.security == "starttls" else None
            begun = SMTP(
                Sink(),
                hostname="localhost",
                tls_context=starttls,
                auth_require_tls=starttls is not None,
                authenticator=self._judge,
            )
            self._sessions.append(begun)
            return begun

        tls = self._tls if self.security == "tls" else None
        self._server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()
        await asyncio.sleep(0.01)  # closed sockets are let go of in the loop's next rounds

    def _judge(self, _server: SMTP, _session: Any, _envelope: Any, mechanism: str, shown: LoginPassword) -> AuthResult:
        user, password = shown.login.decode(), shown.password.decode()
        self.tries.append(f"{mechanism} {user}")
        account = self.accounts.get(user)
        if account is not None and account.answer:
            return AuthResult(success=False, handled=False, message=account.answer.replace("{password}", password))
        good = account is not None and account.password == password
        message = None if good else "535 5.7.8 Error: authentication failed: authentication failure"
        return AuthResult(success=good, handled=False, message=message)


#: Judges by a file of lines `user password state`, read at every sign-in.
_JUDGE = """
function auth_password_verify(request, password)
  for line in io.lines("{accounts}") do
    local user, right, state = line:match("^(%S+) (%S+) (%S+)$")
    if user == request.user then
      if state == "away" then return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "away" end
      if right ~= password then return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "wrong" end
      if state == "expired" then return dovecot.auth.PASSDB_RESULT_PASS_EXPIRED, "expired" end
      if state == "refused" then return dovecot.auth.PASSDB_RESULT_OK, "nologin reason=Account_closed" end
      return dovecot.auth.PASSDB_RESULT_OK, {{}}
    end
  end
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "unknown"
end
function auth_passdb_lookup(request) return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "unknown" end
"""
_SETTINGS = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {person}
default_internal_group = {group}
default_login_user = {person}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
auth_mechanisms = plain
auth_failure_delay = 0
disable_plaintext_auth = yes
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
passdb {{
  driver = lua
  args = file={folder}/judge.lua blocking=no
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


class ImapServer:
    """A Dovecot of one's own. port: for STARTTLS. tls_port: for TLS from the start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._accounts: dict[str, tuple[str, str]] = {}
        self.port, self.tls_port = _free_ports()

    def set_account(self, user: str, password: str, state: str = "good") -> None:
        """state: good, expired, refused or away."""
        self._accounts[user] = (password, state)
        lines = [" ".join((name, *rest)) for name, rest in self._accounts.items()]
        fresh = self._folder / "accounts.new"
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fresh.replace(self._folder / "accounts")


@pytest.fixture(scope="session")
def imap_server(authority: Authority) -> Iterator[ImapServer]:
    """Dovecot, unprivileged. At home its absence skips; under CI=true it fails."""
    binary = dovecot()
    if binary is None:
        reason = "needs Dovecot 2.3 (Debian packages dovecot-imapd and dovecot-auth-lua), which is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with _running_dovecot(binary, authority) as server:
        yield server


def dovecot() -> str | None:
    """The program, None where there is none that takes these settings, which 2.4 spells differently, and judges by a script."""
    found = shutil.which("dovecot", path=_BINARIES)
    if found is None:
        return None
    binary = Path(found)
    version = subprocess.run([binary, "--version"], capture_output=True, encoding="utf-8", timeout=60, check=False)
    plugin = binary.resolve().parent.parent / "lib" / "dovecot" / "modules" / "auth" / "libauthdb_lua.so"
    return found if version.stdout.startswith("2.3") and plugin.exists() else None


@contextmanager
def _running_dovecot(binary: str, authority: Authority) -> Iterator[ImapServer]:
    import grp  # there is none on Windows, where no Dovecot runs either

    # A short path: it holds sockets, whose paths may have about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="fm-imap-"))
    is_root = os.getuid() == 0  # it would drop its rights to several users that may not exist
    person = "nobody" if is_root else getpass.getuser()
    uid, gid = (65534, 65534) if is_root else (os.getuid(), os.getgid())
    server = ImapServer(folder)
    server.set_account("nobody.yet", "-", "away")
    shutil.copy(authority.server_chain, folder / "server.pem")
    shutil.copy(authority.server_key, folder / "server.key")
    (folder / "judge.lua").write_text(_JUDGE.format(accounts=folder / "accounts"), encoding="utf-8")
    settings = _SETTINGS.format(
        folder=folder,
        person=person,
        group=grp.getgrgid(gid).gr_name,
        uid=uid,
        gid=gid,
        port=server.port,
        tls_port=server.tls_port,
    )
    (folder / "settings").write_text(settings, encoding="utf-8")
    for path in (folder, *folder.iterdir()):
        os.chown(path, uid, gid)
    as_person: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": []} if is_root else {}
    with (folder / "out").open("wb") as output:
        process = subprocess.Popen(
            [binary, "-F", "-c", folder / "settings"], stdout=output, stderr=output, cwd=folder, **as_person
        )
    try:
        _wait_for_greeting(server.port, process, folder)
        yield server
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_greeting(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as opened:
                if opened.recv(1000).startswith(b"* OK"):
                    return
        except OSError:
            pass
        logs = [path.read_text("utf-8", "replace") for path in (folder / "out", folder / "log") if path.exists()]
        assert process.poll() is None, f"Dovecot ended: {logs}"
        assert time.monotonic() < deadline, f"Dovecot did not start: {logs}"
        time.sleep(0.02)


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]
