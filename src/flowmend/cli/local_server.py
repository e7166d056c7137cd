"""The server that runs on a data folder: where it says that it does, and the token commands use with it."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

_SERVER_FILE = "server.json"
_LOCK_FILE = "serving.lock"
_KEYS_LOCK_FILE = "keys.lock"
_TOKEN_FILE = "cli-token"  # noqa: S105  # a file's name


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A server of this machine as its data folder knows it; after a crash it may be gone."""

    url: str
    pid: int


def data_folder(chosen: Path | None, environment: Mapping[str, str]) -> Path:
    """The data folder a command means."""
    return chosen if chosen is not None else Path(environment.get("FLOWMEND_DATA") or "flowmend-data")


@contextlib.contextmanager
def held_alone(data: Path) -> Iterator[None]:
    """The folder is served by this process alone, however busy it is; the system lets go when the process ends.

    Errors: BlockingIOError where another process serves it; other OSError where the folder cannot be written.
    """
    with _locked(data / _LOCK_FILE):
        yield


@contextlib.contextmanager
def keys_held_alone(data: Path) -> Iterator[None]:
    """The folder's keys are changed by this process alone. Errors: as `held_alone`."""
    with _locked(data / _KEYS_LOCK_FILE):
        yield


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_local_server(data: Path) -> LocalServer | None:
    """What the folder says of a running server, None where it says nothing readable."""
    try:
        return msgspec.json.decode((data / _SERVER_FILE).read_bytes(), type=LocalServer)
    except (OSError, msgspec.DecodeError):
        return None


def write_local_server(data: Path, server: LocalServer) -> None:
    """Say that this process serves the folder. The file appears whole or not at all."""
    draft = data / f"{_SERVER_FILE}.{server.pid}"
    draft.write_bytes(msgspec.json.encode(server))
    draft.replace(data / _SERVER_FILE)


def forget_local_server(data: Path, pid: int) -> None:
    """Take the statement back, if it is still this process's."""
    known = read_local_server(data)
    if known is not None and known.pid == pid:
        (data / _SERVER_FILE).unlink(missing_ok=True)


def read_local_token(data: Path) -> str:
    """The token of this machine's commands, "" where there is none."""
    try:
        return (data / _TOKEN_FILE).read_text("ascii").strip()
    except OSError:
        return ""


def write_local_token(data: Path, token: str) -> None:
    """Keep the token where only the owner of the folder reads it."""
    path = data / _TOKEN_FILE
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(token)
