"""Which runs a list shows, and how they are found.

Theory of operation
-------------------
A list is in the order of the names. For a page of it to cost what it shows, whatever the history holds, it is read from an
index that begins with what is asked for and goes on with the name (`tables.runs`). No index gives several statuses, or
several times of an incident, in this order; such a filter is asked as several streams, each in order and each read no
further than the page needs, and merged. SQLite keeps no statistics and would guess, so it is told the index.

Times are found by name too: names count down with time. Only a clock that was set back breaks that, so it gets a leeway,
and the time itself is compared besides.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, false, func, or_, select, union

from flowmend.core.outcome import Status
from flowmend.store.blast_radius import Window, failed_in
from flowmend.store.tables import (
    HAS_CATEGORY,
    HAS_CONNECTION,
    HAS_ENDED,
    HAS_ORIGIN,
    IS_UNFINISHED,
    UNFINISHED,
    runs,
    tracked_values,
)
from flowmend.store.tracked_values import findable_name, findable_value

IN_DOUBT = "ActionInDoubt"
#: By so much a clock may have been set back.
_LEEWAY = timedelta(hours=1)
#: After and before every name of a run, which begins with a digit.
_AFTER_ALL_NAMES, _BEFORE_ALL_NAMES = "Z", ""


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a run must meet to be listed; a part left empty asks for nothing.

    connection_id, diagnosis_category: of the failure. tracked_name with tracked_value, or tracked_value alone under any name.
    started_from: inclusive; started_to: exclusive. text: a whole name, tracking id or tracked value of any run, or a part of
    one, or of the error, among the newest (`run_search`). in_doubt: waits for its owner to say what became of a call.
    failed_in: failed for a connection in one of these times; None asks for nothing. not_of_flows: these flows' runs are left out.
    """

    flow_id: str = ""
    statuses: Sequence[str] = ()
    code: str = ""
    connection_id: str = ""
    diagnosis_category: str = ""
    origin_run: str = ""
    client_tracking_id: str = ""
    tracked_name: str = ""
    tracked_value: str = ""
    started_from: datetime | None = None
    started_to: datetime | None = None
    text: str = ""
    in_doubt: bool = False
    failed_in: Sequence[Window] | None = None
    not_of_flows: Sequence[str] = ()


def select_names(wanted: RunFilter, *, limit: int, cursor: str = "") -> Select[tuple[str]]:
    """The names of the first runs that meet the filter, `text` aside, newest first.

    limit: at most so many. cursor: only those after this name.
    """
    streams = [one.limit(limit) for one in _streams(wanted, cursor)]
    if len(streams) == 1:
        return streams[0]
    parts = [select(one.subquery()) for one in streams]
    merged = union(*parts).subquery()  # one run may have failed in two times of an incident
    return select(merged.c.run_name).order_by(merged.c.run_name).limit(limit)


def select_apart(wanted: RunFilter) -> Iterator[Select[tuple[str]]]:
    """The names of all runs that meet the filter, `text` aside, in parts that have none in common: for counting."""
    if wanted.failed_in is None:
        yield from _streams(wanted, "")
        return
    # A run has one connection, but may have failed in two times of it.
    for connection_id in sorted({window.connection_id for window in wanted.failed_in}):
        times = [window for window in wanted.failed_in if window.connection_id == connection_id]
        of_one = list(_streams(msgspec.structs.replace(wanted, failed_in=times), ""))
        yield of_one[0] if len(of_one) == 1 else select(union(*(select(one.subquery()) for one in of_one)).subquery())


def matching(wanted: RunFilter) -> Iterator[ColumnElement[bool]]:
    """The filter, `text` aside, as conditions on `runs` that are joined by AND: for runs that were found otherwise."""
    yield from _conditions(wanted)
    yield from _of_status(wanted.statuses)
    if wanted.tracked_value:
        yield _tracks(wanted)
    if wanted.failed_in is not None:
        yield or_(false(), *(and_(*failed_in(window)) for window in wanted.failed_in))


def _streams(wanted: RunFilter, cursor: str) -> Iterator[Select[tuple[str]]]:
    common = list(_conditions(wanted))
    if cursor:
        common.append(runs.c.run_name > cursor)
    chosen = select(runs.c.run_name).order_by(runs.c.run_name)
    if wanted.failed_in is not None:
        yield from (
            _by_index(chosen.where(*common, *_of_status(wanted.statuses), *_failed_in(window)), "ix_runs_failed_by")
            for window in wanted.failed_in
        )
        if not wanted.failed_in:
            yield chosen.where(false())
    elif wanted.tracked_value:
        yield _tracking(wanted, chosen.where(*common, *_of_status(wanted.statuses)))
    elif index := _index_of(wanted):
        yield _by_index(chosen.where(*common, *_of_status(wanted.statuses)), index)
    elif wanted.flow_id or wanted.statuses:
        for status in sorted({str(status) for status in wanted.statuses or Status}):
            index = "ix_runs_flow_id_status_run_name"
            if not wanted.flow_id:
                index = "ix_runs_unfinished" if status in UNFINISHED else "ix_runs_status"
            yield _by_index(chosen.where(*common, *_of_status((status,))), index)
    else:
        yield _by_index(chosen.where(*common), "sqlite_autoindex_runs_1")


