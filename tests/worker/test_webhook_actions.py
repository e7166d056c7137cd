"""Webhook actions on a running Flowmend: subscribed, at rest, called back by a signed URL, unsubscribed."""

import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from aiohttp import web

from flowmend.core.outcome import Status
from flowmend.use_cases.cancel_run import cancel_run
from running import LocalServer, Open, Running, after, compose, until
from worker.signed_urls import ask

pytestmark = pytest.mark.anyio


class Hooks:
    """A service one subscribes to. urls: where it is to call back, in order."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.deleted: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "DELETE":
            self.deleted.append(request.path)
            return web.Response()
        self.urls.append((await request.json())["url"])
        return web.json_response({}, status=201, headers={"Location": f"/hooks/{len(self.urls)}"})


def subscribe_at(origin: str, **parts: Any) -> dict[str, Any]:
    url = "@{action()?['outputs']?['headers']?['Location']}"
    return {
        "type": "HttpWebhook",
        "inputs": {
            "subscribe": {"method": "POST", "uri": f"{origin}/hooks", "body": {"url": "@listCallbackUrl()"}},
            "unsubscribe": {"method": "DELETE", "uri": f"{origin}{url}"},
        },
        "runAfter": {},
        **parts,
    }


async def started(running: Running, origin: str, hooks: Hooks, **parts: Any) -> tuple[str, str]:
    """(run, callback URL) of a run that waits to be called back."""
    flow = await running.add_flow({"W": subscribe_at(origin, **parts), "Z": after(compose("@body('W')"), "W")})
    run = (await running.call(flow)).run_name
    await until(lambda: bool(hooks.urls), lambda: "nobody subscribed")
    await running.at_rest()
    return run, hooks.urls[-1]


async def opened(open_flowmend: Open, origin: str, **settings: Any) -> Running:
    return await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}), **settings)


async def test_a_webhook_rests_until_it_is_called_back_then_unsubscribes(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, url = await started(running, origin, hooks)
    assert running.run(run).wake_at is not None
    status, _, _ = await ask(running, "POST", url + "&from=mail", {"decision": "Approve"})
    assert status == 200
    assert (await running.ended(run)).status == "Succeeded"
    records = await running.records(run)
    assert records["W"].outputs["body"] == {"decision": "Approve"}
    assert records["W"].outputs["queries"] == {"from": "mail"}
    assert "Cookie" not in records["W"].outputs["headers"]
    assert (records["Z"].outputs, hooks.deleted) == ({"decision": "Approve"}, ["/hooks/1"])


async def test_the_signature_stands_in_no_history(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, url = await started(running, origin, hooks)
    signature = url.partition("sig=")[2].partition("&")[0]
    records = await running.records(run)
    assert signature
    assert signature not in json.dumps(records["W"].inputs)
    assert records["W"].inputs["subscribe"]["body"]["url"].startswith("https://callback.flowmend.invalid/")


async def test_a_run_is_called_back_after_a_restart(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    first = await opened(open_flowmend, origin)
    run, url = await started(first, origin, hooks)
    await first.crash()
    second = await opened(open_flowmend, origin)
    assert second.application.run_loop.active_count == 0
    assert (await ask(second, "POST", url, {"n": 1}))[0] == 200
    assert (await second.ended(run)).status == "Succeeded"
    assert (len(hooks.urls), hooks.deleted) == (1, ["/hooks/1"])


async def test_a_webhook_times_out_while_its_run_rests(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, url = await started(running, origin, hooks, limit={"timeout": "PT1H"})
    running.clock.move(hours=2)
    running.application.timers.schedule_changed()
    assert (await running.ended(run)).status == "Failed"
    record = (await running.records(run))["W"]
    assert (record.status, record.code, hooks.deleted) == (Status.TIMED_OUT, "ActionTimedOut", ["/hooks/1"])
    assert (await ask(running, "POST", url, {}))[0] == 404


async def test_cancelling_a_run_unsubscribes(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, _ = await started(running, origin, hooks)
    await cancel_run(running.services, run, running.owner)
    assert (await running.ended(run)).status == "Cancelled"
    await until(lambda: bool(hooks.deleted), lambda: "nobody unsubscribed")


async def test_in_a_loop_each_pass_has_a_url_of_its_own(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    loop = {"type": "Foreach", "foreach": "@range(0, 2)", "runAfter": {}, "actions": {"W": subscribe_at(origin)}}
    flow = await running.add_flow({"L": loop})
    run = (await running.call(flow)).run_name
    await until(lambda: len(hooks.urls) == 2, lambda: f"{hooks.urls}")
    await running.at_rest()
    for url in sorted(hooks.urls):
        assert (await ask(running, "POST", url, {}))[0] == 200
    assert (await running.ended(run)).status == "Succeeded"
    assert len(set(hooks.urls)) == 2


async def test_a_callback_url_opens_nothing_else(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, url = await started(running, origin, hooks)
    other_run, other_url = await started(running, origin, hooks)
    path, _, query = url.partition("?")
    refused = [
        path,  # no signature
        url.replace("sig=", "sig=A"),
        url.replace(run, other_run),  # another run under this one's signature
        f"{other_url.partition('?')[0]}?{query}",
        path.replace("/actions/W/", "/actions/Z/") + f"?{query}",
        path.replace("/callback", "/repetitions/000000/callback") + f"?{query}",
        f"{path}?{query.replace(quote(run, safe=''), quote(other_run, safe=''))}",
    ]
    for tried in refused:
        assert (await ask(running, "POST", tried, {}))[0] in {401, 404}, tried
    invoke = f"{path.partition('/runs/')[0]}/triggers/manual/paths/invoke?{query}"
    assert (await ask(running, "POST", invoke, {}))[0] == 401
    assert (await ask(running, "GET", url))[0] == 404
    for odd in ("x", "-1", "9" * 30, "%2e%2e"):
        assert (await ask(running, "POST", path.replace("/callback", f"/repetitions/{odd}/callback") + f"?{query}"))[
            0
        ] in {401, 404}
    assert {running.run(one).status for one in (run, other_run)} == {"Running"}
    assert unquote(query).count(run) == 1


async def test_a_callback_counts_once(open_flowmend: Open, local_server: LocalServer) -> None:
    hooks = Hooks()
    origin = await local_server(hooks.answer)
    running = await opened(open_flowmend, origin)
    run, url = await started(running, origin, hooks)
    assert (await ask(running, "POST", url, {"n": 1}))[0] == 200
    await running.ended(run)
    assert (await ask(running, "POST", url, {"n": 2}))[0] == 404
    assert (await running.records(run))["Z"].outputs == {"n": 1}
