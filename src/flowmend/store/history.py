"""History that is only kept: packing the journals of runs that have ended, and letting go of what is too old.

Both work in blocks so small that nobody who writes meanwhile waits for long; what is between the blocks is the caller's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, select, update

from flowmend.store.database import Database
from flowmend.store.journal_packing import LARGEST_BYTES, is_packed, pack
from flowmend.store.repair_tables import IS_UNDER_WAY, repair_items, repair_plans
from flowmend.store.schema import NOTHING
from flowmend.store.tables import (
    HAS_ENDED,
    HAS_ORIGIN,
    IS_HELD,
    IS_UNFINISHED,
    REPEATS_AN_EVENT,
    START_SEQUENCE,
    journal_pages,
    run_requests,
    runs,
    tracked_values,
    trigger_events,
)

_pages = journal_pages.c
_events = trigger_events.c
_MOMENT = timedelta(microseconds=1)
_REPLACE = (
    update(journal_pages)
    .where(_pages.run_name == bindparam("of_run"), _pages.sequence == START_SEQUENCE)
    .values(page=bindparam("packed"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one step did. count: of so many runs or events. go_on: where the next begins, None at the end."""

    count: int
    go_on: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What one step removed. cursor: where the next begins, "" at the end."""

    count: int
    cursor: str


class History:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def packed_until(self, before: datetime) -> datetime | None:
        """The time until which the journals of runs that ended are packed; None where no run ended before `before`.

        They are packed in the order in which the runs ended, so halving finds it.
        """
        first = self._database.value(select(func.min(runs.c.ended_at)).where(runs.c.ended_at.is_not(None)))
        if first is None or first >= before:
            return None
        low: datetime = first
        high = before
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            if self._is_packed_at(middle, before):
                low = middle
            else:
                high = middle
        return low

    def pack(self, since: datetime, before: datetime, most: int) -> Block:
        """Pack the journals of runs that ended from `since` on and before `before`, the first of them."""
        ended = (runs.c.ended_at.is_not(None), runs.c.ended_at >= since, runs.c.ended_at < before)
        block = self._database.tuples(
            select(runs.c.run_name, runs.c.ended_at).where(*ended).order_by(runs.c.ended_at).limit(most)
        )
        packed = self._packed([name for name, _ in block])
        if packed:
            names = [name for name, _ in packed]
            with self._database.writing() as connection:
                connection.execute(_REPLACE, [{"of_run": name, "packed": page} for name, page in packed])
                connection.execute(
                    delete(journal_pages).where(_pages.run_name.in_(names), _pages.sequence > START_SEQUENCE)
                )
        if len(block) < most:
            return Block(count=len(packed), go_on=None)
        last = block[-1][1]
        # More runs may have ended in the last one's very microsecond, unless nothing was left to do in the block.
        return Block(count=len(packed), go_on=last if packed and last > since else last + _MOMENT)

    def forget_runs(self, flow_id: str, status: str, before: datetime, most: int, cursor: str = "") -> Forgotten:
        """Remove runs of a flow that ended with this status before that time, the oldest first, with all that is kept of them.

        Those stay that are still needed: runs of a repair plan under way, and what an unfinished run or a held event repeats.
        most: so many are looked at. cursor: what the step before gave. The uses of secrets are kept by a rule of their own.
        """
        oldest = select(runs.c.run_name, runs.c.started_at, runs.c.ended_at).where(
            runs.c.flow_id == flow_id, runs.c.status == status, HAS_ENDED
        )
        if cursor:
            oldest = oldest.where(runs.c.run_name < cursor)
        found = self._database.tuples(oldest.order_by(runs.c.run_name.desc()).limit(most))
        names = [name for name, _, ended_at in found if ended_at is not None and ended_at < before]
        gone: set[str] = set()
        if names:
            with self._database.writing() as connection:
                gone = set(names) - _needed(connection, names)
                _remove(connection, gone)
        is_last = len(found) < most or found[-1][1] >= before
        return Forgotten(count=len(gone), cursor="" if is_last else found[-1][0])

    def forget_events(self, flow_id: str, before: datetime, most: int, cursor: str = "") -> Forgotten:
        """Remove what a flow's trigger did before that time and no run tells of, the oldest first; never what is held."""
        has_run = select(runs.c.run_name).where(runs.c.run_name == _events.run_name).exists()
        oldest = select(_events.event_name, _events.started_at, _events.ended_at, IS_HELD | has_run).where(
            _events.flow_id == flow_id
        )
        if cursor:
            oldest = oldest.where(_events.event_name < cursor)
        found = self._database.tuples(oldest.order_by(_events.event_name.desc()).limit(most))
        gone = [name for name, began, ended, stays in found if not stays and (ended or began) < before]
        if gone:
            with self._database.writing() as connection:
                connection.execute(delete(trigger_events).where(_events.event_name.in_(gone), ~IS_HELD))
        is_last = len(found) < most or found[-1][1] >= before
        return Forgotten(count=len(gone), cursor="" if is_last else found[-1][0])

    def _packed(self, names: Sequence[str]) -> list[tuple[str, bytes]]:
        """(name, its packed page) of those that were not packed yet."""
        journals: dict[str, list[bytes]] = {}
        read = select(_pages.run_name, _pages.page).where(_pages.run_name.in_(names))
        for name, page in self._database.tuples(read.order_by(_pages.run_name, _pages.sequence)):
            journals.setdefault(name, []).append(page)
        return [
            (name, pack(pages))
            for name, pages in journals.items()
            if not is_packed(pages[0]) and sum(map(len, pages)) <= LARGEST_BYTES
        ]

    def _is_packed_at(self, at: datetime, before: datetime) -> bool:
        """Whether the first run that ended from then on is packed; False where there is none."""
        ended = (runs.c.ended_at.is_not(None), runs.c.ended_at >= at, runs.c.ended_at < before)
        first = select(runs.c.run_name).where(*ended).order_by(runs.c.ended_at).limit(1).scalar_subquery()
        page = select(_pages.page).where(_pages.run_name == first, _pages.sequence == START_SEQUENCE)
        return is_packed(self._database.value(page) or b"")


def _needed(connection: Connection, names: Sequence[str]) -> set[str]:
    """Those of the runs that something unfinished rests on."""
    family = select(runs.c.run_name.label("root"), runs.c.run_name).where(runs.c.run_name.in_(names))
    later = family.cte("later", recursive=True)
    repeats = select(later.c.root, runs.c.run_name).join(later, runs.c.origin_run == later.c.run_name)
    later = later.union(repeats.where(HAS_ORIGIN))
    under_way = select(later.c.root).join(runs, runs.c.run_name == later.c.run_name).where(IS_UNFINISHED)
    held = select(later.c.root).join(trigger_events, _events.origin_event == later.c.run_name)
    items = repair_items.c
    plans = select(repair_plans.c.plan_id).where(IS_UNDER_WAY)
    planned = [select(name).where(name.in_(names), items.plan_id.in_(plans)) for name in (items.subject, items.new_run)]
    questions = (
        under_way,
        held.where(REPEATS_AN_EVENT, IS_HELD),
        planned[0],
        planned[1].where(items.new_run != NOTHING),
    )
    return {name for question in questions for name in connection.scalars(question)}


def _remove(connection: Connection, names: Collection[str]) -> None:
    for table in (journal_pages, run_requests, tracked_values, runs):
        connection.execute(delete(table).where(table.c.run_name.in_(names)))
    connection.execute(delete(trigger_events).where(_events.event_name.in_(names), ~IS_HELD))
