"""What a sealed secret is bound to."""

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
        """The binding as bytes that no other binding has: every text and list carries its length."""
        parts = b"".join(_text(part) if isinstance(part, str) else _list(part) for part in self.parts)
        return _text(self.kind) + b"l" + len(self.parts).to_bytes(4) + parts


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"t" + len(encoded).to_bytes(4) + encoded


def _list(texts: tuple[str, ...]) -> bytes:
    return b"l" + len(texts).to_bytes(4) + b"".join(map(_text, texts))
