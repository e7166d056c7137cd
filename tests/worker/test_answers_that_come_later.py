"""Accepted calls polled, pages followed, answers given asynchronously; credentials stay with their origin."""

from typing import Any

import pytest
from aiohttp import web

from running import LocalServer, Open, Running, after, http, respond, wait_for
from worker.signed_urls import ask

pytestmark = pytest.mark.anyio

SECRET = {"type": "Basic", "username": "ann", "password": "s3cret"}


async def run_of(running: Running, action: dict[str, Any]) -> Any:
    flow = await running.add_flow({"A": action}, name="caller")
    run = (await running.call(flow)).run_name
    await running.ended(run)
    return (await running.records(run))["A"]


async def opened(open_flowmend: Open, *origins: str) -> Running:
    return await open_flowmend(allowed_private_hosts=frozenset(one.removeprefix("http://") for one in origins))


async def test_an_accepted_call_is_polled_with_its_sign_in_at_its_own_origin_only(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    seen: list[tuple[str, str, str | None]] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append((request.method, "elsewhere", request.headers.get("Authorization")))
        return web.json_response({"done": True})

    other = await local_server(elsewhere)

    async def service(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.headers.get("Authorization")))
        locations = {"/jobs": "/jobs/1", "/jobs/1": f"{other}/jobs/2"}
        return web.Response(status=202, headers={"Location": locations[request.path], "Retry-After": "0"})

    origin = await local_server(service)
    running = await opened(open_flowmend, origin, other)
    record = await run_of(running, http("POST", f"{origin}/jobs", body={"a": 1}, authentication=SECRET))
    assert record.outputs["body"] == {"done": True}
    basic = seen[0][2]
    assert basic is not None
    assert seen == [("POST", "/jobs", basic), ("GET", "/jobs/1", basic), ("GET", "elsewhere", None)]


def pages(most: int, elsewhere: str = "") -> Any:
    async def service(request: web.Request) -> web.Response:
        page = int(request.query.get("page", "0"))
        host = elsewhere or f"http://{request.host}"
        more = {"@odata.nextLink": f"{host}/items?page={page + 1}"} if page + 1 < most else {}
        return web.json_response({"value": [page * 2, page * 2 + 1], "count": 9, **more})

    return service


def paged(origin: str, wanted: int) -> dict[str, Any]:
    policy = {"paginationPolicy": {"minimumItemCount": wanted}}
    return http("GET", f"{origin}/items", authentication=SECRET) | {"runtimeConfiguration": policy}


@pytest.mark.parametrize(("wanted", "found"), [(1, 2), (3, 4), (100, 8)])
async def test_pages_are_followed_whole_until_there_are_enough_items(
    open_flowmend: Open, local_server: LocalServer, wanted: int, found: int
) -> None:
    origin = await local_server(pages(4))
    record = await run_of(await opened(open_flowmend, origin), paged(origin, wanted))
    assert record.outputs["body"] == {"value": list(range(found))}


async def test_a_next_page_elsewhere_is_refused(open_flowmend: Open, local_server: LocalServer) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"value": []})

    other = await local_server(elsewhere)
    origin = await local_server(pages(4, elsewhere=other))
    record = await run_of(await opened(open_flowmend, origin, other), paged(origin, 100))
    assert (record.code, asked) == ("OriginNotAllowed", [])


async def test_a_page_that_fails_is_how_the_call_ended(open_flowmend: Open, local_server: LocalServer) -> None:
    async def service(request: web.Request) -> web.Response:
        if "page" in request.query:
            return web.Response(status=403)
        return web.json_response({"value": [1], "nextLink": "/items?page=1"})

    origin = await local_server(service)
    record = await run_of(await opened(open_flowmend, origin), paged(origin, 100))
    assert (record.status, record.code) == ("Failed", "Forbidden")


async def test_pages_in_a_circle_end(open_flowmend: Open, local_server: LocalServer) -> None:
    async def service(_request: web.Request) -> web.Response:
        return web.json_response({"value": [1], "nextLink": "/items?page=1"})

    origin = await local_server(service)
    record = await run_of(await opened(open_flowmend, origin), paged(origin, 100))
    assert record.outputs["body"] == {"value": [1, 1]}


async def test_an_asynchronous_response_is_asked_for_until_it_is_there(open_flowmend: Open) -> None:
    running = await open_flowmend()
    answer = respond({"done": "@triggerBody()"}, statusCode=201) | {"operationOptions": "Asynchronous"}
    flow = await running.add_flow({"W": wait_for(2, "Hour"), "R": after(answer, "W")})
    accepted = await running.call(flow, 5)
    assert accepted.response is not None
    assert (accepted.response.status_code, accepted.response.headers["Retry-After"]) == (202, "10")
    url = accepted.response.headers["Location"]
    await running.at_rest()
    status, headers, _ = await ask(running, "GET", url)
    assert (status, headers["location"]) == (202, url)
    running.clock.move(hours=3)
    running.application.timers.schedule_changed()
    await running.ended(accepted.run_name)
    status, _, body = await ask(running, "GET", url)
    assert (status, body) == (201, {"done": 5})
    assert (await ask(running, "GET", url.replace("sig=", "sig=A")))[0] == 401
    assert (await ask(running, "POST", url, {}))[0] == 404


async def test_an_asynchronous_response_that_never_came_is_502(open_flowmend: Open) -> None:
    running = await open_flowmend()
    answer = respond(1) | {"operationOptions": "Asynchronous", "runAfter": {"F": ["Succeeded"]}}
    fails = {"type": "Compose", "inputs": "@int(string(triggerBody()))", "runAfter": {}}
    accepted = await running.call(await running.add_flow({"F": fails, "R": answer}))
    await running.ended(accepted.run_name)
    assert accepted.response is not None
    assert (await ask(running, "GET", accepted.response.headers["Location"]))[0] == 502
