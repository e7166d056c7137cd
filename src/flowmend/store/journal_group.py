"""One group of writes, sorted into few statements.

What a run's writes within one group add up to is worked out here, so a run that starts and ends in one group is
inserted as ended and never updated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, Text

from flowmend.core.errors import Conflict, Fenced
from flowmend.store.bulk_statements import BulkStatement, Cursor, insert_rows, update_rows
from flowmend.store.column_types import Instant, Words, microseconds, storable_text
from flowmend.store.connection_tables import secret_uses
from flowmend.store.journal_writes import (
    AddSecretUse,
    AddTracked,
    AppendPage,
    ChangeEvent,
    ChangeRun,
    HoldEvent,
    StartRun,
    Statement,
    Write,
)
from flowmend.store.rows import Row, TriggerEventRow
from flowmend.store.tables import START_SEQUENCE, journal_pages, runs, tracked_values, trigger_events
from flowmend.store.tracked_values import storable_tracked_value

_Convert = Callable[[Any], Any]


def _conversions(table: Table) -> dict[str, _Convert]:
    # What SQLAlchemy would do to each value on its way to the driver. `str.__str__` makes a plain string of an
    # enumeration's member, which psycopg would otherwise write by name, and refuses everything else.
    known: dict[type[Any], _Convert] = {Instant: microseconds, Words: storable_text, Text: str.__str__}
    return {name: known[type(column.type)] for name, column in table.c.items() if type(column.type) in known}


_RUN_CONVERSIONS = _conversions(runs)
_RUN_PLACES = {name: place for place, name in enumerate(runs.c.keys())}
_EVENT_CONVERSIONS = _conversions(trigger_events)
_EVENT_PLACES = {name: place for place, name in enumerate(trigger_events.c.keys())}
_USE_CONVERSIONS = _conversions(secret_uses)
_USE_PLACES = {one.name: place for place, one in enumerate(one for one in secret_uses.c if not one.primary_key)}
_EPOCH_PLACE = _RUN_PLACES["epoch"]


class JournalStatements:
    """The statements of the journal in the database's dialect, made once and kept."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self._updates: dict[tuple[str, tuple[str, ...]], BulkStatement] = {}
        replace = ", ".join(f"{name} = excluded.{name}" for name in _EVENT_PLACES if name != "event_name")
        self.add_runs = insert_rows(runs, is_sqlite=is_sqlite)
        self.add_pages = insert_rows(journal_pages, is_sqlite=is_sqlite)
        self.append_pages = _fenced_append(is_sqlite=is_sqlite)
        self.add_events = insert_rows(
            trigger_events, is_sqlite=is_sqlite, on_conflict=f"ON CONFLICT (event_name) DO UPDATE SET {replace}"
        )
        self.add_secret_uses = insert_rows(secret_uses, is_sqlite=is_sqlite)
        self.add_tracked = insert_rows(tracked_values, is_sqlite=is_sqlite, on_conflict="ON CONFLICT DO NOTHING")

    def change_runs(self, changed: tuple[str, ...]) -> BulkStatement:
        return self._update(runs, ("run_name", "epoch"), changed)

    def change_events(self, changed: tuple[str, ...]) -> BulkStatement:
        return self._update(trigger_events, ("event_name",), changed)

    def _update(self, table: Table, keys: tuple[str, ...], changed: tuple[str, ...]) -> BulkStatement:
        statement = self._updates.get((table.name, changed))
        if statement is None:
            statement = update_rows(table, keys, changed, is_sqlite=self._is_sqlite)
            self._updates[table.name, changed] = statement
        return statement


