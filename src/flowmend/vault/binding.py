"""What a sealed secret is bound to."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The place a secret belongs to; sealed for one binding, it opens under no other.

    kind: what is sealed, e.g. `credential`. parts: what it belongs to, in a fixed order, e.g. connection id, slot and
    the tuple of allowed origins. The order of a tuple counts: sort what has none.
    """

    kind: str
    parts: tuple[str | tuple[str, ...], ...] = ()

    def encoded(self) -> bytes:
        """The binding as bytes that no other binding has; ASCII JSON also spells lone surrogates apart."""
        return json.dumps((self.kind, self.parts)).encode("ascii")
