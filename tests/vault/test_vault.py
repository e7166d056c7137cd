import base64
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import AskedWrongly, SecretUnreadable
from flowmend.vault import Binding, Vault, open_vault
from flowmend.vault.keys import Key

VAULT = Vault([Key(bytes(range(32)))])

texts = st.text(max_size=8)
bindings = st.builds(
    lambda kind, parts: Binding(kind=kind, parts=tuple(parts)),
    texts,
    st.lists(st.one_of(texts, st.lists(texts, max_size=3).map(tuple)), max_size=4),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=200), bindings)
def test_what_is_sealed_opens_to_the_same(secret: bytes, binding: Binding) -> None:
    assert VAULT.open(VAULT.seal(secret, bound_to=binding), bound_to=binding) == secret


@given(json_values, bindings)
def test_a_sealed_json_value_opens_to_the_same(value: object, binding: Binding) -> None:
    assert VAULT.open_json(VAULT.seal_json(value, bound_to=binding), bound_to=binding) == value


def test_numbers_that_json_lacks_are_sealed_as_said() -> None:
    binding = Binding(kind="record")
    lacking = {"price": Decimal("1.50"), "none": [float("inf"), float("nan")]}
    opened = VAULT.open_json(VAULT.seal_json(lacking, bound_to=binding), bound_to=binding)
    assert opened == {"price": 1.5, "none": [None, None]}
    exact = {"large": 2**80, "text": "\ud800"}
    assert VAULT.open_json(VAULT.seal_json(exact, bound_to=binding), bound_to=binding) == exact


@given(st.binary(max_size=40), st.data())
def test_any_flipped_bit_refuses(secret: bytes, data: st.DataObject) -> None:
    binding = Binding(kind="credential", parts=("c1", "current"))
    sealed = bytearray(VAULT.seal(secret, bound_to=binding))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecretUnreadable):
        VAULT.open(bytes(sealed), bound_to=binding)


@given(st.binary(max_size=60))
def test_bytes_of_any_other_origin_refuse(sealed: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        VAULT.open(sealed, bound_to=Binding(kind="credential"))


@given(bindings, bindings)
def test_another_binding_refuses(sealed_for: Binding, asked_for: Binding) -> None:
    sealed = VAULT.seal(b"secret", bound_to=sealed_for)
    if sealed_for == asked_for:
        assert VAULT.open(sealed, bound_to=asked_for) == b"secret"
    else:
        with pytest.raises(SecretUnreadable):
            VAULT.open(sealed, bound_to=asked_for)


def test_bindings_that_read_the_same_when_joined_differ() -> None:
    alike = [
        Binding(kind="a", parts=("bc",)),
        Binding(kind="ab", parts=("c",)),
        Binding(kind="a", parts=("b", "c")),
        Binding(kind="a", parts=(("b", "c"),)),
        Binding(kind="a", parts=(("b",), "c")),
        Binding(kind="a", parts=(("bc",),)),
    ]
    assert len({binding.encoded() for binding in alike}) == len(alike)


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    binding = Binding(kind="credential")
    assert VAULT.seal(b"secret", bound_to=binding) != VAULT.seal(b"secret", bound_to=binding)


def test_after_a_rotation_old_secrets_open_and_ask_for_resealing(tmp_path: Path) -> None:
    binding = Binding(kind="credential", parts=("c1",))
    vault = open_vault(tmp_path)
    old = vault.seal(b"secret", bound_to=binding)
    assert not vault.needs_resealing(old)
    vault.rotate()
    assert vault.open(old, bound_to=binding) == b"secret"
    assert vault.needs_resealing(old)
    new = vault.reseal(old, bound_to=binding)
    assert not vault.needs_resealing(new)
    reopened = open_vault(tmp_path)
    assert reopened.open(old, bound_to=binding) == reopened.open(new, bound_to=binding) == b"secret"
    assert reopened.needs_resealing(old)
    assert not reopened.needs_resealing(new)


def test_a_key_from_the_environment_is_not_rotated_here(tmp_path: Path) -> None:
    vault = open_vault(tmp_path, base64.b64encode(os.urandom(32)).decode())
    with pytest.raises(AskedWrongly) as refused:
        vault.rotate()
    assert refused.value.code == "KeyFromEnvironment"


def test_a_missing_key_is_named_and_what_to_do_is_said() -> None:
    binding = Binding(kind="credential")
    sealed = Vault([Key(b"\1" * 32)]).seal(b"secret", bound_to=binding)
    with pytest.raises(SecretUnreadable, match=Key(b"\1" * 32).key_id.hex()) as refused:
        VAULT.open(sealed, bound_to=binding)
    assert refused.value.code == "KeyMissing"


def test_no_error_of_the_vault_holds_the_secret_or_the_key() -> None:
    key = Key(b"k" * 32)
    vault = Vault([key])
    sealed = vault.seal(b"hunter2", bound_to=Binding(kind="credential"))
    with pytest.raises(SecretUnreadable) as refused:
        vault.open(sealed, bound_to=Binding(kind="other"))
    shown = f"{vault!r} {key!r} {refused.value!r} {refused.value.__cause__!r}"
    assert "hunter2" not in shown
    assert "kkkk" not in shown
    assert key.text not in shown
