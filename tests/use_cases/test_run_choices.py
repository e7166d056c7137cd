"""Choosing runs: filters that a page, an export and a plan share, columns, and tables for spreadsheets."""

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.export_runs import export_runs
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.run_choices import HELD, RunChoice, count_by_status, count_chosen, list_chosen
from flowmend.use_cases.run_columns import (
    MOST_COLUMNS,
    Column,
    ColumnKind,
    column_values,
    offered_columns,
    read_columns,
)
from running import REQUEST, Running, compose, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

TRACKED = compose(1, trackedProperties={"order": "@{triggerBody()?['n']}"})
ORDER = Column(kind=ColumnKind.VALUE, name="order")
NUMBER = Column(kind=ColumnKind.OUTPUT, name="body/n")


async def ended_run(running: Running, flow_id: str, body: object = None) -> str:
    accepted = await running.call(flow_id, body)
    await running.ended(accepted.run_name)
    return accepted.run_name


async def table(running: Running, choice: RunChoice, columns: Sequence[Column] = ()) -> list[dict[str, str]]:
    content = b"".join([part async for part in export_runs(running.services, choice, columns)])
    return list(csv.DictReader(content.decode("utf-8-sig").splitlines()))


async def test_what_was_shown_is_the_same_set_later(running: Running) -> None:
    flow_id = await running.add_flow({"A": TRACKED})
    shown = [await ended_run(running, flow_id, {"n": n}) for n in range(3)]
    choice = RunChoice(flow_id=flow_id).until(running.clock.now)
    running.clock.move(seconds=1)
    await ended_run(running, flow_id, {"n": 4})
    found = await list_chosen(running.services, choice)
    assert [row.run_name for row in found.rows] == shown[::-1]
    assert count_chosen(running.services, choice) == 3
    assert choice.until(running.clock.now + timedelta(days=1)) == choice


async def test_runs_are_counted_by_status_within_the_rest_of_the_choice(running: Running) -> None:
    flow_id = await running.add_flow({"A": TRACKED})
    other = await running.add_flow(
        {"A": {"type": "Terminate", "inputs": {"runStatus": "Failed"}, "runAfter": {}}}, name="Other"
    )
    for n in range(3):
        await ended_run(running, flow_id, {"n": n})
    await ended_run(running, other)
    statuses = ("Succeeded", "Failed", HELD)
    counted = {
        "all": count_by_status(running.services, RunChoice(status="Failed"), statuses),
        "a flow": count_by_status(running.services, RunChoice(flow_id=flow_id), statuses),
        "a value": count_by_status(running.services, RunChoice(tracked_value="1"), statuses),
        "a text": count_by_status(running.services, RunChoice(text="1"), statuses),
    }
    assert counted == {
        "all": {"Succeeded": 3, "Failed": 1, HELD: 0},
        "a flow": {"Succeeded": 3, "Failed": 0, HELD: 0},
        "a value": {"Succeeded": 1, "Failed": 0, HELD: 0},
        "a text": {HELD: 0},
    }


async def test_an_attempt_says_which_it_is_of_how_many(running: Running) -> None:
    flow_id = await running.add_flow({"A": TRACKED})
    first, alone = await ended_run(running, flow_id, {"n": 1}), await ended_run(running, flow_id, {"n": 2})
    second = (await resubmit_run(running.services, first, person_id=running.owner)).run_name
    await running.ended(second)
    found = (await list_chosen(running.services, RunChoice(flow_id=flow_id))).lineages
    assert {name: (one.attempt, one.attempts) for name, one in found.items()} == {first: (1, 2), second: (2, 2)}
    rows = {row["Run"]: row for row in await table(running, RunChoice(flow_id=flow_id))}
    assert (rows[second]["Attempt"], rows[second]["Attempts"], rows[second]["Resubmits"]) == ("2", "2", first)
    assert rows[second]["Resubmitted by"] == running.services.store.access.people()[0].name
    assert rows[alone]["Attempts"] == "1"


@pytest.mark.parametrize(
    "choice",
    [RunChoice(text="x" * 401), RunChoice(tracked_name="n"), RunChoice(flow_id="f" * 401)],
    ids=["a long text", "a name without a value", "a long id"],
)
async def test_what_cannot_be_chosen_is_refused(running: Running, choice: RunChoice) -> None:
    with pytest.raises(AskedWrongly):
        await list_chosen(running.services, choice)


