"""What a repair plan can be about: failed runs with their later attempts, and held events."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Select, or_, select

from flowmend.core.outcome import Status
from flowmend.store.blast_radius import BlastRadius, Window, failed_in
from flowmend.store.database import Database, select_row
from flowmend.store.rows import Row
from flowmend.store.run_filter import RunFilter, matching
from flowmend.store.run_search import search
from flowmend.store.schema import NOTHING
from flowmend.store.tables import HAS_ORIGIN, IS_HELD, IS_THERE, runs, tracked_values
from flowmend.store.tables import trigger_events as events

#: Bound values in one statement: SQLite takes 32,766.
_BLOCK = 1000
#: An attempt of such a status leaves something to do.
NOT_IN_HAND = (Status.FAILED.value, Status.TIMED_OUT.value)


class SubjectRun(Row, frozen=True, kw_only=True):
    """A run that could be put right, or is an attempt to."""

    run_name: str
    flow_id: str
    version: str
    status: str
    code: str
    error_code: str
    origin_run: str
    started_at: datetime


class HeldSubject(Row, frozen=True, kw_only=True):
    """An event that waits. code: what for. origin_event: the run it repeats, "" where it is a new one."""

    event_name: str
    flow_id: str
    code: str
    business_key: str
    origin_event: str
    started_at: datetime


class RepairSubjects:
    """Reading only, light rows: there may be a hundred thousand. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database, blast_radius: BlastRadius) -> None:
        self._database = database
        self._blast_radius = blast_radius

    def failed(self, windows: Sequence[Window]) -> Sequence[SubjectRun]:
        """The runs that connections failed while they were broken, each once, the oldest first."""
        found: dict[str, SubjectRun] = {}
        for window in windows:
            chosen = _runs().where(*failed_in(window)).order_by(runs.c.run_name.desc())
            found |= {run.run_name: run for run in self._database.every(chosen, SubjectRun)}
        return sorted(found.values(), key=lambda one: one.run_name, reverse=True)

    def matching(self, wanted: RunFilter) -> Sequence[SubjectRun]:
        """All runs that a filter shows, the oldest first."""
        if wanted.text:
            return self.named(search(self._database, wanted).names)
        chosen = _runs().where(*matching(wanted)).order_by(runs.c.run_name.desc())
        return self._database.every(chosen, SubjectRun)

    def named(self, names: Collection[str]) -> Sequence[SubjectRun]:
        """These runs, those that there are, the oldest first."""
        found: list[SubjectRun] = []
        for block in _blocks(sorted(set(names), reverse=True)):
            chosen = _runs().where(runs.c.run_name.in_(block)).order_by(runs.c.run_name.desc())
            found += self._database.every(chosen, SubjectRun)
        return found

    def attempts_after(self, names: Collection[str]) -> Sequence[SubjectRun]:
        """The runs that resubmit one of these, and those that resubmit them in turn."""
        found: dict[str, SubjectRun] = {}
        waiting = list(names)
        while waiting:
            later: list[SubjectRun] = []
            for block in _blocks(waiting):
                chosen = _runs().where(HAS_ORIGIN, runs.c.origin_run.in_(block))
                later += self._database.every(chosen, SubjectRun)
            waiting = [run.run_name for run in later if run.run_name not in found]
            found |= {run.run_name: run for run in later}
        return list(found.values())

    def first_arrivals(self, subjects: Sequence[SubjectRun]) -> dict[str, datetime]:
        """{run name: when the first attempt of its family began}."""
        arrived = {run.run_name: run.started_at for run in subjects}
        above = {run.run_name: run.origin_run for run in subjects if run.origin_run}
        known: dict[str, SubjectRun] = {run.run_name: run for run in subjects}
        while above:
            unknown = {origin for origin in above.values() if origin not in known}
            known |= {run.run_name: run for run in self.named(unknown)}
            higher: dict[str, str] = {}
            for name, origin in above.items():
                run = known.get(origin)
                if run is not None:  # else it is not kept any more: the oldest known one counts
                    arrived[name] = run.started_at
                    if run.origin_run:
                        higher[name] = run.origin_run
            above = higher
        return arrived

    def held(self, flow_ids: Collection[str]) -> Sequence[HeldSubject]:
        """The held events of these flows in the order in which they arrived."""
        found: list[HeldSubject] = []
        for block in _blocks(sorted(flow_ids)):
            chosen = select_row(events, HeldSubject).where(IS_HELD, events.c.flow_id.in_(block))
            found += self._database.every(chosen, HeldSubject)
        # Names decrease over time, so among events of one microsecond the larger name came first.
        found.sort(key=lambda one: one.event_name, reverse=True)
        found.sort(key=lambda one: one.started_at)
        return found

    def resubmissions_held(self, run_names: Collection[str]) -> frozenset[str]:
        """Those of these runs that a held event repeats already."""
        chosen = select(events.c.origin_event).where(IS_HELD, events.c.origin_event != "")
        held = {origin for (origin,) in self._database.tuples(chosen)}
        return frozenset(held & set(run_names))

    def values_tracked(self, run_names: Collection[str], name: str) -> dict[str, str]:
        """{run name: what it tracked under this name}, runs without it left out."""
        found: dict[str, str] = {}
        for block in _blocks(list(run_names)):
            chosen = select(tracked_values.c.run_name, tracked_values.c.value).where(
                tracked_values.c.run_name.in_(block), tracked_values.c.name == name
            )
            found |= dict(self._database.tuples(chosen))
        return found

    def count_not_put_right(self, windows: Sequence[Window]) -> int:
        """How many of the runs that connections failed have no later attempt that goes on or went well.

        Three attempts after the first are looked at. A run that two connections failed counts for each.
        """
        failed = sum(self._blast_radius.failed_by_flow(windows).values())
        return failed - sum(_is_of(run, window) for run in self._put_right(windows) for window in windows)

    def _put_right(self, windows: Sequence[Window]) -> Sequence[tuple[str, datetime, datetime]]:
        """(connection, begin, end) of failed runs that have such an attempt; found from the attempts, which are few."""
        first, second, third = (runs.alias(name) for name in ("first_after", "second_after", "third_after"))
        later: FromClause = first
        for above, one in ((first, second), (second, third)):
            later = later.outerjoin(one, (one.c.origin_run == above.c.run_name) & (one.c.origin_run != NOTHING))
        in_hand = or_(*(one.c.status.not_in(NOT_IN_HAND) for one in (first, second, third)))
        put_right = select(first.c.origin_run).select_from(later).where(first.c.origin_run != NOTHING, in_hand)
        names = {name for (name,) in self._database.tuples(put_right)}
        failed = select(runs.c.connection_id, runs.c.started_at, runs.c.ended_at).where(
            IS_THERE,
            runs.c.status.in_(NOT_IN_HAND),
            runs.c.connection_id.in_({window.connection_id for window in windows}),
        )
        return [
            run
            for block in _blocks(sorted(names))
            for run in self._database.tuples(failed.where(runs.c.run_name.in_(block)))
        ]


def _is_of(run: tuple[str, datetime, datetime], window: Window) -> bool:
    connection_id, began, ended = run
    is_before_mend = window.until is None or began < window.until
    return connection_id == window.connection_id and ended >= window.since and is_before_mend


def is_in_hand(status: str) -> bool:
    """Whether an attempt of this status leaves nothing to do: it goes on, went well, or somebody ended it on purpose."""
    return status not in NOT_IN_HAND


def attempts_by_family(first: Sequence[SubjectRun], later: Sequence[SubjectRun]) -> Mapping[str, Sequence[SubjectRun]]:
    """{run name: every attempt after it}, for each of `first`."""
    children: dict[str, list[SubjectRun]] = {}
    for run in later:
        children.setdefault(run.origin_run, []).append(run)
    found: dict[str, Sequence[SubjectRun]] = {}
    for run in first:
        below: dict[str, SubjectRun] = {}
        waiting = [run.run_name]
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child.run_name not in below:
                    below[child.run_name] = child
                    waiting.append(child.run_name)
        found[run.run_name] = list(below.values())
    return found


def _runs() -> Select[Any]:
    return select_row(runs, SubjectRun).where(IS_THERE)


def _blocks(names: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _BLOCK):
        yield list(names[start : start + _BLOCK])
