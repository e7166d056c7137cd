"""How much work an encrypted key asks of whoever opens it: the rounds by which its password is made into a key.

The file says the count itself, up to two thousand million, which would hold the server up for half an hour. Whatever the
scheme, the count is the integer that follows the salt.
Source: RFC 8018 A.2 and A.3, RFC 7914 §7, RFC 7292 §4 (`MacData`) and C (`pkcs-12PbeParams`); lengths: X.690 §8.1.3.
"""

from collections.abc import Iterator

_INTEGER, _OCTET_STRING, _CONSTRUCTED = 0x02, 0x04, 0x20
_DEEPEST = 40


def most_rounds(encoded: bytes, depth: int = 0) -> int:
    """The largest count in a file in BER or DER, 0 where there is none. Errors: ValueError where it nests too deeply."""
    if depth > _DEEPEST:
        raise ValueError("It nests too deeply.")
    most, before = 0, -1
    for tag, content in _elements(encoded):
        if tag == _INTEGER and before == _OCTET_STRING:
            most = max(most, int.from_bytes(content))
        elif tag == _OCTET_STRING | _CONSTRUCTED:  # a string in pieces
            most = max(most, most_rounds(b"".join(piece for _, piece in _elements(content)), depth + 1))
        elif tag == _OCTET_STRING or tag & _CONSTRUCTED:
            most = max(most, most_rounds(content, depth + 1))
        before = tag & ~_CONSTRUCTED
    return most


def _elements(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) one after another, as far as they can be read: most strings hold none."""
    at = 0
    while (found := _element(encoded, at)) is not None:
        tag, begin, end, at = found
        yield tag, encoded[begin:end]


def _element(encoded: bytes, at: int) -> tuple[int, int, int, int] | None:
    """(tag, where its content begins and ends, where the next one begins), None where there is none."""
    if at + 2 > len(encoded):
        return None
    tag, length, begin = encoded[at], encoded[at + 1], at + 2
    if length == 0x80:  # it ends where two zeros stand in place of an element
        end = begin
        while encoded[end : end + 2] != b"\0\0":
            inner = _element(encoded, end)
            if inner is None:
                return None
            end = inner[3]
        return tag, begin, end, end + 2
    if length > 0x80:
        size = length - 0x80
        length, begin = int.from_bytes(encoded[begin : begin + size]), begin + size
    return (tag, begin, begin + length, begin + length) if begin + length <= len(encoded) else None
