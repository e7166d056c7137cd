"""A dead credential is not hammered: against a service that locks the account after five refusals."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run.events import ConnectorCall
from flowmend.use_cases.failed_calls import failed_call
from flowmend.use_cases.prove_credential import test_credential as try_credential
from flowmend.use_cases.sign_in_gate import FIRST, SignInGate

pytestmark = pytest.mark.anyio
LOCKED_AFTER = 5
RUNS = 200
PASSWORD = BasicCredential(user="ada", password="old")


class LockingService:
    """Counts refused sign-ins and locks the account after five, as many do."""

    def __init__(self) -> None:
        self.password = "old"
        self.refused = 0
        self.accepted = 0
        self.seconds = 0.01
        self.at_once = 0
        self.most_at_once = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        pair = base64.b64encode(f"ada:{self.password}".encode()).decode()
        if self.refused >= LOCKED_AFTER:
            return web.json_response({"error": "the account is locked"}, status=403)
        if request.headers.get("Authorization") != f"Basic {pair}":
            self.refused += 1
            return web.json_response({"error": "invalid password"}, status=401)
        self.accepted += 1
        return web.json_response({})


Calls = Callable[..., Awaitable[list[Outcome]]]


@pytest.fixture
def service() -> LockingService:
    return LockingService()


@pytest.fixture
async def calls(house: Any, service: LockingService, local_server: Any) -> Calls:
    """Makes so many calls at once, each as a run does, and tells how they ended."""
    origin = await local_server(service.answer)
    definition = {
        "swagger": "2.0",
        "host": origin.removeprefix("http://"),
        "schemes": ["http"],
        "paths": {
            "/things": {"get": {"operationId": "List", "parameters": [{"name": "n", "in": "query", "type": "integer"}]}}
        },
        "securityDefinitions": {"b": {"type": "basic"}},
    }
    properties = {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}
    house.install("shop", definition, properties)
    house.connect("shop", PASSWORD)

    async def one(number: int, connection_id: str) -> Outcome:
        outcome: Outcome = await house.services.operations.call(
            ConnectorCall(reference="r", connector="shop", operation_id="List", parameters={"n": number}),
            flow_id="f",
            mappings={"r": connection_id},
            client_request_id=str(number),
            trace_headers={},
            attempt=1,
        )
        return outcome

    async def many(count: int, *connection_ids: str) -> list[Outcome]:
        names = connection_ids or ("shop-1",)
        return await asyncio.gather(*(one(number, names[number % len(names)]) for number in range(count)))

    return many


async def test_two_hundred_runs_after_a_password_change_lock_no_account(
    house: Any, service: LockingService, calls: Calls
) -> None:
    assert {outcome.status for outcome in await calls(3)} == {Status.SUCCEEDED}
    service.password = "new"
    outcomes = await calls(RUNS)
    assert {(outcome.status, outcome.code) for outcome in outcomes} == {(Status.FAILED, "Unauthorized")}
    assert service.refused <= FIRST < LOCKED_AFTER
    assert house.connection("shop-1").health is HealthState.BROKEN
    await calls(RUNS)  # and later ones are not sent at all
    assert service.refused <= FIRST


async def test_a_dozen_connections_of_one_account_lock_it_no_sooner_than_one(
    house: Any, service: LockingService, calls: Calls
) -> None:
    names = [f"copy-{number}" for number in range(12)]
    for name in names:
        house.connect("shop", PASSWORD, connection_id=name, account_name="ada")
    other = BasicCredential(user="ada", password="new")
    house.connect("shop", other, connection_id="other", account_name="ada")
    service.password = "new"
    await calls(120, *names[:6])
    await calls(120, *names)  # those that were not asked yet are told by the others
    assert service.refused <= FIRST
    assert {house.connection(name).health for name in names} == {HealthState.BROKEN}
    assert {house.connection(name).refused_code for name in names} == {house.connection(names[0]).refused_code}
    assert (await calls(1, "other"))[0].status is Status.SUCCEEDED  # another password is another sign-in


async def test_once_something_is_mended_the_others_are_asked_again(
    house: Any, service: LockingService, calls: Calls
) -> None:
    house.connect("shop", PASSWORD, connection_id="copy", account_name="ada")
    service.password = "new"
    await calls(1)
    service.password = "old"  # as where an administrator unlocked the account
    house.services.changes.publish("connection", connection_id="shop-1", health="connected")
    assert (await calls(1, "copy"))[0].status is Status.SUCCEEDED


async def test_a_slow_refusal_locks_no_account_either(service: LockingService, calls: Calls) -> None:
    service.password, service.seconds = "new", 2.3
    await calls(RUNS)
    assert service.refused < LOCKED_AFTER


async def test_what_works_is_soon_as_wide_as_it_is_wanted(service: LockingService, calls: Calls) -> None:
    outcomes = await calls(RUNS)
    assert {outcome.status for outcome in outcomes} == {Status.SUCCEEDED}
    assert service.accepted == RUNS
    assert service.most_at_once > 50


async def test_the_refused_read_is_kept_and_proves_the_new_password(
    house: Any, service: LockingService, calls: Calls
) -> None:
    service.password = "new"
    await calls(1)
    row = house.connection("shop-1")
    kept = failed_call(house.services.vault, row)
    assert kept is not None
    assert (kept.operation_id, kept.arguments) == ("List", {"n": 0})
    test = await try_credential(
        house.services, house.services.connectors.get("shop"), row, BasicCredential(user="ada", password="new")
    )
    assert test.is_proven


async def test_whoever_stops_waiting_takes_no_turn_from_others() -> None:
    gate, order = SignInGate(), []
    release = asyncio.Event()

    async def call(name: str) -> None:
        async with gate.passage("c"):
            order.append(name)
            await release.wait()

    running = [asyncio.create_task(call(name)) for name in "abcd"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["a", "b"]
    running[2].cancel()
    release.set()
    await asyncio.gather(*running, return_exceptions=True)
    assert order == ["a", "b", "d"]
    assert not gate._queues


async def test_a_turn_given_in_the_moment_of_leaving_is_not_lost() -> None:
    gate, order = SignInGate(), []
    release = asyncio.Event()

    async def call(name: str) -> None:
        async with gate.passage("c"):
            order.append(name)
            await release.wait()

    running = [asyncio.create_task(call(name)) for name in "abcdef"]
    for _ in range(3):
        await asyncio.sleep(0)
    running[0].cancel()  # lets c in …
    await asyncio.sleep(0)
    running[2].cancel()  # … which goes before it has begun
    release.set()
    await asyncio.gather(*running, return_exceptions=True)
    assert set(order) >= {"b", "d", "e", "f"}
    assert not gate._queues


async def test_the_last_to_leave_closes_the_queue_even_before_it_began() -> None:
    gate = SignInGate()

    async def call() -> None:
        async with gate.passage("c"):
            await asyncio.sleep(60)

    running = [asyncio.create_task(call()) for _ in range(3)]
    for _ in range(3):
        await asyncio.sleep(0)
    for one in (*running[:2], None, running[2]):
        if one is None:
            await asyncio.sleep(0)  # the first two have left, the third has its turn and has not begun
        else:
            one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert not gate._queues


async def test_one_connection_does_not_wait_for_another() -> None:
    gate = SignInGate()
    async with gate.passage("a"), gate.passage("a"), gate.passage("b") as passage:
        assert not passage.has_waited
