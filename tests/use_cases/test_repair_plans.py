"""A repair plan is a dry run of what failed and was held; whoever starts it starts what they saw."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flowmend.core.errors import AskedWrongly, Conflict, FlowmendError, NotFound
from flowmend.core.repair.first_ones import Canary
from flowmend.store.notice_rows import NoticeKind
from flowmend.store.repair_rows import ItemKind, ItemMode, PlanState, RepairPlanRow
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.choose_in_plan import choose_groups, choose_mode
from flowmend.use_cases.flow_settings import change_settings
from flowmend.use_cases.flows import turn_off
from flowmend.use_cases.held_events import discard_event
from flowmend.use_cases.incidents import read_incident
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.note_notices import note_due
from flowmend.use_cases.notice_facts import IncidentFacts, facts_of
from flowmend.use_cases.plan_view import PlanView
from flowmend.use_cases.prove_then_plan import order_matters, prove_then_plan
from flowmend.use_cases.read_plan import list_items, list_plans, read_plan
from flowmend.use_cases.repair_plan import PlanSettings
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.start_plan import go_on_with_plan, start_plan
from flowmend.use_cases.stop_plan import dismiss_plan, pause_plan, stop_plan
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import Running, after, call_orders, create_order, until, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

NOTE_THEN_ORDER = {
    "Note": call_orders("CreateNote", {"body": {"subject": "@triggerBody()?['number']", "text": "came"}}),
    "Pause": after(wait_for(1, "Second"), "Note"),
    "Order": after(create_order(), "Pause"),
}


class Shop:
    """A connection to the order service, and a flow whose runs failed since its password was changed."""

    def __init__(self, running: Running, connection_id: str, flow_id: str) -> None:
        self.running = running
        self.connection_id = connection_id
        self.flow_id = flow_id
        self.failed: list[str] = []

    @property
    def incident_id(self) -> str:
        rows, _ = self.running.services.store.incidents.list(connection_id=self.connection_id)
        return rows[0].incident_id

    async def fails(self, *numbers: str, flow_id: str = "") -> list[str]:
        names = []
        for number in numbers:
            accepted = await self.running.call(flow_id or self.flow_id, {"number": number})
            names.append((await self.running.ended(accepted.run_name)).run_name)
        self.failed += names
        return names

    async def holds(self, *numbers: str) -> list[str]:
        await change_settings(
            self.running.services, self.flow_id, {"onBrokenConnection": "holdEvents"}, self.running.owner
        )
        return [(await self.running.call(self.flow_id, {"number": number})).event_name for number in numbers]

    async def repaired(self) -> Verification:
        return await verify_connection(
            self.running.services, self.connection_id, {"password": "changed"}, person_id=self.running.owner
        )

    async def planned(self) -> RepairPlanRow:
        return await make_plan(self.running.services, person_id=self.running.owner, incident_id=self.incident_id)

    async def repaired_and_planned(self) -> RepairPlanRow:
        proven = await prove_then_plan(
            self.running.services, self.connection_id, self.repaired, person_id=self.running.owner
        )
        assert proven.plan is not None
        return proven.plan

    async def start(self, plan: RepairPlanRow, **parts: object) -> RepairPlanRow:
        return await start_plan(
            self.running.services,
            plan.plan_id,
            plan.version,
            person_id=self.running.owner,
            **parts,  # type: ignore[arg-type]
        )

    async def view(self, plan: RepairPlanRow) -> PlanView:
        return await read_plan(self.running.services, plan.plan_id)

    async def reaches(self, plan: RepairPlanRow, *states: PlanState) -> PlanView:
        def state() -> PlanState:
            row = self.running.services.store.repair_plans.get(plan.plan_id)
            assert row is not None
            return row.state

        await until(lambda: state() in states, lambda: f"the plan is {state()}")
        return await self.view(plan)

    @property
    def orders(self) -> Sequence[str]:
        return list(self.running.service.counts["orders"]["requests_by_number"])


@pytest.fixture
async def shop(running: Running) -> Shop:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()}, name="Intake")
    await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
    running.service.change("password", user="ada", password="changed")
    return Shop(running, connection_id, flow_id)


class TestMaking:
    async def test_it_shows_everything_and_does_nothing(self, shop: Shop) -> None:
        failed = await shop.fails("A", "B")
        held = await shop.holds("C")
        plan = await shop.repaired_and_planned()
        view = await shop.view(plan)
        assert (view.failed_runs, view.held_events, view.total, view.cannot) == (2, 1, 3, 0)
        assert [(one.kind, one.mode, one.from_action, one.count) for one in view.groups] == [
            ("run", "resume", "Order", 2),
            ("event", "start", "", 1),
        ]
        assert view.repeats == ()
        assert (view.row.state, view.can_start, view.created_by) == (PlanState.DRAFT, True, "Owner")
        items, last = await list_items(shop.running.services, plan.plan_id)
        assert [one.subject for one in items] == [*failed, *held]
        assert last is None
        await asyncio.sleep(0.2)
        assert not shop.orders
        assert shop.running.services.store.trigger_events.count_held(shop.flow_id) == 1
        assert view.row.keeps_back_until is not None

    async def test_before_the_proof_it_cannot_start(self, shop: Shop) -> None:
        await shop.fails("A")
        plan = await shop.planned()
        view = await shop.view(plan)
        assert not view.can_start
        assert "not proven" in view.cannot_start_reason
        with pytest.raises(Conflict) as refused:
            await shop.start(plan)
        assert refused.value.code == "PlanCannotStart"

    async def test_asked_for_again_it_is_the_same_plan_under_its_next_version(self, shop: Shop) -> None:
        await shop.fails("A")
        first = await shop.planned()
        await shop.fails("B")
        again = await shop.planned()
        assert (again.plan_id, again.version) == (first.plan_id, 2)
        assert (await shop.view(again)).failed_runs == 2

    async def test_a_run_that_somebody_resubmitted_is_not_taken_in(self, shop: Shop) -> None:
        first, second = await shop.fails("A", "B")
        await shop.repaired()
        made = await resubmit_run(shop.running.services, first, person_id=shop.running.owner)
        assert (await shop.running.ended(made.run_name)).status == "Succeeded"
        items, _ = await list_items(shop.running.services, (await shop.planned()).plan_id)
        assert [one.subject for one in items] == [second]

    async def test_of_attempts_that_failed_the_last_one_is_taken(self, shop: Shop) -> None:
        (first,) = await shop.fails("A")
        made = await resubmit_run(shop.running.services, first, person_id=shop.running.owner)
        await shop.running.ended(made.run_name)
        await shop.repaired()
        items, _ = await list_items(shop.running.services, (await shop.planned()).plan_id)
        assert [one.subject for one in items] == [made.run_name]

    async def test_what_cannot_be_done_says_why(self, shop: Shop) -> None:
        await shop.fails("A")
        await shop.repaired()
        await turn_off(shop.running.services, shop.flow_id, shop.running.owner)
        view = await shop.view(await shop.planned())
        (group,) = view.groups
        assert (group.mode, group.reason, group.can_be_done, view.cannot) == ("none", "FlowOff", False, 1)
        assert "turned off" in group.reason_words
        assert view.cannot_start_reason

    async def test_nothing_to_put_right_makes_no_plan(self, shop: Shop) -> None:
        await shop.fails("A")
        await shop.repaired()
        plan = await shop.planned()
        await shop.start(plan)
        await shop.reaches(plan, PlanState.DONE)
        shop.running.service.change("password", user="ada", password="third")
        (second,) = await shop.fails("B")
        await shop.running.services.store.journal.write(())
        shop.running.service.change("password", user="ada", password="changed")
        proven = await prove_then_plan(
            shop.running.services, shop.connection_id, shop.repaired, person_id=shop.running.owner
        )
        assert proven.plan is not None
        items, _ = await list_items(shop.running.services, proven.plan.plan_id)
        assert [one.subject for one in items] == [second]

    async def test_a_draft_from_before_the_proof_keeps_events_back_though_its_time_was_over(self, shop: Shop) -> None:
        await shop.fails("A")
        (held,) = await shop.holds("B")
        draft = await shop.planned()
        shop.running.clock.move(minutes=16)
        now = shop.running.clock.now
        assert shop.running.services.held.kept_back_until(now) is None
        plan = await shop.repaired_and_planned()
        assert plan.plan_id == draft.plan_id
        await asyncio.sleep(0.3)
        assert not shop.orders
        await shop.start(plan)
        assert (await shop.reaches(plan, PlanState.DONE)).succeeded == 2
        assert shop.orders == ["A", "B"]
        assert shop.running.run(held).status == "Succeeded"

    async def test_an_incident_is_repaired_as_it_is_and_not_cancelled(self, shop: Shop) -> None:
        await shop.fails("A")
        with pytest.raises(AskedWrongly) as refused:
            await make_plan(
                shop.running.services,
                person_id=shop.running.owner,
                incident_id=shop.incident_id,
                mode=ItemMode.CANCEL,
            )
        assert refused.value.code == "InvalidPlan"

    async def test_a_refused_proof_makes_no_plan_and_keeps_nothing_back(self, shop: Shop) -> None:
        await shop.fails("A")
        await shop.holds("B")
        shop.running.service.change("password", user="ada", password="other")
        proven = await prove_then_plan(
            shop.running.services, shop.connection_id, shop.repaired, person_id=shop.running.owner
        )
        assert not proven.verification.is_proven
        assert proven.plan is None
        assert not shop.running.services.held.is_kept_back(shop.flow_id, shop.running.clock.now)

    async def test_the_order_matters_where_failed_runs_and_held_events_both_wait(self, shop: Shop) -> None:
        services = shop.running.services
        assert not order_matters(services, shop.connection_id)
        (first,) = await shop.fails("A")
        assert not order_matters(services, shop.connection_id), "nothing is held"
        (held,) = await shop.holds("B")
        assert order_matters(services, shop.connection_id)
        await discard_event(services, shop.flow_id, held, shop.running.owner)
        assert not order_matters(services, shop.connection_id)
        await shop.holds("C")
        await shop.repaired()
        assert not order_matters(services, shop.connection_id), "nothing is broken"
        assert shop.running.run(first).status == "Failed"

    @pytest.mark.parametrize(
        "wanted",
        [{}, {"incident_id": "i", "run_names": ["r"]}, {"run_names": ["r"], "mode": ItemMode.START}],
        ids=["nothing", "two things", "no way of doing it"],
    )
    async def test_it_is_about_one_thing(self, running: Running, wanted: dict[str, object]) -> None:
        with pytest.raises(AskedWrongly):
            await make_plan(running.services, person_id=running.owner, **wanted)  # type: ignore[arg-type]

    async def test_there_is_no_plan_for_an_unknown_incident(self, running: Running) -> None:
        with pytest.raises(NotFound):
            await make_plan(running.services, person_id=running.owner, incident_id="no")


class TestStarting:
    async def test_two_people_start_it_once(self, shop: Shop) -> None:
        await shop.fails("A", "B", "C")
        plan = await shop.repaired_and_planned()
        tried = await asyncio.gather(shop.start(plan), shop.start(plan), return_exceptions=True)
        assert sum(isinstance(one, RepairPlanRow) for one in tried) == 1
        (refused,) = [one for one in tried if isinstance(one, FlowmendError)]
        assert refused.code == "PlanUnderWay"
        view = await shop.reaches(plan, PlanState.DONE)
        assert view.succeeded == 3
        assert shop.running.service.counts["orders"]["created"] == 3

    async def test_an_old_version_starts_nothing(self, shop: Shop) -> None:
        await shop.fails("A")
        old = await shop.planned()
        await shop.repaired()
        await shop.planned()
        with pytest.raises(Conflict) as refused:
            await shop.start(old)
        assert refused.value.code == "PlanChanged"
        assert (await shop.view(old)).row.state is PlanState.DRAFT

    async def test_where_the_world_changed_it_is_made_anew_and_asks_again(self, shop: Shop) -> None:
        failed = await shop.fails("A", "B")
        plan = await shop.repaired_and_planned()
        made = await resubmit_run(shop.running.services, failed[0], person_id=shop.running.owner)
        await shop.running.ended(made.run_name)
        with pytest.raises(Conflict) as refused:
            await shop.start(plan)
        assert refused.value.code == "PlanChanged"
        view = await shop.view(plan)
        assert (view.row.version, view.total) == (2, 1)
        await shop.start(view.row)
        await shop.reaches(plan, PlanState.DONE)
        assert shop.running.service.counts["orders"]["created"] == 2

    async def test_an_event_that_was_discarded_makes_it_anew(self, shop: Shop) -> None:
        await shop.fails("A")
        (held,) = await shop.holds("B")
        plan = await shop.repaired_and_planned()
        await discard_event(shop.running.services, shop.flow_id, held, shop.running.owner)
        with pytest.raises(Conflict):
            await shop.start(plan)
        assert (await shop.view(plan)).total == 1

    async def test_events_that_arrive_meanwhile_queue_behind_it(self, shop: Shop) -> None:
        await shop.fails("A")
        await shop.holds("B")
        plan = await shop.repaired_and_planned()
        late = await shop.running.call(shop.flow_id, {"number": "late"})
        assert late.held
        await shop.start(plan)
        await shop.reaches(plan, PlanState.DONE)
        await shop.running.ended(late.event_name)
        assert shop.running.service.counts["orders"]["created"] == 3
        assert shop.orders[-1] == "late"

    async def test_a_group_that_is_not_chosen_is_left_out(self, shop: Shop) -> None:
        await shop.fails("A")
        await shop.holds("B")
        plan = await shop.repaired_and_planned()
        (runs,) = [one for one in (await shop.view(plan)).groups if one.kind is ItemKind.RUN]
        await shop.start(plan, groups=[runs.group_id])
        view = await shop.reaches(plan, PlanState.DONE)
        assert (view.succeeded, view.left_out) == (1, 1)
        await until(lambda: "B" in shop.orders, lambda: str(shop.orders))  # what was left out goes on by itself then

    async def test_unknown_groups_start_nothing(self, shop: Shop) -> None:
        await shop.fails("A")
        plan = await shop.repaired_and_planned()
        with pytest.raises(AskedWrongly) as refused:
            await shop.start(plan, groups=["'; DROP TABLE repair_items"])
        assert refused.value.code == "GroupNotFound"
        assert (await shop.view(plan)).row.state is PlanState.DRAFT

    async def test_nobody_starts_an_unknown_plan(self, shop: Shop) -> None:
        with pytest.raises(NotFound):
            await start_plan(shop.running.services, "other", 1, person_id=shop.running.owner)
        with pytest.raises(NotFound):
            await pause_plan(shop.running.services, "other", person_id=shop.running.owner)

    async def test_a_plan_that_is_over_neither_starts_nor_stops(self, shop: Shop) -> None:
        await shop.fails("A")
        plan = await shop.repaired_and_planned()
        await dismiss_plan(shop.running.services, plan.plan_id, person_id=shop.running.owner)
        for act in (pause_plan, stop_plan, dismiss_plan, go_on_with_plan):
            with pytest.raises(Conflict):
                await act(shop.running.services, plan.plan_id, person_id=shop.running.owner)
        with pytest.raises(Conflict):
            await shop.start(plan)
        assert not shop.orders


class TestChoosing:
    async def test_a_group_is_resubmitted_from_the_start_on_purpose(self, shop: Shop) -> None:
        await shop.fails("A")
        plan = await shop.repaired_and_planned()
        (group,) = (await shop.view(plan)).groups
        view = await choose_mode(
            shop.running.services,
            plan.plan_id,
            plan.version,
            group.group_id,
            ItemMode.RESUBMIT,
            person_id=shop.running.owner,
        )
        (group,) = view.groups
        assert (group.mode, view.row.version) == ("resubmit", 2)
        await shop.start(view.row)
        (item,) = (await shop.reaches(plan, PlanState.DONE)).recent
        assert shop.running.run(item.new_run).origin_run == shop.failed[0]

    async def test_what_is_left_out_stays_out_when_the_plan_is_made_anew(self, shop: Shop) -> None:
        await shop.fails("A")
        await shop.holds("B")
        plan = await shop.repaired_and_planned()
        events = [one.group_id for one in (await shop.view(plan)).groups if one.kind is ItemKind.EVENT]
        view = await choose_groups(
            shop.running.services, plan.plan_id, plan.version, begun=events, person_id=shop.running.owner
        )
        assert (view.to_go, view.left_out, view.row.version) == (1, 1, 2)
        again = await shop.view(await shop.planned())
        assert (again.to_go, again.left_out, again.row.version) == (1, 1, 3)

    @pytest.mark.parametrize("mode", [ItemMode.START, ItemMode.CANCEL, ItemMode.NONE])
    async def test_only_what_is_offered_can_be_chosen(self, shop: Shop, mode: ItemMode) -> None:
        await shop.fails("A")
        plan = await shop.repaired_and_planned()
        (group,) = (await shop.view(plan)).groups
        with pytest.raises(AskedWrongly) as refused:
            await choose_mode(
                shop.running.services, plan.plan_id, 1, group.group_id, mode, person_id=shop.running.owner
            )
        assert refused.value.code == "ModeNotOffered"


class TestRepeats:
    async def test_a_resume_repeats_nothing_and_a_resubmit_says_what(self, running: Running) -> None:
        connection_id = await running.connect()
        flow_id = await running.add_flow(NOTE_THEN_ORDER, name="Notes")
        await change_settings(running.services, flow_id, {"onBrokenConnection": "fail"}, running.owner)
        shop = Shop(running, connection_id, flow_id)
        accepted = await running.call(flow_id, {"number": "A"})
        await until(lambda: running.service.counts["notes"]["requests"] == 1, lambda: str(running.service.counts))
        running.service.change("password", user="ada", password="changed")
        assert (await running.ended(accepted.run_name)).status == "Failed"
        plan = await shop.repaired_and_planned()
        view = await shop.view(plan)
        assert (view.groups[0].mode, view.groups[0].from_action, view.repeats) == ("resume", "Order", ())
        view = await choose_mode(
            running.services, plan.plan_id, 1, view.groups[0].group_id, ItemMode.RESUBMIT, person_id=running.owner
        )
        assert [(one.action, one.count) for one in view.repeats] == [("Note", 1)]
        view = await choose_mode(
            running.services, plan.plan_id, 2, view.groups[0].group_id, ItemMode.RESUME, person_id=running.owner
        )
        await shop.start(view.row)
        await shop.reaches(plan, PlanState.DONE)
        counts = running.service.counts
        assert (counts["notes"]["requests"], counts["orders"]["created"]) == (1, 1)


class TestIncident:
    async def test_it_tells_its_plan_and_what_is_not_put_right(self, shop: Shop) -> None:
        await shop.fails("A", "B")
        before = await read_incident(shop.running.services, shop.incident_id)
        assert (before.not_put_right, before.summary.plan) == (2, None)
        plan = await shop.repaired_and_planned()
        await shop.start(plan)
        await shop.reaches(plan, PlanState.DONE)
        after_it = await read_incident(shop.running.services, shop.incident_id)
        assert after_it.not_put_right == 0
        assert after_it.summary.plan is not None
        assert after_it.summary.plan.state is PlanState.DONE
        (listed,) = (await list_plans(shop.running.services, incident_id=shop.incident_id)).plans
        assert (listed.done, listed.total, listed.failed) == (2, 2, 0)
        assert listed.name == after_it.summary.name


class TestSelection:
    async def test_chosen_runs_are_resubmitted_without_limit(self, shop: Shop) -> None:
        await shop.fails("A", "B")
        await shop.repaired()
        wanted = RunFilter(flow_id=shop.flow_id, statuses=("Failed",))
        plan = await make_plan(
            shop.running.services, person_id=shop.running.owner, wanted=wanted, mode=ItemMode.RESUBMIT
        )
        view = await shop.view(plan)
        assert (view.incident, view.total, view.groups[0].mode) == (None, 2, "resubmit")
        await shop.start(plan, settings=PlanSettings(canary=Canary.NONE))
        assert (await shop.reaches(plan, PlanState.DONE)).succeeded == 2
        again = await make_plan(shop.running.services, person_id=shop.running.owner, run_names=shop.failed)
        (group,) = (await shop.view(again)).groups
        assert (group.reason, group.modes) == ("AlreadyTriedAgain", (ItemMode.RESUBMIT,))

    async def test_chosen_runs_are_cancelled(self, running: Running) -> None:
        wait = {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Day"}}, "runAfter": {}}
        flow_id = await running.add_flow({"Wait": wait})
        names = [(await running.call(flow_id, {})).run_name for _ in range(3)]
        for name in names:
            await running.reached(name, lambda row: row.wake_at is not None)
        plan = await make_plan(running.services, person_id=running.owner, run_names=names, mode=ItemMode.CANCEL)
        shop = Shop(running, "", flow_id)
        await shop.start(plan, settings=PlanSettings(canary=Canary.NONE))
        assert (await shop.reaches(plan, PlanState.DONE)).succeeded == 3
        assert {running.run(name).status for name in names} == {"Cancelled"}


class TestCalledRuns:
    async def test_who_called_a_run_that_failed_is_resumed_and_calls_it_again(self, shop: Shop) -> None:
        running = shop.running
        answer = {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "body": "made"}}
        child = await running.add_flow({"Order": create_order(), "Answer": after(answer, "Order")}, name="Child")
        await change_settings(running.services, child, {"onBrokenConnection": "fail"}, running.owner)

        async def calls(name: str, flow_id: str) -> str:
            host = {"triggerName": "manual", "workflow": {"id": flow_id}}
            call = {"type": "Workflow", "inputs": {"host": host, "body": "@triggerBody()"}, "runAfter": {}}
            answers = {**answer, "inputs": {"statusCode": 200, "body": "@body('Call')"}}
            return await running.add_flow({"Call": call, "Answer": after(answers, "Call")}, name=name)

        outermost = await calls("Outermost", await calls("Parent", child))
        (failed,) = await shop.fails("A", flow_id=outermost)
        plan = await shop.repaired_and_planned()
        view = await shop.view(plan)
        by_flow = {one.flow_name: (one.mode, one.reason) for one in view.groups}
        assert by_flow == {"Outermost": (ItemMode.RESUME, ""), "Child": (ItemMode.NONE, "ChildRun")}
        await shop.start(plan)
        view = await shop.reaches(plan, PlanState.DONE)
        assert (view.succeeded, view.failed) == (1, 0)
        assert running.service.counts["orders"]["created"] == 1
        assert running.run(failed).status == "Failed"


async def test_of_an_incident_with_nothing_left_no_plan_is_made(shop: Shop) -> None:
    await shop.fails("A1")
    plan = await shop.repaired_and_planned()
    await shop.start(plan)
    await shop.reaches(plan, PlanState.DONE)

    with pytest.raises(Conflict) as caught:
        await shop.planned()

    assert caught.value.code == "NothingToRepair"
    assert [one.row.plan_id for one in (await list_plans(shop.running.services)).plans] == [plan.plan_id]


async def test_the_plan_after_a_second_break_starts_as_the_first_one_did(shop: Shop) -> None:
    await shop.fails("A1")
    first = await shop.repaired_and_planned()
    settings = PlanSettings(per_minute=1200, calls_at_once=2)
    await shop.start(first, settings=settings)
    await shop.reaches(first, PlanState.DONE)
    shop.running.service.change("password", user="ada", password="again")
    await shop.fails("A2")
    await verify_connection(
        shop.running.services, shop.connection_id, {"password": "again"}, person_id=shop.running.owner
    )

    assert (await shop.view(await shop.planned())).settings == settings


async def test_the_message_of_the_repair_counts_what_was_held_and_says_until_when_it_waits(shop: Shop) -> None:
    services, clock = shop.running.services, shop.running.clock
    await shop.fails("A1")
    await shop.holds("B1", "B2")
    clock.move(seconds=services.settings.notice_delay_seconds + 1)
    note_due(services)
    plan = await shop.repaired_and_planned()

    note_due(services)

    facts = next(facts_of(one) for one in services.store.notices.list()[0] if one.kind is NoticeKind.MENDED)
    assert isinstance(facts, IncidentFacts)
    assert facts.held_events == 2
    assert facts.kept_until is not None
    assert plan.keeps_back_until is not None
    assert abs(facts.kept_until - plan.keeps_back_until) < timedelta(minutes=1)
    await shop.start(plan)
    await shop.reaches(plan, PlanState.DONE)
    (row,) = services.store.incidents.list()[0]
    assert row.closed_at is not None
    assert services.store.held.waited_at([shop.flow_id], row.first_bad_at, row.closed_at) == 2


async def test_the_items_of_one_group_alone_can_be_looked_at(shop: Shop) -> None:
    services = shop.running.services
    failed = await shop.fails("A1", "A2")
    held = await shop.holds("B1")
    plan = await shop.repaired_and_planned()
    (runs,) = [one for one in (await shop.view(plan)).groups if one.kind is ItemKind.RUN]

    first, last = await list_items(services, plan.plan_id, group_id=runs.group_id, limit=1)
    rest, end = await list_items(services, plan.plan_id, group_id=runs.group_id, limit=1, after=last or 0)
    events, _ = await list_items(services, plan.plan_id, kind=ItemKind.EVENT)

    assert [one.subject for one in (*first, *rest)] == failed
    assert end is None
    assert first[0].from_action == "Order"
    assert [one.subject for one in events] == held
    with pytest.raises(NotFound):
        await list_items(services, plan.plan_id, group_id="gone")
