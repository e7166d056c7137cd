"""The rules by which a string is a literal, one expression, or text with expressions in it (wdl.md §2).

1. Shorter than two characters: literal.   2. `@` and then neither `{` nor `@`: the rest is one expression.
3. `@@` (not `@@{`): the rest, one `@` dropped, is literal.   4. Contains `@{`: text with expressions, `@@{`
being a literal `@{`.   5. Otherwise literal.
"""

from dataclasses import dataclass

from flowmend.core.errors import ExpressionError


@dataclass(frozen=True, slots=True)
class ExpressionText:
    """The text of one expression, without `@` and braces."""

    text: str


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Text with expressions in it; its value is always a string."""

    pieces: tuple[str | ExpressionText, ...]


def read_template(text: str) -> str | ExpressionText | Interpolation:
    """A literal (already freed of its escapes), one expression, or an interpolation.

    Errors: ExpressionError for an `@{` that is not closed.
    """
    if "@" not in text or len(text) < 2:
        return text
    if text[0] == "@" and text[1] not in "{@":
        return ExpressionText(text[1:])
    if text.startswith("@@") and not text.startswith("@@{"):
        return text[1:]
    if "@{" in text:
        return _interpolation(text)
    return text


def _interpolation(text: str) -> str | Interpolation:
    pieces: list[str | ExpressionText] = []
    literal: list[str] = []
    position = 0
    while (at := text.find("@{", position)) >= 0:
        if at > position and text[at - 1] == "@":
            literal.append(text[position : at - 1] + "@{")
            position = at + 2
            continue
        literal.append(text[position:at])
        end = _closing_brace(text, at + 2)
        if joined := "".join(literal):
            pieces.append(joined)
        literal.clear()
        pieces.append(ExpressionText(text[at + 2 : end]))
        position = end + 1
    literal.append(text[position:])
    if joined := "".join(literal):
        pieces.append(joined)
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return Interpolation(tuple(pieces))


def _closing_brace(text: str, start: int) -> int:
    """The first `}` outside single quotes."""
    is_quoted = False
    for position in range(start, len(text)):
        character = text[position]
        if character == "'":
            is_quoted = not is_quoted
        elif character == "}" and not is_quoted:
            return position
    raise ExpressionError(f"The interpolation that opens at column {start - 1} with '@{{' is not closed by '}}'.")
