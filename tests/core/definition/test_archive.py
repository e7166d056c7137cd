"""Zip files: whole where they are honest, refused where they are not."""

import io
import struct
import zipfile

import pytest

from core.definition.packing import packed
from flowmend.core.definition.archive import MOST_ENTRIES, Unpacked, is_archive, read_archive
from flowmend.core.errors import FlowmendError, InvalidDocument, TooLarge

MEGABYTE = 1024 * 1024


def test_every_file_comes_out_under_its_path() -> None:
    content = packed({"a.json": b"1", "folder/b.json": b"2"})
    assert is_archive(content)
    assert read_archive(content, "x.zip") == {"a.json": b"1", "folder/b.json": b"2"}


def test_an_archive_in_an_archive_reads_as_a_folder() -> None:
    content = packed({"inner.zip": packed({"a.json": b"1"})})
    assert read_archive(content, "x.zip") == {"inner.zip/a.json": b"1"}


def test_folders_and_backslashes_are_read_as_windows_writes_them() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("folder/", b"")
        archive.writestr("folder\\a.json", b"1")
    assert read_archive(content.getvalue(), "x.zip") == {"folder/a.json": b"1"}


def test_a_third_level_of_archives_is_refused() -> None:
    content = packed({"b.zip": packed({"c.zip": packed({"a.json": b"1"})})})
    with pytest.raises(TooLarge, match="levels deep"):
        read_archive(content, "x.zip")


def test_more_files_than_any_export_has_are_refused() -> None:
    with pytest.raises(TooLarge, match="more than 1,000 files"):
        read_archive(packed({f"{number}.json": b"" for number in range(MOST_ENTRIES + 1)}), "x.zip")


def test_a_bomb_is_refused_by_its_ratio_before_it_fills_the_memory() -> None:
    with pytest.raises(TooLarge, match="times its size"):
        read_archive(packed({"zeros.json": b"0" * (20 * MEGABYTE)}), "x.zip")


def test_archives_opened_together_share_the_bound_on_bytes() -> None:
    unpacked = Unpacked(bytes=100 * MEGABYTE - 5)
    assert read_archive(packed({"a.json": b"12345"}), "a.zip", unpacked)
    with pytest.raises(TooLarge, match="more than 100 MB"):
        read_archive(packed({"b.json": b"1"}), "b.zip", unpacked)


@pytest.mark.parametrize("path", ["../a.json", "/etc/a.json", "a/../../b.json", "C:/a.json", "..\\a.json", "a//b.json"])
def test_a_name_that_leads_outside_is_refused(path: str) -> None:
    with pytest.raises(InvalidDocument, match="outside of itself") as refused:
        read_archive(packed({path: b"1"}), "x.zip")
    assert refused.value.code == "InvalidArchive"


def test_a_size_that_lies_is_found_out() -> None:
    content = bytearray(packed({"zeros.json": b"0" * (2 * MEGABYTE)}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(FlowmendError):
        read_archive(bytes(content), "x.zip")


@pytest.mark.parametrize("kept", [30, 60, 100])
def test_a_damaged_archive_is_refused_with_a_clear_error(kept: int) -> None:
    with pytest.raises(InvalidDocument, match="damaged"):
        read_archive(packed({"a.json": b"some content that is long enough"})[:kept], "x.zip")


def test_a_protected_archive_is_refused_with_what_to_do() -> None:
    content = bytearray(packed({"a.json": b"1"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    with pytest.raises(InvalidDocument, match="without one"):
        read_archive(bytes(content), "x.zip")
