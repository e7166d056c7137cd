"""Cancelling every run of a flow: all that had begun, a few at a time, over restarts, and nothing else."""

from typing import Any

import pytest
from sqlalchemy import update

from flowmend.core.errors import NotFound
from flowmend.store.journal import Statement
from flowmend.store.tables import journal_pages
from flowmend.use_cases.cancel_runs import cancel_all_runs, count_cancellable, read_cancelling
from running import LocalServer, Open, Running, after, compose, create_order, respond, until, wait_for
from worker.test_child_flows import parent_of
from worker.test_webhook_actions import Hooks, opened, subscribe_at

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def resting(running: Running, flow_id: str, count: int) -> list[str]:
    names = [(await running.call(flow_id)).run_name for _ in range(count)]
    await running.at_rest()
    return names


async def cancelled(running: Running, flow_id: str) -> None:
    await until(lambda: read_cancelling(running.services, flow_id) is None, lambda: "it is not over")


def verbs(running: Running, flow_id: str) -> list[tuple[str, object]]:
    noted, _ = running.services.store.audit.list(flow_id)
    return [(one.verb, one.details) for one in reversed(noted) if one.verb.startswith("cancel")]


async def test_every_run_of_the_flow_ends_and_no_run_of_another_or_that_begins_later(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(3, "Day"), "Then": after(compose(1), "Wait")})
    other = await running.add_flow({"Wait": wait_for(3, "Day")}, name="other")
    names = await resting(running, flow_id, 250)  # more than one block
    (beside,) = await resting(running, other, 1)
    assert count_cancellable(running.services, flow_id) == 250

    asked = cancel_all_runs(running.services, flow_id, running.owner)
    later = (await running.call(flow_id)).run_name
    assert (asked.runs, asked.left) == (250, 250)
    await cancelled(running, flow_id)

    rows = [running.run(name) for name in names]
    assert {(row.status, row.ended_at is not None, row.wake_at) for row in rows} == {("Cancelled", True, None)}
    assert {running.run(name).status for name in (later, beside)} == {"Running"}
    records = await running.records(names[7])
    assert (records["Wait"].status, records["Then"].status) == ("Cancelled", "Skipped")
    assert verbs(running, flow_id) == [
        ("cancel_all", {"runs": 250}),
        ("cancelled_all", {"cancelled": 250, "left": 0}),
    ]


async def test_a_killed_server_goes_on_with_it(open_flowmend: Open) -> None:
    first = await open_flowmend()
    flow_id = await first.add_flow({"Wait": wait_for(3, "Day")})
    names = await resting(first, flow_id, 100)
    cancel_all_runs(first.services, flow_id, first.owner)
    await until(lambda: any(first.run(name).status == "Cancelled" for name in names), lambda: "none was cancelled")
    await first.application.cancellations.stop()
    await first.crash()

    second = await open_flowmend(clock=first.clock)
    await cancelled(second, flow_id)

    assert {second.run(name).status for name in names} == {"Cancelled"}


async def test_runs_that_wait_for_a_callback_a_repair_or_a_child_end_too(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    await running.connect()
    running.service.change("password", user="ada", password="changed")
    held = create_order("N1", metadata={"flowmend": {"onBrokenConnection": "holdAtAction"}})
    flows = {
        "callback": await running.add_flow({"Wait": subscribe_at(origin)}, name="callback"),
        "held": await running.add_flow({"Order": held}, name="held"),
    }
    child = await running.add_flow({"W": wait_for(5, "Hour"), "R": after(respond(1), "W")}, name="child")
    flows["parent"] = await parent_of(running)
    names = {name: (await running.call(flow_id)).run_name for name, flow_id in flows.items()}
    await running.waiting(names["held"])
    await until(lambda: bool(hooks.urls) and bool(running.runs(child)), lambda: "they do not wait yet")

    for flow_id in flows.values():
        cancel_all_runs(running.services, flow_id, running.owner)
        await cancelled(running, flow_id)

    assert {running.run(name).status for name in names.values()} == {"Cancelled"}
    await until(lambda: hooks.deleted == ["/hooks/1"], lambda: "the subscription is left behind")
    assert [row.status for row in running.runs(child)] == ["Running"]  # a child is a run of its own


async def test_runs_in_memory_at_rest_and_unreadable_are_one_block(running: Running) -> None:
    flow_id = await running.add_flow({"Wait": wait_for(3, "Day")})
    resting_name, broken = await resting(running, flow_id, 2)
    awake = [(await running.call(flow_id)).run_name for _ in range(2)]

    def spoil(connection: Any) -> None:
        is_it = (journal_pages.c.run_name == broken) & (journal_pages.c.sequence > 0)
        connection.execute(update(journal_pages).where(is_it).values(page=b"nothing"))

    await running.services.store.journal.write([Statement(spoil)])
    epoch = running.run(resting_name).epoch

    cancel_all_runs(running.services, flow_id, running.owner)
    await cancelled(running, flow_id)

    assert {running.run(name).status for name in (resting_name, *awake)} == {"Cancelled"}
    assert running.run(resting_name).epoch == epoch + 1
    assert running.run(broken).status == "Waiting"
    assert verbs(running, flow_id)[-1] == ("cancelled_all", {"cancelled": 3, "left": 1})


async def test_a_flow_without_runs_under_way_has_nothing_to_cancel(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    await running.ended((await running.call(flow_id)).run_name)

    assert cancel_all_runs(running.services, flow_id, running.owner).runs == 0

    assert read_cancelling(running.services, flow_id) is None
    with pytest.raises(NotFound):
        cancel_all_runs(running.services, "nothing", running.owner)
