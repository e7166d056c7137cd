"""Resume: a new run goes on where another failed, and what was done is not done again."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import delete

from flowmend.core.errors import AskedWrongly, Conflict, FlowmendError, NotFound
from flowmend.core.run.same_definition import Difference
from flowmend.store.journal import Statement
from flowmend.store.tables import journal_pages, runs
from flowmend.use_cases.flows import turn_off
from flowmend.use_cases.resubmit_runs import Resubmitted, resubmit_run
from flowmend.use_cases.resume_run import later_run, preview_both, preview_resubmit, preview_resume, resume_run
from flowmend.use_cases.runs import read_run
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running, after, compose, create_order, http

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


class Shop:
    """A service that takes orders, and audits them where it lets the caller in."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = {}
        self.answers: dict[str, int] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.calls[path] += 1
        self.keys.setdefault(path, []).append(request.headers.get("Idempotency-Key", ""))
        status = self.answers.get(path, 200)
        return web.json_response({"path": path}, status=status)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def origin(shop: Shop, local_server: LocalServer) -> str:
    return await local_server(shop.answer)


@pytest.fixture
async def opened(open_flowmend: Open, origin: str) -> Open:
    """As `open_flowmend`, for a Flowmend that may call the shop."""

    async def start(**settings: Any) -> Running:
        return await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}), **settings)

    return start


@pytest.fixture
async def running(opened: Open) -> Running:
    return await opened()


def order_then_audit(origin: str) -> dict[str, Any]:
    return {
        "Order": http("POST", f"{origin}/order", body="@triggerBody()"),
        "Audit": after(http("GET", f"{origin}/audit"), "Order"),
        "Sorry": after(http("POST", f"{origin}/sorry"), "Audit", when="Failed"),
        "Note": after(compose("@workflow()['run']"), "Audit"),
    }


async def resume(running: Running, run_name: str, request_id: str = "", **parts: Any) -> Resubmitted:
    return await resume_run(running.services, run_name, person_id=running.owner, request_id=request_id, **parts)


async def failed_run(running: Running, shop: Shop, actions: dict[str, Any], **parts: Any) -> tuple[str, str]:
    """(flow id, name of a run that failed at its audit)."""
    shop.answers["/audit"] = 401
    flow_id = await running.add_flow(actions, **parts)
    accepted = await running.call(flow_id, {"number": "4711"})
    assert (await running.ended(accepted.run_name)).status == "Failed"
    shop.answers.clear()
    return flow_id, accepted.run_name


async def test_the_order_is_posted_once_and_the_run_ends_well(running: Running, shop: Shop, origin: str) -> None:
    flow_id, failed = await failed_run(running, shop, order_then_audit(origin))

    again = await resume(running, failed)

    assert (await running.ended(again.run_name)).status == "Succeeded"
    assert shop.calls == {"/order": 1, "/audit": 2, "/sorry": 1}
    row = running.run(again.run_name)
    assert (row.origin_run, row.resubmitted_by) == (failed, running.owner)
    assert running.run(failed).status == "Failed"
    records = await running.records(again.run_name)
    assert {name: one.from_run for name, one in records.items()} == {
        "Order": failed, "Audit": "", "Sorry": "", "Note": "",
    }  # fmt: skip
    assert records["Order"].outputs["body"] == {"path": "/order"}
    assert records["Note"].outputs == {
        **records["Note"].outputs, "name": again.run_name, "attempt": 2, "originRunName": failed, "isResume": True,
    }  # fmt: skip
    assert running.events(flow_id)[-1].origin_event == failed
    assert [one.run_name for one in (await read_run(running.services, failed)).attempts] == [failed, again.run_name]


