"""A secret on its way through the program."""

import hmac
from typing import Never


class Secret:
    """Text that hides itself: `repr`, `str` and formatting show dots, and it can be neither pickled nor encoded."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Call it where the secret is used, and keep the answer nowhere."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(•••)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_encoded(self), _encoded(other))

    __hash__ = None  # type: ignore[assignment]  # a hash of a short secret gives it away

    def __reduce__(self) -> Never:
        raise TypeError("A Secret cannot be pickled.")


def _encoded(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