def _index_of(wanted: RunFilter) -> str:
    """The index that finds few, whatever else is asked; "" where none does."""
    if wanted.connection_id:
        return "ix_runs_failed_by"
    if wanted.diagnosis_category:
        return "ix_runs_category"
    if wanted.in_doubt:
        return "ix_runs_unfinished"
    return ""


def _by_index(chosen: Select[Any], index: str) -> Select[Any]:
    return chosen.with_hint(runs, f"INDEXED BY {index}", "sqlite")


def _tracking(wanted: RunFilter, chosen: Select[Any]) -> Select[Any]:
    """From the values, which are in the order of the names, to their runs."""
    values = tracked_values.c
    same = values.run_name == runs.c.run_name
    chosen = chosen.order_by(None).order_by(values.run_name).with_only_columns(values.run_name)
    chosen = chosen.select_from(tracked_values.join(runs, same)).where(
        values.value == findable_value(wanted.tracked_value)
    )
    if wanted.tracked_name:
        chosen = chosen.where(values.name == findable_name(wanted.tracked_name))
    else:
        chosen = chosen.distinct()  # the same value under two names
    chosen = chosen.with_hint(tracked_values, "INDEXED BY ix_tracked_values_value", "sqlite")
    return _by_index(chosen, "sqlite_autoindex_runs_1")


def _conditions(wanted: RunFilter) -> Iterator[ColumnElement[bool]]:
    """What every stream asks for. Some indexes hold only some runs; the query must say that it asks for none but these."""
    if wanted.flow_id:
        yield runs.c.flow_id == wanted.flow_id
    if wanted.not_of_flows:
        yield runs.c.flow_id.not_in(wanted.not_of_flows)
    if wanted.code:
        yield runs.c.code == wanted.code
    if wanted.connection_id:
        yield and_(runs.c.connection_id == wanted.connection_id, HAS_CONNECTION)
    if wanted.diagnosis_category:
        yield and_(runs.c.diagnosis_category == str(wanted.diagnosis_category), HAS_CATEGORY)
    if wanted.origin_run:
        yield and_(runs.c.origin_run == wanted.origin_run, HAS_ORIGIN)
    if wanted.tracked_name and not wanted.tracked_value:
        yield _tracks(wanted)
    if wanted.client_tracking_id:
        yield runs.c.run_name.in_(_correlated(wanted.client_tracking_id))
    if wanted.started_from is not None:
        yield runs.c.started_at >= wanted.started_from
        yield runs.c.run_name < _name_before(wanted.started_from)
    if wanted.started_to is not None:
        yield runs.c.started_at < wanted.started_to
        yield runs.c.run_name > _name_after(wanted.started_to)
    if wanted.in_doubt:
        yield and_(runs.c.status == Status.WAITING.value, runs.c.code == IN_DOUBT, IS_UNFINISHED)


def _of_status(statuses: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    wanted = {str(status) for status in statuses}
    if wanted:
        yield runs.c.status.in_(sorted(wanted)) if len(wanted) > 1 else runs.c.status == wanted.pop()
        wanted = {str(status) for status in statuses}
        if wanted <= UNFINISHED:
            yield IS_UNFINISHED
        elif not wanted & UNFINISHED:
            yield HAS_ENDED


def _failed_in(window: Window) -> Iterator[ColumnElement[bool]]:
    yield from failed_in(window)
    if window.until is not None:
        yield runs.c.run_name > _name_after(window.until)


def _tracks(wanted: RunFilter) -> ColumnElement[bool]:
    values = tracked_values.c
    same = values.run_name == runs.c.run_name
    if wanted.tracked_name:
        same &= values.name == findable_name(wanted.tracked_name)
    if wanted.tracked_value:
        same &= values.value == findable_value(wanted.tracked_value)
    return select(values.run_name).where(same).exists()


def _correlated(client_tracking_id: str) -> CompoundSelect[Any]:
    other = runs.alias()
    own = select(other.c.run_name).where(
        other.c.client_tracking_id == client_tracking_id, other.c.client_tracking_id != other.c.run_name
    )
    same = select(other.c.run_name).where(
        other.c.run_name == client_tracking_id, other.c.client_tracking_id == other.c.run_name
    )
    return union(own, same)


def _name_before(at: datetime) -> ColumnElement[str]:
    """The name of a run surely begun before this time: what began at it or later has a smaller one."""
    early = runs.alias()
    last = select(early.c.run_name).where(early.c.started_at < at - _LEEWAY).order_by(early.c.started_at.desc())
    return func.coalesce(last.limit(1).scalar_subquery(), _AFTER_ALL_NAMES)


def _name_after(at: datetime) -> ColumnElement[str]:
    """The name of a run surely begun after this time: what began before it has a larger one."""
    late = runs.alias()
    first = select(late.c.run_name).where(late.c.started_at >= at + _LEEWAY).order_by(late.c.started_at)
    return func.coalesce(first.limit(1).scalar_subquery(), _BEFORE_ALL_NAMES)
