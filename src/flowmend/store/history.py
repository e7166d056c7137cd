"""History that is only kept: packing the journals of runs that have ended, and letting go of what is too old.

Both work in blocks so small that nobody who writes meanwhile waits for long; what is between the blocks is the caller's.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from flowmend.store.database import Database
from flowmend.store.journal_packing import LARGEST_BYTES, MOST_RUNS, pack, size_in_block, unpack
from flowmend.store.repair_tables import IS_UNDER_WAY, repair_items, repair_plans
from flowmend.store.schema import NOTHING
from flowmend.store.tables import (
    HAS_ENDED,
    HAS_ORIGIN,
    IS_HELD,
    IS_LOOSE,
    IS_UNFINISHED,
    REPEATS_AN_EVENT,
    deleted_flows,
    journal_blocks,
    journal_pages,
    run_requests,
    runs,
    tracked_values,
    trigger_events,
)

_pages = journal_pages.c
_events = trigger_events.c
#: Stands for the block of a journal that is too large to be in one.
_NO_BLOCK = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What one step removed. cursor: where the next begins, "" at the end."""

    count: int
    cursor: str


class History:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pack(self, before: datetime, most: int) -> int:
        """Pack the journals of runs that ended before this time, the first of those that are not yet; of how many.

        most: so many are looked at. Those that changed meanwhile are left for the next time.
        """
        loose = select(runs.c.run_name, runs.c.flow_id).where(IS_LOOSE, runs.c.ended_at < before)
        by_flow: dict[str, list[str]] = {}
        for name, flow_id in self._database.tuples(loose.order_by(runs.c.ended_at).limit(most)):
            by_flow.setdefault(flow_id, []).append(name)
        counts, journals = self._journals([name for names in by_flow.values() for name in names])
        blocks = [
            (pack(part) if part else None, names)
            for of_flow in by_flow.values()
            for names, part in _parts(of_flow, journals)
        ]
        if blocks:
            with self._database.writing() as connection:
                for content, names in blocks:
                    if _are_as_read(connection, names, counts):
                        _put_block(connection, content, names)
        return sum(len(names) for names in by_flow.values())

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
            self._database.forgotten += bool(gone)
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

    def forget_flow(self, flow_id: str, most: int) -> Forgotten:
        """Remove some runs, or trigger events, of a deleted flow with all that is kept of them; where none is left, that it was deleted.

        Whatever else holds history back does not: nobody can go on with what is of no flow.
        """
        with self._database.writing() as connection:
            is_deleted = deleted_flows.c.flow_id == flow_id
            if connection.execute(select(deleted_flows.c.flow_id).where(is_deleted)).first() is None:
                return Forgotten(count=0, cursor="")
            gone = _remove_runs_of(connection, flow_id, most) or _remove_events_of(connection, flow_id, most)
            if not gone:
                connection.execute(delete(deleted_flows).where(is_deleted))
        self._database.forgotten += not gone  # until now nobody counted them
        return Forgotten(count=gone, cursor=flow_id if gone else "")

    def _journals(self, names: Sequence[str]) -> tuple[Mapping[str, int], Mapping[str, Sequence[bytes]]]:
        """({run name: number of pages}, {run name: its pages}), the second without journals too large for a block: these are not read."""
        sizes = select(_pages.run_name, func.count(), func.sum(func.length(_pages.page)))
        found = self._database.tuples(sizes.where(_pages.run_name.in_(names)).group_by(_pages.run_name))
        journals: dict[str, list[bytes]] = {name: [] for name, _, size in found if size <= LARGEST_BYTES}
        read = select(_pages.run_name, _pages.page).where(_pages.run_name.in_(journals))
        for name, page in self._database.tuples(read.order_by(_pages.run_name, _pages.sequence)):
            journals[name].append(page)
        return {name: count for name, count, _ in found}, journals


