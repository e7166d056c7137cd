"""Keys: 32 random bytes, known by an id made from themselves."""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field

from flowmend.core.errors import AskedWrongly

KEY_BYTES = 32
KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Key:
    """key_id: the first bytes of a digest, so it says which key without saying anything of the key."""

    content: bytes = field(repr=False)

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(b"flowmend key id" + self.content).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """In base64, as it is written down."""
        return base64.b64encode(self.content).decode()


def new_key() -> Key:
    return Key(secrets.token_bytes(KEY_BYTES))


def read_keys(text: str, *, source: str) -> tuple[Key, ...]:
    """Keys in base64, separated by commas or white space, in their order. source: where they are from, for the error.

    Errors: AskedWrongly `InvalidKey`.
    """
    return tuple(_read_key(part, source) for part in text.replace(",", " ").split())


def _read_key(text: str, source: str) -> Key:
    try:
        content = base64.b64decode(text, altchars=b"-_" if {"-", "_"} & set(text) else None, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != KEY_BYTES:
        # The text is left out: it may be a key with a slip in it.
        raise AskedWrongly(
            f"{source} must hold keys of {KEY_BYTES} bytes in base64. Make one with: "
            'python -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"',
            code="InvalidKey",
            target=source,
        )
    return Key(content)
