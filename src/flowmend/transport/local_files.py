"""Files of this machine, in a connection's folder, on threads of their own.

A path is followed to its real place before anything is opened there, and that must lie in the folder. Then it is opened step by
step without following a link, for one may have come since; what is opened is a regular file. Written is a file beside it first, which then takes its place.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, Server, SignedIn
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.allowed_folders import allowed_path, path_within, steps_of
from flowmend.transport.file_operations import LARGEST_FILE, MOST_FILES, PART_PREFIX, Entry, perform_on_files
from flowmend.transport.operation_arguments import Refused, refuse

_T = TypeVar("_T")
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_STATUSES = {
    errno.ENOENT: (404, "FileNotFound"),
    errno.ENOTDIR: (404, "FileNotFound"),
    errno.EEXIST: (409, "FileExists"),
    errno.ENOTEMPTY: (409, "FolderNotEmpty"),
    errno.EISDIR: (400, "NotAFile"),
    errno.ELOOP: (403, "PathNotAllowed"),
    errno.EACCES: (403, "AccessDenied"),
    errno.EPERM: (403, "AccessDenied"),
    errno.EROFS: (403, "AccessDenied"),
    errno.ENOSPC: (507, "NoSpaceLeft"),
    errno.ENAMETOOLONG: (400, "InvalidPath"),
}


class FilesTransport:
    """roots: of the setting; a connection's folder must lie in one of them."""

    def __init__(self, roots: Collection[Path]) -> None:
        self._roots = roots

    async def sign_in(
        self,
        server: Server,
        credential: BasicCredential,  # noqa: ARG002  nobody signs in to a folder
    ) -> SignedIn | ProtocolRefusal:
        try:
            await self._folder(server)
        except Refused as error:
            return error.refusal
        return SignedIn()

    async def perform(
        self,
        server: Server,
        operation_id: str,
        arguments: Mapping[str, Json],
        credential: BasicCredential,  # noqa: ARG002  nobody signs in to a folder
        key: str,  # noqa: ARG002  a file knows no names of calls
    ) -> ProtocolAnswer | ProtocolRefusal:
        return await perform_on_files(LocalFiles(await self._folder(server)), operation_id, arguments)

    def close(self) -> None:
        pass

    async def _folder(self, server: Server) -> Path:
        folder = allowed_path(self._roots, server.path)
        if not await asyncio.to_thread(folder.is_dir):
            refuse("files", 404, "FolderNotFound", f"There is no folder {server.path!r}.")
        return folder