class JournalGroup:
    """Collects writes, then carries them out on a connection within its transaction."""

    def __init__(self, statements: JournalStatements) -> None:
        self._statements = statements
        self._new_runs: dict[str, list[Any]] = {}
        self._new_pages: list[tuple[str, int, bytes]] = []
        # (run name, epoch, sequence, page, the sequence that must be there already or None)
        self._pages: list[tuple[str, int, int, bytes, int | None]] = []
        self._last_sequence: dict[tuple[str, int], int] = {}
        self._run_changes: dict[tuple[str, int], dict[str, Any]] = {}
        self._events: dict[str, list[Any]] = {}
        self._event_changes: dict[str, dict[str, Any]] = {}
        self._tracked: dict[tuple[str, ...], None] = {}
        self._secret_uses: list[list[Any]] = []
        self._others: list[Statement] = []

    def add(self, writes: Iterable[Write]) -> None:
        """Take writes in. Errors: Fenced where one contradicts another of this group."""
        for write in writes:
            _TAKE[type(write)](self, write)

    def carry_out(self, connection: Connection) -> None:
        """Errors: Fenced, Conflict; the driver's own."""
        cursor: Cursor = connection.connection.cursor()
        statements = self._statements
        if self._new_runs:
            statements.add_runs.run(cursor, list(self._new_runs.values()))
        if self._new_pages:
            statements.add_pages.run(cursor, self._new_pages)
        if self._pages and statements.append_pages.run(cursor, self._pages) != len(self._pages):
            raise _fenced()
        for changed, rows in _by_columns(self._run_changes, _RUN_CONVERSIONS):
            if statements.change_runs(changed).run(cursor, rows) != len(rows):
                raise _fenced()
        if self._events:
            statements.add_events.run(cursor, list(self._events.values()))
        for changed, rows in _by_columns(self._event_changes, _EVENT_CONVERSIONS):
            if statements.change_events(changed).run(cursor, rows) != len(rows):
                raise Conflict("The trigger event is gone.", code="TriggerEventNotFound")
        if self._tracked:
            statements.add_tracked.run(cursor, list(self._tracked))
        if self._secret_uses:
            statements.add_secret_uses.run(cursor, self._secret_uses)
        for other in self._others:
            other.carry_out(connection)

    def _start_run(self, write: StartRun) -> None:
        run = write.run
        if run.run_name in self._new_runs:
            raise Conflict(f"There is a run {run.run_name} already.", code="StoreConflict", target=run.run_name)
        self._new_runs[run.run_name] = _values(run, _RUN_PLACES, _RUN_CONVERSIONS)
        self._new_pages.append((run.run_name, START_SEQUENCE, run.start))
        self._last_sequence[run.run_name, run.epoch] = START_SEQUENCE
        if write.event is not None:
            self._add_event(write.event)

    def _append_page(self, write: AppendPage) -> None:
        key = (write.run_name, write.epoch)
        last = self._last_sequence.get(key)
        if last is not None and write.sequence != last + 1:
            raise _fenced()
        if write.run_name not in self._new_runs:
            before = write.sequence - 1 if last is None else None
            self._pages.append((write.run_name, write.epoch, write.sequence, write.page, before))
        elif last is not None:
            self._new_pages.append((write.run_name, write.sequence, write.page))
        else:
            raise _fenced()
        self._last_sequence[key] = write.sequence

    def _change_run(self, write: ChangeRun) -> None:
        new = self._new_runs.get(write.run_name)
        if new is None:
            self._run_changes.setdefault((write.run_name, write.epoch), {}).update(write.changes)
        elif new[_EPOCH_PLACE] != write.epoch:
            raise _fenced()
        else:
            _set(new, write.changes, _RUN_CONVERSIONS, _RUN_PLACES)

    def _add_event(self, event: TriggerEventRow) -> None:
        self._event_changes.pop(event.event_name, None)
        self._events[event.event_name] = _values(event, _EVENT_PLACES, _EVENT_CONVERSIONS)

    def _change_event(self, write: ChangeEvent) -> None:
        new = self._events.get(write.event_name)
        if new is None:
            self._event_changes.setdefault(write.event_name, {}).update(write.changes)
        else:
            _set(new, write.changes, _EVENT_CONVERSIONS, _EVENT_PLACES)

    def _add_secret_use(self, write: AddSecretUse) -> None:
        self._secret_uses.append(_values(write.row, _USE_PLACES, _USE_CONVERSIONS))


_TAKE: Mapping[type[Any], Callable[[JournalGroup, Any], None]] = {
    StartRun: JournalGroup._start_run,  # noqa: SLF001  # the class's own table of what it takes
    AppendPage: JournalGroup._append_page,  # noqa: SLF001
    ChangeRun: JournalGroup._change_run,  # noqa: SLF001
    HoldEvent: lambda group, write: group._add_event(write.event),  # noqa: SLF001
    ChangeEvent: JournalGroup._change_event,  # noqa: SLF001
    AddTracked: lambda group, write: group._tracked.setdefault(storable_tracked_value(write.row)),  # noqa: SLF001
    AddSecretUse: JournalGroup._add_secret_use,  # noqa: SLF001
    Statement: lambda group, write: group._others.append(write),  # noqa: SLF001
}


def _values(row: Row, places: Mapping[str, int], conversions: Mapping[str, _Convert]) -> list[Any]:
    return [conversions[name](getattr(row, name)) if name in conversions else getattr(row, name) for name in places]


def _set(
    values: list[Any], changes: Mapping[str, Any], conversions: Mapping[str, _Convert], places: Mapping[str, int]
) -> None:
    for name, value in changes.items():
        values[places[name]] = conversions[name](value) if name in conversions else value


def _by_columns(
    changes: Mapping[Any, Mapping[str, Any]], conversions: Mapping[str, _Convert]
) -> Iterable[tuple[tuple[str, ...], Sequence[Sequence[Any]]]]:
    """(changed columns, rows of key and new values), one for each set of columns."""
    grouped: dict[tuple[str, ...], list[list[Any]]] = {}
    for key, changed in changes.items():
        names = tuple(sorted(changed))
        row = list(key) if isinstance(key, tuple) else [key]
        row += [conversions[name](changed[name]) if name in conversions else changed[name] for name in names]
        grouped.setdefault(names, []).append(row)
    return grouped.items()


def _fenced_append(*, is_sqlite: bool) -> BulkStatement:
    # A page that is there already, the very same, counts as written: whoever lost the connection during a commit cannot
    # know what became of it, and tries again. The lock keeps a taking-over from slipping in between this check and the commit; SQLite has but one writer anyway.
    lock = "" if is_sqlite else "FOR SHARE OF r"
    sql = f"""
        INSERT INTO journal_pages (run_name, sequence, page)
        SELECT v.run_name, v.sequence, v.page FROM {{source}} CROSS JOIN runs AS r
        WHERE r.run_name = v.run_name AND r.epoch = v.epoch AND (v.page_before IS NULL OR EXISTS (
            SELECT 1 FROM journal_pages AS p WHERE p.run_name = v.run_name AND p.sequence = v.page_before
        )) {lock}
        ON CONFLICT (run_name, sequence) DO UPDATE SET page = excluded.page WHERE journal_pages.page = excluded.page
        """  # noqa: S608  # no values in it
    pages = journal_pages.c
    columns = [
        ("run_name", pages.run_name),
        ("epoch", runs.c.epoch),
        ("sequence", pages.sequence),
        ("page", pages.page),
        ("page_before", pages.sequence),
    ]
    return BulkStatement(sql, columns, is_sqlite=is_sqlite)


def _fenced() -> Fenced:
    return Fenced("Another worker has taken this run over, or a page before is missing; let go of it here.")
