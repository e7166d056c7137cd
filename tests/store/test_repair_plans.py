"""Repair plans on both databases: an item begins once, with its run, and only while its plan goes on."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.blast_radius import Window
from flowmend.store.journal import HoldEvent, StartRun, Write
from flowmend.store.repair_rows import (
    EndedItem,
    ItemKind,
    ItemMode,
    ItemState,
    LaneItem,
    PlanKind,
    PlanState,
    RepairItemRow,
    RepairPlanRow,
)
from flowmend.store.repair_statements import begin_item, end_items
from flowmend.store.repair_subjects import attempts_by_family

from .conftest import NOON, Examples

LATER = NOON + timedelta(minutes=5)
Submit = Callable[..., None]
WriteAll = Callable[[Store, Sequence[Sequence[Write]]], list[BaseException | None]]


def plan(plan_id: str = "plan", **parts: Any) -> RepairPlanRow:
    given = {"kind": PlanKind.INCIDENT, "incident_id": "incident", "created_by": "owner", "created_at": NOON}
    return RepairPlanRow(**({"plan_id": plan_id, "changed_at": NOON} | given | parts))


def item(position: int, plan_id: str = "plan", **parts: Any) -> RepairItemRow:
    given = {"kind": ItemKind.RUN, "flow_id": "flow-1", "mode": ItemMode.RESUME, "from_action": "Order"}
    given |= {"subject": f"run-{position}", "arrived_at": NOON + timedelta(seconds=position), "flow_version": "v1"}
    return RepairItemRow(**({"plan_id": plan_id, "position": position} | given | parts))


def first_of(line: Sequence[LaneItem]) -> list[int]:
    return [line[0].position]


def start(store: Store, row: RepairPlanRow | None = None, **parts: Any) -> bool:
    chosen = {"left_out": None, "first": first_of} | parts
    return store.repair_plans.start(row or plan(), chosen.pop("left_out"), chosen.pop("first"), **chosen)


def states(store: Store, plan_id: str = "plan") -> list[str]:
    return [one.state.value for one in store.repair_plans.items(plan_id)]


class TestMaking:
    def test_a_plan_keeps_its_items_in_order(self, store: Store) -> None:
        made = [item(position, repeats=[{"action": "Order", "count": 1}]) for position in range(3)]
        store.repair_plans.make(plan(world="w", settings={"per_minute": 5}), made)
        assert store.repair_plans.get("plan") == plan(world="w", settings={"per_minute": 5})
        assert list(store.repair_plans.items("plan")) == made
        assert list(store.repair_plans.items("plan", after=0, limit=1)) == [made[1]]
        assert store.repair_plans.flows_of("plan") == ["flow-1"]

    def test_a_run_is_in_a_plan_once(self, store: Store) -> None:
        with pytest.raises(Conflict):
            store.repair_plans.make(plan(), [item(0, subject="same"), item(1, subject="same")])
        assert store.repair_plans.get("plan") is None

    def test_made_anew_it_has_the_next_version_and_keeps_what_began(self, store: Store) -> None:
        store.repair_plans.make(plan(state=PlanState.STOPPED), [item(0, state=ItemState.SUCCEEDED), item(1), item(2)])
        remade = store.repair_plans.remake(
            plan(), [item(0, subject="run-2"), item(1, subject="run-9")], world="new", at=LATER, keeps_back_until=None
        )
        assert remade is not None
        assert (remade.version, remade.world, remade.changed_at) == (2, "new", LATER)
        assert [(one.position, one.subject) for one in store.repair_plans.items("plan")] == [
            (0, "run-0"),
            (1, "run-2"),
            (2, "run-9"),
        ]

    def test_of_two_who_make_it_anew_one_is_too_late(self, store: Store) -> None:
        store.repair_plans.make(plan(), [item(0)])
        at = {"world": "", "at": LATER, "keeps_back_until": None}
        assert store.repair_plans.remake(plan(), [item(0)], **at) is not None  # type: ignore[arg-type]
        assert store.repair_plans.remake(plan(), [item(0)], **at) is None  # type: ignore[arg-type]

    def test_the_plan_of_an_incident_is_the_one_made_last(self, store: Store) -> None:
        store.repair_plans.make(plan("old"), [])
        store.repair_plans.make(plan("new", created_at=LATER), [])
        store.repair_plans.make(plan("chosen", incident_id="", kind=PlanKind.SELECTION), [])
        assert store.repair_plans.of_incidents(["incident", "other"])["incident"].plan_id == "new"
        page, cursor = store.repair_plans.list(2)
        assert [one.plan_id for one in page] == ["new", "chosen"]
        rest, end = store.repair_plans.list(2, cursor)
        assert ([one.plan_id for one in rest], end) == (["old"], "")
        assert [one.plan_id for one in store.repair_plans.list(9, incident_id="incident")[0]] == ["new", "old"]

    def test_old_plans_are_forgotten_with_their_items(self, store: Store) -> None:
        store.repair_plans.make(plan("old", state=PlanState.DONE, ended_at=NOON), [item(0, "old")])
        store.repair_plans.make(plan("open"), [item(0, "open", subject="other")])
        assert store.repair_plans.forget_ended(LATER) == 1
        assert store.repair_plans.get("old") is None
        assert not store.repair_plans.items("old")
        assert [one.plan_id for one in store.repair_plans.under_way()] == ["open"]


class TestGroups:
    def test_alike_items_are_counted_together(self, store: Store) -> None:
        cannot = {"mode": ItemMode.NONE, "from_action": "", "reason": "FlowOff", "state": ItemState.LEFT_OUT}
        mail = [{"action": "Mail", "count": 1}]
        store.repair_plans.make(
            plan(), [item(0), item(1), item(2, repeats=mail), item(3, flow_id="flow-2"), item(4, **cannot)]
        )
        found = [
            (one.flow_id, one.mode, one.reason, one.repeats, one.count) for one in store.repair_plans.groups("plan")
        ]
        assert found == [
            ("flow-1", "resume", "", None, 2),
            ("flow-1", "resume", "", mail, 1),
            ("flow-2", "resume", "", None, 1),
            ("flow-1", "none", "FlowOff", None, 1),
        ]

    def test_items_are_read_by_their_places(self, store: Store) -> None:
        store.repair_plans.make(plan(), [item(0), item(1), item(2)])
        assert [one.position for one in store.repair_plans.at("plan", (2, 0, 7))] == [0, 2]
        assert [one.position for one in store.repair_plans.lanes("plan", 2)] == [0, 1]

    def test_left_out_are_the_groups_named_and_no_others(self, store: Store) -> None:
        none = {"mode": ItemMode.NONE, "state": ItemState.LEFT_OUT, "reason": "FlowOff"}
        store.repair_plans.make(plan(), [item(0), item(1, flow_id="flow-2"), item(2, **none)])
        first = {"flow_id": "flow-1", "kind": ItemKind.RUN, "mode": ItemMode.RESUME, "from_action": "Order"}
        first |= {"flow_version": "v1", "reason": ""}
        assert store.repair_plans.choose(plan(), [first], at=LATER)
        assert states(store) == ["left_out", "planned", "left_out"]
        assert store.repair_plans.choose(plan(version=2), [], at=LATER)
        assert states(store) == ["planned", "planned", "left_out"]  # what cannot be done stays out
        assert not store.repair_plans.choose(plan(version=2), [], at=LATER)


class TestStarting:
    def test_of_two_who_start_it_at_once_one_does(self, store: Store) -> None:
        store.repair_plans.make(plan(), [item(0)])
        at_once = Barrier(2)

        def start_it(person: str) -> bool:
            at_once.wait()
            return start(store, started_by=person)

        with ThreadPoolExecutor() as pool:
            assert sorted(pool.map(start_it, ["ada", "mei"])) == [False, True]

    def test_an_old_version_does_not_start(self, store: Store) -> None:
        store.repair_plans.make(plan(version=2), [item(0)])
        assert not start(store, plan(version=1))
        assert start(store, plan(version=2))

    def test_the_first_ones_are_chosen_with_it(self, store: Store) -> None:
        store.repair_plans.make(plan(), [item(0), item(1)])
        start(store)
        row = store.repair_plans.get("plan")
        assert row is not None
        assert row.state is PlanState.CANARY
        assert [one.position for one in store.repair_plans.canaries("plan")] == [0]

    def test_without_first_ones_it_runs_at_once(self, store: Store) -> None:
        store.repair_plans.make(plan(), [item(0)])
        start(store, first=lambda _line: [])
        row = store.repair_plans.get("plan")
        assert row is not None
        assert row.state is PlanState.RUNNING

    def test_nothing_chosen_starts_nothing(self, store: Store) -> None:
        store.repair_plans.make(plan(), [item(0, state=ItemState.LEFT_OUT)])
        with pytest.raises(Conflict, match="Nothing"):
            start(store)
        row = store.repair_plans.get("plan")
        assert row is not None
        assert row.state is PlanState.DRAFT


class TestBeginning:
    def test_an_item_and_its_run_begin_together_or_not_at_all(
        self, store: Store, examples: Examples, write: Submit
    ) -> None:
        store.repair_plans.make(plan(), [item(0)])
        start(store)
        run = examples.run(1)
        write(store, StartRun(run), begin_item("plan", 0, run.run_name, LATER))
        with pytest.raises(Conflict) as refused:
            write(store, StartRun(examples.run(2)), begin_item("plan", 0, examples.run_name(2), LATER))
        assert refused.value.code == "ItemNotPlanned"
        assert store.runs.has(run.run_name)
        assert not store.runs.has(examples.run_name(2))
        (begun,) = store.repair_plans.begun("plan")
        assert (begun.new_run, begun.status, begun.is_canary) == (run.run_name, "Running", True)
        assert store.repair_plans.new_runs("plan", ItemState.BEGUN) == [run.run_name]

    def test_of_many_who_begin_it_at_once_one_does(self, store: Store, examples: Examples, settle: WriteAll) -> None:
        store.repair_plans.make(plan(), [item(0)])
        start(store)
        tries = [
            [StartRun(examples.run(number)), begin_item("plan", 0, examples.run_name(number), LATER)]
            for number in range(8)
        ]
        errors = settle(store, tries)
        assert sum(error is None for error in errors) == 1
        assert sum(store.runs.has(examples.run_name(number)) for number in range(8)) == 1

    @pytest.mark.parametrize("state", [PlanState.PAUSED, PlanState.STOPPED, PlanState.DRAFT, PlanState.DISMISSED])
    def test_nothing_begins_unless_the_plan_goes_on(
        self, store: Store, examples: Examples, write: Submit, state: PlanState
    ) -> None:
        store.repair_plans.make(plan(state=state), [item(0)])
        with pytest.raises(Conflict):
            write(store, StartRun(examples.run(1)), begin_item("plan", 0, examples.run_name(1), LATER))
        assert states(store) == ["planned"]

    def test_how_items_ended_is_noted_once(self, store: Store, write: Submit) -> None:
        store.repair_plans.make(plan(), [item(position) for position in range(3)])
        ended = [
            EndedItem(position=0, state=ItemState.SUCCEEDED, ended_at=LATER),
            EndedItem(position=1, state=ItemState.FAILED, ended_at=LATER, error_code="Unauthorized"),
        ]
        write(store, end_items("plan", ended))
        write(store, end_items("plan", [EndedItem(position=0, state=ItemState.FAILED, ended_at=LATER)]))
        write(store, end_items("plan", []))
        assert states(store) == ["succeeded", "failed", "planned"]
        assert store.repair_plans.counts("plan") == {
            ItemState.SUCCEEDED: 1,
            ItemState.FAILED: 1,
            ItemState.PLANNED: 1,
        }
        assert [one.position for one in store.repair_plans.recent("plan", 5)] == [1, 0]

    def test_runs_of_plans_that_were_started_are_taken(self, store: Store) -> None:
        store.repair_plans.make(plan("draft"), [item(0, "draft", subject="run-2")])
        store.repair_plans.make(
            plan("open", state=PlanState.PAUSED),
            [item(0, "open"), item(1, "open", state=ItemState.BEGUN, new_run="new-1")],
        )
        over = plan("over", state=PlanState.DONE, ended_at=NOON)
        store.repair_plans.make(over, [item(0, "over", subject="old", new_run="new-old")])
        assert store.repair_plans.taken(["run-0", "run-1", "run-2", "old"]) == {"run-0": "open", "run-1": "open"}
        assert not store.repair_plans.taken(["run-0"], besides=["open"])


class TestSubjects:
    def failed(self, examples: Examples, number: int, **parts: Any) -> StartRun:
        ended_at = NOON + timedelta(seconds=number + 1)
        given = {"status": "Failed", "connection_id": "shop", "ended_at": ended_at, "error_code": "Unauthorized"}
        return StartRun(examples.run(number, **(given | parts)))

    def test_each_family_is_known_whole_and_by_its_first_arrival(
        self, store: Store, examples: Examples, write: Submit
    ) -> None:
        first, second, third = (examples.run_name(number) for number in (1, 2, 3))
        write(store, self.failed(examples, 1))
        write(store, self.failed(examples, 2, origin_run=first, connection_id=""))
        write(store, self.failed(examples, 3, origin_run=second, status="Succeeded", connection_id=""))
        write(store, self.failed(examples, 4))
        window = Window(connection_id="shop", since=NOON)
        subjects = store.repair_subjects
        failed = subjects.failed([window])
        assert [run.run_name for run in failed] == [first, examples.run_name(4)]
        later = subjects.attempts_after([run.run_name for run in failed])
        families = attempts_by_family(failed, later)
        assert {run.run_name for run in families[first]} == {second, third}
        assert not families[examples.run_name(4)]
        assert subjects.first_arrivals(subjects.named([third]))[third] == NOON + timedelta(seconds=1)
        assert subjects.count_not_put_right([window]) == 1

    def test_a_held_resubmission_is_known(self, store: Store, examples: Examples, write: Submit) -> None:
        name = examples.run_name(1)
        held = examples.event(2, status="Waiting", fired=False, origin_event=name, business_key="4711", run_name="")
        write(store, self.failed(examples, 1), HoldEvent(held))
        assert store.repair_subjects.resubmissions_held([name, "other"]) == {name}
        (one,) = store.repair_subjects.held(["flow-1", "flow-2"])
        assert (one.event_name, one.business_key, one.origin_event) == (held.event_name, "4711", name)
