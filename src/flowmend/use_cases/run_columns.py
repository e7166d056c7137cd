"""Columns that people choose for lists of runs: values that runs track, and outputs of what started them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowmend.core.expression import to_text
from flowmend.core.json_value import Json
from flowmend.store.rows import RunRow
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ

MOST_COLUMNS = 8
MOST_NAME_CHARACTERS = 200
_MOST_OFFERED = 60
_MOST_VALUE_CHARACTERS = 400
_DEEPEST = 3
#: Of so many runs at once what started them is read: each can be megabytes.
_READ_AT_ONCE = 20


class ColumnKind(StrEnum):
    """Where a column's values come from."""

    VALUE = "value"  # what runs track, by its name
    OUTPUT = "output"  # what the trigger gave, by its path, e.g. `body/orderNumber`


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. name: of the tracked value, or the path into the trigger's outputs."""

    kind: ColumnKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def read_columns(texts: Sequence[str]) -> tuple[Column, ...]:
    """Columns as they are written (`value:Order`, `output:body/orderNumber`), each once; what does not read is left out."""
    found: dict[Column, None] = {}
    for text in texts:
        kind, colon, name = text.partition(":")
        if colon and kind in set(ColumnKind) and 0 < len(name) <= MOST_NAME_CHARACTERS:
            found[Column(kind=ColumnKind(kind), name=name)] = None
    return tuple(found)[:MOST_COLUMNS]


def offered_columns(services: Services, flow_id: str = "") -> tuple[Column, ...]:
    """What can be chosen: what the newest runs of this flow, or of any, tracked, and what the newest one was started with."""
    values = [Column(kind=ColumnKind.VALUE, name=name) for name in services.store.runs.tracked_names(flow_id)]
    newest = services.store.runs.list(RunFilter(flow_id=flow_id), limit=1)[0]
    outputs = _outputs(services, newest)
    paths = [
        Column(kind=ColumnKind.OUTPUT, name=path)
        for one in outputs.values()
        for path in _paths(one)
        if len(path) <= MOST_NAME_CHARACTERS
    ]
    return (*values, *paths)[:_MOST_OFFERED]


def column_values(services: Services, rows: Sequence[RunRow], columns: Sequence[Column]) -> dict[str, tuple[str, ...]]:
    """{run name: a text for each column, "" where it has none}. What a trigger hides stays hidden."""
    names = [row.run_name for row in rows]
    kinds = {one.kind for one in columns}
    tracked = services.store.tracked_values.of_runs(names) if ColumnKind.VALUE in kinds else {}
    paths = [one.name for one in columns if one.kind is ColumnKind.OUTPUT]
    shown = dict(_output_texts(services, rows, paths)) if paths else {}
    values = {name: {one.name: one.value for one in of_run} for name, of_run in tracked.items()}
    return {
        name: tuple(
            values.get(name, {}).get(one.name, "") if one.kind is ColumnKind.VALUE else shown.get((name, one.name), "")
            for one in columns
        )
        for name in names
    }


def _output_texts(
    services: Services, rows: Sequence[RunRow], paths: Sequence[str]
) -> Iterator[tuple[tuple[str, str], str]]:
    """((run name, path), text) of the runs that show what started them."""
    for first in range(0, len(rows), _READ_AT_ONCE):
        for name, outputs in _outputs(services, rows[first : first + _READ_AT_ONCE]).items():
            yield from (((name, path), _text_at(outputs, path)) for path in paths)


def _outputs(services: Services, rows: Sequence[RunRow]) -> dict[str, Json]:
    """{run name: its trigger's outputs}, of the runs that show them."""
    shown = [row for row in rows if not _hides(services, row)]
    found: dict[str, Json] = {}
    for name, start in services.store.runs.starts([row.run_name for row in shown]).items():
        if start:
            found[name] = decode_start(start, services.vault).trigger.get("outputs")
    return found


def _hides(services: Services, row: RunRow) -> bool:
    try:
        return services.flows.version(row.flow_id, row.version).has_secure_trigger
    except CANNOT_BE_READ:
        return True


def _paths(value: Json, above: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of what is shown in a cell: texts, numbers, truths."""
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for name, inner in value.items():
            if above != "headers":
                yield from _paths(inner, f"{above}/{name}" if above else str(name), depth + 1)
    elif above and not isinstance(value, Mapping | list):
        yield above


def _text_at(outputs: Json, path: str) -> str:
    value = outputs
    for name in path.split("/"):
        if not isinstance(value, dict) or name not in value:
            return ""
        value = value[name]
    if value is None or isinstance(value, dict | list):
        return ""
    return to_text(value)[:_MOST_VALUE_CHARACTERS]
