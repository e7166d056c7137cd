"""Triggers that a service calls, on a running Flowmend: subscribed while their flow is on, and none left behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.edit_flow import open_for_editing, save_text
from flowmend.use_cases.flows import delete_flow, map_connection, read_flow_detail, turn_off, turn_on
from flowmend.use_cases.verify_connection import verify_connection
from hook_service import Hooks, hook_connector, hook_trigger
from running import LocalServer, Open, Running, compose, until
from worker.signed_urls import ask

pytestmark = pytest.mark.anyio

BODY = {"A": compose("@triggerBody()")}
KEY = {
    "connectionParameters": {"api_key": {"type": "securestring", "uiDefinition": {"displayName": "Key"}}},
}
CONNECTED = {
    "called": {
        "type": "OpenApiConnectionWebhook",
        "inputs": {
            "host": {"connectionName": "shared_hooks", "operationId": "OnCalled", "apiId": "/apis/shared_hooks"},
            "parameters": {},
        },
    }
}


async def opened(open_flowmend: Open, origin: str, **settings: Any) -> Running:
    return await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}), **settings)


async def look(running: Running, holds: Callable[[], bool], **by: float) -> None:
    """Let time pass until something holds."""
    for _ in range(200):
        if holds():
            return
        running.clock.move(**(by or {"minutes": 1}))
        await running.settled()
    raise AssertionError("it never came")


async def connected_flow(running: Running, origin: str, **subscription: Any) -> tuple[str, str]:
    """(flow, connection) of a flow that is on."""
    definition = hook_connector(origin, **subscription)
    await install_connector_documents(running.services, "hooks", definition, {"properties": KEY}, running.owner)
    view = await create_connection(running.services, "hooks", "Hooks", {"api_key": "first"}, running.owner)
    flow_id = await running.add_flow(BODY, triggers=CONNECTED, is_on=False)
    await map_connection(running.services, flow_id, "shared_hooks", view.row.connection_id, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    return flow_id, view.row.connection_id


async def test_a_service_is_subscribed_to_while_the_flow_is_on(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await running.add_flow(BODY, triggers=hook_trigger(origin))
    (url,) = hooks.there.values()
    status, _, _ = await ask(running, "POST", f"{url}&from=mail", {"order": 7})
    assert status == 202
    (run,) = await running.reached_count(flow_id, 1)
    await running.ended(run.run_name)
    assert (await running.records(run.run_name))["A"].outputs == {"order": 7}
    await turn_off(running.services, flow_id, running.owner)
    await until(lambda: not hooks.there, lambda: str(hooks.there))
    status, _, _ = await ask(running, "POST", url, {"order": 8})
    assert (status, len(running.runs(flow_id))) == (410, 1)  # whoever calls still may forget us


async def test_turning_on_says_that_the_address_is_known_here_only(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await running.add_flow(BODY, triggers=hook_trigger(origin), is_on=False)
    told = await turn_on(running.services, flow_id, running.owner)
    assert "FLOWMEND_PUBLIC_URL" in told
    detail = await read_flow_detail(running.services, flow_id)
    assert "NoPublicAddress" in [one.code for one in detail.problems]


async def test_turning_on_says_what_did_not_work_and_it_is_tried_until_it_does(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks(failing=2.0)
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await running.add_flow(BODY, triggers=hook_trigger(origin), is_on=False)
    told = await turn_on(running.services, flow_id, running.owner)
    assert "It is tried again until it works." in told
    problem = (await read_flow_detail(running.services, flow_id)).summary.trigger_problem
    assert problem is not None
    hooks.failing = 0.0
    await look(running, lambda: bool(hooks.there))
    await look(running, lambda: not running.services.store.triggers.with_problems())
    assert [one.status for one in running.events(flow_id)] == ["Failed"]


async def test_an_edited_trigger_ends_the_old_subscription_and_begins_a_new_one(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await running.add_flow(BODY, triggers=hook_trigger(origin))
    edited = open_for_editing(running.services, flow_id)
    other = edited.text.replace('"A"', '"B"')
    saved = await save_text(running.services, flow_id, other, edited.base_version, running.owner)
    assert list(hooks.there) == ["h1"]  # its trigger asks for the same
    other = other.replace("/hooks", "/hooks?kind=new", 1)
    await save_text(running.services, flow_id, other, saved.version, running.owner)
    await until(lambda: list(hooks.there) == ["h2"], lambda: str(hooks.there))


async def test_a_deleted_flow_leaves_no_subscription_behind(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id = await running.add_flow(BODY, triggers=hook_trigger(origin))
    hooks.failing = 2.0
    await turn_off(running.services, flow_id, running.owner)
    await delete_flow(running.services, flow_id, running.owner)
    hooks.failing = 0.0
    await look(running, lambda: not hooks.there)
    await look(running, lambda: not running.services.store.subscriptions.of_flow(flow_id))


async def test_a_connectors_webhook_answers_the_handshake_and_is_deleted_by_its_location(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    hooks.password = "first"
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id, _ = await connected_flow(running, origin)
    (url,) = hooks.there.values()
    status, _, content = await ask(running, "POST", f"{url}&validationToken=12", None)
    assert (status, content) == (200, 12)
    await ask(running, "POST", url, {"n": 1})
    await running.reached_count(flow_id, 1)
    await turn_off(running.services, flow_id, running.owner)
    await until(lambda: not hooks.there, lambda: str(hooks.there))


async def test_a_subscription_is_renewed_before_it_ends(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    hooks.password = "first"
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    hooks.expires = (running.clock.now + timedelta(hours=1)).isoformat()
    renew = {"method": "PATCH", "path": "/hooks/{id}", "body": {"until": "{expires}"}}
    flow_id, _ = await connected_flow(
        running, origin, id="body/id", expires="body/expirationDateTime", lifetimeSeconds=3600, renew=renew
    )
    await look(running, lambda: hooks.renewed == 3, minutes=10)
    (row,) = running.services.store.subscriptions.of_flow(flow_id)
    assert row.expires_at is not None
    assert row.expires_at > running.clock.now
    assert list(hooks.there) == ["h1"]


async def test_a_subscription_that_cannot_be_renewed_is_replaced(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    hooks.password = "first"
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flow_id, _ = await connected_flow(running, origin, lifetimeSeconds=3600)
    await look(running, lambda: list(hooks.there) == ["h2"], minutes=10)
    await look(running, lambda: len(running.services.store.subscriptions.of_flow(flow_id)) == 1)


async def test_a_refused_subscription_breaks_the_connection_and_its_repair_subscribes(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    hooks.password = "second"
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    definition = hook_connector(origin)
    await install_connector_documents(running.services, "hooks", definition, {"properties": KEY}, running.owner)
    hooks.password = "first"
    flow_id, connection_id = await connected_flow(running, origin)
    await turn_off(running.services, flow_id, running.owner)
    await until(lambda: not hooks.there, lambda: str(hooks.there))
    hooks.password = "second"
    await turn_on(running.services, flow_id, running.owner)
    problem = (await read_flow_detail(running.services, flow_id)).summary.trigger_problem
    assert problem is not None
    assert (problem.code, problem.connection_id) == ("Unauthorized", connection_id)
    assert running.connection(connection_id).health == "broken"
    calls = hooks.calls
    running.clock.move(hours=3)
    await running.settled()
    assert hooks.calls == calls
    await verify_connection(
        running.services, connection_id, {"api_key": "second"}, person_id=running.owner, confirmed=True
    )
    await look(running, lambda: bool(hooks.there), seconds=1)
    await look(running, lambda: not running.services.store.triggers.with_problems(), seconds=1)


async def test_none_is_leaked_or_lost_with_a_service_that_fails_one_call_in_three_and_crashes(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks(failing=1 / 3, seed=7)
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    flows = [await running.add_flow(BODY, triggers=hook_trigger(origin), name=f"f{n}") for n in range(12)]
    await running.crash()
    running = await opened(open_flowmend, origin, clock=running.clock)
    await look(running, lambda: len(hooks.there) == 12)
    active = running.services.store.subscriptions
    await look(running, lambda: all(active.of_flow(one)[0].state == "active" for one in flows))
    for one in flows[:6]:
        await turn_off(running.services, one, running.owner)
    await running.crash()
    running = await opened(open_flowmend, origin, clock=running.clock)
    await look(running, lambda: len(hooks.there) == 6)
    rows = running.services.store.subscriptions
    await look(running, lambda: not any(rows.of_flow(one) for one in flows[:6]))
    assert hooks.made == 12
