r"""The form of a backup's file: parts one after another, each compressed and chained to those before.

    file    = "flowmend backup 1\n" part*
    part    = kind (1 byte) · plain bytes (4) · stored bytes (4) · stored · digest (32)
    stored  = the content, deflated
    digest  = SHA-256 of the digest before (of the first line, at first), the part's head and what is stored

The chain makes a part that is altered, missing, doubled or out of its order tell. It guards against damage, not against
somebody who writes a whole backup anew. Nothing in the file names a path.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from flowmend.core.errors import AskedWrongly

_FIRST_LINE = b"flowmend backup 1\n"
_HEAD = struct.Struct(">cII")
_DIGEST_BYTES = 32
#: What one part may hold. Rows are gathered up to a megabyte, so only a single row that is larger makes a larger part.
MOST_PART_BYTES = 512 * 1024 * 1024
_LEVEL = 1


class Part(Enum):
    """What a part holds."""

    MANIFEST = b"M"
    ROWS = b"R"
    TOTALS = b"Z"  # the last one: a file without it was cut off


class ArchiveWriter:
    """Writes parts to a file that is open for writing. Errors: TooLarge; OSError."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256(_FIRST_LINE).digest()
        file.write(_FIRST_LINE)

    def write(self, kind: Part, content: bytes | bytearray) -> None:
        if len(content) > MOST_PART_BYTES:
            raise AskedWrongly(
                f"A row is larger than the {MOST_PART_BYTES} bytes that a part of a backup holds.", code="RowTooLarge"
            )
        stored = zlib.compress(content, _LEVEL)
        head = _HEAD.pack(kind.value, len(content), len(stored))
        self._digest = _chained(self._digest, head, stored)
        for piece in (head, stored, self._digest):
            self._file.write(piece)


def is_archive(path: Path) -> bool:
    """Whether a file begins as these do. Errors: OSError."""
    with path.open("rb") as file:
        return file.read(len(_FIRST_LINE)) == _FIRST_LINE


def read_parts(file: BinaryIO) -> Iterator[tuple[Part, bytes, str]]:
    """The parts of a file that is open for reading, each with its place in words, up to the end of the file.

    One part is in memory at a time. Errors: AskedWrongly `InvalidBackup`, whose target is the place.
    """
    size = os.fstat(file.fileno()).st_size
    if file.read(len(_FIRST_LINE)) != _FIRST_LINE:
        raise damaged(
            "the beginning", "It is no backup of Flowmend's, or one in a form that this version does not know."
        )
    digest, number = hashlib.sha256(_FIRST_LINE).digest(), 0
    while head := file.read(_HEAD.size):
        number += 1
        place = f"part {number}, at byte {file.tell() - len(head)}"
        if len(head) < _HEAD.size:
            raise damaged(place, "The file was cut off here.")
        letter, plain_bytes, stored_bytes = _HEAD.unpack(head)
        if plain_bytes > MOST_PART_BYTES:
            raise damaged(place, f"It says that it holds {plain_bytes} bytes, which none does.")
        if stored_bytes + _DIGEST_BYTES > size - file.tell():  # before so much memory is asked for
            raise damaged(place, "The file was cut off here.")
        stored = file.read(stored_bytes)
        digest = _chained(digest, head, stored)
        if file.read(_DIGEST_BYTES) != digest:
            raise damaged(place, "Its digest does not match: the file was altered or damaged here.")
        yield _kind(letter, place), _inflated(stored, plain_bytes, place), place


def damaged(place: str, why: str) -> AskedWrongly:
    """What is wrong with a backup, and where."""
    return AskedWrongly(
        f"The backup does not read ({place}). {why} Nothing was changed.", code="InvalidBackup", target=place
    )


def _chained(before: bytes, head: bytes, stored: bytes) -> bytes:
    digest = hashlib.sha256(before)
    digest.update(head)
    digest.update(stored)
    return digest.digest()


def _kind(letter: bytes, place: str) -> Part:
    try:
        return Part(letter)
    except ValueError:
        raise damaged(place, f"It is of a kind, {letter!r}, that this version does not know.") from None


def _inflated(stored: bytes, plain_bytes: int, place: str) -> bytes:
    """What is stored, which must be just as long as its head says: no more is ever unpacked."""
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(stored, plain_bytes + 1)  # 0 would mean any length
    except zlib.error as error:
        raise damaged(place, "What it stores does not unpack.") from error
    if len(plain) != plain_bytes or not inflating.eof or inflating.unused_data:
        raise damaged(place, "What it stores is not as long as it says.")
    return plain
