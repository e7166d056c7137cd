"""Runs as a table for spreadsheets: all that were chosen, however many, written as they are read."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from flowmend.core.run.views import timestamp
from flowmend.store.rows import RunRow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_choices import RunChoice, every_chosen
from flowmend.use_cases.run_columns import Column, column_values

_HEADINGS = (
    "Run", "Flow", "Flow id", "Version", "Status", "Code", "Start", "Begun", "End", "Seconds", "Failed action",
    "Error code", "Error message", "Category", "Connection", "Connection id", "Correlation id", "Attempt", "Attempts",
    "Resubmits", "Resubmitted by",
)  # fmt: skip
#: A cell that begins with one of these is computed by a spreadsheet, whoever wrote it.
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones too
#: So that a spreadsheet knows the encoding.
_BYTE_ORDER_MARK = "\ufeff"


async def export_runs(services: Services, choice: RunChoice, columns: Sequence[Column] = ()) -> AsyncIterator[bytes]:
    """CSV (RFC 4180, UTF-8), the headings first, of the runs begun until now. columns: beside the usual ones.

    Errors: AskedWrongly and NotFound before anything is given; StoreUnavailable.
    """
    writer = _Writer(services, columns)
    blocks = every_chosen(services, choice.until(services.clock.now))
    yield (_BYTE_ORDER_MARK + writer.headings()).encode()
    while (rows := await asyncio.to_thread(_next, blocks)) is not None:
        yield (await asyncio.to_thread(writer.rows, rows)).encode()


class _Writer:
    def __init__(self, services: Services, columns: Sequence[Column]) -> None:
        self._services = services
        self._columns = columns
        self._flows = {row.flow_id: row.name for row in services.store.flows.list()}
        self._connections = {row.connection_id: row.display_name for row in services.store.connections.list()}
        self._people = {person.person_id: person.name for person in services.store.access.people()}

    def headings(self) -> str:
        return _lines([(*_HEADINGS, *(one.name for one in self._columns))])

    def rows(self, rows: Sequence[RunRow]) -> str:
        lineages = self._services.store.runs.lineages([row.run_name for row in rows])
        values: Mapping[str, Sequence[str]] = (
            column_values(self._services, rows, self._columns) if self._columns else {}
        )
        return _lines(
            (
                row.run_name,
                self._flows.get(row.flow_id, ""),
                row.flow_id,
                row.version,
                row.status,
                row.code,
                timestamp(row.started_at),
                timestamp(row.timed_from),
                timestamp(row.ended_at) if row.ended_at else "",
                f"{(row.ended_at - row.timed_from).total_seconds():.3f}" if row.ended_at else "",
                row.failed_action,
                row.error_code,
                row.error_message,
                row.diagnosis_category,
                self._connections.get(row.connection_id, ""),
                row.connection_id,
                row.client_tracking_id,
                str(lineages[row.run_name].attempt if row.run_name in lineages else 1),
                str(lineages[row.run_name].attempts if row.run_name in lineages else 1),
                row.origin_run,
                self._people.get(row.resubmitted_by, row.resubmitted_by),
                *values.get(row.run_name, ()),
            )
            for row in rows
        )


def _next(blocks: Iterator[Sequence[RunRow]]) -> Sequence[RunRow] | None:
    return next(blocks, None)


def _lines(rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([_safe(cell) for cell in row] for row in rows)
    return written.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_COMPUTED) else cell
