import pickle

import msgspec
import pytest

from flowmend.vault import Secret


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!s:>20}", f"{[secret]}", "%s" % secret):  # noqa: UP031
        assert "hunter2" not in shown


def test_a_secret_travels_into_no_document() -> None:
    for encode in (pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode):
        with pytest.raises(TypeError):
            encode(Secret("hunter2"))


def test_secrets_compare_by_text_and_are_no_keys() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")
    with pytest.raises(TypeError):
        hash(Secret("a"))
