"""A connection's life at real servers that are not mocked: proven, broken by each kind of refusal, told apart, mended."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from certificates import Authority
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.core.outcome import Category, FixableBy
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.incidents import list_incidents
from flowmend.use_cases.probe_connections import probe_connection
from flowmend.use_cases.secret_uses import list_uses
from flowmend.use_cases.verify_connection import test_connection as try_connection
from flowmend.use_cases.verify_connection import verify_connection
from real_services import ClientCertificates, HttpBasic, RealService, real_service
from running import Open, Running

pytestmark = pytest.mark.anyio
KINDS = ("http", "smtp", "imap", "postgresql", "tls")

#: What is wrong → (category, who can fix it, status code or the protocol's own code).
EXPECTED = {
    "http wrong": (Category.WRONG_PASSWORD, FixableBy.REVERIFY, "Unauthorized"),
    "http expired": (Category.EXPIRED, FixableBy.REVERIFY, "Unauthorized"),
    "http refused": (Category.DISABLED_ACCOUNT, FixableBy.ADMIN, "Forbidden"),
    "smtp wrong": (Category.WRONG_PASSWORD, FixableBy.REVERIFY, "535"),
    "smtp expired": (Category.EXPIRED, FixableBy.REVERIFY, "535"),
    "smtp refused": (Category.DISABLED_ACCOUNT, FixableBy.ADMIN, "525"),
    "imap wrong": (Category.WRONG_PASSWORD, FixableBy.REVERIFY, "AUTHENTICATIONFAILED"),
    "imap expired": (Category.EXPIRED, FixableBy.REVERIFY, "EXPIRED"),
    "imap refused": (Category.POLICY_BLOCKED, FixableBy.ADMIN, "CONTACTADMIN"),
    "postgresql wrong": (Category.WRONG_PASSWORD, FixableBy.REVERIFY, "28P01"),
    # PostgreSQL does not tell an expired password from a wrong one (auth-password, VALID UNTIL)
    "postgresql expired": (Category.WRONG_PASSWORD, FixableBy.REVERIFY, "28P01"),
    "postgresql refused": (Category.DISABLED_ACCOUNT, FixableBy.ADMIN, "28000"),
    "tls wrong": (Category.WRONG_PASSWORD, FixableBy.REVERIFY, "TlsFailed"),
    "tls expired": (Category.EXPIRED, FixableBy.REVERIFY, "TlsFailed"),
    "tls refused": (Category.REVOKED, FixableBy.REVERIFY, "TlsFailed"),
}


@pytest.fixture
async def service_there(
    request: pytest.FixtureRequest, trusted_authority: Authority, anyio_backend: str
) -> AsyncIterator[RealService]:
    """The service of the kind that the test's `case` or `kind` names."""
    kind = str(request.node.callspec.params.get("case") or request.node.callspec.params["kind"]).split()[0]
    async with real_service(kind, request, trusted_authority) as there:
        there.be("good", there.first)
        yield there
        await asyncio.sleep(0.05)  # a TLS session that was refused ends in the loop's next rounds


async def start(open_flowmend: Open, there: RealService, **settings: int) -> Running:
    running = await open_flowmend(allowed_private_hosts=frozenset({f"localhost:{there.port}"}), **settings)
    if isinstance(there, HttpBasic | ClientCertificates):
        documents = (there.definition, there.properties)
        await install_connector_documents(running.services, there.connector_id, *documents, running.owner)
    return running


async def connect(running: Running, there: RealService, secret: str = "") -> str:
    values = {**there.values, there.secret_name: secret or there.first}
    view = await create_connection(running.services, there.connector_id, "Mine", values, running.owner)
    return view.row.connection_id