async def test_before_it_says_where_it_goes_on_and_what_would_be_repeated(
    running: Running, shop: Shop, origin: str
) -> None:
    actions = order_then_audit(origin)
    _, failed = await failed_run(running, shop, actions)

    one = preview_resume(running.services, failed)
    whole = preview_resubmit(running.services, failed)

    assert (one.can_resume, one.from_action, one.kept, one.version) == (True, "Audit", 1, running.run(failed).version)
    assert [(it.action, it.operation, it.count) for it in one.repeats] == [("Sorry", "POST 127.0.0.1", 1)]
    assert [(it.action, it.count) for it in whole.repeats] == [("Order", 1), ("Sorry", 1)]
    assert shop.calls["/order"] == 1
    both = preview_both(running.services, failed)
    assert (both.resume, both.resume_latest, both.resubmit) == (one, None, whole)


async def test_a_resumed_run_is_resumed_again_after_a_crash(opened: Open, shop: Shop, origin: str) -> None:
    first = await opened()
    _, failed = await failed_run(first, shop, order_then_audit(origin))
    shop.answers["/audit"] = 401
    again = await resume(first, failed)
    await first.ended(again.run_name)
    await first.crash()
    second = await opened()
    shop.answers.clear()

    third = await resume(second, again.run_name)

    assert (await second.ended(third.run_name)).status == "Succeeded"
    assert shop.calls["/order"] == 1
    records = await second.records(third.run_name)
    assert (records["Order"].from_run, records["Note"].outputs["attempt"]) == (failed, 3)


async def test_a_resumed_run_that_is_killed_goes_on(opened: Open, shop: Shop, origin: str) -> None:
    pause = {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}
    actions = order_then_audit(origin)
    actions |= {"Pause": after(pause, "Audit"), "Mail": after(http("POST", f"{origin}/mail"), "Pause")}
    first = await opened()
    _, failed = await failed_run(first, shop, actions)
    again = await resume(first, failed)
    await first.recorded(again.run_name, "Pause", "Waiting")
    await first.crash()
    second = await opened()
    second.clock.move(hours=2)
    await second.application.run_loop.wake(again.run_name)
    assert (await second.ended(again.run_name)).status == "Succeeded"
    assert shop.calls == {"/order": 1, "/audit": 2, "/sorry": 1, "/mail": 1}


async def test_it_survives_that_the_first_run_is_gone(running: Running, shop: Shop, origin: str) -> None:
    _, failed = await failed_run(running, shop, order_then_audit(origin))
    shop.answers["/audit"] = 500
    again = await resume(running, failed)
    await running.ended(again.run_name)
    shop.answers.clear()

    def forget(connection: Any) -> None:
        connection.execute(delete(journal_pages).where(journal_pages.c.run_name == failed))
        connection.execute(delete(runs).where(runs.c.run_name == failed))

    await running.services.store.journal.write([Statement(forget)])
    third = await resume(running, again.run_name)
    assert (await running.ended(third.run_name)).status == "Succeeded"
    assert shop.calls["/order"] == 1


async def test_a_call_of_unknown_fate_goes_out_with_its_first_key(running: Running, shop: Shop, origin: str) -> None:
    actions = {"Audit": http("POST", f"{origin}/audit")}
    shop.answers["/audit"] = 503
    flow_id = await running.add_flow(actions)
    failed = (await running.call(flow_id, {})).run_name
    await running.ended(failed)
    shop.answers["/audit"] = 403
    refused = await resume(running, failed)
    await running.ended(refused.run_name)
    shop.answers.clear()
    last = await resume(running, refused.run_name)
    await running.ended(last.run_name)
    first, second, third = shop.keys["/audit"]
    assert first == second == third  # what was refused in between says nothing of the first


async def test_what_is_secret_stays_sealed_in_the_new_run(running: Running, shop: Shop, origin: str) -> None:
    actions = order_then_audit(origin)
    secret = {"secureData": {"properties": ["inputs", "outputs"]}}
    actions["Order"] |= {"runtimeConfiguration": secret}
    actions["Order"]["inputs"]["body"] = "a very secret order"
    _, failed = await failed_run(running, shop, actions)
    again = await resume(running, failed)
    await running.ended(again.run_name)
    pages = running.services.store.runs.pages(again.run_name)
    assert not any(b"very secret" in page for _, page in pages)
    assert (await running.records(again.run_name))["Order"].inputs["body"] == "a very secret order"


