"""What it takes to make a repair plan does not grow with each run it is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from flowmend.store.repair_rows import ItemMode
from flowmend.use_cases.history import pack_journals
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.read_plan import read_plan
from running import Running

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]


@contextmanager
def statements(running: Running) -> Iterator[list[str]]:
    """What is asked meanwhile of the tables that hold what a plan is made from, and the plan."""
    asked: list[str] = []

    def note(*parts: Any) -> None:
        if any(table in parts[2] for table in ("journal_", "repair_items", "tracked_values")):
            asked.append(parts[2])

    engine = running.services.store._database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def failed_runs(running: Running, count: int) -> list[str]:
    flow_id = await running.add_flow(
        {"Fail": {"type": "Compose", "inputs": "@int(triggerBody()['n'])", "runAfter": {}}}
    )
    names = [(await running.call(flow_id, {"n": "x"})).run_name for _ in range(count)]
    for name in names:
        assert (await running.ended(name)).status == "Failed"
    await running.settled()
    return names


async def test_a_plan_of_many_runs_asks_as_much_as_one_of_few(running: Running) -> None:
    names = await failed_runs(running, 14)
    asked = []
    for chosen in (names[:2], names):
        with statements(running) as made:
            plan = await make_plan(running.services, person_id=running.owner, run_names=chosen)
        with statements(running) as shown:
            view = await read_plan(running.services, plan.plan_id)
        assert [(one.mode, one.count) for one in view.groups] == [(ItemMode.RESUME, len(chosen))]
        asked.append((len(made), len(shown)))
    assert asked[0] == asked[1]


async def test_a_block_of_packed_journals_is_read_once_for_a_plan(running: Running) -> None:
    names = await failed_runs(running, 6)
    running.clock.move(minutes=11)
    assert await pack_journals(running.services, running.clock.now) == 6
    with statements(running) as made:
        plan = await make_plan(running.services, person_id=running.owner, run_names=names)
    assert sum("FROM journal_blocks" in one for one in made) == 1
    assert (await read_plan(running.services, plan.plan_id)).to_go == 6
