import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from flowmend.core.errors import AskedWrongly, SecretUnreadable
from flowmend.vault import Binding, open_vault
from flowmend.vault.key_file import KEY_FILE_NAME

BINDING = Binding(kind="credential", parts=("c1",))
posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes mean this on POSIX only")


def test_the_first_start_makes_a_key_file_that_the_next_start_uses(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path / "fresh").seal(b"secret", bound_to=BINDING)
    assert open_vault(tmp_path / "fresh").open(sealed, bound_to=BINDING) == b"secret"
    assert [path.name for path in (tmp_path / "fresh").iterdir()] == [KEY_FILE_NAME]


@posix_only
def test_the_key_file_is_its_owners_alone_also_after_a_rotation(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE_NAME).stat().st_mode) == 0o600
    vault.rotate()
    assert stat.S_IMODE((tmp_path / KEY_FILE_NAME).stat().st_mode) == 0o600


@posix_only
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_key_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    open_vault(tmp_path)
    (tmp_path / KEY_FILE_NAME).chmod(mode)
    with pytest.raises(AskedWrongly, match="chmod 600") as refused:
        open_vault(tmp_path)
    assert refused.value.code == "KeyFileOpenToOthers"


def test_many_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    sealed: list[bytes] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        sealed.append(open_vault(tmp_path).seal(b"secret", bound_to=BINDING))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vault = open_vault(tmp_path)
    assert [vault.open(one, bound_to=BINDING) for one in sealed] == [b"secret"] * 8
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE_NAME]


def test_a_key_from_the_environment_leaves_no_file(tmp_path: Path) -> None:
    text = base64.b64encode(os.urandom(32)).decode()
    sealed = open_vault(tmp_path, text).seal(b"secret", bound_to=BINDING)
    assert open_vault(tmp_path, text).open(sealed, bound_to=BINDING) == b"secret"
    assert list(tmp_path.iterdir()) == []


def test_a_new_key_before_the_old_one_in_the_environment_rotates(tmp_path: Path) -> None:
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    sealed = open_vault(tmp_path, old).seal(b"secret", bound_to=BINDING)
    vault = open_vault(tmp_path, f"{new},{old}")
    assert vault.needs_resealing(sealed)
    assert vault.open(sealed, bound_to=BINDING) == b"secret"


def test_moving_from_the_key_file_to_the_environment_keeps_what_was_sealed(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path).seal(b"secret", bound_to=BINDING)
    vault = open_vault(tmp_path, base64.b64encode(os.urandom(32)).decode())
    assert vault.open(sealed, bound_to=BINDING) == b"secret"
    assert vault.needs_resealing(sealed)


def test_a_key_in_the_url_alphabet_reads_too(tmp_path: Path) -> None:
    key = b"\xff\xfe" * 16
    sealed = open_vault(tmp_path, base64.urlsafe_b64encode(key).decode()).seal(b"secret", bound_to=BINDING)
    assert open_vault(tmp_path, base64.b64encode(key).decode()).open(sealed, bound_to=BINDING) == b"secret"


@pytest.mark.parametrize("text", ["secret-key-with-a-slip", base64.b64encode(b"short").decode(), "💥" * 11])
def test_a_bad_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(AskedWrongly, match="FLOWMEND_MASTER_KEY") as refused:
        open_vault(tmp_path, text)
    assert refused.value.code == "InvalidKey"
    assert text not in str(refused.value)


@pytest.mark.parametrize("content", ["", "no key\n", "\xff\xfe"])
def test_a_damaged_key_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    open_vault(tmp_path)
    (tmp_path / KEY_FILE_NAME).write_text(content, encoding="latin-1")
    with pytest.raises(AskedWrongly) as refused:
        open_vault(tmp_path)
    assert refused.value.code == "InvalidKey"
    assert (tmp_path / KEY_FILE_NAME).read_text(encoding="latin-1") == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SecretUnreadable, match="file"):
        open_vault(tmp_path / "file" / "data")
