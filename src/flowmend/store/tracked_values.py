"""Tracked values: how people find the run for order 4711."""

from collections.abc import Mapping, Sequence

from flowmend.store.column_types import storable_text
from flowmend.store.database import Database, select_row
from flowmend.store.rows import TrackedValueRow
from flowmend.store.tables import tracked_values

#: What is found by is kept this long; PostgreSQL indexes at most 2,704 bytes. The whole value is in the journal.
MOST_NAME_CHARACTERS = 100
MOST_VALUE_CHARACTERS = 400


class TrackedValues:
    """Reading only; the journal writes them. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_run(self, run_name: str) -> Sequence[TrackedValueRow]:
        """All of a run, by name and value."""
        return self._database.every(
            select_row(tracked_values, TrackedValueRow)
            .where(tracked_values.c.run_name == run_name)
            .order_by(tracked_values.c.name, tracked_values.c.value),
            TrackedValueRow,
        )

    def of_runs(self, run_names: Sequence[str]) -> Mapping[str, Sequence[TrackedValueRow]]:
        """{run name: its values by name and value} of the runs that have any. run_names: a page of a list."""
        found: dict[str, list[TrackedValueRow]] = {}
        chosen = select_row(tracked_values, TrackedValueRow).where(tracked_values.c.run_name.in_(run_names))
        for row in self._database.every(
            chosen.order_by(tracked_values.c.run_name, tracked_values.c.name, tracked_values.c.value), TrackedValueRow
        ):
            found.setdefault(row.run_name, []).append(row)
        return found


def storable_tracked_value(row: TrackedValueRow) -> tuple[str, str, str, str]:
    """(run name, name, value, flow id) as kept, name and value shortened to what can be found by."""
    return (row.run_name, findable_name(row.name), findable_value(row.value), row.flow_id)


def findable_name(name: str) -> str:
    return storable_text(name[:MOST_NAME_CHARACTERS])


def findable_value(value: str) -> str:
    return storable_text(value[:MOST_VALUE_CHARACTERS])
