"""What is noted, and that it is noted once: plans that ended, digests, and two processes that look at one moment."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Category, Diagnosis, FixableBy
from flowmend.store.notice_rows import NoticeKind
from flowmend.store.repair_rows import PlanKind, PlanState, RepairPlanRow
from flowmend.use_cases.incident_watch import note_break, note_departure
from flowmend.use_cases.message_settings import change_message_settings
from flowmend.use_cases.note_notices import note_due, note_plan_ended
from flowmend.use_cases.notice_facts import IncidentFacts, PlanFacts, facts_of

pytestmark = pytest.mark.anyio

REFUSED = Diagnosis(
    rule="r",
    category=Category.WRONG_PASSWORD,
    is_auth_failure=True,
    connection_broken=True,
    fixable_by=FixableBy.REVERIFY,
    remedy="verify_password",
)


def plan(house: Any, **parts: Any) -> RepairPlanRow:
    row = RepairPlanRow(
        **{
            "plan_id": "p",
            "kind": PlanKind.SELECTION,
            "created_by": "p1",
            "created_at": house.clock.now,
            "changed_at": house.clock.now,
            **parts,
        }
    )
    house.services.store.repair_plans.make(row, [])
    return row


def notices(house: Any) -> list[Any]:
    return list(house.services.store.notices.list()[0])


async def break_it(house: Any) -> None:
    house.connect("sqlite", None, health=HealthState.BROKEN, refused_category="wrong_password")
    await note_break(house.services, house.connection("sqlite-1"), REFUSED, code="Unauthorized", message="no")


class TestPlans:
    async def test_a_plan_that_is_done_is_told_once(self, house: Any) -> None:
        plan(house, state=PlanState.DONE, started_at=house.clock.now, started_by="p1")
        assert note_plan_ended(house.services, "p")
        assert not note_plan_ended(house.services, "p")
        note_due(house.services)
        (one,) = notices(house)
        assert (one.kind, one.owner_id) == (NoticeKind.REPAIRED, "p1")
        assert isinstance(facts_of(one), PlanFacts)

    async def test_one_that_stopped_by_itself_is_told_each_time_it_was_started(self, house: Any) -> None:
        stopped = {"state": PlanState.STOPPED, "stop_code": "FailuresInARow", "started_by": "p1"}
        plan(house, started_at=house.clock.now, **stopped)
        assert note_plan_ended(house.services, "p")
        house.clock.move(minutes=5)
        # It was looked at anew, and not started: the same stop.
        house.services.store.repair_plans.change("p", [PlanState.STOPPED], changed_at=house.clock.now)
        assert not note_plan_ended(house.services, "p")
        house.services.store.repair_plans.change(
            "p", [PlanState.STOPPED], started_at=house.clock.now, changed_at=house.clock.now
        )
        assert note_plan_ended(house.services, "p")

    @pytest.mark.parametrize(
        "parts",
        [
            {"state": PlanState.DRAFT},
            {"state": PlanState.DISMISSED},
            {"state": PlanState.STOPPED, "stop_code": ""},
            {"state": PlanState.PAUSED, "stop_code": "FirstOnesDone"},
        ],
        ids=["a draft", "one given up", "one that a person stopped", "one that asks"],
    )
    async def test_what_somebody_did_or_looks_at_is_told_to_nobody(self, house: Any, parts: dict[str, Any]) -> None:
        plan(house, started_at=house.clock.now, **parts)
        assert not note_plan_ended(house.services, "p")


class TestIncidents:
    async def test_two_that_look_at_one_moment_note_it_once(self, house: Any) -> None:
        await break_it(house)
        house.clock.move(seconds=31)
        both = threading.Barrier(2)

        def look() -> None:
            both.wait()
            note_due(house.services)

        threads = [threading.Thread(target=look) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert [one.kind for one in notices(house)] == [NoticeKind.BROKEN]

    async def test_when_to_look_again_is_known_to_the_moment(self, house: Any) -> None:
        change_message_settings(house.services, digest="off", person_id="p1")
        await break_it(house)
        due = house.clock.now + timedelta(seconds=30)
        house.clock.move(seconds=10)
        assert note_due(house.services) == due
        assert notices(house) == []
        house.clock.now = due
        assert note_due(house.services) is None
        assert len(notices(house)) == 1

    async def test_one_whose_connection_was_deleted_is_told_as_ended_and_not_as_mended(self, house: Any) -> None:
        await break_it(house)
        house.clock.move(seconds=31)
        note_due(house.services)
        house.services.store.connections.delete("sqlite-1")
        await note_departure(house.services, "sqlite-1", "p1")
        note_due(house.services)
        end = next(one for one in notices(house) if one.kind is NoticeKind.MENDED)
        facts = facts_of(end)
        assert isinstance(facts, IncidentFacts)
        assert not facts.is_proven

    async def test_a_notice_holds_nothing_the_service_said_but_its_code(self, house: Any) -> None:
        house.connect("sqlite", None, health=HealthState.BROKEN, refused_category="wrong_password")
        row = replace(house.connection("sqlite-1"), display_name="Bad\r\nBcc: x@example.com" + "y" * 500)
        house.services.store.connections.change("sqlite-1", display_name=row.display_name)
        await note_break(house.services, row, REFUSED, code="Unauthorized", message="pl4nted order of Mr. Smith")
        house.clock.move(seconds=31)
        note_due(house.services)
        kept = str(notices(house)[0].facts)
        assert "pl4nted" not in kept
        assert "\n" not in kept
        assert len(kept) < 2000
