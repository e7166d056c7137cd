"""Which lines of a JSON text each value stands on: how a problem's pointer becomes a place people can look at."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from flowmend.core.definition.json_pointer import pointer_to

#: (first line, last line), counted from 1
Lines = tuple[int, int]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class _Container:
    """An object or array that is open. name: of the member to come, or the index of the item."""

    pointer: str
    first_line: int
    is_object: bool
    name: str | int = 0
    awaits_name: bool = True


def lines_of(text: str) -> dict[str, Lines]:
    """`{pointer: lines}` of every value; an object's member begins where its name stands.

    A text that is no JSON gives what stands before its fault, and perhaps a little more.
    """
    found: dict[str, Lines] = {}
    for pointer, first, last in _values(text):
        found.setdefault(pointer, (first, last))
    return found


def nearest_lines(lines: Mapping[str, Lines], pointer: str) -> Lines | None:
    """The lines of the value, or of the innermost one around the place where it is missing."""
    while pointer not in lines:
        if not pointer:
            return None
        pointer = pointer.rpartition("/")[0]
    return lines[pointer]


def _values(text: str) -> Iterator[tuple[str, int, int]]:
    line_ends = [match.start() for match in re.finditer("\n", text)]
    stack: list[_Container] = []
    name_line = 0
    for match in _TOKEN.finditer(text):
        piece, line = match.group(), bisect_right(line_ends, match.start()) + 1
        here = stack[-1] if stack else None
        if piece == ":":
            continue
        if piece == ",":
            if here is not None and not here.is_object and isinstance(here.name, int):
                here.name += 1
            if here is not None:
                here.awaits_name = True
            continue
        if piece in "}]":
            if here is None:
                return
            stack.pop()
            yield here.pointer, here.first_line, line
            continue
        if here is not None and here.is_object and here.awaits_name:
            here.name, here.awaits_name, name_line = _plain(piece), False, line
            continue
        pointer = pointer_to(here.pointer, here.name) if here is not None else ""
        first = name_line if here is not None and here.is_object else line
        if piece in "{[":
            stack.append(_Container(pointer, first, is_object=piece == "{"))
        else:
            yield pointer, first, line


def _plain(piece: str) -> str:
    """A member's name without its quotes."""
    try:
        return str(msgspec.json.decode(piece))
    except (msgspec.DecodeError, UnicodeError):
        return piece
