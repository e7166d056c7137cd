"""Positions as .NET counts them: in UTF-16 code units, where a character beyond U+FFFF is two.

Python counts characters. Text without such characters, nearly all there is, takes the short way.
"""

import re

_WIDE = re.compile("[\U00010000-\U0010ffff]")


def units_in(text: str) -> int:
    """How many code units a text has."""
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))


def cut(text: str, start: int, end: int) -> str:
    """The code units from `start` up to `end`, both within the text; half a character becomes U+FFFD."""
    if text.isascii() or not _WIDE.search(text):
        return text[start:end]
    return text.encode("utf-16-le", "replace")[2 * start : 2 * end].decode("utf-16-le", "replace")


def unit_index(text: str, index: int) -> int:
    """The code unit at which the character `index` begins; -1 stays -1."""
    return index if index <= 0 or text.isascii() else units_in(text[:index])


def upper(text: str) -> str:
    """Upper case, character by character as the invariant culture has it: `ß` stays."""
    if text.isascii():
        return text.upper()
    return "".join(raised if len(raised := character.upper()) == 1 else character for character in text)


def lower(text: str) -> str:
    """Lower case, character by character as the invariant culture has it."""
    if text.isascii():
        return text.lower()
    return "".join(lowered if len(lowered := character.lower()) == 1 else character for character in text)