class LocalFiles:
    """folder: its real place."""

    protocol = "files"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def entries(self, folder: str, *, is_deep: bool) -> list[Entry]:
        def listed() -> list[Entry]:
            found = []
            for entry in self._walk(path_within(self._folder, folder), is_deep=is_deep):
                found.append(entry)
                if len(found) > MOST_FILES:
                    break
            return found

        return await _on_thread(listed, folder)

    async def entry(self, path: str) -> Entry:
        def described() -> Entry:
            place = path_within(self._folder, path)
            return self._entry(place, place.stat())

        return await _on_thread(described, path)

    async def read(self, path: str) -> bytes:
        def read() -> bytes:
            with (
                self._opened(path_within(self._folder, path), os.O_RDONLY) as descriptor,
                os.fdopen(descriptor, "rb", closefd=False) as file,
            ):
                return file.read(LARGEST_FILE + 1)

        return await _on_thread(read, path)

    async def write(self, path: str, data: bytes, *, may_replace: bool) -> None:
        def write() -> None:
            place = self._new_place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(f"{PART_PREFIX}{secrets.token_hex(8)}")
            try:
                with self._opened(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
                    _write_all(descriptor, data)
                    os.fsync(descriptor)
                _put_in_place(part, place, may_replace=may_replace)
            finally:
                part.unlink(missing_ok=True)

        await _on_thread(write, path)

    async def append(self, path: str, data: bytes) -> None:
        def append() -> None:
            with self._opened(self._new_place(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
                _write_all(descriptor, data)
                os.fsync(descriptor)

        await _on_thread(append, path)

    async def delete(self, path: str) -> None:
        def delete() -> None:
            place = self._named_place(path)
            with self._folder_of(place) as parent:
                if stat.S_ISDIR(os.lstat(_from(parent, place), dir_fd=parent).st_mode):
                    os.rmdir(_from(parent, place), dir_fd=parent)
                else:
                    os.unlink(_from(parent, place), dir_fd=parent)

        await _on_thread(delete, path)

    async def move(self, path: str, to: str, *, may_replace: bool) -> None:
        def move() -> None:
            origin, place = self._named_place(path), self._new_place(to)
            place.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                if place.exists():
                    raise FileExistsError(errno.EEXIST, "exists")
                origin.rename(place)
            else:
                _put_in_place(origin, place, may_replace=may_replace)

        await _on_thread(move, path)

    def _named_place(self, path: str) -> Path:
        """Where a name itself stands: a link is moved or deleted, not what it leads to."""
        *folders, name = steps_of(path) or [""]
        if not name:
            refuse("files", 403, "PathNotAllowed", "The connection's folder itself is neither moved nor deleted.")
        return path_within(self._folder, "/".join(folders)) / name

    def _new_place(self, path: str) -> Path:
        place = path_within(self._folder, path)
        if place == self._folder:
            refuse("files", 400, "NotAFile", "The path names the connection's folder itself.")
        return place

    @contextlib.contextmanager
    def _opened(self, place: Path, flags: int) -> Iterator[int]:
        """A regular file's descriptor; a pipe or device would let a flow wait for ever."""
        with self._folder_of(place) as parent:
            descriptor = os.open(_from(parent, place), flags | _NO_LINK, 0o660, dir_fd=parent)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise IsADirectoryError(errno.EISDIR, "not a file")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _folder_of(self, place: Path) -> Iterator[int | None]:
        """The descriptor of the folder in which a real place is, no link followed; None on systems that have none of folders."""
        if os.open not in os.supports_dir_fd:
            yield None
            return
        descriptor = os.open(self._folder, _FOLDER)
        try:
            for step in place.parent.relative_to(self._folder).parts:
                inner = os.open(step, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _walk(self, folder: Path, *, is_deep: bool) -> Iterator[Entry]:
        """Links are left out: what they lead to may be anywhere."""
        waiting = [folder]
        while waiting:
            with os.scandir(waiting.pop()) as found:
                for one in found:
                    with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                        said = one.stat(follow_symlinks=False)
                        if stat.S_ISDIR(said.st_mode):
                            if is_deep:
                                waiting.append(Path(one.path))
                            yield self._entry(Path(one.path), said)
                        elif stat.S_ISREG(said.st_mode):
                            yield self._entry(Path(one.path), said)

    def _entry(self, place: Path, said: os.stat_result) -> Entry:
        return Entry(
            path="/" + place.relative_to(self._folder).as_posix().removeprefix("."),
            is_folder=stat.S_ISDIR(said.st_mode),
            size=0 if stat.S_ISDIR(said.st_mode) else said.st_size,
            modified=said.st_mtime_ns / 1e9,
            identity=str(said.st_ino),
            changed_at=max(said.st_mtime, said.st_ctime),
        )


def _from(parent: int | None, place: Path) -> str:
    """What names a place below its folder's descriptor, or all of it where there is none."""
    return str(place) if parent is None else place.name


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _put_in_place(part: Path, place: Path, *, may_replace: bool) -> None:
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if may_replace:
        part.replace(place)
        return
    try:
        os.link(part, place)  # unlike a rename it never replaces what came meanwhile
    except OSError as error:
        if error.errno == errno.EEXIST or place.exists():
            raise FileExistsError(errno.EEXIST, "exists") from error
        part.rename(place)  # a file system without links
        return
    part.unlink()


async def _on_thread(work: Callable[[], _T], path: str) -> _T:
    """What the work comes to. Errors: Refused for what the system says of the path."""
    try:
        return await asyncio.to_thread(work)
    except (OSError, ValueError) as error:
        _refuse(error, path)


def _refuse(error: OSError | ValueError, path: str) -> NoReturn:
    number = error.errno if isinstance(error, OSError) else None
    status, code = _STATUSES.get(number or 0, (500 if number else 400, "FileError" if number else "InvalidPath"))
    reason = os.strerror(number) if number else "the path cannot be used"
    refuse("files", status, code, f"{path!r}: {reason}.")
