"""Opening the vault: where its keys come from."""

from functools import partial
from pathlib import Path

from flowmend.vault.key_file import KEY_FILE_NAME, create_key_file, read_key_file, replace_key_file
from flowmend.vault.keys import read_keys
from flowmend.vault.vault import Vault


def open_vault(data: Path, master_key: str = "") -> Vault:
    """The vault of a data folder.

    master_key: keys from the environment, newest first, separated by commas; "" means the key file in the folder, made
    at the first start. With keys from the environment a key file that is there still opens what it sealed.
    Errors: AskedWrongly `InvalidKey`, `KeyFileOpenToOthers`; SecretUnreadable where the key file cannot be read or made.
    """
    path = data / KEY_FILE_NAME
    filed = read_key_file(path)
    if given := read_keys(master_key, source="FLOWMEND_MASTER_KEY"):
        return Vault((*given, *filed))
    keys = filed or create_key_file(path)
    return Vault(keys, keep=partial(replace_key_file, path), read_again=partial(read_key_file, path))


def present_key_ids(data: Path, master_key: str = "") -> tuple[str, ...]:
    """The ids of the keys that a vault of this folder would have, newest first; none is made. Errors: as `open_vault`."""
    given = read_keys(master_key, source="FLOWMEND_MASTER_KEY")
    return tuple(key.key_id.hex() for key in (*given, *read_key_file(data / KEY_FILE_NAME)))