async def test_the_same_request_answers_with_the_same_run(running: Running, shop: Shop, origin: str) -> None:
    mail = after(http("POST", f"{origin}/mail"), "Audit")
    _, failed = await failed_run(running, shop, order_then_audit(origin) | {"Mail": mail})
    made = await asyncio.gather(*(resume(running, failed, "request-1") for _ in range(3)))
    assert len({one.run_name for one in made}) == 1
    await running.ended(made[0].run_name)
    assert (await resume(running, failed, "request-1")).run_name == made[0].run_name
    assert (shop.calls["/order"], shop.calls["/sorry"], shop.calls["/mail"]) == (1, 1, 1)
    rows, _ = running.services.store.audit.list()
    assert "resume" in [one.verb for one in rows]


async def test_what_a_later_run_did_is_done_again_only_on_purpose(running: Running, shop: Shop, origin: str) -> None:
    mail = after(http("POST", f"{origin}/mail"), "Audit")
    _, failed = await failed_run(running, shop, order_then_audit(origin) | {"Mail": mail})
    shop.answers["/audit"] = 401
    failed_too = (await resume(running, failed, again=False)).run_name
    await running.ended(failed_too)
    shop.answers.clear()
    assert later_run(running.services, failed) == ""

    made = await asyncio.gather(*(resume(running, failed, again=False) for _ in range(3)))
    assert len({one.run_name for one in made}) == 1
    await running.ended(made[0].run_name)
    for earlier in (failed, failed_too):
        with pytest.raises(Conflict, match=made[0].run_name) as caught:
            await resume(running, earlier, again=False)
        assert (caught.value.code, later_run(running.services, earlier)) == ("AlreadyRunAgain", made[0].run_name)
    assert shop.calls["/mail"] == 1

    on_purpose = await resume(running, failed)
    await running.ended(on_purpose.run_name)
    assert shop.calls["/mail"] == 2


async def test_the_latest_definition_is_taken_where_it_is_safe(running: Running, shop: Shop, origin: str) -> None:
    actions = order_then_audit(origin)
    flow_id, failed = await failed_run(running, shop, actions, name="shop")
    changed = actions | {"Note": after(compose("new"), "Audit"), "Mail": after(http("POST", f"{origin}/mail"), "Audit")}
    await running.add_flow(changed, name="shop")

    original = await resume(running, failed)
    latest = await resume(running, failed, original_definition=False)

    for made, note in ((original, None), (latest, "new")):
        assert (await running.ended(made.run_name)).status == "Succeeded"
        records = await running.records(made.run_name)
        assert (records["Note"].outputs == "new") is (note == "new")
    assert latest.version == running.services.flows.latest(flow_id).version != original.version
    assert (shop.calls["/order"], shop.calls["/mail"]) == (1, 1)


async def test_a_definition_that_differs_is_refused_with_what_differs(
    running: Running, shop: Shop, origin: str
) -> None:
    actions = order_then_audit(origin)
    _, failed = await failed_run(running, shop, actions, name="shop")
    await running.add_flow(actions | {"Order": http("POST", f"{origin}/other")}, name="shop")

    found = preview_resume(running.services, failed, original_definition=False)

    assert (found.can_resume, found.code) == (False, "DefinitionDiffers")
    assert found.differences == (Difference(action="Order", what="inputs"),)
    assert preview_resume(running.services, failed).can_resume
    with pytest.raises(Conflict, match="Order") as caught:
        await resume(running, failed, original_definition=False)
    assert caught.value.code == "DefinitionDiffers"


async def test_a_latest_definition_that_does_not_read_leaves_the_run_its_own(
    running: Running, shop: Shop, origin: str
) -> None:
    flow_id, failed = await failed_run(running, shop, order_then_audit(origin))
    running.make_unreadable(flow_id)
    both = preview_both(running.services, failed)
    assert both.resume.can_resume
    assert both.resume_latest is not None
    assert (both.resume_latest.code, both.resubmit.code) == ("DefinitionUnreadable", "DefinitionUnreadable")
    again = await resume(running, failed)
    assert (await running.ended(again.run_name)).status == "Succeeded"


