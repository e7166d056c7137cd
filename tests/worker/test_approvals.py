"""Flows that ask people: the task, the answer, and the run that waits for it, over restarts and kills."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import update

from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.core.outcome import Status
from flowmend.store.approval_rows import ApprovalRow, ApprovalState
from flowmend.store.tables import runs
from flowmend.use_cases.approvals import answer_approval, list_approvals, tell_untold
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import map_connection, turn_on
from flowmend.use_cases.import_flow import import_flows
from running import REQUEST, SCHEMA, Open, Running, after, compose, until

pytestmark = pytest.mark.anyio
HOST = {
    "apiId": "/providers/Microsoft.PowerApps/apis/shared_approvals",
    "connectionName": "shared_approvals",
}
ASKED = {
    "title": "Order @{coalesce(triggerBody()?['id'], 4711)}",
    "assignedTo": "ann@example.com;bob@example.com;",
    "enableNotifications": True,
    "enableReassignment": True,
}


def ask(kind: str = "Basic", **asked: Any) -> dict[str, Any]:
    parameters = {f"WebhookApprovalCreationInput/{name}": value for name, value in (ASKED | asked).items()}
    return {
        "type": "OpenApiConnectionWebhook",
        "inputs": {
            "host": HOST | {"operationId": "StartAndWaitForAnApproval"},
            "parameters": {"approvalType": kind, **parameters},
        },
        "runAfter": {},
    }


def create(kind: str = "Basic") -> dict[str, Any]:
    parameters = {f"ApprovalCreationInput/{name}": value for name, value in ASKED.items()}
    return {
        "type": "OpenApiConnection",
        "inputs": {
            "host": HOST | {"operationId": "CreateAnApproval"},
            "parameters": {"approvalType": kind, **parameters},
        },
        "runAfter": {},
    }


def await_it(name: str) -> dict[str, Any]:
    return {
        "type": "OpenApiConnectionWebhook",
        "inputs": {"host": HOST | {"operationId": "WaitForAnApproval"}, "parameters": {"approvalName": name}},
        "runAfter": {},
    }


READ = compose(
    "@{outputs('Ask')?['body/outcome']}: @{first(outputs('Ask')?['body/responses'])?['responder/displayName']}"
)


async def asking(running: Running, actions: dict[str, Any]) -> str:
    """The id of a flow with a connection to approvals."""
    definition = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "triggers": REQUEST, "actions": actions}
    references = {"shared_approvals": {"connectionName": "", "id": "/apis/shared_approvals"}}
    content = json.dumps({"connectionReferences": references, "definition": definition}).encode()
    (imported,) = await import_flows(running.services, content, "flow.json", person_id=running.owner)
    if not running.services.store.connections.list(connector_id="approvals"):
        await create_connection(running.services, "approvals", "Approvals", {}, running.owner)
    connection_id = running.services.store.connections.list(connector_id="approvals")[0].connection_id
    await map_connection(running.services, imported.flow_id, "shared_approvals", connection_id, running.owner)
    await turn_on(running.services, imported.flow_id, running.owner)
    return imported.flow_id


async def asked(running: Running, count: int = 1) -> list[ApprovalRow]:
    """The questions that wait, once there are so many."""
    found = running.services.store.approvals
    await until(lambda: found.count_waiting() == count, lambda: f"{found.count_waiting()} wait")
    return list(found.list(is_waiting=True, limit=100))


async def answer(running: Running, row: ApprovalRow, response: str = "Approve", **parts: Any) -> None:
    parts.setdefault("approver", "ann@example.com")
    await answer_approval(running.services, row.approval_id, response, person_id=running.owner, through="api", **parts)


async def test_a_flow_asks_rests_and_reads_the_answer(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    assert (row.title, row.run_name, row.flow_id, row.action) == ("Order 4711", run, flow, "Ask")
    await running.at_rest()
    await answer(running, row, comments="in time")
    assert (await running.ended(run)).status == "Succeeded"
    records = await running.records(run)
    assert records["Read"].outputs == "Approve: ann@example.com"
    assert records["Ask"].outputs["body"]["responses"][0]["comments"] == "in time"
    after_it = running.services.store.approvals.get(row.approval_id)
    assert after_it is not None
    assert (after_it.state, after_it.outcome) == (ApprovalState.COMPLETED, "Approve")
    assert running.services.store.approvals.all_waits() == []


async def test_an_answer_that_could_not_be_told_is_told_without_a_restart(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    await running.at_rest()
    given = {"response": "Approve", "answered_through": "api", "answered_at": running.services.clock.now}
    running.services.store.approvals.answer(row.approval_id, "ann@example.com", given, lambda *_: "Approve")
    assert running.run(run).ended_at is None
    await tell_untold(running.services)
    assert (await running.ended(run)).status == "Succeeded"
    assert running.services.store.approvals.untold_waits() == []


async def test_everyone_must_approve_where_the_flow_says_so(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask("BasicAwaitAll"), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    await answer(running, row)
    assert running.run(run).status != "Succeeded"
    await answer(running, row, approver="BOB@example.com")
    assert (await running.ended(run)).status == "Succeeded"


async def test_own_options_are_answered_and_nothing_else(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(
        running, {"Ask": ask("CustomResponse", responseOptions=["Ship", "Wait"]), "Read": after(READ, "Ask")}
    )
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    with pytest.raises(AskedWrongly, match="Ship, Wait"):
        await answer(running, row, "Approve")
    with pytest.raises(AskedWrongly, match="was not asked"):
        await answer(running, row, "Ship", approver="eve@example.com")
    with pytest.raises(AskedWrongly, match="for whom"):
        await answer(running, row, "Ship", approver="")
    await answer(running, row, "ship")
    await running.ended(run)
    assert (await running.records(run))["Read"].outputs == "Ship: ann@example.com"


async def test_of_two_who_answer_at_once_the_first_wins(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    came = await asyncio.gather(
        answer(running, row, "Approve"),
        answer(running, row, "Reject", approver="bob@example.com"),
        return_exceptions=True,
    )
    assert [type(one) for one in came] == [type(None), Conflict]
    await running.ended(run)
    assert (await running.records(run))["Read"].outputs == "Approve: ann@example.com"


async def test_a_restart_keeps_the_question_and_the_run(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    await asked(running)
    await running.at_rest()
    await running.stop()
    again = await open_flowmend()
    (row,) = await asked(again)
    await answer(again, row, "Reject")
    assert (await again.ended(run)).status == "Succeeded"
    assert (await again.records(run))["Read"].outputs == "Reject: ann@example.com"


async def test_a_kill_between_answer_and_telling_loses_neither(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    await running.at_rest()
    given = {"response": "Approve", "answered_at": running.clock.now}
    running.services.store.approvals.answer(row.approval_id, "bob@example.com", given, lambda *_: "Approve")
    await running.crash()
    again = await open_flowmend()
    assert (await again.ended(run)).status == "Succeeded"
    assert (await again.records(run))["Read"].outputs == "Approve: bob@example.com"


async def test_a_kill_right_after_asking_asks_nobody_twice(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask(), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    await asked(running)
    await running.crash()
    again = await open_flowmend()
    (row,) = await asked(again)
    await answer(again, row)
    assert (await again.ended(run)).status == "Succeeded"


async def test_a_cancelled_run_asks_nobody_any_more(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask()})
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    await running.at_rest()
    await cancel_run(running.services, run, running.owner)
    assert (await running.ended(run)).status == Status.CANCELLED
    await asked(running, 0)
    with pytest.raises(Conflict, match="no answer any more"):
        await answer(running, row)


async def test_a_run_that_ended_while_the_server_was_down_asks_nobody_after_the_start(open_flowmend: Open) -> None:
    running = await open_flowmend()
    flow = await asking(running, {"Ask": ask()})
    run = (await running.call(flow)).run_name
    await asked(running)
    await running.at_rest()
    await running.stop()
    again = await open_flowmend()
    await asked(again)
    # As if its end had been written and the telling lost.
    database = again.services.store._database
    with database.writing() as connection:
        connection.execute(update(runs).where(runs.c.run_name == run).values(status="Cancelled"))
    await again.stop()
    third = await open_flowmend()
    await asked(third, 0)


async def test_an_approval_is_created_by_one_action_and_awaited_by_another(open_flowmend: Open) -> None:
    running = await open_flowmend()
    actions = {
        "Make": create(),
        "Ask": after(await_it("@outputs('Make')?['body/name']"), "Make"),
        "Read": after(READ, "Ask"),
    }
    flow = await asking(running, actions)
    run = (await running.call(flow)).run_name
    (row,) = await asked(running)
    await running.at_rest()
    await answer(running, row)
    assert (await running.ended(run)).status == "Succeeded"
    assert (await running.records(run))["Read"].outputs == "Approve: ann@example.com"


async def test_what_was_answered_before_somebody_waits_is_told_at_once(open_flowmend: Open) -> None:
    running = await open_flowmend()
    made = await running.call(await asking(running, {"Make": create()}))
    assert (await running.ended(made.run_name)).status == "Succeeded"
    (row,) = await asked(running)
    assert row.run_name == made.run_name
    await answer(running, row)
    flow = await asking(running, {"Ask": await_it(row.approval_id), "Read": after(READ, "Ask")})
    run = (await running.call(flow)).run_name
    assert (await running.ended(run)).status == "Succeeded"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (ask("Sequential"), "BadRequest"),
        (ask(assignedTo=";"), "BadRequest"),
        (await_it("no-such-approval"), "NotFound"),
    ],
)
async def test_what_cannot_be_asked_fails_the_action(open_flowmend: Open, action: dict[str, Any], code: str) -> None:
    running = await open_flowmend()
    run = (await running.call(await asking(running, {"Ask": action}))).run_name
    assert (await running.ended(run)).status == "Failed"
    assert (await running.records(run))["Ask"].code == code


async def test_each_pass_of_a_loop_asks_by_itself(open_flowmend: Open) -> None:
    running = await open_flowmend()
    loop = {"type": "Foreach", "foreach": "@createArray(1, 2, 3)", "actions": {"Ask": ask()}, "runAfter": {}}
    run = (await running.call(await asking(running, {"Each": loop}))).run_name
    for row in await asked(running, 3):
        await answer(running, row)
    assert (await running.ended(run)).status == "Succeeded"


async def test_the_first_spelling_of_the_connector_asks_too(open_flowmend: Open) -> None:
    running = await open_flowmend()
    legacy = {
        "type": "ApiConnectionWebhook",
        "inputs": {
            "host": {"connection": {"name": "@parameters('$connections')['shared_approvals']['connectionId']"}},
            "body": {"title": "Old", "assignedTo": "ann@example.com;", "NotificationUrl": "@listCallbackUrl()"},
            "path": "/basic/$subscriptions",
        },
        "runAfter": {},
    }
    read = compose("@{body('Ask')?['response']} @{body('Ask')?['responder']?['displayName']}")
    run = (await running.call(await asking(running, {"Ask": legacy, "Read": after(read, "Ask")}))).run_name
    (row,) = await asked(running)
    await answer(running, row)
    await running.ended(run)
    assert (await running.records(run))["Read"].outputs == "Approve ann@example.com"


async def test_a_flow_cannot_have_another_ones_action_called_back(open_flowmend: Open) -> None:
    running = await open_flowmend()
    forged = {
        "type": "ApiConnection",
        "inputs": {
            "host": {"connection": {"name": "@parameters('$connections')['shared_approvals']['connectionId']"}},
            "method": "post",
            "body": {
                "title": "Old",
                "assignedTo": "ann@example.com;",
                "NotificationUrl": f"{running.services.settings.base_url}/workflows/x/runs/y/actions/z/callback?sig=no",
            },
            "path": "/basic/$subscriptions",
        },
        "runAfter": {},
    }
    run = (await running.call(await asking(running, {"Ask": forged}))).run_name
    assert (await running.ended(run)).status == "Failed"
    assert running.services.store.approvals.count_waiting() == 0


async def test_the_list_says_who_is_asked_by_which_flow(open_flowmend: Open) -> None:
    running = await open_flowmend()
    await running.call(await asking(running, {"Ask": ask()}))
    await asked(running)
    page = await list_approvals(running.services, running.owner, is_waiting=True)
    (view,) = page.views
    assert (view.flow_name, view.options, view.mine, len(view.unanswered)) == ("flow", ("Approve", "Reject"), "", 2)