class TestColumns:
    async def test_columns_hold_what_was_tracked_and_what_the_trigger_gave(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": TRACKED})
        name = await ended_run(running, flow_id, {"n": 7, "deep": {"a": [1]}, "none": None})
        found = await list_chosen(running.services, RunChoice(flow_id=flow_id))
        assert column_values(running.services, found.rows, (ORDER, NUMBER)) == {name: ("7", "7")}
        assert {ORDER, NUMBER} <= set(offered_columns(running.services, flow_id))
        gone = Column(kind=ColumnKind.OUTPUT, name="body/deep/a")
        assert column_values(running.services, found.rows, (gone,)) == {name: ("",)}

    async def test_what_a_trigger_hides_stays_hidden(self, running: Running) -> None:
        secure = {"secureData": {"properties": ["outputs"]}}
        trigger = {"manual": {"type": "Request", "kind": "Http", "inputs": {}, "runtimeConfiguration": secure}}
        flow_id = await running.add_flow({"A": compose(1)}, triggers=trigger)
        name = await ended_run(running, flow_id, {"n": "hidden"})
        found = await list_chosen(running.services, RunChoice(flow_id=flow_id))
        assert column_values(running.services, found.rows, (NUMBER,)) == {name: ("",)}
        assert offered_columns(running.services, flow_id) == ()

    async def test_what_is_no_column_is_left_out_and_eight_are_enough(self, running: Running) -> None:
        many = [f"value:{number}" for number in range(20)]
        assert len(read_columns(many)) == MOST_COLUMNS
        odd = ["", "value", "value:", "other:x", "output:" + "x" * 201, "value:order", "value:order"]
        assert read_columns(odd) == (ORDER,)


async def test_an_orders_number_finds_no_run_whose_name_happens_to_hold_it(running: Running) -> None:
    flow_id = await running.add_flow({"A": TRACKED})
    first = await ended_run(running, flow_id, {"n": "4711"})
    other = await ended_run(running, flow_id, {"n": "9"})
    again = (await resubmit_run(running.services, other, person_id=running.owner)).run_name
    await running.ended(again)
    digits = other[6:10]
    found = await list_chosen(running.services, RunChoice(text=digits))
    assert [row.run_name for row in found.rows] == []
    found = await list_chosen(running.services, RunChoice(text="4711"))
    assert [row.run_name for row in found.rows] == [first]
    found = await list_chosen(running.services, RunChoice(text=other[6:20]))
    assert other in [row.run_name for row in found.rows]


class TestExport:
    async def test_no_cell_is_computed_by_a_spreadsheet(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": TRACKED})
        bad = ['=HYPERLINK("http://evil")', "+1", "-2", "@x", "\t=1", "＝1"]
        for text in bad:
            await ended_run(running, flow_id, {"n": text})
        rows = await table(running, RunChoice(flow_id=flow_id), (NUMBER,))
        assert {row["body/n"] for row in rows} == {f"'{text}" for text in bad}

    async def test_seconds_count_from_when_a_run_that_waited_its_turn_began(self, running: Running) -> None:
        one_at_once = {"manual": {**REQUEST["manual"], "runtimeConfiguration": {"concurrency": {"runs": 1}}}}
        flow_id = await running.add_flow({"W": wait_for(40, "Minute")}, triggers=one_at_once)
        first, second = [(await running.call(flow_id)).event_name for _ in range(2)]
        await running.at_rest()
        running.clock.move(minutes=41)
        await running.settled()
        await running.ended(first)
        await running.reached_count(flow_id, 2)
        rows = {row["Run"]: row for row in await table(running, RunChoice(flow_id=flow_id))}
        assert rows[first]["Begun"] == rows[first]["Start"]
        held_for = datetime.fromisoformat(rows[second]["Begun"]) - datetime.fromisoformat(rows[second]["Start"])
        assert timedelta(minutes=41) <= held_for < timedelta(minutes=42)
        assert 41 * 60 <= float(rows[first]["Seconds"]) < 42 * 60
        await cancel_run(running.services, second, running.owner)
        (row, _) = await table(running, RunChoice(flow_id=flow_id))
        assert float(row["Seconds"]) < 60

    async def test_all_that_match_are_there_and_nothing_else(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": TRACKED})
        names = [await ended_run(running, flow_id, {"n": n}) for n in range(4)]
        await ended_run(running, await running.add_flow({"A": compose(1)}, name="Other"))
        rows = await table(running, RunChoice(flow_id=flow_id))
        assert [row["Run"] for row in rows] == names[::-1]
        assert {row["Status"] for row in rows} == {"Succeeded"}
        assert await table(running, RunChoice(text="no such run")) == []
