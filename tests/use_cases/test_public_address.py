"""Asking one's own public address: what each kind of answer means, and that nobody else is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.errors import NotFound, TooManyAttempts
from flowmend.use_cases.public_address import (
    PATH,
    AddressCheck,
    Verdict,
    answer_proof,
    check_public_address,
    outside_triggers,
)
from flowmend.use_cases.public_proofs import Proof
from running import LocalServer, Open, Running, compose
from worker.test_webhook_actions import subscribe_at

pytestmark = pytest.mark.anyio

Behaviour = Callable[[Running, web.Request], Awaitable[web.Response]]


async def passes_on(running: Running, request: web.Request, host: str = "") -> web.Response:
    token = request.path.removeprefix(f"{PATH}/")
    return web.json_response({"flowmend": answer_proof(running.services, token), "host": host or request.host})


async def changes_host(running: Running, request: web.Request) -> web.Response:
    return await passes_on(running, request, "127.0.0.1:8080")


async def is_another(_running: Running, _request: web.Request) -> web.Response:
    return web.json_response({"flowmend": "something else", "host": "here"})


async def is_a_web_page(_running: Running, _request: web.Request) -> web.Response:
    return web.Response(text="<h1>Welcome to nginx</h1>")


async def leads_elsewhere(_running: Running, _request: web.Request) -> web.Response:
    return web.Response(status=308, headers={"Location": "http://127.0.0.1:1/"})


async def refuses_the_host(_running: Running, _request: web.Request) -> web.Response:
    return web.json_response({"error": {"code": "MisdirectedRequest", "message": "Not that name."}}, status=421)


async def breaks_off(_running: Running, request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def checked(
    open_flowmend: Open, local_server: LocalServer, behaviour: Behaviour
) -> tuple[AddressCheck, list[str], Running]:
    """(what came of it, the paths that were asked, the Flowmend)"""
    asked: list[str] = []
    opened: list[Running] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return await behaviour(opened[0], request)

    origin = await local_server(answer)
    allowed = frozenset({origin.removeprefix("http://")})
    opened.append(await open_flowmend(public_url=origin, allowed_private_hosts=allowed))
    return await check_public_address(opened[0].services, opened[0].owner), asked, opened[0]


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        (passes_on, Verdict.REACHABLE),
        (changes_host, Verdict.HOST_CHANGED),
        (is_another, Verdict.OTHER_SERVER),
        (is_a_web_page, Verdict.OTHER_SERVER),
        (leads_elsewhere, Verdict.REDIRECTED),
        (refuses_the_host, Verdict.HOST_REFUSED),
        (breaks_off, Verdict.NO_ANSWER),
    ],
)
async def test_what_comes_back_is_judged(
    open_flowmend: Open, local_server: LocalServer, behaviour: Behaviour, verdict: Verdict
) -> None:
    found, asked, running = await checked(open_flowmend, local_server, behaviour)
    assert found.verdict is verdict
    assert found.is_reachable is (verdict in {Verdict.REACHABLE, Verdict.HOST_CHANGED})
    assert {path.rpartition("/")[0] for path in asked} == {PATH}  # nothing was followed, nothing else asked
    noted, _ = running.services.store.audit.list(found.address)
    assert [(one.verb, one.details) for one in noted] == [("check_public_address", {"verdict": verdict.value})]


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("", Verdict.NOT_SET),
        ("http://127.0.0.1:9", Verdict.PRIVATE),
        ("http://169.254.169.254", Verdict.PRIVATE),
        ("https://flowmend.invalid", Verdict.NAME_UNKNOWN),
    ],
)
async def test_an_address_that_cannot_be_asked_says_why(open_flowmend: Open, address: str, verdict: Verdict) -> None:
    running = await open_flowmend(public_url=address)
    found = await check_public_address(running.services, running.owner)
    assert (found.verdict, found.is_reachable) == (verdict, False)


async def test_a_certificate_nobody_vouches_for_is_said(open_flowmend: Open, local_server: LocalServer) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    origin = await local_server(answer)
    host = origin.removeprefix("http://")
    running = await open_flowmend(public_url=f"https://{host}", allowed_private_hosts=frozenset({host}))
    assert (await check_public_address(running.services, running.owner)).verdict is Verdict.TLS_FAILED


async def test_a_token_is_good_once_and_only_while_somebody_waits(running: Running) -> None:
    proofs = running.services.public_proofs
    with proofs.expecting(Proof(token="t", answer="a")):
        assert answer_proof(running.services, "t") == "a"
        with pytest.raises(NotFound):
            answer_proof(running.services, "t")
    with proofs.expecting(Proof(token="u", answer="a")):
        pass
    with pytest.raises(NotFound):
        answer_proof(running.services, "u")
    assert "answer='a'" not in repr(Proof(token="t", answer="a"))


async def test_nobody_makes_it_ask_without_end(open_flowmend: Open, local_server: LocalServer) -> None:
    _, asked, running = await checked(open_flowmend, local_server, is_another)
    answers: list[Any] = await asyncio.gather(
        *(check_public_address(running.services, running.owner) for _ in range(20)), return_exceptions=True
    )
    assert len(asked) == 6
    assert sum(isinstance(one, TooManyAttempts) for one in answers) == 15
    running.clock.move(minutes=1)
    assert (await check_public_address(running.services, running.owner)).verdict is Verdict.OTHER_SERVER


async def test_triggers_that_need_it_come_first(running: Running) -> None:
    hook = {"hook": {"type": "HttpWebhook", "inputs": subscribe_at("https://example.com")["inputs"]}}
    button = {"manual": {"type": "Request", "kind": "Button", "inputs": {}}}
    await running.add_flow({"A": compose(1)}, name="a called one")
    hooked = await running.add_flow({"A": compose(1)}, name="hooked", triggers=hook, is_on=False)
    await running.add_flow({"A": compose(1)}, name="pressed", triggers=button)
    running.make_unreadable(await running.add_flow({"A": compose(1)}, name="unreadable"))

    found = outside_triggers(running.services)

    assert [(one.flow_name, one.is_subscribed, one.is_on) for one in found] == [
        ("hooked", True, False),
        ("a called one", False, True),
    ]
    assert found[0].flow_id == hooked
