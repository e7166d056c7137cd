"""The journal's contract, on both databases."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from flowmend.core.errors import Conflict, Fenced, StoreUnavailable
from flowmend.core.outcome import Status
from flowmend.store import Store
from flowmend.store.journal import (
    AddTracked,
    AppendPage,
    ChangeEvent,
    ChangeRun,
    HoldEvent,
    StartRun,
    Statement,
    Write,
)
from flowmend.store.rows import TrackedValueRow


class TestStartingRuns:
    def test_a_run_reads_back_as_it_was_written(self, store: Store, examples: Any, write: Any) -> None:
        run = examples.run(
            ended_at=examples.noon,
            wake_at=examples.noon + timedelta(microseconds=1),
            error_message="Größe ✓ 'quoted'",
            epoch=3,
            origin_run="other",
            start=bytes(range(256)) * 50,
        )
        event = examples.event(scheduled_at=examples.noon, outputs=b"\0\xff", inputs=b"in", client_request_id="r-1")
        write(store, StartRun(run, event))
        assert store.runs.get(run.run_name) == run
        assert store.trigger_events.get(event.event_name) == event

    def test_text_that_a_database_cannot_hold_is_replaced(self, store: Store, examples: Any, write: Any) -> None:
        write(store, StartRun(examples.run(error_message="a\0b\ud800c")))
        row = store.runs.get(examples.run_name(1))
        assert row is not None
        assert row.error_message == "a\ufffdb?c"

    def test_a_second_run_of_the_same_name_is_a_conflict_and_changes_nothing(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        write(store, StartRun(examples.run()))
        with pytest.raises(Conflict):
            write(store, StartRun(examples.run(status="Failed")), HoldEvent(examples.event(2)))
        row = store.runs.get(examples.run_name(1))
        assert row is not None
        assert row.status == "Running"
        assert store.trigger_events.get(examples.run_name(2)) is None

    def test_of_two_starts_in_one_group_the_first_wins(self, store: Store, examples: Any, settle: Any) -> None:
        first, second = settle(
            store, [[StartRun(examples.run(version="first"))], [StartRun(examples.run(version="second"))]]
        )
        assert first is None
        assert isinstance(second, Conflict)
        row = store.runs.get(examples.run_name(1))
        assert row is not None
        assert row.version == "first"

    def test_a_run_that_starts_and_ends_in_one_group_is_stored_as_ended(
        self, store: Store, examples: Any, settle: Any
    ) -> None:
        name = examples.run_name(1)
        ended = {"status": Status.SUCCEEDED, "ended_at": examples.noon, "wake_at": None}
        group = [
            [StartRun(examples.run()), AppendPage(name, 1, 1, b"one")],
            [AppendPage(name, 1, 2, b"two"), ChangeRun(name, 1, {"wake_at": examples.noon})],
            [AppendPage(name, 1, 3, b"three"), ChangeRun(name, 1, ended)],
        ]
        assert settle(store, group) == [None] * 3
        row = store.runs.get(name)
        assert row is not None
        assert (row.status, row.ended_at, row.wake_at) == ("Succeeded", examples.noon, None)
        assert store.runs.pages(name) == [(1, b"one"), (2, b"two"), (3, b"three")]

    def test_a_run_takes_the_place_of_the_held_event_it_is_made_from(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        held = examples.event(
            status=Status.WAITING, code="ConnectionNeedsRepair", fired=False, run_name="", outputs=b"o"
        )
        write(store, HoldEvent(held))
        assert store.trigger_events.held() == [held]
        write(store, StartRun(examples.run(), examples.event()))
        assert store.trigger_events.held() == []
        assert store.trigger_events.get(held.event_name) == examples.event()


class TestPages:
    def test_pages_come_back_in_order_and_exact(self, store: Store, examples: Any, write: Any, settle: Any) -> None:
        name = examples.run_name(1)
        write(store, StartRun(examples.run()))
        pages = [(sequence, bytes([sequence % 256]) * sequence * 7) for sequence in range(1, 301)]
        errors = settle(store, [[AppendPage(name, 1, sequence, page)] for sequence, page in pages])
        assert errors == [None] * 300
        assert store.runs.pages(name) == pages

    def test_a_run_that_was_taken_over_refuses_the_earlier_worker(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        name = examples.run_name(1)
        write(store, StartRun(examples.run()), AppendPage(name, 1, 1, b"one"))
        assert store.runs.take(name) == 2
        for late in (AppendPage(name, 1, 2, b"late"), ChangeRun(name, 1, {"status": "Failed"})):
            with pytest.raises(Fenced):
                write(store, late)
        write(store, AppendPage(name, 2, 2, b"two"), ChangeRun(name, 2, {"status": "Waiting"}))
        assert store.runs.pages(name) == [(1, b"one"), (2, b"two")]

    def test_a_submission_with_one_refused_write_writes_nothing(self, store: Store, examples: Any, write: Any) -> None:
        name = examples.run_name(1)
        write(store, StartRun(examples.run()))
        with pytest.raises(Fenced):
            write(
                store,
                AppendPage(name, 1, 1, b"one"),
                HoldEvent(examples.event(2)),
                ChangeRun(name, 7, {"status": "Failed"}),
            )
        assert store.runs.pages(name) == []
        assert store.trigger_events.get(examples.run_name(2)) is None

    def test_a_page_without_the_one_before_is_refused(self, store: Store, examples: Any, write: Any) -> None:
        name = examples.run_name(1)
        write(store, StartRun(examples.run()))
        with pytest.raises(Fenced):
            write(store, AppendPage(name, 1, 2, b"two"))
        write(store, AppendPage(name, 1, 1, b"one"), AppendPage(name, 1, 2, b"two"))
        with pytest.raises(Fenced):
            write(store, AppendPage(name, 1, 4, b"four"))
        assert store.runs.pages(name) == [(1, b"one"), (2, b"two")]

    def test_the_same_page_again_counts_as_written_but_not_another(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        name = examples.run_name(1)
        write(store, StartRun(examples.run()), AppendPage(name, 1, 1, b"one"))
        write(store, AppendPage(name, 1, 1, b"one"), AppendPage(name, 1, 2, b"two"))
        with pytest.raises(Fenced):
            write(store, AppendPage(name, 1, 2, b"other"))
        assert store.runs.pages(name) == [(1, b"one"), (2, b"two")]

    def test_after_a_failed_page_the_later_ones_of_the_group_fail_too(
        self, store: Store, examples: Any, write: Any, settle: Any
    ) -> None:
        name, other = examples.run_name(1), examples.run_name(2)
        write(store, StartRun(examples.run(1)), StartRun(examples.run(2)))
        bad = AppendPage(name, 1, 1, "no bytes")  # type: ignore[arg-type]
        group = [
            [AppendPage(other, 1, 1, b"one")],
            [bad, ChangeRun(name, 1, {"status": Status.WAITING, "code": None})],
            [AppendPage(name, 1, 2, b"two")],
            [AppendPage(other, 1, 2, b"two")],
        ]
        errors = settle(store, group)
        assert [error is None for error in errors] == [True, False, False, True]
        assert store.runs.pages(name) == []
        assert store.runs.pages(other) == [(1, b"one"), (2, b"two")]
        write(store, AppendPage(name, 1, 1, b"one"), AppendPage(name, 1, 2, b"two"))

    def test_pages_for_no_run_are_refused(self, store: Store, examples: Any, write: Any) -> None:
        with pytest.raises(Fenced):
            write(store, AppendPage(examples.run_name(9), 1, 1, b"one"))


class TestGroups:
    def test_one_bad_record_in_a_group_fails_only_its_run(
        self, store: Store, examples: Any, write: Any, settle: Any
    ) -> None:
        write(store, StartRun(examples.run(13)))
        errors = settle(store, [[StartRun(examples.run(number), examples.event(number))] for number in range(1, 101)])
        assert [number for number, error in enumerate(errors, 1) if error is not None] == [13]
        assert isinstance(errors[12], Conflict)
        assert store.runs.count_by_status() == {"Running": 100}
        assert store.trigger_events.get(examples.run_name(13)) is None

    def test_a_mistake_of_ours_fails_only_its_submission_and_comes_back_as_it_is(
        self, store: Store, examples: Any, write: Any, settle: Any
    ) -> None:
        def fall() -> None:
            raise ZeroDivisionError

        write(store, StartRun(examples.run(1)), StartRun(examples.run(2)))
        group: list[list[Write]] = [
            [ChangeRun(examples.run_name(1), 1, {"no_such_column": 1})],
            [Statement(lambda _: fall())],
            [ChangeRun(examples.run_name(2), 1, {"status": "Succeeded"})],
        ]
        errors = settle(store, group)
        assert [type(error) for error in errors] == [KeyError, ZeroDivisionError, type(None)]
        assert store.runs.count_by_status() == {"Running": 1, "Succeeded": 1}

    def test_changes_of_many_runs_in_one_group_reach_each(
        self, store: Store, examples: Any, write: Any, settle: Any
    ) -> None:
        numbers = range(1, 301)
        write(store, *(StartRun(examples.run(number)) for number in numbers))
        changes = [
            {"status": f"s{number % 3}"} if number % 2 else {"code": f"c{number}", "wake_at": examples.noon}
            for number in numbers
        ]
        group = [[ChangeRun(examples.run_name(number), 1, changes[number - 1])] for number in numbers]
        assert settle(store, group) == [None] * 300
        for number in (1, 2, 150, 299, 300):
            row = store.runs.get(examples.run_name(number))
            assert row is not None
            assert {name: getattr(row, name) for name in changes[number - 1]} == changes[number - 1]

    def test_of_two_changes_in_one_group_the_later_stands(
        self, store: Store, examples: Any, write: Any, settle: Any
    ) -> None:
        write(store, StartRun(examples.run()))
        name = examples.run_name(1)
        group = [[ChangeRun(name, 1, {"status": "Waiting", "code": "a"})], [ChangeRun(name, 1, {"status": "Failed"})]]
        assert settle(store, group) == [None, None]
        row = store.runs.get(name)
        assert row is not None
        assert (row.status, row.code) == ("Failed", "a")

    def test_a_group_is_one_commit(self, store: Store, examples: Any, settle: Any) -> None:
        settle(store, [[StartRun(examples.run(number))] for number in range(1, 201)])
        statistics = store.journal.statistics
        assert statistics.commits <= 2  # the first submission holds the writer until all others wait

    def test_two_hundred_writers_at_once_lose_nothing(self, store: Store, examples: Any) -> None:
        async def live(number: int) -> None:
            name = examples.run_name(number)
            await store.journal.write([StartRun(examples.run(number)), AppendPage(name, 1, 1, b"1")])
            await store.journal.write([AppendPage(name, 1, 2, b"2"), ChangeRun(name, 1, {"code": "OK"})])
            ended = ChangeRun(name, 1, {"status": "Succeeded", "ended_at": examples.noon})
            await store.journal.write([AppendPage(name, 1, 3, b"3"), ended])

        async def all_at_once() -> None:
            await asyncio.gather(*(live(number) for number in range(1, 201)))

        asyncio.run(all_at_once())
        assert store.runs.count_by_status() == {"Succeeded": 200}
        assert all(len(store.runs.pages(examples.run_name(number))) == 3 for number in range(1, 201))
        assert store.journal.statistics.failed == 0

    def test_writers_on_other_threads_and_queries_that_write_get_their_turn(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        failures: list[BaseException] = []

        def live(first: int) -> None:
            try:
                for number in range(first, first + 20):
                    write(store, StartRun(examples.run(number)))
                    assert store.runs.take(examples.run_name(number)) == 2
            except BaseException as error:  # noqa: BLE001  # shown by the main thread
                failures.append(error)

        threads = [threading.Thread(target=live, args=(first,)) for first in range(0, 100, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.runs.count_by_status() == {"Running": 100}


class TestTheRest:
    def test_an_event_can_be_changed_but_not_one_that_is_gone(self, store: Store, examples: Any, write: Any) -> None:
        write(store, HoldEvent(examples.event(status=Status.WAITING)))
        write(store, ChangeEvent(examples.run_name(1), {"status": Status.SKIPPED, "outputs": b"", "fired": False}))
        event = store.trigger_events.get(examples.run_name(1))
        assert event is not None
        assert (event.status, event.fired) == ("Skipped", False)
        with pytest.raises(Conflict):
            write(store, ChangeEvent(examples.run_name(2), {"status": "Skipped"}))

    def test_a_tracked_value_may_be_said_twice_and_is_found_though_it_is_long(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        long = "4711" * 2000
        values = [
            TrackedValueRow(run_name="r", flow_id="f", name=name, value=value)
            for name, value in (("order", "4711"), ("order", "4712"), ("order", "4711"), ("who", "Ä\0"), ("long", long))
        ]
        write(store, *map(AddTracked, values))
        write(store, AddTracked(values[0]))
        found = [(value.name, value.value) for value in store.tracked_values.of_run("r")]
        assert found == [("long", long[:400]), ("order", "4711"), ("order", "4712"), ("who", "Ä\ufffd")]

    def test_a_statement_is_part_of_its_submission(self, store: Store, examples: Any, write: Any) -> None:
        delete = Statement(lambda connection: connection.execute(text("DELETE FROM runs")))
        write(store, StartRun(examples.run()))
        with pytest.raises(Fenced):
            write(store, delete, AppendPage(examples.run_name(5), 1, 1, b""))
        assert store.runs.count_by_status() == {"Running": 1}
        write(store, delete)
        assert store.runs.count_by_status() == {}

    def test_closing_writes_what_was_submitted_and_takes_no_more(
        self, store: Store, opened: Callable[[], Store], examples: Any
    ) -> None:
        told: list[BaseException | None] = []
        for number in range(1, 51):
            store.journal.submit([StartRun(examples.run(number))], told.append)
        store.close()
        assert told == [None] * 50
        with pytest.raises(StoreUnavailable):
            store.journal.submit([StartRun(examples.run(51))], told.append)
        store.close()
        assert opened().runs.count_by_status() == {"Running": 50}

    def test_a_failure_reaches_the_one_who_awaits(self, store: Store, examples: Any) -> None:
        async def start_twice() -> None:
            await store.journal.write([StartRun(examples.run())])
            await store.journal.write([StartRun(examples.run())])

        with pytest.raises(Conflict):
            asyncio.run(start_twice())

    def test_whoever_no_longer_waits_is_let_alone(self, store: Store, examples: Any, write: Any) -> None:
        async def give_up() -> None:
            store.journal.enqueue([StartRun(examples.run(1))]).cancel()
            await store.journal.write([StartRun(examples.run(2))])

        async def leave() -> None:
            store.journal.enqueue([StartRun(examples.run(3))])

        asyncio.run(give_up())
        asyncio.run(leave())
        write(store, StartRun(examples.run(4)))
        assert store.runs.count_by_status() == {"Running": 4}

    def test_whoever_hands_over_is_called_by_the_event_loop(self, store: Store, examples: Any) -> None:
        async def hand_over_twice() -> list[tuple[int, type[BaseException]]]:
            told: list[tuple[int, type[BaseException]]] = []
            both = asyncio.Event()

            def done(error: BaseException | None) -> None:
                told.append((threading.get_ident(), type(error)))
                if len(told) == 2:
                    both.set()
                raise RuntimeError("what a listener breaks is its own affair")

            store.journal.hand_over([StartRun(examples.run())], done)
            store.journal.hand_over([StartRun(examples.run())], done)
            await asyncio.wait_for(both.wait(), 5)
            return told

        here = threading.get_ident()
        assert asyncio.run(hand_over_twice()) == [(here, type(None)), (here, Conflict)]