def _parts(
    names: Sequence[str], journals: Mapping[str, Sequence[bytes]]
) -> Iterator[tuple[Sequence[str], Mapping[str, Sequence[bytes]]]]:
    """The runs of a flow in parts that each fill a block; nothing to pack where a journal is too large, or gone."""
    part: dict[str, Sequence[bytes]] = {}
    size = 0
    for name in names:
        of_run = size_in_block(journals.get(name, ()))
        if of_run > LARGEST_BYTES or name not in journals:
            yield [name], {}
            continue
        if part and (len(part) == MOST_RUNS or size + of_run > LARGEST_BYTES):
            yield list(part), part
            part, size = {}, 0
        part[name] = journals[name]
        size += of_run
    if part:
        yield list(part), part


def _are_as_read(connection: Connection, names: Sequence[str], counts: Mapping[str, int]) -> bool:
    """Whether the runs are still there and have the pages that were read: a page that came meanwhile must not go with those
    packed, and a block must not hold what was deleted. PostgreSQL lets nobody write to them from here on.
    """
    loose = select(runs.c.run_name).where(runs.c.run_name.in_(names), IS_LOOSE).with_for_update()
    if len(connection.execute(loose).all()) < len(names):
        return False
    counted = select(_pages.run_name, func.count()).where(_pages.run_name.in_(names)).group_by(_pages.run_name)
    now = dict(connection.execute(counted).tuples().all())
    return now == {name: counts[name] for name in names if name in counts}


def _put_block(connection: Connection, content: bytes | None, names: Sequence[str]) -> None:
    of_these = runs.c.run_name.in_(names)
    if content is None:
        connection.execute(update(runs).where(of_these).values(journal_block=_NO_BLOCK))
        return
    block_id = connection.execute(insert(journal_blocks).returning(journal_blocks.c.block_id), {"content": content})
    connection.execute(update(runs).where(of_these).values(journal_block=block_id.scalar_one()))
    connection.execute(delete(journal_pages).where(_pages.run_name.in_(names)))


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


def _remove_runs_of(connection: Connection, flow_id: str, most: int) -> int:
    """Of how many runs."""
    some = select(runs.c.run_name, runs.c.journal_block).where(runs.c.flow_id == flow_id).limit(most)
    # Locked, as by `_are_as_read`: nobody packs them meanwhile.
    found = connection.execute(some.with_for_update()).all()
    # A block holds runs of one flow, so all that is in it goes, at once or soon.
    blocks = {block_id for _, block_id in found if block_id is not None}
    connection.execute(delete(journal_blocks).where(journal_blocks.c.block_id.in_(blocks)))
    _remove_rows(connection, [name for name, _ in found])
    return len(found)


def _remove_events_of(connection: Connection, flow_id: str, most: int) -> int:
    some = select(_events.event_name).where(_events.flow_id == flow_id).limit(most)
    return connection.execute(delete(trigger_events).where(_events.event_name.in_(some))).rowcount


def _remove(connection: Connection, names: Collection[str]) -> None:
    _take_out(connection, names)
    _remove_rows(connection, names)


def _remove_rows(connection: Connection, names: Collection[str]) -> None:
    for table in (journal_pages, run_requests, tracked_values, runs):
        connection.execute(delete(table).where(table.c.run_name.in_(names)))
    connection.execute(delete(trigger_events).where(_events.event_name.in_(names), ~IS_HELD))


def _take_out(connection: Connection, names: Collection[str]) -> None:
    """Nothing of a run that went is to be left in a block that goes on."""
    ids = select(runs.c.journal_block).where(runs.c.run_name.in_(names)).distinct()
    found = connection.execute(select(journal_blocks).where(journal_blocks.c.block_id.in_(ids))).all()
    for block_id, content in found:
        left = {name: pages for name, pages in unpack(content).items() if name not in names}
        is_block = journal_blocks.c.block_id == block_id
        if left:
            connection.execute(update(journal_blocks).where(is_block).values(content=pack(left)))
        else:
            connection.execute(delete(journal_blocks).where(is_block))
