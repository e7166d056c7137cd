"""What somebody would try to get hold of a connection's secret, or to put their own in its place. None of it succeeds."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from consenting import ADA, BROWSER, answered, consent, unfinished
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, NotAllowed, NotFound, TooManyAttempts
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.use_cases import verify_connection as verifying
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.put_back import put_back
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import LocalServer, Open, Running, call_orders, create_order

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


class Thief:
    """A server that writes down what it is sent."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.origin = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(f"{request.path_qs} {dict(request.headers)} {await request.text()}")
        return web.json_response({"user": "ada", "email": "ada@sample.example", "access_token": "stolen"})

    def got(self, *secrets: str) -> bool:
        return any(secret in one for secret in secrets for one in self.seen)


@pytest.fixture
async def thief(local_server: LocalServer, anyio_backend: str) -> Thief:
    made = Thief()
    made.origin = await local_server(made.answer)
    return made


async def verify(running: Running, connection_id: str, **values: str) -> Verification:
    return await verify_connection(running.services, connection_id, values, person_id=running.owner)


# -- changing the host with the secret left blank --


@pytest.mark.parametrize("blank", [{}, {"password": ""}])
async def test_another_host_with_the_secret_left_blank_sends_nothing_there(
    open_flowmend: Open, thief: Thief, blank: Mapping[str, str]
) -> None:
    running = await open_flowmend(allowed_private_hosts=frozenset({thief.origin.removeprefix("http://")}))
    connection_id = await running.connect()
    before = running.connection(connection_id)

    for host in (thief.origin, thief.origin.upper(), f"{thief.origin}/basic/..", f"http://ada@{thief.origin[7:]}"):
        with pytest.raises(AskedWrongly) as refused:
            await verify(running, connection_id, host_url=host, **blank)
        assert refused.value.code in {"SecretsNeeded", "InvalidParameter", "MissingParameter"}

    assert thief.seen == []
    assert running.connection(connection_id) == before


async def test_another_host_gets_the_new_secret_alone_and_the_old_one_stays_bound(
    open_flowmend: Open, thief: Thief
) -> None:
    running = await open_flowmend(allowed_private_hosts=frozenset({thief.origin.removeprefix("http://")}))
    connection_id = await running.connect()

    assert (await verify(running, connection_id, host_url=thief.origin, password="given-for-there")).is_kept

    assert thief.seen
    assert not thief.got(FIRST_PASSWORD)
    # Put back, the old one goes to its own address again.
    assert (await put_back(running.services, connection_id, person_id=running.owner)).is_kept
    assert not thief.got(FIRST_PASSWORD)
    assert running.connection(connection_id).allowed_origins == [running.service.url]


async def test_a_row_moved_to_another_host_behind_our_back_opens_no_secret(open_flowmend: Open, thief: Thief) -> None:
    running = await open_flowmend(allowed_private_hosts=frozenset({thief.origin.removeprefix("http://")}))
    connection_id = await running.connect()
    parameters = {"username": "ada", "host_url": thief.origin}
    running.services.store.connections.change(connection_id, parameters=parameters, allowed_origins=[thief.origin])
    running.services.changes.publish("connection", connection_id=connection_id)
    flow_id = await running.add_flow({"Order": create_order()})

    accepted = await running.call(flow_id, {"number": "N"})

    assert (await running.ended(accepted.run_name)).status == "Failed"
    assert thief.seen == []


# -- a redirect to another origin --


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_takes_no_secret_along(
    open_flowmend: Open, local_server: LocalServer, thief: Thief, status: int
) -> None:
    redirects = [False]

    async def service(request: web.Request) -> web.Response:
        if redirects[0]:
            return web.Response(status=status, headers={"Location": f"{thief.origin}{request.path}"})
        return web.json_response({})

    origin = await local_server(service)
    allowed = frozenset(one.removeprefix("http://") for one in (origin, thief.origin))
    running = await open_flowmend(allowed_private_hosts=allowed)
    connection_id = await running.connect(username="ada", password="the-secret", host_url=origin)
    flow_id = await running.add_flow({"Order": create_order(), "Read": call_orders("ListOrders")})
    redirects[0] = True

    accepted = await running.call(flow_id, {"number": "N"})
    await running.ended(accepted.run_name)
    result = await verify(running, connection_id, password="the-new-secret")

    assert not result.is_kept
    assert not thief.got("the-secret", "the-new-secret", "Authorization")


# -- verify as an oracle --


async def test_a_password_cannot_be_guessed_by_verifying(running: Running) -> None:
    connection_id = await running.connect()
    answers = []
    for number in range(10):
        try:
            answers.append((await verify(running, connection_id, password=f"guess-{number}")).status_code)
        except TooManyAttempts:
            answers.append(None)
    assert answers == [401] * 3 + [None] * 7
    with pytest.raises(TooManyAttempts):  # and the right one gets no other answer
        await verify(running, connection_id, password=FIRST_PASSWORD)


async def test_new_connections_to_the_account_are_no_way_around_it(running: Running) -> None:
    await running.connect("sample_orders", username="ben", password="quiet-forest")
    refused = []
    for number in range(6):
        values = {"username": "ada", "password": f"guess-{number}", "host_url": running.service.url}
        with pytest.raises(AskedWrongly) as wrong:
            await create_connection(running.services, "sample_orders", "Guess", values, running.owner)
        refused.append(wrong.value.code)
    assert refused == ["CredentialRefused"] * 3 + ["TooManyAttempts"] * 3
    values = {"username": "ADA", "password": FIRST_PASSWORD, "host_url": running.service.url}
    with pytest.raises(TooManyAttempts):
        await create_connection(running.services, "sample_orders", "Guess", values, running.owner)


