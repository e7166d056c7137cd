"""Date formats to tokens: the letters of .NET's standard and custom formats."""

from dataclasses import dataclass
from functools import lru_cache

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.cultures import Culture

ROUND_TRIP = "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK"
_FIXED = {
    "o": ROUND_TRIP,
    "O": ROUND_TRIP,
    "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
}
_OF_CULTURE = {
    "d": "{d}", "D": "{D}", "t": "{t}", "T": "{T}", "m": "{M}", "M": "{M}", "y": "{Y}", "Y": "{Y}",
    "f": "{D} {t}", "F": "{D} {T}", "g": "{d} {t}", "G": "{d} {T}", "U": "{D} {T}",
}  # fmt: skip
#: standard formats that read the same in every culture
INVARIANT = frozenset("oOrRsu")
_LETTERS = "dfFghHKmMstyz"


@dataclass(frozen=True, slots=True)
class Part:
    """letter: of a field, or `:` and `/`; "" for literal text. count: how often the letter stands."""

    letter: str
    count: int = 0
    text: str = ""


def custom_pattern(form: str, culture: Culture) -> str:
    """The custom format a format means: a single letter is a standard one.

    Errors: ExpressionError for a letter that is none.
    """
    if len(form) != 1:
        return form
    if form in _FIXED:
        return _FIXED[form]
    if form in _OF_CULTURE:
        return _OF_CULTURE[form].format(**culture.patterns)
    raise invalid_format(form)


@lru_cache(maxsize=512)
def parts_of(pattern: str) -> tuple[Part, ...]:
    """The parts of a custom format.

    Errors: ExpressionError for a quote that is not closed and for too many digits of a second.
    """
    parts: list[Part] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter in _LETTERS:
            end = at
            while end < len(pattern) and pattern[end] == letter:
                end += 1
            if letter in "fF" and end - at > 7:
                raise invalid_format(pattern)
            parts.append(Part(letter, end - at))
            at = end
        elif letter in ":/":
            parts.append(Part(letter, 1))
            at += 1
        elif letter in "'\"":
            end = pattern.find(letter, at + 1)
            if end < 0:
                raise invalid_format(pattern)
            parts.append(Part("", text=pattern[at + 1 : end]))
            at = end + 1
        elif letter == "\\":
            if at + 1 >= len(pattern):
                raise invalid_format(pattern)
            parts.append(Part("", text=pattern[at + 1]))
            at += 2
        elif letter == "%":
            if at + 1 >= len(pattern) or pattern[at + 1] == "%":
                raise invalid_format(pattern)
            at += 1  # the next letter is a custom one, even alone
        else:
            parts.append(Part("", text=letter))
            at += 1
    return tuple(parts)


def invalid_format(form: str) -> ExpressionError:
    return ExpressionError(f"The format '{form[:200]}' is not a valid date and time format.")
