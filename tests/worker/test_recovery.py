"""After a crash: finished actions are not performed again, reads are repeated, and what may have happened asks its owner."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.use_cases.answer_doubt import answer_doubt
from flowmend.use_cases.overview import read_overview
from flowmend.use_cases.runs import read_run
from running import LocalServer, Open, Running, after, compose, create_order, http, until, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


@dataclass
class Counting:
    """A service that counts what arrives, and answers `/slow` only when told to."""

    origin: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    keys: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        self.seen[f"{request.method} {request.path}"] += 1
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        if request.path.startswith("/slow"):
            await self.go_on.wait()
        return web.json_response({"count": self.seen.total()})

    async def arrived(self, what: str, times: int = 1) -> None:
        await until(lambda: self.seen[what] >= times, lambda: f"only {self.seen} arrived")


@pytest.fixture
async def counting(local_server: LocalServer) -> Any:
    service = Counting()
    service.origin = await local_server(service.handle)
    yield service
    service.go_on.set()


@dataclass
class Restart:
    """Starts a Flowmend, and another on the same folder after the first was killed."""

    open_flowmend: Open
    host: str

    async def start(self) -> Running:
        return await self.open_flowmend(allowed_private_hosts=frozenset({self.host}))

    async def after_a_crash(self, running: Running) -> Running:
        await running.crash()
        return await self.open_flowmend(allowed_private_hosts=frozenset({self.host}), clock=running.clock)


@pytest.fixture
def restart(open_flowmend: Open, counting: Counting) -> Restart:
    return Restart(open_flowmend, counting.origin.removeprefix("http://"))


async def test_finished_actions_are_not_performed_again_and_reads_are_repeated(
    restart: Restart, counting: Counting
) -> None:
    first = await restart.start()
    flow_id = await first.add_flow(
        {
            "Id": compose("@guid()"),
            "Post": after(http("POST", f"{counting.origin}/done"), "Id"),
            "Get": after(http("GET", f"{counting.origin}/slow"), "Post"),
            "Last": after(compose("@outputs('Id')"), "Get"),
        }
    )
    accepted = await first.call(flow_id)
    await counting.arrived("GET /slow")
    await first.recorded(accepted.run_name, "Post", "Succeeded")  # within a moment, not before a read goes on
    written = (await first.records(accepted.run_name))["Id"].outputs

    second = await restart.after_a_crash(first)
    await counting.arrived("GET /slow", 2)
    counting.go_on.set()

    assert (await second.ended(accepted.run_name)).status == "Succeeded"
    assert counting.seen == {"POST /done": 1, "GET /slow": 2}
    assert (await second.records(accepted.run_name))["Last"].outputs == written


async def test_a_call_that_honours_its_key_is_repeated_under_the_same_key(open_flowmend: Open) -> None:
    first = await open_flowmend()
    await first.connect()
    flow_id = await first.add_flow({"Order": create_order()})
    first.service.change("latency", ms=5000)
    accepted = await first.call(flow_id, {"number": "N1"})
    arrived = {"N1": 1}
    await until(lambda: first.service.counts["orders"]["requests_by_number"] == arrived, lambda: "no order arrived")

    await first.crash()
    first.service.change("latency", ms=0)
    second = await open_flowmend()

    assert (await second.ended(accepted.run_name)).status == "Succeeded"
    counts = second.service.counts
    assert counts["orders"]["created"] == 1
    assert counts["orders"]["requests_by_number"] == {"N1": 2}
    assert counts["idempotency"]["distinct_keys"] == 1


async def in_doubt(restart: Restart, counting: Counting) -> tuple[Running, str]:
    """(the second process, a run whose POST was under way when the first was killed)."""
    first = await restart.start()
    flow_id = await first.add_flow(
        {
            "Post": http("POST", f"{counting.origin}/slow"),
            "Last": after(compose("@coalesce(body('Post')?['count'], 'unknown')"), "Post"),
        }
    )
    accepted = await first.call(flow_id)
    await counting.arrived("POST /slow")
    second = await restart.after_a_crash(first)
    await second.waiting(accepted.run_name)
    return second, accepted.run_name


async def test_a_post_under_way_is_not_repeated_but_asks(restart: Restart, counting: Counting) -> None:
    running, run_name = await in_doubt(restart, counting)

    row = running.run(run_name)
    assert (row.status, row.code, row.failed_action) == ("Waiting", "ActionInDoubt", "Post")
    assert counting.seen == {"POST /slow": 1}
    detail = await read_run(running.services, run_name)
    assert detail.in_doubt == (("Post", ()),)
    assert not detail.can_resubmit
    assert [one.run_name for one in (await read_overview(running.services)).in_doubt] == [run_name]
    await running.at_rest()

    third = await restart.after_a_crash(running)
    await third.settled()
    assert third.run(run_name).code == "ActionInDoubt"
    assert counting.seen == {"POST /slow": 1}


async def test_what_runs_beside_a_doubt_goes_on_after_another_crash(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    flow_id = await first.add_flow(
        {
            "Post": http("POST", f"{counting.origin}/slow"),
            "Wait": wait_for(40, "Second"),
            "Beside": after(http("GET", f"{counting.origin}/beside"), "Wait"),
        }
    )
    accepted = await first.call(flow_id)
    await counting.arrived("POST /slow")
    await first.recorded(accepted.run_name, "Wait", "Waiting")  # from when it waits is kept
    second = await restart.after_a_crash(first)
    assert (await second.waiting(accepted.run_name)).code == "ActionInDoubt"
    second.clock.move(minutes=1)

    third = await restart.after_a_crash(second)

    await counting.arrived("GET /beside")
    row = await third.waiting(accepted.run_name)
    assert (row.code, counting.seen["POST /slow"]) == ("ActionInDoubt", 1)


async def test_a_wait_that_ends_while_the_server_stops_is_not_forgotten(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    flow_id = await first.add_flow(
        {
            "Post": http("POST", f"{counting.origin}/slow"),
            "Wait": wait_for(40, "Second"),
            "Beside": after(http("GET", f"{counting.origin}/beside"), "Wait"),
        }
    )
    accepted = await first.call(flow_id)
    await counting.arrived("POST /slow")
    await first.recorded(accepted.run_name, "Wait", "Waiting")
    second = await restart.after_a_crash(first)
    await second.waiting(accepted.run_name)
    second.clock.move(minutes=1)
    loop = second.application.run_loop
    stopping = asyncio.create_task(loop.stop())
    await asyncio.sleep(0)

    await loop.wake(accepted.run_name)

    await stopping
    wakes_at = second.run(accepted.run_name).wake_at
    assert wakes_at is not None
    assert wakes_at <= second.clock.now
    await restart.after_a_crash(second)
    await counting.arrived("GET /beside")


@pytest.mark.parametrize(
    ("answer", "status", "post_code", "posts"),
    [
        ("happened", "Succeeded", "ActionConfirmed", 1),
        ("send_again", "Succeeded", "OK", 2),
        ("fail", "Failed", "ActionInDoubt", 1),
    ],
)
async def test_each_answer_to_a_doubt_does_what_it_says(
    restart: Restart, counting: Counting, *, answer: str, status: str, post_code: str, posts: int
) -> None:
    running, run_name = await in_doubt(restart, counting)
    counting.go_on.set()

    await answer_doubt(running.services, run_name, ("Post", ()), answer, running.owner)

    row = await running.ended(run_name)
    records = await running.records(run_name)
    assert (row.status, records["Post"].code) == (status, post_code)
    assert counting.seen["POST /slow"] == posts
    assert len(set(counting.keys)) == 1
    noted, _ = running.services.store.audit.list(run_name)
    assert [(one.person_id, one.verb) for one in noted] == [(running.owner, f"answer_{answer}")]
    if answer == "happened":
        assert records["Last"].outputs == "unknown"
        assert (row.error_code, row.failed_action) == ("", "")


async def test_only_a_doubt_can_be_answered(restart: Restart, counting: Counting) -> None:
    running, run_name = await in_doubt(restart, counting)
    with pytest.raises(AskedWrongly) as refused:
        await answer_doubt(running.services, run_name, ("Post", ()), "perhaps", running.owner)
    assert refused.value.code == "InvalidAnswer"
    with pytest.raises(NotFound):
        await answer_doubt(running.services, "nobody", ("Post", ()), "fail", running.owner)
    for key in (("Last", ()), ("Post", (1,)), ("Other", ())):
        with pytest.raises(Conflict) as conflict:
            await answer_doubt(running.services, run_name, key, "fail", running.owner)
        assert conflict.value.code == "ActionNotInDoubt"
    await answer_doubt(running.services, run_name, ("Post", ()), "fail", running.owner)
    await running.ended(run_name)
    with pytest.raises(Conflict):
        await answer_doubt(running.services, run_name, ("Post", ()), "fail", running.owner)
    noted, _ = running.services.store.audit.list(run_name)
    assert len(noted) == 1


@pytest.mark.parametrize(
    ("word", "status", "posts"), [("repeat", "Succeeded", 2), ("fail", "Failed", 1), ("ask", "Waiting", 1)]
)
async def test_an_action_may_say_itself_what_an_interruption_means(
    restart: Restart, counting: Counting, word: str, status: str, posts: int
) -> None:
    first = await restart.start()
    post = {**http("POST", f"{counting.origin}/slow"), "metadata": {"flowmend": {"onInterruption": word}}}
    flow_id = await first.add_flow({"Post": post})
    accepted = await first.call(flow_id)
    await counting.arrived("POST /slow")
    second = await restart.after_a_crash(first)
    counting.go_on.set()

    row = await second.reached(accepted.run_name, lambda row: row.status != "Running")

    assert row.status == status
    assert counting.seen["POST /slow"] == posts
    if word == "fail":
        assert (await second.records(accepted.run_name))["Post"].code == "ActionInterrupted"


async def test_a_run_accepted_and_not_begun_goes_on(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    flow_id = await first.add_flow({"Get": http("GET", f"{counting.origin}/slow")})
    accepted = [await first.call(flow_id) for _ in range(20)]
    second = await restart.after_a_crash(first)
    counting.go_on.set()
    for one in accepted:
        assert (await second.ended(one.run_name)).status == "Succeeded"


async def test_a_stop_writes_what_was_read_so_that_it_is_not_read_again(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    flow_id = await first.add_flow(
        {
            "Quick": http("GET", f"{counting.origin}/quick"),
            "Slow": after(http("GET", f"{counting.origin}/slow"), "Quick"),
        }
    )
    accepted = await first.call(flow_id)
    await counting.arrived("GET /slow")
    await first.stop()
    second = await restart.start()
    counting.go_on.set()
    assert (await second.ended(accepted.run_name)).status == "Succeeded"
    assert counting.seen == {"GET /quick": 1, "GET /slow": 2}


async def test_a_worker_thought_lost_can_no_longer_write(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    flow_id = await first.add_flow(
        {"Get": http("GET", f"{counting.origin}/slow"), "Post": after(http("POST", f"{counting.origin}/post"), "Get")}
    )
    accepted = await first.call(flow_id)
    await counting.arrived("GET /slow")
    first.services.store.sole_server.release()  # as when its connection breaks
    second = await restart.start()  # the first still lives
    await counting.arrived("GET /slow", 2)
    counting.go_on.set()

    assert (await second.ended(accepted.run_name)).status == "Succeeded"
    await first.at_rest()
    assert counting.seen["POST /post"] == 1


async def test_a_run_of_a_version_that_was_replaced_goes_on_as_it_began(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    slow = http("GET", f"{counting.origin}/slow")
    flow_id = await first.add_flow({"Get": slow, "Said": after(compose("old"), "Get")}, name="said")
    accepted = await first.call(flow_id)
    await counting.arrived("GET /slow")
    await first.add_flow({"Said": compose("new")}, name="said")
    second = await restart.after_a_crash(first)
    counting.go_on.set()
    await second.ended(accepted.run_name)
    assert (await second.records(accepted.run_name))["Said"].outputs == "old"


async def test_loops_variables_and_waits_go_on_where_they_were(restart: Restart, counting: Counting) -> None:
    first = await restart.start()
    note = after({"type": "AppendToArrayVariable", "inputs": {"name": "seen", "value": "@item()"}}, "Post")
    each = {
        "type": "Foreach",
        "foreach": "@range(1, 3)",
        "actions": {
            "Post": http("POST", f"{counting.origin}/post"),
            "Note": note,
            "Wait": after(wait_for(2, "Minute"), "Note"),
        },
        "runtimeConfiguration": {"concurrency": {"repetitions": 1}},
    }
    flow_id = await first.add_flow(
        {
            "Seen": {
                "type": "InitializeVariable",
                "inputs": {"variables": [{"name": "seen", "type": "array", "value": []}]},
                "runAfter": {},
            },
            "Each": after(each, "Seen"),
            "All": after(compose("@variables('seen')"), "Each"),
        }
    )
    accepted = await first.call(flow_id)
    running = first
    for passed in range(1, 4):
        await counting.arrived("POST /post", passed)
        await running.at_rest()
        running = await restart.after_a_crash(running)
        running.clock.move(minutes=2, seconds=1)
        running.application.timers.schedule_changed()

    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert (await running.records(accepted.run_name))["All"].outputs == [1, 2, 3]
    assert counting.seen == {"POST /post": 3}