async def test_another_persons_user_name_is_refused_without_asking_the_service(running: Running) -> None:
    connection_id = await running.connect()
    before = running.service.counts
    for password in ("quiet-forest", "wrong"):  # the right one of that person, and a wrong one: one answer
        with pytest.raises(AskedWrongly) as refused:
            await verify(running, connection_id, username="ben", password=password)
        assert refused.value.code == "AnotherAccount"
    assert running.service.counts == before


async def test_a_key_of_another_account_is_refused_though_it_works(running: Running) -> None:
    connection_id = await running.connect("sample_shipping", api_key="ada-key-1001")
    row = running.connection(connection_id)
    assert row.account_name
    running.service.change("key", user="ben", key="bens-key")

    with pytest.raises(AskedWrongly) as refused:
        await verify(running, connection_id, api_key="bens-key")

    assert refused.value.code == "AnotherAccount"
    after = running.connection(connection_id)
    assert (after.sealed_credential, after.health) == (row.sealed_credential, row.health)


async def test_an_unknown_connection_answers_as_if_nothing_were_there(running: Running) -> None:
    await running.connect()
    for attempt in (
        verify(running, "nothing", password="x"),
        verifying.test_connection(running.services, "nothing", running.owner),
        put_back(running.services, "nothing", person_id=running.owner),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_an_answer_shows_at_most_300_characters_without_the_secret(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    is_good = [True]

    async def service(request: web.Request) -> web.Response:
        if is_good[0]:
            return web.json_response({})
        sent = request.headers["Authorization"]
        echo = f"{sent} {base64.b64decode(sent.removeprefix('Basic ')).decode()} " + "inside information " * 100
        return web.json_response({"error": {"code": "Unauthorized", "message": echo}}, status=401)

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    connection_id = await running.connect(username="ada", password="the-secret", host_url=origin)
    is_good[0] = False

    shown = [await verify(running, connection_id, password="the-new-secret")]
    shown.append(await verifying.test_connection(running.services, connection_id, running.owner))
    values = {"username": "eva", "password": "the-new-secret", "host_url": origin}
    with pytest.raises(AskedWrongly) as refused:
        await create_connection(running.services, "sample_orders", "Second", values, running.owner)

    for message in (*(one.message for one in shown), refused.value.message):
        assert 0 < len(message) <= 350
        assert "the-new-secret" not in message
        assert "the-secret" not in message
    assert all(len(one.message) <= 300 for one in shown)


# -- consent with a foreign state --


async def test_a_consent_of_a_foreign_state_or_browser_changes_nothing(running: Running) -> None:
    connection_id = await unfinished(running)
    await consent(running, connection_id)
    before = running.connection(connection_id)
    mine = await answered(await begin_consent(running.services, connection_id, running.owner, BROWSER, ""))
    theirs = await answered(await begin_consent(running.services, connection_id, running.owner, "their browser", ""))

    attacks: list[tuple[dict[str, str], str]] = [
        ({**mine, "state": "made-up"}, BROWSER),
        ({"code": mine["code"]}, BROWSER),  # no state at all
        ({**mine, "state": theirs["state"]}, BROWSER),  # a state begun by another, with my code
        (theirs, BROWSER),  # their whole answer, slipped into my browser
    ]
    for query, browser in attacks:
        with pytest.raises((NotAllowed, AskedWrongly)):
            await finish_consent(running.services, query, browser)

    after = running.connection(connection_id)
    assert (after.sealed_credential, after.account_name) == (before.sealed_credential, before.account_name)
    assert (await finish_consent(running.services, mine, BROWSER)).is_kept


async def test_a_code_of_one_connections_sign_in_does_not_sign_in_another(running: Running) -> None:
    first, second = await unfinished(running), await unfinished(running)
    for_first = await answered(await begin_consent(running.services, first, running.owner, BROWSER, ""))
    for_second = await answered(await begin_consent(running.services, second, running.owner, BROWSER, ""))

    with pytest.raises((NotAllowed, AskedWrongly)):  # the code was given for another verifier
        await finish_consent(running.services, {**for_first, "state": for_second["state"]}, BROWSER)

    assert running.connection(second).health is HealthState.PENDING_CONSENT


async def test_another_accounts_consent_leaves_the_connection_as_it_was(running: Running) -> None:
    connection_id = await unfinished(running)
    await consent(running, connection_id, ADA)
    before = running.connection(connection_id)
    with pytest.raises(AskedWrongly) as refused:
        await consent(running, connection_id, {"decision": "allow", "user": "ben", "password": "quiet-forest"})
    assert refused.value.code == "AnotherAccount"
    after = running.connection(connection_id)
    assert (after.sealed_credential, after.health) == (before.sealed_credential, before.health)


# -- a connector installed anew --


async def test_a_connector_that_names_a_thiefs_host_gets_no_secret(open_flowmend: Open, thief: Thief) -> None:
    running = await open_flowmend(allowed_private_hosts=frozenset({thief.origin.removeprefix("http://")}))
    connection_id = await running.connect()
    installed = running.services.store.connectors.get("sample_orders")
    assert installed is not None
    definition: dict[str, Any] = json.loads(json.dumps(installed.definition))
    definition["host"] = thief.origin.removeprefix("http://")
    properties = json.loads(json.dumps(installed.properties))
    properties["properties"]["policyTemplateInstances"] = []
    await install_connector_documents(running.services, "sample_orders", definition, properties, running.owner)
    flow_id = await running.add_flow({"Order": create_order()})

    await running.call(flow_id, {"number": "N"})
    with pytest.raises(AskedWrongly):
        await verify(running, connection_id)

    assert not thief.got(FIRST_PASSWORD)
