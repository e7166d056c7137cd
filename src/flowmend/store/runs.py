"""Runs: their heads, and the questions that pages, timers and recovery ask about them."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

import msgspec
from sqlalchemy import (
    ColumnElement,
    and_,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)

from flowmend.core.errors import NotFound
from flowmend.core.outcome import Status
from flowmend.store.database import Database
from flowmend.store.hourly_ticks import EndedRuns, Tick
from flowmend.store.journal_packing import unpack
from flowmend.store.journal_writes import Statement
from flowmend.store.rows import RunRow
from flowmend.store.run_filter import RunFilter, select_apart, select_names
from flowmend.store.run_search import search
from flowmend.store.tables import (
    HAS_CONNECTION,
    HAS_ORIGIN,
    IS_THERE,
    IS_UNFINISHED,
    START_SEQUENCE,
    deleted_flows,
    flows,
    journal_blocks,
    journal_pages,
    run_requests,
    runs,
    tracked_values,
)
from flowmend.store.whole_runs import RUN_HEADS, WholeRun, batches, whole_runs

__all__ = ["Counts", "Lineage", "RunFilter", "Runs"]

_BLOCK = 1000
_ASKED_FOR_NAMES = 500
_COUNTED_ONE_BY_ONE = 2_000

#: {status: number of runs}
Counts = Mapping[str, int]


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempt a run is of how many, 1 the first."""

    attempt: int
    attempts: int


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of runs, newest first. next_cursor: "" at the end. is_whole: False where a part of a text was looked for among the
    newest runs only. total: how many a search for a text found, None where none was made.
    """

    rows: Sequence[RunRow]
    next_cursor: str
    is_whole: bool = True
    total: int | None = None


class Runs:
    """Reading, taking over and resubmissions; the journal writes runs. Errors of all methods: StoreUnavailable.

    Names of runs decrease over time, so ordered by name the newest comes first. Rows in lists leave `start` empty:
    it can be megabytes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended = EndedRuns(database)

    def get(self, run_name: str) -> RunRow | None:
        """A run with its start."""
        row = self._database.first(RUN_HEADS.where(runs.c.run_name == run_name, IS_THERE), RunRow)
        if row is None:
            return None
        start = select(journal_pages.c.page).where(
            journal_pages.c.run_name == run_name, journal_pages.c.sequence == START_SEQUENCE
        )
        page = self._database.value(start)
        return msgspec.structs.replace(row, start=self._packed(run_name)[START_SEQUENCE] if page is None else page)

    def starts(self, run_names: Sequence[str]) -> Mapping[str, bytes]:
        """{run name: its start}. run_names: a page of a list."""
        first = select(journal_pages.c.run_name, journal_pages.c.page).where(
            journal_pages.c.run_name.in_(run_names), journal_pages.c.sequence == START_SEQUENCE
        )
        found = dict(self._database.tuples(first))
        wanted = {name for name in run_names if name not in found}
        blocks = select(runs.c.journal_block).where(runs.c.run_name.in_(wanted)).distinct()
        held = select(journal_blocks.c.content).where(journal_blocks.c.block_id.in_(blocks))
        for (content,) in self._database.tuples(held) if wanted else ():
            found |= {name: pages[START_SEQUENCE] for name, pages in unpack(content).items() if name in wanted}
        return found

    def batches(self, run_names: Collection[str]) -> Iterator[Sequence[str]]:
        """These runs, those that there are, so that what `starts` inflates for a batch it inflates for no other."""
        return batches(self._database, run_names)

    def whole(self, run_names: Collection[str]) -> Iterator[Sequence[WholeRun]]:
        """These runs, those that there are, with their journals, a batch at a time and in no order."""
        return whole_runs(self._database, run_names)

    def has(self, run_name: str) -> bool:
        """Whether there is a run of this name."""
        return self._database.value(select(literal(1)).where(runs.c.run_name == run_name, IS_THERE)) is not None

    def list(self, wanted: RunFilter | None = None, limit: int = 50, cursor: str = "") -> tuple[Sequence[RunRow], str]:
        """Runs, newest first, and the cursor of the next page ("" at the end). cursor: what the page before gave."""
        found = self.page(wanted or RunFilter(), limit, cursor)
        return found.rows, found.next_cursor

    def page(self, wanted: RunFilter, limit: int, cursor: str = "") -> RunPage:
        """As `list`, with what a search for a text found out."""
        wanted = self._there(wanted)
        if not wanted.text:
            names = select_names(wanted, limit=limit + 1, cursor=cursor).subquery()
            return self._page(runs.c.run_name.in_(select(names.c.run_name)), limit)
        found = search(self._database, wanted)
        later = [name for name in found.names if name > cursor]
        page = self._page(runs.c.run_name.in_(later[: limit + 1]), limit)
        return msgspec.structs.replace(page, is_whole=found.is_whole, total=len(found.names))

    def _there(self, wanted: RunFilter) -> RunFilter:
        """Without runs of deleted flows. Hardly ever are there any; asking each list's runs would cost it its index."""
        gone = [flow_id for (flow_id,) in self._database.tuples(select(deleted_flows.c.flow_id))]
        return msgspec.structs.replace(wanted, not_of_flows=gone) if gone else wanted

    def _page(self, chosen: ColumnElement[bool], limit: int) -> RunPage:
        rows = self._database.every(RUN_HEADS.where(chosen).order_by(runs.c.run_name), RunRow)
        return RunPage(rows=rows[:limit], next_cursor=rows[limit - 1].run_name if len(rows) > limit else "")

    def every(self, wanted: RunFilter) -> Iterator[Sequence[RunRow]]:
        """All runs that meet the filter, newest first, read block by block as they are asked for."""
        cursor = ""
        while True:
            rows, cursor = self.list(wanted, _BLOCK, cursor)
            if rows:
                yield rows
            if not cursor:
                return

    def count(self, wanted: RunFilter, most: int) -> int:
        """How many runs meet the filter, counted no further than `most`."""
        wanted = self._there(wanted)
        if wanted.text:
            return min(most, len(search(self._database, wanted).names))
        count = 0
        for names in select_apart(wanted):
            counted = select(func.count()).select_from(names.limit(most - count).subquery())
            count += int(self._database.value(counted) or 0)
            if count >= most:
                break
        return count

    def counts(self, wanted: RunFilter, statuses: Sequence[str], most: int) -> Counts:
        """{status: how many runs of it meet the filter}, each counted no further than `most`; the filter names no status.

        Empty where that would mean to read more runs than anybody waits for: of a text, of an incident, and of a value that
        very many track.
        """
        if wanted.text or wanted.failed_in is not None:
            return {}
        if not wanted.tracked_value:
            return {one: self.count(msgspec.structs.replace(wanted, statuses=(one,)), most) for one in statuses}
        names = select_names(self._there(wanted), limit=_COUNTED_ONE_BY_ONE + 1).subquery()
        of_these = runs.c.run_name.in_(select(names.c.run_name))
        by_status = select(runs.c.status, func.count()).where(of_these).group_by(runs.c.status)
        counts = dict(self._database.tuples(by_status))
        return {} if sum(counts.values()) > _COUNTED_ONE_BY_ONE else {one: counts.get(one, 0) for one in statuses}

    def tracked_names(self, flow_id: str = "") -> Sequence[str]:
        """The names under which the newest runs of this flow, or of any, tracked values, in alphabetical order."""
        newest = select_names(self._there(RunFilter(flow_id=flow_id)), limit=_ASKED_FOR_NAMES).subquery()
        same = tracked_values.c.run_name == newest.c.run_name
        names = select(tracked_values.c.name).select_from(newest.join(tracked_values, same)).distinct()
        return sorted(name for (name,) in self._database.tuples(names))

    def count_by_status(self, flow_id: str | None = None, since: datetime | None = None) -> Counts:
        """How many runs, of one flow or of all, have each status. since: only those not ended before then."""
        if since is not None:
            of_flows = self.counts_of_each_flow(since)
            wanted = of_flows.values() if flow_id is None else [of_flows.get(flow_id, {})]
            return sum(map(Counter, wanted), Counter[str]())
        chosen = select(runs.c.status, func.count()).where(IS_THERE).group_by(runs.c.status)
        if flow_id is not None:
            chosen = chosen.where(runs.c.flow_id == flow_id)
        return dict(self._database.tuples(chosen))

    def counts_of_each_flow(self, since: datetime | None = None) -> Mapping[str, Counts]:
        """{flow id: {status: number of runs}}, flows without runs left out. since: only those not ended before then."""
        chosen = select(runs.c.flow_id, runs.c.status, func.count()).where(IS_THERE)
        chosen = chosen.group_by(runs.c.flow_id, runs.c.status)
        if since is not None:
            chosen = chosen.where(IS_UNFINISHED).with_hint(runs, "INDEXED BY ix_runs_unfinished", "sqlite")
        by_flow: dict[str, Counter[str]] = {}
        for flow_id, status, count in self._database.tuples(chosen):
            by_flow.setdefault(flow_id, Counter())[status] += count
        for _hour, flow_id, status, count in self._ended.since(since) if since is not None else ():
            by_flow.setdefault(flow_id, Counter())[status] += count
        return by_flow

    def last_of_each_flow(self) -> Mapping[str, RunRow]:
        """{flow id: its newest run}, flows without runs left out."""
        newest = [
            select(func.min(runs.c.run_name)).where(runs.c.flow_id == flows.c.flow_id, runs.c.status == status.value)
            for status in Status  # by index; the newest of all would be looked for among all
        ]
        names = union_all(
            *(select(one.correlate(flows).scalar_subquery().label("name")).select_from(flows) for one in newest)
        )
        chosen = RUN_HEADS.where(runs.c.run_name.in_(select(names.subquery().c.name))).order_by(runs.c.run_name.desc())
        return {row.flow_id: row for row in self._database.every(chosen, RunRow)}

    def under_way(self) -> Sequence[str]:
        """Names of the runs that were doing something, oldest first: neither ended nor at rest.

        One at rest waits for somebody, or its row says when it goes on.
        """
        is_awake = and_(IS_UNFINISHED, runs.c.wake_at.is_(None), runs.c.status != Status.WAITING.value)
        found = self._database.tuples(select(runs.c.run_name).where(is_awake).order_by(runs.c.run_name.desc()))
        return [name for (name,) in found]

    def unfinished_of(self, flow_id: str) -> Sequence[str]:
        """Names of one flow's runs that have not ended."""
        chosen = select(runs.c.run_name).where(IS_UNFINISHED, runs.c.flow_id == flow_id)
        return [name for (name,) in self._database.tuples(chosen)]

    def count_unfinished(self, flow_id: str, before: str) -> int:
        """How many runs of a flow have not ended, of those begun before the one that has, or would have, this name."""
        counted = select(func.count()).where(IS_UNFINISHED, runs.c.flow_id == flow_id, runs.c.run_name > before)
        return int(self._database.value(counted) or 0)

    def due(self, now: datetime, limit: int = 500) -> Sequence[str]:
        """Names of runs at rest whose time to go on has come, longest due first."""
        due = select(runs.c.run_name).where(runs.c.wake_at <= now, IS_UNFINISHED)
        found = self._database.tuples(due.order_by(runs.c.wake_at, runs.c.run_name).limit(limit))
        return [name for (name,) in found]

    def next_due(self) -> datetime | None:
        """The earliest time at which a run at rest goes on; None where none waits for a time."""
        earliest = select(func.min(runs.c.wake_at)).where(runs.c.wake_at.is_not(None), IS_UNFINISHED)
        return cast("datetime | None", self._database.value(earliest))

    def pages(
        self, run_name: str, *, after: int = START_SEQUENCE, sequence: int | None = None
    ) -> Sequence[tuple[int, bytes]]:
        """The journal of a run: (sequence, page) in order, without the start.

        after: only the pages behind this one. sequence: this page alone; of a journal in a block, all of them.
        """
        chosen = select(journal_pages.c.sequence, journal_pages.c.page).where(
            journal_pages.c.run_name == run_name, journal_pages.c.sequence > after
        )
        if sequence is not None:
            chosen = chosen.where(journal_pages.c.sequence == sequence)
        found = self._database.tuples(chosen.order_by(journal_pages.c.sequence))
        return found or list(enumerate(self._packed(run_name)))[after + 1 :]

    def _packed(self, run_name: str) -> Sequence[bytes]:
        """All pages of a run whose journal is in a block; an empty start where there is none."""
        held = select(journal_blocks.c.content).join(runs, runs.c.journal_block == journal_blocks.c.block_id)
        content = self._database.value(held.where(runs.c.run_name == run_name))
        return [b""] if content is None else unpack(content)[run_name]

    def held_by(self, connection_id: str) -> Sequence[str]:
        """Names of the runs that wait for this connection, oldest first."""
        # ended_at is there for the index of connections and ends
        is_waiting = runs.c.ended_at.is_(None) & (runs.c.status == Status.WAITING.value)
        waits = (runs.c.connection_id == connection_id) & HAS_CONNECTION & is_waiting
        found = self._database.tuples(select(runs.c.run_name).where(waits).order_by(runs.c.run_name.desc()))
        return [name for (name,) in found]

    def lineage(self, run_name: str) -> Sequence[RunRow]:
        """The run, what it resubmits up to the first, and every resubmission of any of these, newest first."""
        above = (
            select(runs.c.run_name, runs.c.origin_run).where(runs.c.run_name == run_name).cte("above", recursive=True)
        )
        above = above.union(
            select(runs.c.run_name, runs.c.origin_run).join(above, runs.c.run_name == above.c.origin_run)
        )
        family = select(above.c.run_name).cte("family", recursive=True)
        family = family.union(
            select(runs.c.run_name).join(family, runs.c.origin_run == family.c.run_name).where(HAS_ORIGIN)
        )
        chosen = RUN_HEADS.where(runs.c.run_name.in_(select(family.c.run_name)))
        return self._database.every(chosen.order_by(runs.c.run_name), RunRow)

    def lineages(self, run_names: Sequence[str]) -> Mapping[str, Lineage]:
        """{run name: its place in its lineage}, runs that were tried but once left out. run_names: a page of a list."""
        above = select(runs.c.run_name.label("asked"), runs.c.run_name, runs.c.origin_run)
        above_cte = above.where(runs.c.run_name.in_(run_names)).cte("above", recursive=True)
        origin = select(above_cte.c.asked, runs.c.run_name, runs.c.origin_run)
        above_cte = above_cte.union(origin.join(above_cte, runs.c.run_name == above_cte.c.origin_run))
        family = select(above_cte.c.asked, above_cte.c.run_name).cte("family", recursive=True)
        later = select(family.c.asked, runs.c.run_name).join(family, runs.c.origin_run == family.c.run_name)
        family = family.union(later.where(HAS_ORIGIN))
        members: dict[str, list[str]] = {}
        for asked, name in self._database.tuples(select(family.c.asked, family.c.run_name)):
            members.setdefault(asked, []).append(name)
        return {
            asked: Lineage(attempt=1 + sum(name > asked for name in names), attempts=len(names))
            for asked, names in members.items()
            if len(names) > 1
        }

    def take(self, run_name: str) -> int:
        """Raise a run's epoch and return it: from now on only its holder can write. Errors: NotFound."""
        taken = update(runs).where(runs.c.run_name == run_name).values(epoch=runs.c.epoch + 1).returning(runs.c.epoch)
        with self._database.writing() as connection:
            epoch = connection.execute(taken).scalar()
        if epoch is None:
            raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
        return int(epoch)

    def take_block(self, run_names: Sequence[str]) -> Mapping[str, int]:
        """`take` of several runs in one transaction: {run name: its epoch}, without those that have ended."""
        taken = update(runs).where(runs.c.run_name.in_(run_names), IS_UNFINISHED).values(epoch=runs.c.epoch + 1)
        with self._database.writing() as connection:
            found = connection.execute(taken.returning(runs.c.run_name, runs.c.epoch)).all()
        return {name: int(epoch) for name, epoch in found}

    def take_unfinished(self) -> int:
        """Raise the epoch of every run that has not ended, in one transaction; how many there are."""
        taken = update(runs).where(IS_UNFINISHED).values(epoch=runs.c.epoch + 1)
        with self._database.writing() as connection:
            return connection.execute(taken).rowcount

    def of_connection(self, connection_id: str, statuses: Sequence[str] = ()) -> Counts:
        """{status: number of runs} that name this connection in their failure. statuses: empty means all."""
        counted = select(runs.c.status, func.count()).where(
            runs.c.connection_id == connection_id, HAS_CONNECTION, IS_THERE
        )
        if statuses:
            counted = counted.where(runs.c.status.in_([str(status) for status in statuses]))
        return dict(self._database.tuples(counted.group_by(runs.c.status)))

    def hourly_ticks(self, since: datetime, connection_id: str | None = None) -> Sequence[Tick]:
        """How runs of the flows that use a connection, or each connection, ended per hour since then, oldest first."""
        return self._ended.ticks(since, None if connection_id is None else [connection_id])

    def resubmission(self, run_name: str, request_id: str) -> str | None:
        """The run or event that this request to resubmit made, None where it has not come yet."""
        same = (run_requests.c.run_name == run_name) & (run_requests.c.request_id == request_id)
        return cast("str | None", self._database.value(select(run_requests.c.new_run).where(same)))


def note_resubmission(run_name: str, request_id: str, new_run: str) -> Statement:
    """What a request to resubmit made, to be written together with it: the submission fails with Conflict where the
    same request came before.
    """
    row = {"run_name": run_name, "request_id": request_id, "new_run": new_run}
    return Statement(lambda connection: connection.execute(insert(run_requests), row))
