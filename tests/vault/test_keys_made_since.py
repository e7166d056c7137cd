"""A key that another process makes is known once something sealed under it is met."""

from pathlib import Path

import pytest

from flowmend.core.errors import SecretUnreadable
from flowmend.vault import Binding, key_id_of, open_vault, present_key_ids

BINDING = Binding(kind="credential", parts=("c1",))


def test_a_running_vault_learns_of_a_new_key_and_seals_under_it(tmp_path: Path) -> None:
    running, other = open_vault(tmp_path), open_vault(tmp_path)
    old = running.seal(b"old", bound_to=BINDING)
    other.rotate()
    new = other.seal(b"new", bound_to=BINDING)
    assert key_id_of(running.seal(b"x", bound_to=BINDING)) == key_id_of(old)

    assert running.open(new, bound_to=BINDING) == b"new"

    assert running.open(old, bound_to=BINDING) == b"old"
    assert key_id_of(running.seal(b"x", bound_to=BINDING)) == key_id_of(new) == other.key_ids[0]
    assert present_key_ids(tmp_path) == other.key_ids


def test_a_key_that_is_nowhere_stays_unknown(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path / "elsewhere").seal(b"secret", bound_to=BINDING)
    with pytest.raises(SecretUnreadable) as refused:
        open_vault(tmp_path / "here").open(sealed, bound_to=BINDING)
    assert refused.value.code == "KeyMissing"


def test_looking_for_keys_makes_none(tmp_path: Path) -> None:
    assert present_key_ids(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", [b"", b"\0", b"\1abc", b"plain text"])
def test_what_is_nothing_sealed_has_no_key(other: bytes) -> None:
    assert key_id_of(other) == ""