@pytest.mark.parametrize("case", EXPECTED)
async def test_a_refusal_is_told_apart_and_mended_by_the_password_the_server_takes(
    case: str, service_there: RealService, open_flowmend: Open
) -> None:
    category, fixable_by, code = EXPECTED[case]
    there, state = service_there, case.split()[1]
    running = await start(open_flowmend, there)
    services = running.services
    connection_id = await connect(running, there)
    row = running.connection(connection_id)
    assert (row.health, row.account_name) == (HealthState.CONNECTED, "CN=ada" if case.startswith("tls") else "ada")

    there.be("good", there.second) if state == "wrong" else there.be(state, there.first)
    refused = await try_connection(services, connection_id, running.owner)
    row = running.connection(connection_id)
    assert (refused.is_proven, refused.code) == (False, code)
    assert (row.health, row.refused_category, row.refused_fixable_by) == (HealthState.BROKEN, category, fixable_by)
    (incident,) = (await list_incidents(services, state="open")).incidents
    assert (incident.row.category, [one.connection_id for one in incident.members]) == (category, [connection_id])

    there.be("good", there.second)
    wrong = await verify_connection(services, connection_id, {there.secret_name: there.wrong}, person_id=running.owner)
    assert (wrong.is_proven, wrong.is_kept, wrong.category) == (False, False, Category.WRONG_PASSWORD)
    assert running.connection(connection_id).health is HealthState.BROKEN
    right = await verify_connection(services, connection_id, {there.secret_name: there.second}, person_id=running.owner)
    assert (right.is_proven, right.is_kept) == (True, True)
    assert running.connection(connection_id).health is HealthState.CONNECTED
    assert not (await list_incidents(services, state="open")).incidents
    uses = (await list_uses(services, connection_id)).rows
    assert {use.host for use in uses} == {f"localhost:{there.port}"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_is_not_made_with_a_password_the_server_refuses(
    kind: str, service_there: RealService, open_flowmend: Open
) -> None:
    running = await start(open_flowmend, service_there)
    with pytest.raises(AskedWrongly) as refused:
        await connect(running, service_there, service_there.wrong)
    assert refused.value.code == "CredentialRefused"
    assert service_there.wrong not in refused.value.message
    assert not running.services.store.connections.list()


@pytest.mark.parametrize("kind", ["smtp", "imap", "postgresql"])
async def test_a_server_that_is_away_breaks_no_connection(
    kind: str, service_there: RealService, open_flowmend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(open_flowmend, service_there)
    connection_id = await connect(running, service_there)
    monkeypatch.delenv("SSL_CERT_FILE")  # its certificate is not trusted any more
    test = await try_connection(running.services, connection_id, running.owner)
    assert (test.is_proven, test.code) == (False, "TlsFailed")
    assert running.connection(connection_id).health is not HealthState.BROKEN
    assert not (await list_incidents(running.services)).incidents


@pytest.mark.parametrize("kind", ["smtp", "imap", "postgresql"])
async def test_another_place_and_less_privacy_ask_for_the_password_again(
    kind: str, service_there: RealService, open_flowmend: Open
) -> None:
    running = await start(open_flowmend, service_there)
    connection_id = await connect(running, service_there)
    parameter = {"security": "none"} if kind != "postgresql" else {"sslmode": "disable"}
    for change in ({"host": "127.0.0.1"}, {"port": "1"}, parameter):
        with pytest.raises(AskedWrongly) as refused:
            await verify_connection(running.services, connection_id, change, person_id=running.owner)
        assert refused.value.code == "SecretsNeeded"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_probe_in_its_slot_finds_what_broke_meanwhile_and_asks_once(
    kind: str, service_there: RealService, open_flowmend: Open
) -> None:
    running = await start(open_flowmend, service_there, probe_period_minutes=60)
    connection_id = await connect(running, service_there)
    good = await probe_connection(running.services, connection_id)
    assert good is not None
    assert good.is_proven
    service_there.be("good", service_there.second)
    refused = await probe_connection(running.services, connection_id)
    assert refused is not None
    assert refused.is_refused
    assert running.connection(connection_id).health is HealthState.BROKEN
    assert len((await list_incidents(running.services, state="open")).incidents) == 1
    uses = (await list_uses(running.services, connection_id)).rows
    assert [use.outcome == "OK" for use in uses] == [False, True, True]
