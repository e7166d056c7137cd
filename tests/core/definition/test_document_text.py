from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.document_text import read_document
from flowmend.core.errors import InvalidDocument


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert read_document(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("content", "place"),
    [(b'{\n  "a": 1,\n  "b" 2\n}', "line 3, column 7"), (b"x", "line 1, column 1"), (b"[1,\n\n]", "line 3, column 1")],
)
def test_what_does_not_read_is_named_by_line_and_column(content: bytes, place: str) -> None:
    with pytest.raises(InvalidDocument, match=place) as caught:
        read_document(content)
    assert caught.value.code == "InvalidJSON"


def test_an_exported_package_says_where_its_flow_is() -> None:
    with pytest.raises(InvalidDocument, match=r"definition\.json") as caught:
        read_document(b"PK\x03\x04\x14\x00")
    assert caught.value.code == "UnsupportedArchive"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{", b"[" * 100_000, b'{"a": "\\ud800"', b"{} {}"])
def test_nothing_but_our_own_error_comes_out(content: bytes) -> None:
    with pytest.raises(InvalidDocument):
        read_document(content)


@given(st.binary())
def test_no_bytes_break_the_reading(content: bytes) -> None:
    with suppress(InvalidDocument):
        read_document(content)
