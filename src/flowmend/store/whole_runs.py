"""Very many runs with their journals: read a batch at a time, each block of packed journals inflated once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import LargeBinary, literal, select

from flowmend.store.database import Database, select_row
from flowmend.store.journal_packing import unpack
from flowmend.store.rows import RunRow
from flowmend.store.tables import IS_THERE, START_SEQUENCE, journal_blocks, journal_pages, runs

#: Runs of a batch, a block more at most: what is held at once, as a journal may be megabytes.
_BATCH = 32
#: Bound values in one statement: SQLite takes 32,766.
_ASKED_AT_ONCE = 1000

#: Rows of runs with their `start` left empty.
RUN_HEADS = select_row(runs, RunRow).add_columns(literal(b"", LargeBinary).label("start"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRun:
    """A run with its start, and the pages of its journal behind that, in order."""

    row: RunRow
    pages: Sequence[bytes]


def batches(database: Database, run_names: Collection[str]) -> Iterator[Sequence[str]]:
    """These runs, each once, those packed together in one batch; those that there are not are left out.

    Errors: StoreUnavailable.
    """
    placed: dict[int, list[str]] = {}
    names = list(dict.fromkeys(run_names))
    for start in range(0, len(names), _ASKED_AT_ONCE):
        asked = runs.c.run_name.in_(names[start : start + _ASKED_AT_ONCE])
        for name, block in database.tuples(select(runs.c.run_name, runs.c.journal_block).where(asked, IS_THERE)):
            placed.setdefault(block or 0, []).append(name)
    loose = placed.pop(0, [])
    for start in range(0, len(loose), _BATCH):
        yield loose[start : start + _BATCH]
    batch: list[str] = []
    for together in placed.values():
        batch += together
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def whole_runs(database: Database, run_names: Collection[str]) -> Iterator[Sequence[WholeRun]]:
    """These runs, those that there are, in no order; each batch is read when it is asked for.

    Errors: StoreUnavailable, `PayloadDamaged` where a block does not read.
    """
    for batch in batches(database, run_names):
        pages = _pages(database, batch)
        rows = database.every(RUN_HEADS.where(runs.c.run_name.in_(batch)), RunRow)
        yield [
            WholeRun(row=msgspec.structs.replace(row, start=start), pages=behind)
            for row in rows
            for start, *behind in (pages.get(row.run_name, [b""]),)
        ]


def _pages(database: Database, names: Sequence[str]) -> dict[str, list[bytes]]:
    """{run name: all its pages, the start first}, runs without a start left out."""
    of_these = select(journal_pages.c.run_name, journal_pages.c.sequence, journal_pages.c.page)
    of_these = of_these.where(journal_pages.c.run_name.in_(names))
    found: dict[str, list[bytes]] = {}
    for name, sequence, page in database.tuples(of_these.order_by(journal_pages.c.run_name, journal_pages.c.sequence)):
        if sequence == START_SEQUENCE:
            found[name] = [page]
        elif name in found:
            found[name].append(page)
    packed = [name for name in names if name not in found]  # by what there is: a journal may have been packed just now
    if packed:
        blocks = select(runs.c.journal_block).where(runs.c.run_name.in_(packed))
        held = select(journal_blocks.c.content).where(journal_blocks.c.block_id.in_(blocks))
        for (content,) in database.tuples(held):
            journals = unpack(content)
            found |= {name: journals[name] for name in packed if name in journals}
    return found