async def test_a_connection_that_is_still_broken_is_to_be_repaired_first(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    running.service.change("password", user="ada", password="changed")
    failed = (await running.call(flow_id, {"number": "4711"})).run_name
    await running.ended(failed)

    found = preview_resume(running.services, failed)
    assert (found.can_resume, found.code, found.connection_id) == (False, "ConnectionNeedsRepair", connection_id)
    assert "'Orders'" in found.message
    with pytest.raises(Conflict):
        await resume(running, failed)

    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    again = await resume(running, failed)
    assert (await running.ended(again.run_name)).status == "Succeeded"
    assert running.service.counts["orders"]["created"] == 1


async def test_why_a_run_cannot_be_resumed(running: Running, shop: Shop, origin: str) -> None:
    async def refusal(run_name: str) -> FlowmendError:
        found = preview_resume(running.services, run_name)
        assert not found.can_resume
        with pytest.raises((AskedWrongly, Conflict)) as caught:
            await resume(running, run_name)
        assert (caught.value.code, caught.value.message) == (found.code, found.message)
        return caught.value

    flow_id, failed = await failed_run(running, shop, order_then_audit(origin))
    good = (await running.call(flow_id, {})).run_name
    await running.ended(good)
    assert (await refusal(good)).code == "WorkflowRunSucceeded"
    asks = {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Day"}}, "runAfter": {}}
    waiting = (await running.call(await running.add_flow({"W": asks}, name="waits"), {})).run_name
    assert (await refusal(waiting)).code == "WorkflowRunInProgress"
    stops = {"Stop": {"type": "Terminate", "inputs": {"runStatus": "Failed"}, "runAfter": {}}}
    stopped = (await running.call(await running.add_flow(stops, name="stops"), {})).run_name
    await running.ended(stopped)
    assert (await refusal(stopped)).code == "EndedByTerminate"

    def prune(connection: Any) -> None:
        pages = delete(journal_pages).where(journal_pages.c.run_name == failed, journal_pages.c.sequence > 0)
        connection.execute(pages)

    await running.services.store.journal.write([Statement(prune)])
    assert (await refusal(failed)).code == "JournalMissing"
    await turn_off(running.services, flow_id, running.owner)
    assert (await refusal(failed)).code == "WorkflowTriggerIsNotEnabled"
    with pytest.raises(NotFound):
        preview_resume(running.services, "08000000000000000000CU00")


async def test_a_child_is_resumed_by_its_parent(running: Running, shop: Shop, origin: str) -> None:
    answer = {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200}}
    shop.answers["/audit"] = 401
    child_id = await running.add_flow(
        {"Audit": http("GET", f"{origin}/audit"), "R": after(answer, "Audit")}, name="child"
    )
    call = {"type": "Workflow", "inputs": {"host": {"workflow": {"id": child_id}}}}
    actions = {"Order": http("POST", f"{origin}/order"), "Child": after(call, "Order")}
    parent_id = await running.add_flow(actions, name="parent")
    parent = (await running.call(parent_id, {})).run_name
    assert (await running.ended(parent)).status == "Failed"
    (child,) = running.runs(child_id)
    found = preview_resume(running.services, child.run_name)
    assert (found.code, parent in found.message) == ("ChildRun", True)
    shop.answers.clear()

    again = await resume(running, parent)

    assert (await running.ended(again.run_name)).status == "Succeeded"
    assert (shop.calls["/order"], shop.calls["/audit"]) == (1, 2)
    assert len(running.runs(child_id)) == 2


async def test_a_resubmitted_run_knows_which_attempt_it_is(running: Running) -> None:
    flow_id = await running.add_flow({"Note": compose("@workflow()['run']")})
    first = (await running.call(flow_id, {})).run_name
    await running.ended(first)
    assert (await running.records(first))["Note"].outputs["attempt"] == 1
    again = await resubmit_run(running.services, first, person_id=running.owner)
    await running.ended(again.run_name)
    said = (await running.records(again.run_name))["Note"].outputs
    assert (said["attempt"], said["originRunName"], said["isResume"]) == (2, first, False)
