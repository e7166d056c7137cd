"""Counts of runs that ended are kept between pages; they must not differ from counts made anew. On both databases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowmend.store import Store
from flowmend.store.blast_radius import Window
from flowmend.store.connection_tables import incident_connections
from flowmend.store.hour_counts import settled_until
from flowmend.store.incident_rows import IncidentConnectionRow
from flowmend.store.journal import StartRun

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def end(store: Store, examples: Any, write: Any) -> Callable[..., str]:
    """Adds a run that failed, by default for a shop's connection, so many hours after noon; gives its name."""
    numbers = iter(range(1_000))

    def end(hours: float = 0, ended_at: datetime | None = None, **parts: Any) -> str:
        ended_at = ended_at or examples.noon + HOUR * hours
        told = {"status": "Failed", "connection_id": "shop", "error_code": "Unauthorized", "started_at": ended_at}
        run = examples.run(next(numbers), ended_at=ended_at, **{**told, **parts})
        write(store, StartRun(run))
        return str(run.run_name)

    return end


@pytest.fixture
def broken(store: Store, examples: Any) -> Callable[[float, float | None], None]:
    """The shop's connection was broken between these hours after noon."""

    def broken(since: float, until: float | None) -> None:
        row = IncidentConnectionRow(
            incident_id=f"incident-{since}",
            connection_id="shop",
            first_bad_at=examples.noon + HOUR * since,
            mended_at=None if until is None else examples.noon + HOUR * until,
        )
        store._database.put(incident_connections, row)

    return broken


class TestWindows:
    def test_what_ends_later_is_added_to_what_is_kept(
        self, store: Store, examples: Any, end: Callable[..., str]
    ) -> None:
        window = Window(connection_id="shop", since=examples.noon)
        for hours in (0, 0.5, 1, 1, 2.9, 3, 50):
            end(hours)
            end(hours, connection_id="mail")
            end(hours, status="Succeeded")
            end(hours, flow_id="flow-2", status="TimedOut")
            anew = Store(store._database).blast_radius.failed_by_flow([window])
            assert store.blast_radius.failed_by_flow([window]) == anew
        assert anew == {"flow-1": 7, "flow-2": 7}
        assert store.blast_radius.failed_by_connection(["shop", "mail", "none"]) == {"shop": 14, "mail": 7, "none": 0}

    def test_a_run_counts_that_began_before_the_mend_and_ended_long_after_it(
        self, store: Store, examples: Any, end: Callable[..., str]
    ) -> None:
        window = Window(connection_id="shop", since=examples.noon, until=examples.noon + HOUR)
        end(0.5)
        end(5)
        assert store.blast_radius.failed_by_flow([window]) == {"flow-1": 1}
        end(9, started_at=examples.noon)
        assert store.blast_radius.failed_by_flow([window]) == {"flow-1": 2}

    def test_a_held_event_that_fails_in_the_next_break_counts_there_alone(
        self, store: Store, examples: Any, end: Callable[..., str], broken: Callable[..., None]
    ) -> None:
        broken(0, 1)
        broken(3, None)
        first = Window(connection_id="shop", since=examples.noon, until=examples.noon + HOUR)
        second = Window(connection_id="shop", since=examples.noon + HOUR * 3)
        end(3.1, started_at=examples.noon + HOUR * 0.5)
        assert store.blast_radius.failed_by_flow([first]) == {}
        assert store.blast_radius.failed_by_flow([second]) == {"flow-1": 1}
        assert store.repair_subjects.failed([first]) == []

    def test_what_was_deleted_is_not_counted(self, store: Store, examples: Any, end: Callable[..., str]) -> None:
        window = Window(connection_id="shop", since=examples.noon)
        store.flows.add(examples.flow(), examples.version())
        for hours in (1, 2, 10):
            end(hours)
        assert store.blast_radius.failed_by_flow([window]) == {"flow-1": 3}
        store.history.forget_runs("flow-1", "Failed", examples.noon + HOUR * 3, 100)
        assert store.blast_radius.failed_by_flow([window]) == {"flow-1": 1}
        store.flows.delete("flow-1", examples.noon)
        assert store.blast_radius.failed_by_flow([window]) == {}

    def test_a_clock_set_back_hides_nothing(self, store: Store, end: Callable[..., str]) -> None:
        """While it was ahead, hours that are to come once more looked as if they were over."""
        now = datetime.now(UTC)
        window = Window(connection_id="shop", since=now - DAY)
        end(ended_at=now + DAY)
        assert settled_until(store._database) < now
        assert store.blast_radius.failed_by_flow([window]) == {"flow-1": 1}
        end(ended_at=now)
        assert store.blast_radius.failed_by_flow([window]) == {"flow-1": 2}
        assert store.runs.count_by_status(None, now - HOUR) == {"Failed": 2}


