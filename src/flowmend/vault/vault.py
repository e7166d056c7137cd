"""The vault: seals secrets and opens them again.

A sealed secret is: version (1 byte, 1) · key id (4) · nonce (12) · ciphertext and tag, by AES-256-GCM (NIST SP 800-38D).
Version, key id and binding are authenticated with it.
"""

import json
import os
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flowmend.core.errors import AskedWrongly, SecretUnreadable
from flowmend.core.json_value import Json
from flowmend.vault.binding import Binding
from flowmend.vault.keys import KEY_ID_BYTES, Key, new_key

_VERSION = b"\x01"
_HEAD_BYTES = len(_VERSION) + KEY_ID_BYTES
_NONCE_BYTES = 12
_NONCES_AT_ONCE = 256
_TAG_BYTES = 16

_encoder = msgspec.json.Encoder(decimal_format="number")


class Vault:
    """Seals under the first of its keys and opens under any. May be used from any thread."""

    def __init__(
        self,
        keys: Sequence[Key],
        *,
        keep: Callable[[Sequence[Key]], None] | None = None,
        read_again: Callable[[], Sequence[Key]] | None = None,
    ) -> None:
        """keys: newest first, at least one. keep: writes keys down for the next start; None where they come from outside.

        read_again: what the keys are now. It is asked when a secret's key is not known: another process may have made it.
        """
        self._keep = keep
        self._read_again = read_again
        self._nonces: list[bytes] = []
        self._use(keys)

    def __repr__(self) -> str:
        return f"Vault(keys={[key.key_id.hex() for key in self._keys]})"

    def seal(self, secret: bytes, *, bound_to: Binding) -> bytes:
        """The secret, sealed for this binding."""
        nonce = self._next_nonce()
        head, cipher = self._newest
        return head + nonce + cipher.encrypt(nonce, secret, head + bound_to.encoded())

    def open(self, sealed: bytes, *, bound_to: Binding) -> bytes:
        """The secret. Errors: SecretUnreadable where its key is missing, or it was altered or sealed for another binding."""
        if len(sealed) < _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _VERSION:
            raise SecretUnreadable("What is stored here is no sealed secret. Enter the secret again.")
        key_id = sealed[1:_HEAD_BYTES]
        cipher = self._ciphers.get(key_id) or self._made_since(key_id)
        if cipher is None:
            raise SecretUnreadable(
                f"The secret was sealed with key {key_id.hex()}, which is not here. Restore the key file or "
                "FLOWMEND_MASTER_KEY it was sealed with, or enter the secret again.",
                code="KeyMissing",
            )
        nonce, ciphertext = sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES], sealed[_HEAD_BYTES + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, ciphertext, sealed[:_HEAD_BYTES] + bound_to.encoded())
        except InvalidTag:
            # Without the cause: it says no more, and a sealed text has no place in a log.
            raise SecretUnreadable(
                "The secret was altered, or belongs to another place than this. Enter it again."
            ) from None

    def seal_json(self, value: Json, *, bound_to: Binding) -> bytes:
        """A JSON value, sealed; a Decimal becomes the nearest float, and what JSON has no number for (NaN, ∞) null."""
        return self.seal(_encoded(value), bound_to=bound_to)

    def open_json(self, sealed: bytes, *, bound_to: Binding) -> Json:
        """The JSON value of `seal_json`. Errors: as `open`."""
        return json.loads(self.open(sealed, bound_to=bound_to))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of its keys, newest first."""
        return tuple(key.key_id.hex() for key in self._keys)

    def needs_resealing(self, sealed: bytes) -> bool:
        """Whether it was sealed under an older key than the newest."""
        return sealed[:_HEAD_BYTES] != self._newest[0]

    def reseal(self, sealed: bytes, *, bound_to: Binding) -> bytes:
        """The same secret under the newest key. Errors: as `open`."""
        return self.seal(self.open(sealed, bound_to=bound_to), bound_to=bound_to)

    def rotate(self) -> None:
        """Make a new key for everything sealed from now on; the older ones still open what they sealed.

        Errors: AskedWrongly `KeyFromEnvironment` where the key is given from outside; SecretUnreadable where the new key
        cannot be written down (then nothing changes).
        """
        if self._keep is None:
            raise AskedWrongly(
                "The key comes from FLOWMEND_MASTER_KEY: put the new key before the old one there, separated by a comma, "
                "and start again.",
                code="KeyFromEnvironment",
            )
        keys = (new_key(), *self._keys)
        self._keep(keys)
        self._use(keys)

    def _made_since(self, key_id: bytes) -> AESGCM | None:
        """The cipher of a key that another process has made; what is sealed from now on is sealed under the newest."""
        if self._read_again is None:
            return None
        now = tuple(self._read_again())
        if key_id in {key.key_id for key in now}:
            self._use((*now, *(key for key in self._keys if key not in now)))
        return self._ciphers.get(key_id)

    def _next_nonce(self) -> bytes:
        """Fresh random bytes, drawn many at a time: each draw from the system lets another thread take over."""
        try:
            return self._nonces.pop()
        except IndexError:
            drawn = os.urandom(_NONCE_BYTES * _NONCES_AT_ONCE)
            fresh = [drawn[start : start + _NONCE_BYTES] for start in range(0, len(drawn), _NONCE_BYTES)]
            nonce = fresh.pop()
            self._nonces.extend(fresh)
            return nonce

    def _use(self, keys: Sequence[Key]) -> None:
        self._ciphers = {key.key_id: AESGCM(key.content) for key in keys}
        self._keys = tuple(keys)
        key_id = self._keys[0].key_id
        self._newest = (_VERSION + key_id, self._ciphers[key_id])


def key_id_of(sealed: bytes) -> str:
    """The id of the key that something was sealed under, "" where it is nothing sealed."""
    return sealed[len(_VERSION) : _HEAD_BYTES].hex() if sealed[:1] == _VERSION and len(sealed) > _HEAD_BYTES else ""


def _encoded(value: Json) -> bytes:
    try:
        return _encoder.encode(value)
    except (OverflowError, UnicodeEncodeError):  # integers beyond 64 bits, lone surrogates
        return json.dumps(value, default=_as_json, separators=(",", ":")).encode()


def _as_json(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"A {type(value).__name__} is no JSON value.")
