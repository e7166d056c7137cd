"""The key file: one key per line in base64, the newest first, readable by its owner only."""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from flowmend.core.errors import AskedWrongly, SecretUnreadable
from flowmend.vault.keys import Key, new_key, read_keys

KEY_FILE_NAME = "flowmend.key"
_OWNER_ONLY = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_key_file(path: Path) -> tuple[Key, ...]:
    """Its keys, newest first; none where there is no file.

    Errors: AskedWrongly `KeyFileOpenToOthers` or `InvalidKey`; SecretUnreadable where it cannot be read.
    """
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            _refuse_if_open_to_others(path, os.fstat(file.fileno()).st_mode)
            text = file.read()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SecretUnreadable(f"The key file {path} cannot be read: {error.strerror}.", target=str(path)) from error
    keys = read_keys(text, source=f"The key file {path}")
    if not keys:
        raise AskedWrongly(
            f"The key file {path} is empty. Restore it from a backup.", code="InvalidKey", target=str(path)
        )
    return keys


def create_key_file(path: Path) -> tuple[Key, ...]:
    """A key file with one new key; where another process was quicker, its keys.

    Errors: SecretUnreadable where it cannot be written; those of `read_key_file`.
    """
    key = new_key()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = _write_beside(path, [key])
        try:
            _publish(written, path)
        except FileExistsError:
            return read_key_file(path)
        finally:
            written.unlink(missing_ok=True)
        _flush_folder(path.parent)
    except OSError as error:
        raise SecretUnreadable(f"The key file {path} cannot be written: {error.strerror}.", target=str(path)) from error
    return (key,)


def replace_key_file(path: Path, keys: Sequence[Key]) -> None:
    """Write these keys in place of the old ones, wholly or not at all. Errors: SecretUnreadable."""
    try:
        written = _write_beside(path, keys)
        written.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise SecretUnreadable(f"The key file {path} cannot be written: {error.strerror}.", target=str(path)) from error


def _refuse_if_open_to_others(path: Path, mode: int) -> None:
    # Windows keeps access in lists; these bits say nothing there.
    if os.name == "posix" and mode & _OTHERS:
        raise AskedWrongly(
            f"The key file {path} is open to others (mode {stat.S_IMODE(mode):04o}). Run: chmod 600 {path}",
            code="KeyFileOpenToOthers",
            target=str(path),
        )


def _write_beside(path: Path, keys: Sequence[Key]) -> Path:
    beside = path.with_name(f".{path.name}.{os.getpid()}.{new_key().key_id.hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{key.text}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return beside


def _publish(written: Path, path: Path) -> None:
    """Give a written file its name unless the name is taken (FileExistsError)."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links; two first starts at the same moment are then not told apart
        if path.exists():
            raise FileExistsError(path) from None
        written.replace(path)


def _flush_folder(folder: Path) -> None:
    # So that the name survives a power cut too; Windows cannot open folders, and needs not.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
