"""Text to JSON values, forgiving what the service's reader forgives.

Strict JSON takes the fast way. Otherwise comments, single quotes, unquoted property names and trailing
commas are accepted too; whatever is still wrong is named with its line and column.
"""

import math
import re
from typing import NoReturn

import msgspec

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.text import without_lone_surrogates
from flowmend.core.json_value import Json

DEEPEST_JSON = 128
_SPACE = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BARE_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_PLAIN = {"'": re.compile(r"[^'\\]*"), '"': re.compile(r'[^"\\]*')}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\", "'": "'", '"': '"'}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}


def read_json(text: str) -> Json:
    """The value of a JSON text.

    Errors: ExpressionError, code `InvalidJSON`, naming line and column.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        reader = _Reader(text)
        value = reader.value(0)
        reader.end()
        return value


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def value(self, depth: int) -> Json:
        if depth > DEEPEST_JSON:
            self._fail(f"nested deeper than {DEEPEST_JSON} levels")
        sign = self._peek()
        if sign == "{":
            return self._object(depth)
        if sign == "[":
            return self._array(depth)
        if sign in _PLAIN:
            return self._string()
        if number := _NUMBER.match(self._text, self._at):
            return self._number(number)
        word = _BARE_NAME.match(self._text, self._at)
        if word is None or word[0] not in _WORDS:
            self._fail(f"unexpected character '{sign}'" if sign else "unexpected end")
        self._at = word.end()
        return _WORDS[word[0]]

    def end(self) -> None:
        if rest := self._peek():
            self._fail(f"additional text after the value, '{rest}'")

    def _object(self, depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        self._at += 1
        while self._peek() != "}":
            name = self._string() if self._peek() in _PLAIN else self._bare_name()
            self._expect(":")
            result[name] = self.value(depth + 1)
            self._separator("}")
        self._at += 1
        return result

    def _array(self, depth: int) -> list[Json]:
        result: list[Json] = []
        self._at += 1
        while self._peek() != "]":
            result.append(self.value(depth + 1))
            self._separator("]")
        self._at += 1
        return result

    def _separator(self, closing: str) -> None:
        if self._peek() != closing:
            self._expect(",")

    def _bare_name(self) -> str:
        name = _BARE_NAME.match(self._text, self._at)
        if name is None:
            self._fail("expected a property name")
        self._at = name.end()
        return name[0]

    def _string(self) -> str:
        quote = self._text[self._at]
        self._at += 1
        pieces: list[str] = []
        while True:
            plain = _PLAIN[quote].match(self._text, self._at)
            if plain is not None:  # always: the pattern matches nothing too
                pieces.append(plain[0])
                self._at = plain.end()
            if self._at >= len(self._text):
                self._fail("the string is not closed")
            if self._text[self._at] == quote:
                self._at += 1
                return without_lone_surrogates(_paired("".join(pieces)))
            pieces.append(self._escape())

    def _escape(self) -> str:
        letter = self._text[self._at + 1 : self._at + 2]
        if letter == "u":
            digits = self._text[self._at + 2 : self._at + 6]
            if re.fullmatch("[0-9A-Fa-f]{4}", digits) is None:
                self._fail("a Unicode escape needs four hexadecimal digits")
            self._at += 6
            return chr(int(digits, 16))
        if letter not in _ESCAPES:
            self._fail("unknown escape in a string")
        self._at += 2
        return _ESCAPES[letter]

    def _number(self, match: re.Match[str]) -> int | float:
        self._at = match.end()
        digits = match[0]
        if digits.lstrip("-").isdigit():
            if len(digits) > 400:
                self._fail("the number is too long")
            return int(digits)
        value = float(digits)
        if not math.isfinite(value):
            self._fail("the number is out of range")
        return value

    def _peek(self) -> str:
        space = _SPACE.match(self._text, self._at)
        if space is not None:
            self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _expect(self, sign: str) -> None:
        found = self._peek()
        if found != sign:
            self._fail(f"expected '{sign}' but found {found!r}" if found else f"expected '{sign}' before the end")
        self._at += 1

    def _fail(self, reason: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - self._text.rfind("\n", 0, self._at)
        raise ExpressionError(
            f"The text is not valid JSON: {reason}, line {line}, position {column}.", code="InvalidJSON"
        )


def _paired(text: str) -> str:
    """Two halves of one character, written as two escapes, become that character."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
