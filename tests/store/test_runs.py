"""The contract of `store.runs` and of finding runs by tracked values, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from flowmend.core.errors import Conflict, NotFound
from flowmend.core.outcome import Status
from flowmend.store import RunFilter, Store, Tick
from flowmend.store.journal import AddTracked, AppendPage, StartRun
from flowmend.store.rows import RunRow, TrackedValueRow
from flowmend.store.runs import note_resubmission

#: Microseconds are told apart.
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def numbers(store: Store, examples: Any, write: Any) -> Callable[..., list[int]]:
    """Lists by a filter and gives the numbers of the runs."""
    known = {examples.run_name(number): number for number in range(100)}

    def listed(**parts: Any) -> list[int]:
        rows, _ = store.runs.list(RunFilter(**parts))
        return [known[row.run_name] for row in rows]

    return listed


def tracked(run: RunRow, name: str, value: str) -> AddTracked:
    return AddTracked(TrackedValueRow(run_name=run.run_name, flow_id=run.flow_id, name=name, value=value))


class TestLists:
    def test_pages_of_a_list_follow_each_other_newest_first(self, store: Store, examples: Any, write: Any) -> None:
        write(store, *(StartRun(examples.run(number)) for number in range(1, 8)))
        seen, cursor = [], ""
        while True:
            rows, cursor = store.runs.list(RunFilter(flow_id="flow-1"), limit=3, cursor=cursor)
            seen.append([row.run_name for row in rows])
            if not cursor:
                break
        expected = [examples.run_name(number) for number in range(7, 0, -1)]
        assert seen == [expected[:3], expected[3:6], expected[6:]]

    def test_a_last_page_that_is_full_has_no_cursor(self, store: Store, examples: Any, write: Any) -> None:
        write(store, *(StartRun(examples.run(number)) for number in range(1, 4)))
        assert store.runs.list(limit=3)[1] == ""

    def test_rows_of_a_list_are_those_stored_but_for_the_start(self, store: Store, examples: Any, write: Any) -> None:
        write(store, StartRun(examples.run()))
        (row,), _ = store.runs.list()
        assert row == examples.run(start=b"")

    def test_each_part_of_a_filter_narrows_the_list(
        self, store: Store, examples: Any, write: Any, numbers: Callable[..., list[int]]
    ) -> None:
        runs = [
            examples.run(1),
            examples.run(
                2, flow_id="flow-2", status="Failed", error_message="100% WRONG_password", error_code="Unauthorized"
            ),
            examples.run(3, status="Failed", connection_id="shop", diagnosis_category="wrong_password"),
            examples.run(4, status="Waiting", code="ActionInDoubt", client_tracking_id="order-4711"),
            examples.run(5, status="Waiting", code="ConnectionNeedsRepair", connection_id="shop", origin_run="o"),
        ]
        write(store, *map(StartRun, runs), tracked(runs[0], "order", "4711"), tracked(runs[1], "customer", "4711"))
        expected: dict[str, tuple[dict[str, Any], list[int]]] = {
            "nothing": ({}, [5, 4, 3, 2, 1]),
            "a flow": ({"flow_id": "flow-1"}, [5, 4, 3, 1]),
            "statuses": ({"statuses": (Status.FAILED, "Running")}, [3, 2, 1]),
            "statuses of unfinished runs": ({"statuses": ("Waiting", "Running")}, [5, 4, 1]),
            "statuses of bad ends": ({"statuses": ("Failed", "TimedOut")}, [3, 2]),
            "a code": ({"code": "ConnectionNeedsRepair"}, [5]),
            "a connection": ({"connection_id": "shop"}, [5, 3]),
            "a diagnosis": ({"diagnosis_category": "wrong_password"}, [3]),
            "an origin": ({"origin_run": "o"}, [5]),
            "a tracking id of the caller": ({"client_tracking_id": "order-4711"}, [4]),
            "a tracking id that is the name": ({"client_tracking_id": examples.run_name(3)}, [3]),
            "the name of a run with another tracking id": ({"client_tracking_id": examples.run_name(4)}, []),
            "a tracked value of a name": ({"tracked_name": "order", "tracked_value": "4711"}, [1]),
            "a tracked value": ({"tracked_value": "4711"}, [2, 1]),
            "a tracked name": ({"tracked_name": "customer"}, [2]),
            "text in any case": ({"text": "wrong_PASS"}, [2]),
            "text that is no pattern": ({"text": "100%"}, [2]),
            "text that would match as a pattern": ({"text": "1%0"}, []),
            "text of a code": ({"text": "unauth"}, [2]),
            "text of a tracked value or tracking id": ({"text": "471"}, [4, 2, 1]),
            "in doubt": ({"in_doubt": True}, [4]),
            "started from": ({"started_from": runs[3].started_at}, [5, 4]),
            "started to": ({"started_to": runs[1].started_at}, [1]),
            "a moment": ({"started_from": runs[1].started_at, "started_to": runs[1].started_at + MOMENT}, [2]),
            "two parts": ({"flow_id": "flow-1", "statuses": ("Failed",)}, [3]),
        }
        assert {case: numbers(**parts) for case, (parts, _) in expected.items()} == {
            case: listed for case, (_, listed) in expected.items()
        }

    def test_the_last_run_of_each_flow(self, store: Store, examples: Any, write: Any) -> None:
        for flow_id in ("flow-1", "flow-2", "flow-3"):
            store.flows.add(examples.flow(flow_id), examples.version(flow_id))
        write(store, *(StartRun(examples.run(number, flow_id=f"flow-{1 + number % 2}")) for number in range(1, 6)))
        last = store.runs.last_of_each_flow()
        assert {flow_id: row.run_name for flow_id, row in last.items()} == {
            "flow-1": examples.run_name(4),
            "flow-2": examples.run_name(5),
        }

    def test_runs_are_counted_by_flow_and_status(self, store: Store, examples: Any, write: Any) -> None:
        noon = examples.noon
        write(
            store,
            StartRun(examples.run(1)),
            StartRun(examples.run(2, status="Failed", ended_at=noon - MOMENT)),
            StartRun(examples.run(3, status="Failed", ended_at=noon)),
            StartRun(examples.run(4, flow_id="flow-2", status="Succeeded", ended_at=noon)),
            StartRun(examples.run(5, flow_id="flow-2", status="Waiting")),
        )
        assert store.runs.count_by_status() == {"Running": 1, "Failed": 2, "Succeeded": 1, "Waiting": 1}
        assert store.runs.count_by_status(since=noon) == {"Running": 1, "Failed": 1, "Succeeded": 1, "Waiting": 1}
        assert store.runs.count_by_status("flow-1") == {"Running": 1, "Failed": 2}
        assert store.runs.count_by_status("flow-1", noon) == {"Running": 1, "Failed": 1}
        assert store.runs.count_by_status("flow-1", noon + MOMENT) == {"Running": 1}
        each = {"flow-1": {"Running": 1, "Failed": 2}, "flow-2": {"Succeeded": 1, "Waiting": 1}}
        assert store.runs.counts_of_each_flow() == each
        since = {"flow-1": {"Running": 1, "Failed": 1}, "flow-2": {"Succeeded": 1, "Waiting": 1}}
        assert store.runs.counts_of_each_flow(noon) == since


class TestRecovery:
    def test_runs_under_way_come_oldest_first_and_those_ended_or_at_rest_not_at_all(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        statuses = ["Running", "Waiting", "Succeeded", "Failed", "Paused", "Suspended", "Cancelled", "NotSpecified"]
        write(store, *(StartRun(examples.run(number, status=status)) for number, status in enumerate(statuses)))
        write(store, StartRun(examples.run(8, wake_at=examples.noon)), StartRun(examples.run(9)))
        assert store.runs.under_way() == [examples.run_name(number) for number in (0, 4, 5, 7, 9)]

    def test_the_journal_begins_after_the_start(self, store: Store, examples: Any, write: Any) -> None:
        write(store, StartRun(examples.run()))
        assert store.runs.pages(examples.run_name(1)) == []
        write(store, AppendPage(examples.run_name(1), 1, 1, b"one"))
        assert store.runs.pages(examples.run_name(1)) == [(1, b"one")]

    def test_taking_a_run_over_raises_its_epoch(self, store: Store, examples: Any, write: Any) -> None:
        write(store, StartRun(examples.run(1)), StartRun(examples.run(2, status="Failed")))
        assert [store.runs.take(examples.run_name(1)) for _ in range(3)] == [2, 3, 4]
        assert store.runs.take_unfinished() == 1
        rows = store.runs.list()[0]
        assert [row.epoch for row in rows] == [1, 5]
        with pytest.raises(NotFound):
            store.runs.take("nobody")

    def test_a_block_is_taken_at_once_without_what_has_ended(self, store: Store, examples: Any, write: Any) -> None:
        names = [examples.run_name(number) for number in (1, 2, 3)]
        write(store, StartRun(examples.run(1)), StartRun(examples.run(2, status="Failed")), StartRun(examples.run(3)))
        assert store.runs.take(names[2]) == 2
        assert store.runs.take_block([*names, "nobody"]) == {names[0]: 2, names[2]: 3}
        assert store.runs.take_block([]) == {}

    def test_runs_whose_time_has_come_are_due_longest_first(self, store: Store, examples: Any, write: Any) -> None:
        noon = examples.noon
        write(
            store,
            StartRun(examples.run(1, wake_at=noon)),
            StartRun(examples.run(2, wake_at=noon - MOMENT)),
            StartRun(examples.run(3, wake_at=noon + MOMENT)),
            StartRun(examples.run(4)),
            StartRun(examples.run(5, wake_at=noon - timedelta(days=1), status="Cancelled")),
        )
        assert store.runs.due(noon) == [examples.run_name(2), examples.run_name(1)]
        assert store.runs.due(noon, 1) == [examples.run_name(2)]
        assert store.runs.next_due() == noon - MOMENT

    def test_without_runs_nothing_is_due(self, store: Store, examples: Any) -> None:
        assert store.runs.next_due() is None
        assert store.runs.due(examples.noon) == []
        assert store.runs.get("nobody") is None
        assert store.runs.list() == ([], "")
        assert store.runs.under_way() == []


class TestResubmissions:
    def test_a_lineage_is_the_whole_family_from_any_member(self, store: Store, examples: Any, write: Any) -> None:
        def child(number: int, of: int) -> StartRun:
            return StartRun(examples.run(number, origin_run=examples.run_name(of)))

        write(store, StartRun(examples.run(1)), child(2, 1), child(3, 1), child(4, 2), StartRun(examples.run(9)))
        family = [examples.run_name(number) for number in (4, 3, 2, 1)]
        for member in range(1, 5):
            assert [row.run_name for row in store.runs.lineage(examples.run_name(member))] == family
        assert [row.run_name for row in store.runs.lineage(examples.run_name(9))] == [examples.run_name(9)]
        assert store.runs.lineage("nobody") == []

    def test_the_values_of_a_page_of_runs_are_read_at_once(self, store: Store, examples: Any, write: Any) -> None:
        first, second = examples.run_name(1), examples.run_name(2)
        write(
            store,
            StartRun(examples.run(1)),
            StartRun(examples.run(2)),
            AddTracked(TrackedValueRow(run_name=first, flow_id="flow-1", name="order", value="4711")),
        )
        found = store.tracked_values.of_runs([first, second])
        assert {name: [row.value for row in rows] for name, rows in found.items()} == {first: ["4711"]}
        assert store.tracked_values.of_runs([]) == {}

    def test_a_request_to_resubmit_is_remembered_once(self, store: Store, examples: Any, write: Any) -> None:
        assert store.runs.resubmission("run", "request") is None
        write(store, StartRun(examples.run(1)), note_resubmission("run", "request", "new"))
        with pytest.raises(Conflict):
            write(store, StartRun(examples.run(2)), note_resubmission("run", "request", "newer"))
        assert store.runs.get(examples.run_name(2)) is None
        assert store.runs.resubmission("run", "request") == "new"
        assert store.runs.resubmission("run", "other") is None


class TestConnections:
    def test_runs_of_a_connection_are_counted_and_the_waiting_ones_named(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        write(
            store,
            StartRun(examples.run(1, status="Waiting", connection_id="shop")),
            StartRun(examples.run(2, status="Waiting", connection_id="shop")),
            StartRun(examples.run(3, status="Failed", connection_id="shop")),
            StartRun(examples.run(4, status="Waiting", connection_id="other")),
            StartRun(examples.run(5, status="Waiting")),
        )
        assert store.runs.of_connection("shop") == {"Waiting": 2, "Failed": 1}
        assert store.runs.of_connection("shop", (Status.FAILED,)) == {"Failed": 1}
        assert store.runs.held_by("shop") == [examples.run_name(1), examples.run_name(2)]
        assert store.runs.of_connection("") == {}

    def test_ticks_count_how_runs_of_a_connections_flows_ended_each_hour(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        for flow_id in ("flow-1", "flow-2"):
            store.flows.add(examples.flow(flow_id), examples.version(flow_id))
        for connection_id in ("mail", "shop"):
            store.connections.add(examples.connection(connection_id))
        for flow_id, reference, to in (("flow-1", "a", "shop"), ("flow-1", "b", "shop"), ("flow-2", "a", "mail")):
            store.flows.set_mapping(examples.mapping(flow_id, reference, to))
        hour = examples.noon.replace(microsecond=0)
        ended = [(1, "Succeeded", 0), (2, "Succeeded", 59), (3, "Failed", 59), (4, "Succeeded", 60), (5, "Failed", -1)]
        write(
            store,
            *(
                StartRun(examples.run(number, status=status, ended_at=hour + timedelta(minutes=minutes)))
                for number, status, minutes in ended
            ),
            StartRun(examples.run(6, flow_id="flow-2", status="Failed", ended_at=hour)),
            StartRun(examples.run(7)),
        )
        shop = [
            Tick(connection_id="shop", hour=hour, status="Failed", count=1),
            Tick(connection_id="shop", hour=hour, status="Succeeded", count=2),
            Tick(connection_id="shop", hour=hour + timedelta(hours=1), status="Succeeded", count=1),
        ]
        assert store.runs.hourly_ticks(hour, "shop") == shop
        mail = Tick(connection_id="mail", hour=hour, status="Failed", count=1)
        assert store.runs.hourly_ticks(hour) == [mail, *shop]


def test_waiting_for_its_turn_in_passing_is_not_told_as_held(examples: Any) -> None:
    run: RunRow = examples.run(1)

    def held_for(time: timedelta) -> timedelta | None:
        return replace(run, begun_at=run.started_at + time).held_for

    assert run.held_for is None
    assert held_for(timedelta(milliseconds=12)) is None
    assert held_for(timedelta(seconds=177)) == timedelta(seconds=177)
