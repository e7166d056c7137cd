"""The versions of a flow: what there were, and in what two of them differ."""

import asyncio
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from flowmend.core.json_value import Json
from flowmend.store.rows import FlowRow, FlowVersionRow
from flowmend.use_cases.edit_flow import latest_version, text_of, version_missing
from flowmend.use_cases.flow_parameters import given_values, sealed_values
from flowmend.use_cases.loaded_flows import read_stored_flow
from flowmend.use_cases.ports import Services

_LINES_AROUND = 3
#: Comparing takes time with the square of the length; of longer texts all between the first and last change is one.
_LONGEST_COMPARED = 40_000
#: In more lines than this, those that stand everywhere (`},`) no longer count when likeness is looked for.
_MOST_EXACT = 2_000
_MADE_BY = frozenset({"import", "edit", "restore", "set_parameters"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """One version. made_by: `import`, `edit`, `restore`, `set_parameters`, or "" where the audit no longer says."""

    version: str
    created_at: datetime
    is_latest: bool
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceLine:
    """kind: `same`, `removed`, `added`, or `gap` where unchanged lines are left out. Numbers: 0 where it has none."""

    kind: str
    text: str
    old_number: int = 0
    new_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDifference:
    """What `newer` changed. values: names of parameters with another value, secret ones too."""

    older: str
    newer: str
    lines: tuple[DifferenceLine, ...]
    values: tuple[str, ...]
    added_count: int
    removed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVersion:
    """One version as it was. text: as the editor shows it."""

    row: FlowRow
    version: str
    created_at: datetime
    text: str = field(repr=False)


async def list_versions(services: Services, flow_id: str) -> tuple[VersionSummary, ...]:
    """Every version of a flow, newest first. Errors: NotFound."""
    row, _ = latest_version(services, flow_id)
    noted, _ = services.store.audit.list(flow_id, limit=1000)
    verbs = {
        one.details["version"]: one.verb
        for one in noted
        if one.verb in _MADE_BY and isinstance(one.details, dict) and "version" in one.details
    }
    return tuple(
        VersionSummary(
            version=version,
            created_at=created_at,
            is_latest=version == row.version,
            made_by=verbs.get(version, ""),
        )
        for version, created_at in services.store.flows.version_times(flow_id)
    )


async def read_version(services: Services, flow_id: str, version: str) -> ReadVersion:
    """Errors: NotFound."""
    row, _ = latest_version(services, flow_id)
    stored = _stored(services, row, version)
    return ReadVersion(row=row, version=version, created_at=stored.created_at, text=text_of(stored.document))


async def compare_versions(services: Services, flow_id: str, older: str, newer: str) -> VersionDifference:
    """What changed between two versions, with the lines around each change. Errors: NotFound."""
    row, _ = latest_version(services, flow_id)
    before, after = _stored(services, row, older), _stored(services, row, newer)
    lines = await asyncio.to_thread(lambda: tuple(_differences(text_of(before.document), text_of(after.document))))
    return VersionDifference(
        older=older,
        newer=newer,
        lines=lines,
        values=_changed_values(services, row, before, after),
        added_count=sum(1 for line in lines if line.kind == "added"),
        removed_count=sum(1 for line in lines if line.kind == "removed"),
    )


def _stored(services: Services, row: FlowRow, version: str) -> FlowVersionRow:
    stored = services.store.flows.version(row.flow_id, version)
    if stored is None:
        raise version_missing(row, version)
    return stored


def _changed_values(services: Services, row: FlowRow, *stored: FlowVersionRow) -> tuple[str, ...]:
    before, after = (_values(services, row, one) for one in stored)
    return tuple(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))


def _values(services: Services, row: FlowRow, stored: FlowVersionRow) -> dict[str, Json]:
    given = given_values(stored, read_stored_flow(row, stored), services.vault)
    return {**given, **sealed_values(stored, services.vault)}


def _differences(before: str, after: str) -> Iterator[DifferenceLine]:
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > _LONGEST_COMPARED:
        yield from _coarse_differences(old, new)
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(new) > _MOST_EXACT)
    for number, group in enumerate(matcher.get_grouped_opcodes(_LINES_AROUND)):
        if number or group[0][1]:
            yield DifferenceLine(kind="gap", text="")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                for offset in range(old_to - old_from):
                    yield DifferenceLine(
                        kind="same",
                        text=old[old_from + offset],
                        old_number=old_from + offset + 1,
                        new_number=new_from + offset + 1,
                    )
                continue
            for index in range(old_from, old_to):
                yield DifferenceLine(kind="removed", text=old[index], old_number=index + 1)
            for index in range(new_from, new_to):
                yield DifferenceLine(kind="added", text=new[index], new_number=index + 1)


def _coarse_differences(old: list[str], new: list[str]) -> Iterator[DifferenceLine]:
    """All that lies between the first and the last line that differ, as one change."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if head:
        yield DifferenceLine(kind="gap", text="")
    for index in range(head, len(old) - tail):
        yield DifferenceLine(kind="removed", text=old[index], old_number=index + 1)
    for index in range(head, len(new) - tail):
        yield DifferenceLine(kind="added", text=new[index], new_number=index + 1)
