"""Files of a server, by SFTP; the only place that knows asyncssh, which comes with the extra `flowmend[sftp]`.

A server is known by the fingerprint of its key, which the connection names: nothing that signs in is sent before the server
has proven to hold that key. Source: RFC 4251 to 4254 (SSH), draft-ietf-secsh-filexfer-02 (SFTP).
"""

import posixpath
import re
import secrets
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NoReturn

import asyncssh
from msgspec.structs import replace

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.address_guard import AddressGuard
from flowmend.transport.allowed_folders import steps_of
from flowmend.transport.file_operations import LARGEST_FILE, MOST_FILES, PART_PREFIX, Entry, perform_on_files
from flowmend.transport.open_sockets import Unreachable, failure_of, open_socket
from flowmend.transport.operation_arguments import BadArgument, Refused, refuse

_READS = frozenset({"ListFiles", "ReadFile", "OnNewFile", "OnNewOrChangedFile"})
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.+?)-----END \1-----", re.DOTALL)


class SftpTransport:
    """Signs in once, by password or by key, for each operation."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def sign_in(self, server: Server, credential: BasicCredential) -> SignedIn | ProtocolRefusal:
        try:
            async with self._session(server, credential) as files:
                await files.entries("/", is_deep=False)
        except Refused as error:
            return error.refusal
        return SignedIn()

    async def perform(
        self,
        server: Server,
        operation_id: str,
        arguments: Mapping[str, Json],
        credential: BasicCredential,
        key: str,  # noqa: ARG002  a file knows no names of calls
    ) -> ProtocolAnswer | ProtocolRefusal:
        begun = False
        try:
            async with self._session(server, credential) as files:
                begun = True
                return await perform_on_files(files, operation_id, arguments)
        except (asyncssh.Error, OSError) as error:
            failure = failure_of(
                error if isinstance(error, OSError) else ConnectionResetError(), server.host, server.port
            )
            may_have_happened = begun and operation_id not in _READS
            failure = replace(failure, was_sent=begun, is_retryable=failure.is_retryable and not may_have_happened)
            raise Unreachable(failure) from error

    def close(self) -> None:
        pass

    @asynccontextmanager
    async def _session(self, server: Server, credential: BasicCredential) -> "AsyncIterator[SftpFiles]":
        """Errors: Unreachable, BadArgument; Refused where signing in is."""
        keys = _keys(credential)
        asked = _Asked(server.fingerprint, "" if keys else credential.password)
        opened = await open_socket(self._guard, server.host, server.port)
        try:
            connection = await asyncssh.connect(
                sock=opened,
                username=credential.user,
                client_keys=keys or None,
                client_factory=lambda: asked,
                known_hosts=([], [], []),  # so that ours is asked
                agent_path=None,
                config=None,
                x509_trusted_certs=None,
                preferred_auth=["publickey"] if keys else ["password", "keyboard-interactive"],
                login_timeout=None,
                connect_timeout=None,
            )
        except (asyncssh.Error, OSError) as error:
            opened.close()
            _refuse_sign_in(error, server, asked.shown)
        except BaseException:  # the caller's time is over
            opened.close()
            raise
        try:
            async with connection.start_sftp_client() as client:
                yield SftpFiles(client, await _root(client, server.path))
        finally:
            connection.close()
            with suppress(asyncssh.Error, OSError):
                await connection.wait_closed()


class _Asked(asyncssh.SSHClient):
    """What the library asks while it connects. shown: the fingerprint of the key that the server proved to hold."""

    def __init__(self, fingerprint: str, password: str) -> None:
        self.shown = ""
        self._fingerprint = fingerprint
        self._password: str | None = password or None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:  # noqa: ARG002
        self.shown = key.get_fingerprint()
        return bool(self._fingerprint) and secrets.compare_digest(self.shown.encode(), self._fingerprint.encode())

    def password_auth_requested(self) -> str | None:
        return self._only_once()

    def kbdint_auth_requested(self) -> str | None:
        return "" if self._password is not None else None

    def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> list[str] | None:  # noqa: ARG002
        if not prompts:
            return []
        password = self._only_once() if len(prompts) == 1 else None
        return [password] if password is not None else None

    def _only_once(self) -> str | None:
        """Every try counts towards the lockout of the account."""
        password, self._password = self._password, None
        return password


class SftpFiles:
    """client: signed in. root: the connection's folder there. What a link leads to is the server's to guard."""

    protocol = "sftp"

    def __init__(self, client: Any, root: str) -> None:
        self._client = client
        self._root = root

    async def entries(self, folder: str, *, is_deep: bool) -> list[Entry]:
        with _refusing(folder):
            found: list[Entry] = []
            waiting = [_relative(folder)]
            while waiting and len(found) <= MOST_FILES:
                place = waiting.pop()
                async for one in self._client.scandir(self._at(place)):
                    kind = stat.S_IFMT(one.attrs.permissions or stat.S_IFREG)
                    path = posixpath.join(place, one.filename)
                    if one.filename in {".", ".."} or kind not in {stat.S_IFREG, stat.S_IFDIR}:
                        continue
                    if kind == stat.S_IFDIR and is_deep:
                        waiting.append(path)
                    found.append(_entry(path, one.attrs))
            return found

    async def entry(self, path: str) -> Entry:
        with _refusing(path):
            return _entry(_relative(path), await self._client.stat(self._at(_relative(path))))

    async def read(self, path: str) -> bytes:
        with _refusing(path):
            async with self._client.open(self._at(_relative(path)), "rb") as file:
                return bytes(await file.read(LARGEST_FILE + 1))

    async def write(self, path: str, data: bytes, *, may_replace: bool) -> None:
        place = self._at(_relative(path))
        part = posixpath.join(posixpath.dirname(place), f"{PART_PREFIX}{secrets.token_hex(8)}")
        with _refusing(path):
            await self._client.makedirs(posixpath.dirname(place), exist_ok=True)
            try:
                async with self._client.open(part, "xb") as file:
                    await file.write(data)
                await self._put_in_place(part, place, may_replace=may_replace)
            except BaseException:
                with suppress(asyncssh.Error, OSError):
                    await self._client.remove(part)
                raise

    async def append(self, path: str, data: bytes) -> None:
        with _refusing(path):
            async with self._client.open(self._at(_relative(path)), "ab") as file:
                await file.write(data)

    async def delete(self, path: str) -> None:
        place = self._at(_relative(path))
        with _refusing(path):
            is_folder = stat.S_ISDIR((await self._client.lstat(place)).permissions or 0)
            await (self._client.rmdir(place) if is_folder else self._client.remove(place))

    async def move(self, path: str, to: str, *, may_replace: bool) -> None:
        place = self._at(_relative(to))
        with _refusing(path):
            await self._client.makedirs(posixpath.dirname(place), exist_ok=True)
            await self._put_in_place(self._at(_relative(path)), place, may_replace=may_replace)

    async def _put_in_place(self, part: str, place: str, *, may_replace: bool) -> None:
        if may_replace:
            await self._client.posix_rename(part, place)
            return
        if await self._client.exists(place):
            refuse("sftp", 409, "FileExists", f"{posixpath.basename(place)!r} exists already.")
        await self._client.rename(part, place)  # which replaces nothing (filexfer-02 §6.5)

    def _at(self, relative: str) -> str:
        return posixpath.join(self._root, relative.lstrip("/"))


def _relative(path: str) -> str:
    return "/" + "/".join(steps_of(path))


def _entry(path: str, said: Any) -> Entry:
    return Entry(
        path=path,
        is_folder=stat.S_ISDIR(said.permissions or 0),
        size=int(said.size or 0),
        modified=float(said.mtime or 0) + float(said.mtime_ns or 0) / 1e9,
    )


async def _root(client: Any, folder: str) -> str:
    """The connection's folder, its user's own where none is named. Errors: Refused."""
    with _refusing(folder or "."):
        return str(await client.realpath(folder or "."))


def _keys(credential: BasicCredential) -> list[Any]:
    """The private key that stands in the place of the password; none of a password. Errors: BadArgument."""
    found = _PEM.search(credential.password)
    if found is None:
        return []
    # A form's field of one line takes the line breaks away.
    body = "\n".join(found[2].split())
    try:
        return [asyncssh.import_private_key(f"-----BEGIN {found[1]}-----\n{body}\n-----END {found[1]}-----\n")]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        message = "The private key does not read. It must be in PEM or OpenSSH form, without a passphrase."
        raise BadArgument(message, "InvalidCredential") from error


def _refuse_sign_in(error: Exception, server: Server, shown: str) -> NoReturn:
    """Errors: Refused with what the server said, or which key it showed; Unreachable where it said nothing."""
    if shown and shown != server.fingerprint:
        if not server.fingerprint:
            text = (
                f"The server shows the key {shown}. Ask whoever runs it whether that is its own, and enter it as the "
                "fingerprint. The password was not sent."
            )
            raise Refused(ProtocolRefusal(text=text, code="FingerprintNeeded", protocol="sftp")) from error
        text = f"Host key for {server.host} does not match: it shows {shown}. The password was not sent."
        raise Refused(ProtocolRefusal(text=text, code="HostKeyMismatch", protocol="sftp")) from error
    if isinstance(error, asyncssh.PermissionDenied):
        text = "Permission denied (publickey,password)."  # as every client of SSH words it
        raise Refused(ProtocolRefusal(text=text, code="PermissionDenied", protocol="sftp")) from error
    cause = error if isinstance(error, OSError) else ConnectionResetError()
    raise Unreachable(failure_of(cause, server.host, server.port)) from error


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Makes what the server says of a path Refused; a session that broke off goes on."""
    try:
        yield
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
        raise
    except asyncssh.SFTPError as error:
        status, code = 400, "FileError"
        if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
            status, code = 404, "FileNotFound"
        elif isinstance(error, asyncssh.SFTPPermissionDenied):
            status, code = 403, "AccessDenied"
        elif isinstance(error, asyncssh.SFTPFileAlreadyExists):
            status, code = 409, "FileExists"
        refuse("sftp", status, code, f"{path!r}: {error.reason}.")
