from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import decode_body, encode_body


@pytest.mark.parametrize(
    ("content_type", "data", "value"),
    [
        ("application/json; charset=utf-8", b'{"a": [1]}', {"a": [1]}),
        ("application/problem+json", b"\xef\xbb\xbf3", 3),
        ("text/plain; charset=iso-8859-1", b"\xfc", "\u00fc"),
        ("text/plain; charset=nonsense", "\u00fc".encode(), "\u00fc"),
        ("application/json", b"", None),
        (None, b"\x00", {"$content-type": "application/octet-stream", "$content": "AA=="}),
        ("application/xml", b"<a/>", {"$content-type": "application/xml", "$content": "PGEvPg=="}),
    ],
)
def test_a_body_becomes_a_value(content_type: str | None, data: bytes, value: Any) -> None:
    assert decode_body(content_type, data) == value


def test_a_form_keeps_its_fields() -> None:
    decoded = decode_body("application/x-www-form-urlencoded", b"a=1+2&a=%C3%BC&b=")
    assert decoded["$formdata"] == [
        {"key": "a", "value": "1 2"},
        {"key": "a", "value": "\u00fc"},
        {"key": "b", "value": ""},
    ]


def test_a_multipart_body_keeps_its_parts() -> None:
    data = b'--B\r\nContent-Disposition: form-data; name="f"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--B--\r\n'
    decoded = decode_body('multipart/form-data; boundary="B"', data)
    assert decoded["$multipart"] == [
        {
            "headers": {"Content-Disposition": 'form-data; name="f"', "Content-Type": "text/plain"},
            "body": {"$content-type": "text/plain", "$content": "aGk="},
        }
    ]


def test_bad_json_is_refused_with_a_code() -> None:
    with pytest.raises(ExpressionError) as caught:
        decode_body("application/json", b"{")
    assert caught.value.code == "InvalidJSON"


@pytest.mark.parametrize(
    ("value", "data", "content_type"),
    [
        (None, b"", None),
        ("\u00fc", "\u00fc".encode(), "text/plain; charset=utf-8"),
        ({"a": [1.0, None]}, b'{"a":[1.0,null]}', "application/json; charset=utf-8"),
        ({"$content-type": "image/png", "$content": "AAE="}, b"\x00\x01", "image/png"),
    ],
)
def test_a_value_becomes_a_body(value: Any, data: bytes, content_type: str | None) -> None:
    assert encode_body(value) == (data, content_type)


def test_a_multipart_value_is_sent_and_read_back() -> None:
    parts = [{"headers": {"Content-Disposition": 'form-data; name="a"'}, "body": "x"}, {"body": {"n": 1}}]
    data, content_type = encode_body({"$content-type": "multipart/form-data", "$multipart": parts})
    assert encode_body({"$content-type": "multipart/form-data", "$multipart": parts}) == (data, content_type)
    first, second = decode_body(content_type, data)["$multipart"]
    assert first["headers"]["Content-Disposition"] == 'form-data; name="a"'
    assert first["body"]["$content"] == "eA=="
    assert second["headers"] == {"Content-Type": "application/json; charset=utf-8"}


def test_a_part_cannot_smuggle_a_header() -> None:
    parts = [{"headers": {"A": "x\r\nEvil: 1"}, "body": "x"}]
    data, _ = encode_body({"$content-type": "multipart/mixed", "$multipart": parts})
    assert b"\r\nEvil" not in data


@given(
    st.sampled_from(["image/png", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", None]),
    st.binary(min_size=1),
)
def test_an_envelope_restores_its_bytes(content_type: str | None, data: bytes) -> None:
    assert encode_body(decode_body(content_type, data)) == (data, content_type or "application/octet-stream")