class TestOtherReasons:
    def test_hours_that_are_over_are_counted_as_anew(
        self, store: Store, examples: Any, end: Callable[..., str], broken: Callable[..., None]
    ) -> None:
        broken(1, 2)
        for hours in (0.1, 0.9, 1.5, 3, 7, 7.5, 20):
            end(hours)
            end(hours, connection_id="", error_code="BadRequest")
            for since, until in ((0, 24), (0.5, 7.4), (0.5, 0.9), (2, 3), (6, 7)):
                asked = (examples.noon + HOUR * since, examples.noon + HOUR * until)
                anew = Store(store._database).blast_radius.failed_for_other_reasons(*asked)
                assert sorted(store.blast_radius.failed_for_other_reasons(*asked)) == sorted(anew)
        found = store.blast_radius.failed_for_other_reasons(examples.noon, examples.noon + DAY)
        assert sorted(found) == [("flow-1", "BadRequest", 7), ("flow-1", "Unauthorized", 6)]

    def test_an_incident_found_later_takes_its_runs_out(
        self, store: Store, examples: Any, end: Callable[..., str], broken: Callable[..., None]
    ) -> None:
        for hours in (1, 2, 30):
            end(hours)
        day = (examples.noon, examples.noon + DAY)
        assert store.blast_radius.failed_for_other_reasons(*day) == [("flow-1", "Unauthorized", 2)]
        broken(1.5, None)
        assert store.blast_radius.failed_for_other_reasons(*day) == [("flow-1", "Unauthorized", 1)]
        broken(1.5, 1.6)
        assert store.blast_radius.failed_for_other_reasons(*day) == [("flow-1", "Unauthorized", 2)]


class TestEndsOfEachFlow:
    def test_they_are_counted_as_anew_however_far_back(
        self, store: Store, examples: Any, end: Callable[..., str]
    ) -> None:
        for hours in (0, 0.5, 3, 5.9, 6, 9, 40):
            end(hours)
            end(hours, status="Succeeded", flow_id="flow-2")
            for since in (0, 0.2, 5, 8.5, 39):
                asked = examples.noon + HOUR * since
                anew = Store(store._database).runs.counts_of_each_flow(asked)
                assert store.runs.counts_of_each_flow(asked) == anew
        assert store.runs.count_by_status(None, examples.noon + HOUR * 5) == {"Failed": 4, "Succeeded": 4}
        assert store.runs.count_by_status("flow-2", examples.noon + HOUR * 5) == {"Succeeded": 4}

    def test_runs_of_a_flow_that_is_gone_are_not_counted(
        self, store: Store, examples: Any, end: Callable[..., str]
    ) -> None:
        store.flows.add(examples.flow(), examples.version())
        for hours in (0, 1, 9):
            end(hours)
        assert store.runs.count_by_status(None, examples.noon) == {"Failed": 3}
        store.flows.delete("flow-1", examples.noon)
        assert store.runs.count_by_status(None, examples.noon) == {}
