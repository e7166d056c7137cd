import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connector.documents import LARGEST_DOCUMENT_BYTES, parse_document
from flowmend.core.errors import InvalidDocument


def test_yaml_and_json_give_the_same_value() -> None:
    as_yaml = (
        b"openapi: 3.0.3\ninfo: {title: T, version: 2020-01-01}\npaths:\n  /a:\n    get:\n      responses: {200: {}}\n"
    )
    assert parse_document(as_yaml) == {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "2020-01-01"},
        "paths": {"/a": {"get": {"responses": {"200": {}}}}},
    }
    assert parse_document(b'\xef\xbb\xbf {"a": [1,],}') == {"a": [1]}


def test_an_alias_is_the_value_it_stands_for() -> None:
    assert parse_document(b"a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


BOMBS = {
    "aliases of aliases": (
        b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(ord("b"), ord("j"))),
        "DocumentTooLarge",
    ),
    "an alias of itself": (b"a: &a [*a]\n", "DocumentTooLarge"),
    "too large": (b" " * (LARGEST_DOCUMENT_BYTES + 1), "DocumentTooLarge"),
    "an object of Python's": (b"!!python/object/apply:os.system [ls]\n", "InvalidYAML"),
    "a set": (b"!!set {a, b}\n", "InvalidYAML"),
    "brackets": (b"a: " + b"[" * 100_000, "DocumentTooLarge"),
    "lists in lists": (b"- " * 100_000 + b"a", "DocumentTooLarge"),
    "no YAML": (b"a: b: c\n", "InvalidYAML"),
}


@pytest.mark.parametrize(("content", "code"), BOMBS.values(), ids=BOMBS)
def test_what_would_grow_or_act_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        parse_document(content)
    assert refused.value.code == code


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with contextlib.suppress(InvalidDocument):
        parse_document(content)
