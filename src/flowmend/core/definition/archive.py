"""Zip files read in memory, within bounds that no real export reaches and a zip bomb does.

An archive inside an archive reads as a folder bearing its name.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from flowmend.core.errors import InvalidDocument, TooLarge

MOST_LEVELS = 2
MOST_ENTRIES = 1_000
MOST_BYTES = 100 * 1024 * 1024
MOST_RATIO = 100
# Small files of one repeated sign compress better than that, and harm nobody.
_RATIO_COUNTS_FROM_BYTES = 1024 * 1024

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_CHUNK_BYTES = 64 * 1024
_ENCRYPTED = 0x1


@dataclass(slots=True)
class Unpacked:
    """What the archives opened so far came to; archives opened together share the bounds."""

    entries: int = 0
    bytes: int = 0


def is_archive(content: bytes) -> bool:
    """Whether the bytes begin as a zip file does."""
    return content.startswith(_SIGNATURES)


def read_archive(content: bytes, name: str, unpacked: Unpacked | None = None) -> dict[str, bytes]:
    """`{path: bytes}` of every file, with `/` between folders. name: what to call the archive in errors.

    unpacked: what was opened with it before, counted against the same bounds.

    Errors: TooLarge `ArchiveTooLarge` over a bound; InvalidDocument `InvalidArchive` where it is damaged, encrypted or
    names a file outside of itself.
    """
    return dict(_entries(content, name, unpacked or Unpacked(), level=1))


def _entries(content: bytes, name: str, unpacked: Unpacked, *, level: int) -> Iterator[tuple[str, bytes]]:
    if level > MOST_LEVELS:
        raise _too_large(name, f"holds archives more than {MOST_LEVELS} levels deep")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            unpacked.entries += len(listed)
            if unpacked.entries > MOST_ENTRIES:
                raise _too_large(name, f"holds more than {MOST_ENTRIES:,} files")
            for entry in listed:
                path = _safe_path(entry.filename, name)
                if entry.is_dir():
                    continue
                read = _read(archive, entry, name, unpacked)
                if is_archive(read):
                    for inner, file in _entries(read, f"{name}/{path}", unpacked, level=level + 1):
                        yield f"{path}/{inner}", file
                else:
                    yield path, read
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise InvalidDocument(f"{name} is damaged and cannot be opened.", code="InvalidArchive") from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, unpacked: Unpacked) -> bytes:
    if entry.flag_bits & _ENCRYPTED:
        raise InvalidDocument(f"{name} is protected by a password. Export it without one.", code="InvalidArchive")
    chunks: list[bytes] = []
    size = 0
    with archive.open(entry) as file:
        # The sizes an archive declares may lie, so what really comes out is counted.
        while chunk := file.read(_CHUNK_BYTES):
            size += len(chunk)
            unpacked.bytes += len(chunk)
            if unpacked.bytes > MOST_BYTES:
                raise _too_large(name, f"unpacks to more than {MOST_BYTES // 1024 // 1024} MB")
            if size > _RATIO_COUNTS_FROM_BYTES and size > MOST_RATIO * max(entry.compress_size, 1):
                raise _too_large(name, f"unpacks to more than {MOST_RATIO} times its size")
            chunks.append(chunk)
    return b"".join(chunks)


def _safe_path(written: str, name: str) -> str:
    path = written.replace("\\", "/")
    parts = path.rstrip("/").split("/")
    if path.startswith("/") or ":" in parts[0] or any(part in {"", ".", ".."} for part in parts) or "\0" in path:
        raise InvalidDocument(
            f"{name} names a file outside of itself ({written[:80]!r}) and is not opened.", code="InvalidArchive"
        )
    return path


def _too_large(name: str, reason: str) -> TooLarge:
    return TooLarge(f"{name} {reason} and is not opened.", code="ArchiveTooLarge")
