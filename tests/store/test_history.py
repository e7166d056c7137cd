"""The contract of packing journals and of letting history go, on both databases."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, func, select

from flowmend.core.errors import Fenced, StoreUnavailable
from flowmend.store import RunFilter, Store, history
from flowmend.store.journal import AddTracked, AppendPage, HoldEvent, StartRun
from flowmend.store.journal_packing import pack, unpack
from flowmend.store.payloads import decode_payload, encode_payload
from flowmend.store.repair_rows import ItemKind, ItemMode, PlanKind, PlanState, RepairItemRow, RepairPlanRow
from flowmend.store.repair_tables import repair_items, repair_plans
from flowmend.store.rows import TrackedValueRow
from flowmend.store.runs import note_resubmission
from flowmend.store.tables import journal_blocks, journal_pages

DAY = timedelta(days=1)
LARGE = {"text": "x" * 10_000}


@pytest.fixture
def ended(store: Store, examples: Any, write: Any) -> Callable[..., str]:
    """Adds a run that ended so many minutes after noon, with two pages, and gives its name."""

    def add(number: int, **parts: Any) -> str:
        ended_at = examples.noon + timedelta(minutes=number)
        run = examples.run(
            number, **{"status": "Succeeded", "ended_at": ended_at, "start": encode_payload({"n": number}), **parts}
        )
        write(
            store,
            StartRun(run, examples.event(number)),
            AppendPage(run.run_name, 1, 1, encode_payload([number])),
            AppendPage(run.run_name, 1, 2, encode_payload(LARGE)),
            AddTracked(TrackedValueRow(run_name=run.run_name, flow_id=run.flow_id, name="order", value=str(number))),
        )
        return str(run.run_name)

    return add


def rows(store: Store, table: Table) -> int:
    with store._database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def names(store: Store) -> set[str]:
    return {row.run_name for row in store.runs.list(RunFilter())[0]}


class TestPacking:
    def test_a_packed_journal_reads_as_before(self, store: Store, examples: Any, ended: Callable[..., str]) -> None:
        name = ended(1)
        before = (store.runs.get(name), [decode_payload(page) for _, page in store.runs.pages(name)])
        assert store.history.pack(examples.noon + DAY, 10) == 1
        assert rows(store, journal_pages) == 0
        after = msgspec.structs.replace(store.runs.get(name), journal_block=None)
        assert (after, [decode_payload(page) for _, page in store.runs.pages(name)]) == before
        assert [sequence for sequence, _ in store.runs.pages(name)] == [1, 2]

    def test_runs_of_a_flow_share_blocks_and_each_is_packed_once(
        self, store: Store, examples: Any, ended: Callable[..., str]
    ) -> None:
        names = [ended(number) for number in range(1, 40)] + [ended(50, flow_id="flow-2")]
        packed = []
        while some := store.history.pack(examples.noon + DAY, 36):
            packed.append(some)
        assert packed == [36, 4]
        assert rows(store, journal_blocks) == 4
        assert [decode_payload(store.runs.get(name).start) for name in names] == [
            {"n": number} for number in [*range(1, 40), 50]
        ]

    def test_runs_under_way_and_those_that_ended_just_now_stay_as_they_are(
        self, store: Store, examples: Any, ended: Callable[..., str]
    ) -> None:
        ended(1, status="Running", ended_at=None)
        ended(5)
        assert store.history.pack(examples.noon + timedelta(minutes=5), 10) == 0
        assert rows(store, journal_pages) == 6

    def test_a_journal_too_large_for_a_block_is_left_alone_for_good(
        self, store: Store, examples: Any, ended: Callable[..., str], write: Any
    ) -> None:
        name = ended(1)
        noise = os.urandom(300_000)
        write(store, AppendPage(name, 1, 3, encode_payload(noise)))
        assert store.history.pack(examples.noon + DAY, 10) == 1
        assert store.history.pack(examples.noon + DAY, 10) == 0
        assert decode_payload(store.runs.pages(name)[2][1]) == noise

    def test_a_journal_that_is_large_once_inflated_is_left_alone_too(
        self, store: Store, examples: Any, ended: Callable[..., str], write: Any
    ) -> None:
        name = ended(1)
        write(store, AppendPage(name, 1, 3, encode_payload("x" * 2_000_000)))
        assert store.history.pack(examples.noon + DAY, 10) == 1
        assert rows(store, journal_blocks) == 0
        assert decode_payload(store.runs.pages(name)[2][1]) == "x" * 2_000_000

    def test_a_page_that_comes_while_its_run_is_packed_is_kept(
        self, store: Store, examples: Any, ended: Callable[..., str], write: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late, other = ended(1), ended(2, flow_id="flow-2")
        first = AppendPage(late, 1, 3, encode_payload("late"))

        def pack_slowly(journals: Any) -> bytes:
            if late in journals and len(journals[late]) == 3:
                write(store, first)
            return pack(journals)

        monkeypatch.setattr(history, "pack", pack_slowly)
        assert store.history.pack(examples.noon + DAY, 10) == 2
        assert decode_payload(store.runs.pages(late)[-1][1]) == "late"
        assert store.runs.get(other).journal_block is not None
        assert store.history.pack(examples.noon + DAY, 10) == 1
        assert store.runs.get(late).journal_block is not None
        assert decode_payload(store.runs.pages(late)[-1][1]) == "late"

    def test_nothing_is_left_of_a_flow_that_is_deleted_while_its_runs_are_packed(
        self, store: Store, examples: Any, ended: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.flows.add(examples.flow(), examples.version())
        name = ended(1)

        def pack_slowly(journals: Any) -> bytes:
            store.flows.delete("flow-1", examples.noon)
            while store.history.forget_flow("flow-1", 10).cursor:
                pass
            return pack(journals)

        monkeypatch.setattr(history, "pack", pack_slowly)
        store.history.pack(examples.noon + DAY, 10)
        assert not store.runs.has(name)
        assert rows(store, journal_blocks) == 0

    def test_a_page_for_a_run_whose_journal_is_packed_is_refused_and_nothing_is_lost(
        self, store: Store, examples: Any, ended: Callable[..., str], write: Any
    ) -> None:
        name = ended(1)
        store.history.pack(examples.noon + DAY, 10)
        with pytest.raises(Fenced):
            write(store, AppendPage(name, 1, 3, encode_payload("late")))
        assert [decode_payload(page) for _, page in store.runs.pages(name)] == [[1], LARGE]

    def test_a_block_that_was_damaged_is_told_of(self) -> None:
        block = pack({"run": [encode_payload({"a": 1}), encode_payload(LARGE)]})
        assert [decode_payload(one) for one in unpack(block)["run"]] == [{"a": 1}, LARGE]
        with pytest.raises(StoreUnavailable) as damaged:
            unpack(block[:-5])
        assert damaged.value.code == "PayloadDamaged"


class TestForgetting:
    @pytest.fixture
    def forget(self, store: Store, examples: Any) -> Callable[..., int]:
        """Lets go of what ended before the minute after noon, two runs at a time."""

        def forget(minute: int, flow_id: str = "flow-1") -> int:
            before, gone = examples.noon + timedelta(minutes=minute), 0
            for status in ("Succeeded", "Failed"):
                cursor = ""
                while True:
                    step = store.history.forget_runs(flow_id, status, before, 2, cursor)
                    gone, cursor = gone + step.count, step.cursor
                    if not cursor:
                        break
            return gone

        return forget

    def test_old_runs_go_with_all_that_is_kept_of_them(
        self, store: Store, examples: Any, ended: Callable[..., str], forget: Callable[..., int], write: Any
    ) -> None:
        old = [ended(number) for number in range(1, 6)]
        kept = [ended(10), ended(2_000, flow_id="flow-2")]
        write(store, note_resubmission(old[0], "request", "new"))
        assert forget(10) == 5
        assert names(store) == set(kept)
        assert rows(store, journal_blocks) == 0
        for name in old:
            assert store.runs.pages(name) == []
            assert store.tracked_values.of_run(name) == []
            assert store.trigger_events.get(name) is None
        assert store.runs.resubmission(old[0], "request") is None
        assert store.tracked_values.of_run(kept[0]) != []

    def test_what_is_packed_goes_too_and_what_it_was_packed_with_stays(
        self, store: Store, examples: Any, ended: Callable[..., str], forget: Callable[..., int]
    ) -> None:
        old, kept = [ended(number) for number in range(1, 4)], ended(10)
        store.history.pack(examples.noon + DAY, 10)
        assert rows(store, journal_blocks) == 1
        assert forget(5) == 3
        assert decode_payload(store.runs.get(kept).start) == {"n": 10}
        assert [decode_payload(page) for _, page in store.runs.pages(kept)] == [[10], LARGE]
        with store._database.reading() as connection:
            content = connection.execute(select(journal_blocks.c.content)).scalar_one()
        assert not set(old) & unpack(content).keys()
        assert forget(20) == 1
        assert rows(store, journal_blocks) == 0

    def test_runs_under_way_stay(self, store: Store, ended: Callable[..., str], forget: Callable[..., int]) -> None:
        under_way = ended(1, status="Waiting", ended_at=None)
        assert forget(10_000) == 0
        assert names(store) == {under_way}

    def test_what_an_unfinished_run_repeats_stays_up_to_the_first(
        self, store: Store, ended: Callable[..., str], forget: Callable[..., int]
    ) -> None:
        first = ended(1, status="Failed")
        second = ended(2, status="Failed", origin_run=first)
        third = ended(3, status="Running", ended_at=None, origin_run=second)
        other = ended(4, status="Failed")
        ended(5, origin_run=other)
        assert forget(100) == 2
        assert names(store) == {first, second, third}

    def test_what_a_held_event_repeats_stays(
        self, store: Store, examples: Any, ended: Callable[..., str], forget: Callable[..., int], write: Any
    ) -> None:
        failed = ended(1, status="Failed")
        held = examples.event(50, status="Waiting", fired=False, run_name="", origin_event=failed)
        write(store, HoldEvent(held))
        assert forget(100) == 0
        write(store, HoldEvent(examples.event(50, status="Cancelled", fired=False, run_name="", origin_event=failed)))
        assert forget(100) == 1

    def test_runs_of_a_repair_plan_stay_until_it_is_done(
        self, store: Store, examples: Any, ended: Callable[..., str], forget: Callable[..., int]
    ) -> None:
        subject, made, other = ended(1, status="Failed"), ended(2), ended(3)
        plan = RepairPlanRow(
            plan_id="plan",
            kind=PlanKind.SELECTION,
            state=PlanState.RUNNING,
            created_by="owner",
            created_at=examples.noon,
            changed_at=examples.noon,
        )
        item = RepairItemRow(
            plan_id="plan",
            position=0,
            subject=subject,
            kind=ItemKind.RUN,
            flow_id="flow-1",
            arrived_at=examples.noon,
            mode=ItemMode.RESUBMIT,
            new_run=made,
        )
        store._database.add(repair_plans, plan)
        store._database.add(repair_items, item)
        assert forget(100) == 1
        assert names(store) == {subject, made}
        assert other not in names(store)
        store._database.change(repair_plans, repair_plans.c.plan_id == "plan", {"ended_at": examples.noon})
        assert forget(100) == 2

    def test_checks_of_a_trigger_go_and_what_it_holds_stays(self, store: Store, examples: Any, write: Any) -> None:
        write(
            store,
            HoldEvent(examples.event(1, status="Skipped", fired=False, run_name="")),
            HoldEvent(examples.event(2, status="Waiting", fired=False, run_name="")),
            HoldEvent(examples.event(3, status="Failed", fired=False, run_name="", ended_at=examples.noon + DAY)),
            HoldEvent(examples.event(4, status="Skipped", fired=False, run_name="")),
        )
        before, cursor, gone = examples.noon + timedelta(hours=1), "", 0
        while True:
            step = store.history.forget_events("flow-1", before, 2, cursor)
            gone, cursor = gone + step.count, step.cursor
            if not cursor:
                break
        assert gone == 2
        assert [one.status for one in store.trigger_events.list("flow-1")[0]] == ["Failed", "Waiting"]

    def test_an_event_whose_run_stays_stays_with_it(
        self, store: Store, examples: Any, ended: Callable[..., str]
    ) -> None:
        name = ended(1, status="Running", ended_at=None)
        assert store.history.forget_events("flow-1", examples.noon + DAY, 10).count == 0
        assert store.trigger_events.get(name) is not None
