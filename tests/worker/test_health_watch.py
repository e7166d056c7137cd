"""Connections are probed by themselves, against a real service that counts what it is asked."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential, OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe_schedule import looks_ahead
from flowmend.core.connector import allowed_origins
from flowmend.core.outcome import Category, FixableBy
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.probe_connections import probe_connection
from flowmend.use_cases.sealed_credentials import seal_credential
from flowmend.worker import health_watch
from running import LocalServer, Open, Running, compose, until

pytestmark = pytest.mark.anyio

PASSWORD = BasicCredential(user="ada", password="right")
TEST_CALL = {"x-ms-capabilities": {"testConnection": {"operationId": "Ping", "parameters": {}}}}
BY_PASSWORD = {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}


class Service:
    """Wants `ada:right`, or a bearer token it gave; answers what it is told to."""

    def __init__(self) -> None:
        self.password = "right"
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.refused = 0
        self.at_once = 0
        self.most_at_once = 0
        self.seconds = 0.0
        self.refreshes = 0

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            self.refreshes += 1
            return web.json_response(
                {"access_token": f"a{self.refreshes}", "refresh_token": f"r{self.refreshes}", "expires_in": 3600}
            )
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1
        pair = base64.b64encode(f"ada:{self.password}".encode()).decode()
        if (
            not request.headers.get("Authorization", "").startswith("Bearer")
            and request.headers.get("Authorization") != f"Basic {pair}"
        ):
            self.refused += 1
            return web.json_response({"error": "invalid password"}, status=401)
        return web.json_response({}, status=self.status, headers=self.headers)


@pytest.fixture
async def asked(local_server: LocalServer) -> tuple[Service, str]:
    service = Service()
    return service, await local_server(service.answer)


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def start(open_flowmend: Open, asked: tuple[Service, str]) -> Start:
    """Starts a Flowmend that knows the connector `shop` of the service."""

    async def started(**settings: Any) -> Running:
        _, origin = asked
        host = origin.removeprefix("http://")
        running = await open_flowmend(
            allowed_private_hosts=frozenset({host}), **{"probe_period_minutes": 360, **settings}
        )
        definition = {
            "swagger": "2.0",
            "host": host,
            "schemes": ["http"],
            "paths": {"/ping": {"get": {"operationId": "Ping"}}},
            "securityDefinitions": {"b": {"type": "basic"}},
            **TEST_CALL,
        }
        await install_connector_documents(
            running.services, "shop", definition, {"properties": BY_PASSWORD}, running.owner
        )
        return running

    return started


def connect(running: Running, connection_id: str = "c1", credential: Any = PASSWORD, **columns: Any) -> ConnectionRow:
    services, now = running.services, running.clock.now
    row = ConnectionRow(
        **{
            "connection_id": connection_id,
            "connector_id": "shop",
            "display_name": connection_id,
            "owner_id": running.owner,
            "parameters": {"user": "ada"},
            "allowed_origins": list(allowed_origins(services.connectors.get("shop"), {})),
            "health": HealthState.CONNECTED,
            "health_changed_at": now,
            "created_at": now,
            "changed_at": now,
            **columns,
        }
    )
    sealed = seal_credential(services.vault, row, credential)
    row = ConnectionRow(**{name: getattr(row, name) for name in row.__struct_fields__} | {"sealed_credential": sealed})
    services.store.connections.add(row)
    services.changes.publish("connection", connection_id=connection_id, health=row.health.value)
    return row


async def settled(running: Running, *, is_all_answered: bool = True) -> None:
    """Until the watch has looked at the rows as they are now, and rests. is_all_answered: no probe is under way then."""
    watch = running.application.health_watch
    if watch._task is None:
        return
    watch._changed.set()

    def rests() -> bool:
        has_looked = not watch._changed.is_set() and bool(watch._changed._waiters)  # type: ignore[attr-defined]
        return has_looked and not (is_all_answered and watch._probing)

    await until(rests, lambda: "the watch does not come to rest")


async def planned(running: Running, connection_id: str = "c1") -> ConnectionRow:
    await until(lambda: running.connection(connection_id).next_probe_at is not None, lambda: "it is not planned")
    return running.connection(connection_id)


async def test_a_password_is_probed_in_its_slot_and_not_before(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    connect(running)
    row = await planned(running)
    assert row.next_probe_at is not None
    assert row.next_probe_at - running.clock.now <= timedelta(hours=24)  # nobody uses it
    await settled(running)
    assert service.asked == 0
    running.clock.move(hours=25)
    await settled(running)
    await until(lambda: service.asked == 1, lambda: f"asked {service.asked}")
    await until(lambda: running.connection("c1").last_probe_at is not None, lambda: "not written")
    await settled(running)
    row = running.connection("c1")
    assert (row.health, service.asked) == (HealthState.CONNECTED, 1)
    assert row.next_probe_at is not None
    assert row.next_probe_at > running.clock.now


async def test_a_changed_password_is_found_before_any_run_and_not_asked_again(
    start: Start, asked: tuple[Service, str]
) -> None:
    running, service = await start(), asked[0]
    connect(running)
    await planned(running)
    service.password = "new"
    for _ in range(5):
        running.clock.move(hours=25)
        await settled(running)
    row = running.connection("c1")
    assert (row.health, row.refused_category) == (HealthState.BROKEN, Category.WRONG_PASSWORD)
    assert (service.refused, row.next_probe_at) == (1, None)
    assert list(running.services.store.incidents.open_of(["c1"])) == ["c1"]


async def test_news_puts_no_probe_off(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    connect(running)
    await planned(running)
    running.clock.move(hours=25)
    running.services.changes.publish("connection", connection_id="c1")
    await until(lambda: service.asked == 1, lambda: f"asked {service.asked}")


async def test_a_good_call_is_as_good_as_a_probe(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    connect(running)
    await planned(running)
    for _ in range(8):
        running.clock.move(hours=5)
        running.services.store.connections.change("c1", last_good_at=running.clock.now)
        await settled(running)
    assert service.asked == 0


async def test_a_doubtful_connection_is_asked_at_once(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    connect(running, health=HealthState.SUSPECT)
    await planned(running)
    running.clock.move(seconds=4)
    await settled(running)
    await until(
        lambda: running.connection("c1").health is HealthState.CONNECTED, lambda: f"{running.connection('c1').health}"
    )
    assert service.asked == 1


async def test_an_outage_or_throttling_breaks_nothing_and_is_asked_ever_less_often(
    start: Start, asked: tuple[Service, str]
) -> None:
    running, service = await start(), asked[0]
    connect(running)
    await planned(running)
    running.clock.move(hours=25)
    service.status, service.headers = 429, {"Retry-After": "600"}
    await settled(running)
    await until(lambda: running.connection("c1").doubts == 1, lambda: "no doubt")
    row = running.connection("c1")
    assert row.health is HealthState.CONNECTED
    assert row.next_probe_at is not None
    assert row.next_probe_at - running.clock.now > timedelta(minutes=9)
    running.clock.move(minutes=9)
    await settled(running)
    assert service.asked == 1
    service.status, service.headers = 503, {}
    for doubts, minutes in ((2, 2), (3, 4)):
        running.clock.move(minutes=11)
        await settled(running)
        await until(lambda wanted=doubts: running.connection("c1").doubts == wanted, lambda: "no doubt")
        at = running.connection("c1").next_probe_at
        assert at is not None
        assert at - running.clock.now <= timedelta(minutes=minutes)
    service.status = 200
    running.clock.move(minutes=11)
    await settled(running)
    await until(lambda: running.connection("c1").doubts == 0, lambda: "still doubted")
    assert running.connection("c1").health is HealthState.CONNECTED


async def test_what_passes_by_itself_mends_and_is_asked_once_a_period(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    locked = {"refused_category": Category.DISABLED_ACCOUNT.value, "refused_fixable_by": FixableBy.WAIT.value}
    connect(running, health=HealthState.BROKEN, refused_at=running.clock.now, refused_code="Locked", **locked)
    await planned(running)
    running.clock.move(minutes=59)
    await settled(running)
    assert service.asked == 0
    running.clock.move(hours=25)
    await settled(running)
    await until(lambda: running.connection("c1").health is HealthState.CONNECTED, lambda: "not mended")
    assert running.connection("c1").refused_code == ""


async def test_a_dead_password_is_left_alone(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    wrong = {"refused_category": Category.WRONG_PASSWORD.value, "refused_fixable_by": FixableBy.REVERIFY.value}
    connect(running, health=HealthState.BROKEN, refused_at=running.clock.now, refused_code="401", **wrong)
    for _ in range(4):
        running.clock.move(hours=30)
        await settled(running)
    assert service.asked == 0


async def test_many_are_asked_few_at_once(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    service.seconds = 0.03
    for number in range(12):
        connect(running, f"c{number}")
    await planned(running, "c11")
    running.clock.move(hours=25)
    await settled(running)
    await until(lambda: service.asked == 12, lambda: f"asked {service.asked}")
    assert service.most_at_once <= 2  # they are all of one host


async def test_hundreds_at_a_slow_host_hold_up_no_other(
    start: Start, asked: tuple[Service, str], local_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_watch, "_MOST_LISTED", 3)
    running, slow = await start(), asked[0]
    slow.seconds = 20
    for number in range(5):
        connect(running, f"c{number}")
    connect(running, "other", allowed_origins=["http://127.0.0.1:9"])
    await planned(running, "other")
    for name in ("c0", "c1", "c2", "c3", "c4"):
        running.services.store.connections.change(name, next_probe_at=running.clock.now)
    running.services.store.connections.change("other", next_probe_at=running.clock.now + timedelta(seconds=1))
    running.clock.move(hours=25)
    await settled(running, is_all_answered=False)
    await until(lambda: running.connection("other").last_probe_at is not None, lambda: "it is held up")
    assert slow.most_at_once == 2


async def test_a_probe_that_fails_for_a_reason_of_ours_is_not_begun_again_at_once(start: Start) -> None:
    running = await start()
    connect(running)
    await planned(running)
    await health_watch._leave_alone(running.services, "c1")
    row, now = running.connection("c1"), running.clock.now
    assert row.last_probe_at is not None
    assert row.next_probe_at == row.last_probe_at + timedelta(minutes=10)
    assert not looks_ahead(now + timedelta(hours=1), now, timedelta(hours=2), row.last_probe_at, is_proven=False)


async def test_a_restart_forgets_no_probe_and_repeats_none(
    open_flowmend: Open, start: Start, asked: tuple[Service, str]
) -> None:
    running, service = await start(), asked[0]
    connect(running)
    before = (await planned(running)).next_probe_at
    await running.stop()
    again = await open_flowmend(
        clock=running.clock,
        probe_period_minutes=360,
        allowed_private_hosts=frozenset({asked[1].removeprefix("http://")}),
    )
    await settled(again)
    assert again.connection("c1").next_probe_at == before
    again.clock.move(hours=25)
    await settled(again)
    await until(lambda: service.asked == 1, lambda: f"asked {service.asked}")


async def test_what_was_missed_while_the_server_was_down_is_spread_over_an_hour(
    open_flowmend: Open, start: Start, asked: tuple[Service, str]
) -> None:
    running, service = await start(), asked[0]
    names = [f"c{number}" for number in range(40)]
    for name in names:
        connect(running, name)
    await planned(running, names[-1])
    await running.stop()
    running.clock.move(days=3)
    again = await open_flowmend(
        clock=running.clock,
        probe_period_minutes=360,
        allowed_private_hosts=frozenset({asked[1].removeprefix("http://")}),
    )
    await settled(again)
    times = [again.connection(name).next_probe_at for name in names]
    waits = sorted((at - again.clock.now).total_seconds() / 60 for at in times if at is not None)
    assert len(waits) == 40
    assert waits[0] >= -1
    assert waits[-1] <= 60
    assert waits[20] - waits[5] > 5
    assert service.asked < 5


async def scheduled(running: Running, connection_id: str = "c1") -> str:
    """A flow that runs at the end of the month and uses the connection."""
    trigger = {
        "tick": {
            "type": "Recurrence",
            "recurrence": {"frequency": "Day", "interval": 30, "startTime": "2099-01-31T22:00:00Z"},
        }
    }
    flow_id = await running.add_flow({"A": compose(1)}, triggers=trigger)
    mapping = ConnectionMappingRow(flow_id=flow_id, reference="shared_shop", connection_id=connection_id)
    running.services.store.flows.set_mapping(mapping)
    return flow_id


async def test_a_scheduled_run_is_warned_of_hours_before(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(), asked[0]
    connect(running)
    flow_id = await scheduled(running)
    await planned(running)
    running.services.store.connections.change("c1", last_good_at=running.clock.now)
    (state,) = running.services.store.triggers.of_flow(flow_id)
    assert state.next_at is not None

    def stand_before(**by: float) -> None:
        ahead = state.next_at - timedelta(**by) - running.clock.now
        running.clock.move(seconds=ahead.total_seconds())
        # By its slot nothing would be asked: a call was good just now.
        running.services.store.probes.plan("c1", state.next_at)

    stand_before(hours=2, minutes=5)
    running.services.store.connections.change("c1", last_good_at=running.clock.now - timedelta(hours=1))
    await settled(running)
    assert service.asked == 0
    service.password = "new"
    stand_before(hours=1, minutes=55)
    await settled(running)
    await until(lambda: running.connection("c1").health is HealthState.BROKEN, lambda: "nobody was warned")
    assert service.refused == 1
    stand_before(minutes=5)
    await settled(running)
    assert service.refused == 1


async def test_what_could_not_be_proven_is_looked_at_once_more_in_the_last_minutes(
    start: Start, asked: tuple[Service, str]
) -> None:
    running, service = await start(probe_period_minutes=1_000_000), asked[0]
    connect(running)
    flow_id = await scheduled(running)
    await planned(running)
    (state,) = running.services.store.triggers.of_flow(flow_id)
    assert state.next_at is not None
    service.status = 500
    for minutes, expected in ((110, 1), (11, 1), (9, 2), (8, 2)):
        ahead = state.next_at - timedelta(minutes=minutes) - running.clock.now
        running.clock.move(seconds=ahead.total_seconds())
        await settled(running)
        await until(lambda wanted=expected: service.asked == wanted, lambda: f"asked {service.asked}")
        running.services.store.probes.plan("c1", None)


async def test_idle_tokens_are_renewed_before_the_provider_forgets_them(
    start: Start, asked: tuple[Service, str]
) -> None:
    running, (service, origin) = await start(), asked
    custom = {name: {"value": f"{origin}/token"} for name in ("authorizationUrl", "tokenUrl")}
    settings = {"identityProvider": "oauth2", "clientId": "abc", "customParameters": custom}
    properties = {
        "properties": {"connectionParameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}}}
    }
    definition = {
        "swagger": "2.0",
        "host": origin.removeprefix("http://"),
        "schemes": ["http"],
        "paths": {"/ping": {"get": {"operationId": "Ping"}}},
        **TEST_CALL,
    }
    await install_connector_documents(running.services, "shop", definition, properties, running.owner)
    now = running.clock.now
    tokens = OAuthCredential(access_token="a", refresh_token="r", issued_at=now, expires_at=now + timedelta(days=365))
    connect(running, credential=tokens, refreshed_at=now)
    await planned(running)
    for _ in range(6):
        running.clock.move(days=1)
        running.services.store.connections.change("c1", last_good_at=running.clock.now)
        await settled(running)
    assert service.refreshes == 0
    running.clock.move(days=2)
    running.services.store.connections.change("c1", last_good_at=running.clock.now)
    await settled(running)
    await until(lambda: service.refreshes == 1, lambda: "the tokens lie idle")
    await settled(running)
    assert (service.refreshes, running.connection("c1").health) == (1, HealthState.CONNECTED)


async def test_nothing_is_probed_where_the_setting_says_so(start: Start, asked: tuple[Service, str]) -> None:
    running, service = await start(probe_period_minutes=0), asked[0]
    connect(running)
    running.clock.move(days=9)
    await settled(running)
    assert (service.asked, running.connection("c1").next_probe_at) == (0, None)
    test = await probe_connection(running.services, "c1")
    assert test is not None
    assert (test.is_proven, running.connection("c1").next_probe_at) == (True, None)
