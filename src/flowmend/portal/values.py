"""Inputs and outputs as people read them: lists of alike objects as tables, the rest as a tree, each part of a call apart.

All of it is bounded: what is left out is told, and the whole is there to download.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowmend.core.json_value import Json
from flowmend.core.run.views import SANITIZED
from flowmend.portal.language import marked

#: What a page shows of one value.
SHOWN_CHARACTERS = 20_000
_SHOWN_NODES = 300
_SHOWN_TEXT = 600
_SHOWN_ROWS = 50
_SHOWN_COLUMNS = 10
_SHORT_CELL = 80
#: A tree's first levels are open where it is small.
_OPEN_NODES = 12

_PARTS_OF_ANSWER = ("statusCode", "body", "headers")
_PARTS_OF_REQUEST = ("body", "queries", "headers", "authentication", "cookie")
_TITLES = {
    "statusCode": marked("Status code"),
    "body": marked("Body"),
    "headers": marked("Headers"),
    "queries": marked("Queries"),
    "parameters": marked("Parameters"),
    "authentication": marked("Authentication"),
    "cookie": marked("Cookie"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One value of a tree. label: its name or number. kind: `object`, `array`, `text`, `other` or `hidden`.

    text: of a leaf, as JSON but for texts. count: what an object or list holds; left_out: how much of that is not here.
    """

    label: str
    kind: str
    text: str = ""
    count: int = 0
    left_out: int = 0
    children: tuple["Branch", ...] = ()
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A list of alike objects as a table. left_out: rows that are not here."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0
    columns_left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A value, or a part of a call. title: to be translated, "" where it has no words of its own. line: a short text.

    Exactly one of line, grid and tree is there.
    """

    name: str
    title: str = ""
    line: str = ""
    grid: Grid | None = None
    tree: Branch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A whole value. raw: as JSON, perhaps cut. size: of the whole, in characters."""

    parts: tuple[Part, ...]
    raw: str
    size: int

    @property
    def is_cut(self) -> bool:
        return self.size > len(self.raw)

    @property
    def is_plain(self) -> bool:
        """Whether the raw form would say nothing more."""
        return len(self.parts) == 1 and bool(self.parts[0].line) and not self.is_cut


def shown(value: Json) -> Shown:
    """What a page shows of inputs or outputs."""
    raw = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return Shown(parts=tuple(_parts(value)), raw=raw[:SHOWN_CHARACTERS], size=len(raw))


def whole(value: Json) -> bytes:
    """The value as a JSON file."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str).encode()


def _parts(value: Json) -> Iterator[Part]:
    if not isinstance(value, dict):
        yield _part("", value)
        return
    rest = dict(value)
    if isinstance(rest.get("method"), str) and isinstance(rest.get("uri", rest.get("path")), str):
        address = rest.pop("uri", None) or rest.pop("path", "")
        yield Part(name="request", line=f"{rest.pop('method').upper()} {address}"[:_SHOWN_TEXT])
        named: Sequence[str] = _PARTS_OF_REQUEST
    elif isinstance(rest.get("statusCode"), int):
        named = _PARTS_OF_ANSWER
    else:
        yield _part("", value)
        return
    for name in named:
        if rest.get(name) is not None:
            yield _part(name, rest.pop(name))
    if rest:
        yield _part("", rest)


def _part(name: str, value: Json) -> Part:
    title = _TITLES.get(name, "")
    if isinstance(value, str | int | float | bool | None) and len(str(value)) <= _SHOWN_TEXT:
        return Part(name=name, title=title, line=value if isinstance(value, str) and value else json.dumps(value))
    grid = _grid(value)
    if grid is not None:
        return Part(name=name, title=title, grid=grid)
    budget = [_SHOWN_NODES]
    return Part(name=name, title=title, tree=_branch("", value, budget, depth=0))


def _grid(value: Json) -> Grid | None:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(row, dict) and row for row in value[:200]):
        return None
    columns = list(dict.fromkeys(name for row in value[:_SHOWN_ROWS] for name in row))
    filled = sum(len(row) for row in value[:_SHOWN_ROWS])
    if filled * 2 < len(columns) * len(value[:_SHOWN_ROWS]):
        return None  # mostly holes: they are not alike
    shown_columns = columns[:_SHOWN_COLUMNS]
    return Grid(
        columns=tuple(shown_columns),
        rows=tuple(tuple(_cell(row, name) for name in shown_columns) for row in value[:_SHOWN_ROWS]),
        left_out=max(len(value) - _SHOWN_ROWS, 0),
        columns_left_out=len(columns) - len(shown_columns),
    )


def _cell(row: Mapping[str, Json], name: str) -> str:
    if name not in row:
        return ""
    value = row[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHORT_CELL else f"{text[:_SHORT_CELL]}…"


def _branch(label: str, value: Json, budget: list[int], depth: int) -> Branch:
    budget[0] -= 1
    if isinstance(value, dict | list):
        kind = "object" if isinstance(value, dict) else "array"
        pairs = value.items() if isinstance(value, dict) else ((str(index), one) for index, one in enumerate(value))
        children = []
        for name, one in pairs:
            if budget[0] <= 0:
                break
            children.append(_branch(str(name), one, budget, depth + 1))
        return Branch(
            label=label,
            kind=kind,
            count=len(value),
            left_out=len(value) - len(children),
            children=tuple(children),
            is_open=depth == 0 or (depth < 3 and len(value) <= _OPEN_NODES),
        )
    if value == SANITIZED:
        return Branch(label=label, kind="hidden")
    if isinstance(value, str):
        cut = value if len(value) <= _SHOWN_TEXT else f"{value[:_SHOWN_TEXT]}…"
        return Branch(label=label, kind="text", text=cut)
    return Branch(label=label, kind="other", text=json.dumps(value, default=str))
