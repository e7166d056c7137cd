"""What commands print: JSON for programs, tables for people."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from rich.console import Console

_encoder = msgspec.json.Encoder(decimal_format="number")

T = TypeVar("T")

_FEWEST_FOR_A_BAR = 5
_WIDEST = 1000  # in a pipe or file nothing is to be cut or wrapped

#: Status words and their colours on a terminal that has them.
STATUS_STYLES = {
    "Succeeded": "green",
    "Connected": "green",
    "On": "green",
    "Failed": "bold red",
    "TimedOut": "bold red",
    "Error": "bold red",
    "Needs repair": "bold red",
    "Running": "cyan",
    "Waiting": "yellow",
    "Cancelled": "yellow",
    "Skipped": "dim",
    "Off": "dim",
}


def console() -> "Console":
    """The terminal; without one, plain text as wide as it needs."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDEST
    return Console(file=sys.stdout, highlight=False, width=width)


def print_json(value: Json) -> None:
    """The value as indented JSON on standard output."""
    text = msgspec.json.format(_encoder.encode(value), indent=2).decode()
    sys.stdout.write(text + "\n")


def with_progress(items: Sequence[T], what: str) -> Iterable[T]:
    """The items one by one, with a bar on the terminal's error stream while there are several."""
    if len(items) < _FEWEST_FOR_A_BAR or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, description=what, console=Console(file=sys.stderr), transient=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str) -> None:
    """A table; `nothing` says what to do where there are no rows."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell, style=STATUS_STYLES.get(cell, "")) for cell in row))
    if table.row_count:
        console().print(table)
    else:
        console().print(nothing, markup=False)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values below each other; empty values are left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        if value:
            grid.add_row(Text(name, style="bold"), Text(value, style=STATUS_STYLES.get(value, "")))
    console().print(grid)


def when(text: str | None) -> str:
    """A time of the API as a person's local one, to the second."""
    if not text:
        return ""
    from datetime import datetime

    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def between(began: str | None, ended: str | None) -> str:
    """How long something took, e.g. `1.24 s`; "" while it is under way."""
    if not began or not ended:
        return ""
    from datetime import datetime

    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
