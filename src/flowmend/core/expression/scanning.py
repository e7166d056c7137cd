"""Text to tokens.

A dot opens a name, so `body('X').5abc` selects `5abc` while `5abc` alone is no token at all: the
scanner therefore remembers whether the token before was a dot.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json

LONGEST_EXPRESSION = 131_072
_NAME = re.compile(r"[^\s.,(){}@\[\]?']+")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING = re.compile(r"'((?:[^']++|'')*+)'")
_SPACE = re.compile(r"\s+")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class TokenKind(StrEnum):
    """What a token is; the sign itself for punctuation."""

    STRING = "a string"
    NUMBER = "a number"
    NAME = "a name"
    OPEN = "'('"
    CLOSE = "')'"
    COMMA = "','"
    DOT = "'.'"
    OPEN_BRACKET = "'['"
    CLOSE_BRACKET = "']'"
    QUESTION = "'?'"
    END = "the end of the expression"


_SIGNS = {
    "(": TokenKind.OPEN,
    ")": TokenKind.CLOSE,
    ",": TokenKind.COMMA,
    ".": TokenKind.DOT,
    "[": TokenKind.OPEN_BRACKET,
    "]": TokenKind.CLOSE_BRACKET,
    "?": TokenKind.QUESTION,
}


@dataclass(frozen=True, slots=True)
class Token:
    """value: of a string its content, of a number its value, of a name its text."""

    kind: TokenKind
    value: Json
    start: int
    end: int


def scan(text: str) -> list[Token]:
    """The tokens of an expression, the last of kind END.

    Errors: ExpressionError naming the column for whatever is no token.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(
            f"The expression is {len(text)} characters long; the limit is {LONGEST_EXPRESSION} characters."
        )
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        if space := _SPACE.match(text, position):
            position = space.end()
            continue
        token = _token_at(text, position, is_after_dot=bool(tokens) and tokens[-1].kind is TokenKind.DOT)
        tokens.append(token)
        position = token.end
    tokens.append(Token(TokenKind.END, None, len(text), len(text)))
    return tokens


def invalid(text: str, position: int, reason: str) -> ExpressionError:
    """The refusal of an expression, with its column counted from 1."""
    shown = text if len(text) <= 200 else text[:200] + "…"
    return ExpressionError(f"The expression '{shown}' is not valid at column {position + 1}: {reason}.")


def _token_at(text: str, position: int, *, is_after_dot: bool) -> Token:
    character = text[position]
    if kind := _SIGNS.get(character):
        return Token(kind, character, position, position + 1)
    if character == "'":
        string = _STRING.match(text, position)
        if string is None:
            raise invalid(text, position, "the string is not closed; expected a single quote")
        return Token(TokenKind.STRING, string[1].replace("''", "'"), position, string.end())
    if not is_after_dot and (number := _NUMBER.match(text, position)):
        return _number(text, number)
    if name := _NAME.match(text, position):
        return Token(TokenKind.NAME, name[0], position, name.end())
    raise invalid(text, position, f"unexpected character '{character}'")


def _number(text: str, match: re.Match[str]) -> Token:
    if _NAME.match(text, match.end()):
        raise invalid(text, match.end(), f"the number '{match[0]}' is followed by '{text[match.end()]}'")
    value: int | float
    if match[1] or match[2]:
        value = float(match[0])
        is_in_range = abs(value) != float("inf")
    else:
        is_in_range = len(match[0]) < 40  # longer ones are out of range, and slow to convert
        value = int(match[0]) if is_in_range else 0
        is_in_range = is_in_range and _SMALLEST <= value <= _LARGEST
    if not is_in_range:
        raise invalid(text, match.start(), f"the number '{match[0][:40]}' is out of range")
    return Token(TokenKind.NUMBER, value, match.start(), match.end())
