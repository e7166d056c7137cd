"""A repair link: the owner mends one connection of one incident, once, and learns nothing else."""

import asyncio
import base64
import json
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from consenting import ADA, BROWSER, answered, consent, unfinished
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, Conflict, FlowmendError, NotAllowed, TooManyAttempts
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.use_cases import verify_connection as verifying
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.edit_flow import open_for_editing, save_text
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.import_flow import ImportChoices, import_package
from flowmend.use_cases.incidents import list_incidents, read_incident
from flowmend.use_cases.repair_links import (
    link_for_consent,
    list_repair_links,
    make_repair_link,
    open_repair_link,
    repair_by_link,
    revoke_repair_links,
)
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import LocalServer, Open, Running, document, http

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

HOME = "203.0.113.7"


async def broken(running: Running) -> str:
    connection_id = await running.connect()
    running.service.change("password", user="ada", password="changed")
    await verifying.test_connection(running.services, connection_id, running.owner)
    assert running.connection(connection_id).health is HealthState.BROKEN
    return connection_id


async def link_to(running: Running, connection_id: str, *, confirmed: bool = False) -> str:
    """The secret of a new link."""
    made = await make_repair_link(running.services, connection_id, running.owner, confirmed=confirmed)
    parts = urlsplit(made.url)
    assert (parts.path, parts.query) == ("/repair", "")  # a fragment is sent to nobody, hence in no log
    assert len(parts.fragment) == 43  # 256 bits
    return parts.fragment


async def repair(running: Running, secret: str, password: str = "changed", address: str = HOME) -> Verification:
    return await repair_by_link(running.services, secret, {"password": password}, address)


async def refusal(running: Running, secret: str, address: str = HOME) -> FlowmendError:
    """How a link is refused, looked at and used."""
    with pytest.raises(NotAllowed) as looked:
        await open_repair_link(running.services, secret, address)
    with pytest.raises(NotAllowed) as used:
        await repair(running, secret, address=address)
    assert str(looked.value) == str(used.value)
    assert (looked.value.code, used.value.code) == ("LinkNotGood", "LinkNotGood")
    return looked.value


async def test_the_owner_mends_a_connection_with_a_link_and_the_audit_tells_of_it(running: Running) -> None:
    connection_id = await broken(running)
    secret = await link_to(running, connection_id)

    plan = await open_repair_link(running.services, secret, HOME)
    result = await repair(running, secret)

    assert (plan.connection_name, plan.account, plan.sign_in) == ("Orders", "ada", "basic")
    assert [field.name for field in plan.fields] == ["password"]
    assert (result.is_kept, result.health) == (True, "connected")
    audit = running.services.store.audit.list(connection_id)[0]
    assert [one.verb for one in audit[:3]] == ["verify", "use_repair_link", "make_repair_link"]
    assert audit[0].details["by"] == "repair_link"
    assert audit[1].details["made_by"] == running.owner
    (incident,) = (await list_incidents(running.services, state="closed")).incidents
    tried = (await read_incident(running.services, incident.row.incident_id)).tried
    assert [(one.verb, one.person, one.by_link) for one in tried[:2]] == [
        ("verify", "", True),
        ("use_repair_link", "", False),
    ]


async def test_only_a_digest_is_kept_and_no_secret_shows(running: Running) -> None:
    connection_id = await broken(running)
    secret = await link_to(running, connection_id)
    (row,) = await list_repair_links(running.services, connection_id)
    assert secret not in repr(row)
    assert secret not in repr(running.services.store.audit.list(connection_id))
    assert FIRST_PASSWORD not in repr(await open_repair_link(running.services, secret, HOME))


async def test_a_link_is_used_up_by_success_and_not_by_failure(running: Running) -> None:
    connection_id = await broken(running)
    secret = await link_to(running, connection_id)
    refused = await repair(running, secret, "wrong")
    assert (refused.is_kept, refused.attempts_left) == (False, 1)  # the test that broke it was refused, too
    assert (await repair(running, secret)).is_kept
    await refusal(running, secret)


async def test_of_two_who_use_it_at_once_one_gets_in(running: Running) -> None:
    secret = await link_to(running, await broken(running))
    running.service.change("latency", ms=50)
    results = await asyncio.gather(*(repair(running, secret) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(one, Verification) and one.is_kept for one in results) == 1
    assert all(isinstance(one, (Verification, NotAllowed, TooManyAttempts)) for one in results)


async def test_every_reason_to_refuse_a_link_looks_the_same(running: Running) -> None:
    connection_id = await broken(running)
    texts = {str(await refusal(running, "guessed" * 6, "198.51.100.1"))}
    expired = await link_to(running, connection_id)
    running.clock.move(hours=24)
    texts.add(str(await refusal(running, expired, "198.51.100.2")))
    revoked = await link_to(running, connection_id)
    assert await revoke_repair_links(running.services, connection_id, running.owner) == 1
    texts.add(str(await refusal(running, revoked, "198.51.100.3")))
    late = await link_to(running, connection_id)
    mended = await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    assert mended.is_kept
    texts.add(str(await refusal(running, late, "198.51.100.4")))
    texts.add(str(await refusal(running, "", "198.51.100.5")))
    texts.add(str(await refusal(running, "x" * 5000, "198.51.100.6")))
    assert len(texts) == 1


async def test_a_link_of_a_closed_incident_does_not_open_the_next_one(running: Running) -> None:
    connection_id = await broken(running)
    secret = await link_to(running, connection_id)
    await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    running.service.change("password", user="ada", password="changed again")
    await verifying.test_connection(running.services, connection_id, running.owner)
    assert running.connection(connection_id).health is HealthState.BROKEN
    before = running.service.counts

    await refusal(running, secret)

    assert running.service.counts == before  # nothing was tested for it: no oracle


async def test_a_link_follows_an_incident_that_was_found_to_be_part_of_another(running: Running) -> None:
    connection_id = await broken(running)
    secret = await link_to(running, connection_id)
    values = {"username": "ada", "password": "changed", "host_url": running.service.url}
    second = await create_connection(running.services, "sample_orders", "Second", values, running.owner)
    running.service.change("password", user="ada", password="changed again")
    await verifying.test_connection(running.services, second.row.connection_id, running.owner)

    assert (await repair(running, secret, "changed again")).is_kept


async def test_a_link_changes_its_connections_secrets_and_nothing_else(running: Running) -> None:
    secret = await link_to(running, await broken(running))
    for wanted in ({"host_url": "http://thief.example"}, {"username": "ben"}, {"color": "red"}):
        with pytest.raises(AskedWrongly) as refused:
            await repair_by_link(running.services, secret, {"password": "changed", **wanted}, HOME)
        assert refused.value.code == "UnknownParameter"


async def test_its_refusals_count_with_those_of_every_other_entrance(running: Running) -> None:
    connection_id = await broken(running)  # which took the first of three
    secret = await link_to(running, connection_id)
    await repair(running, secret, "wrong")
    await verify_connection(running.services, connection_id, {"password": "wrong"}, person_id=running.owner)
    for attempt in (
        repair(running, secret),
        verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner),
        verifying.test_connection(running.services, connection_id, running.owner),
        create_connection(
            running.services,
            "sample_orders",
            "Same account",
            {"username": "ada", "password": "changed", "host_url": running.service.url},
            running.owner,
        ),
    ):
        with pytest.raises(TooManyAttempts):
            await attempt


async def test_guessing_is_slowed_down_by_address(running: Running) -> None:
    good = await link_to(running, await broken(running))
    for number in range(20):
        with pytest.raises(NotAllowed):
            await open_repair_link(running.services, f"guess {number}", "198.51.100.9")
    for guess in ("guess", good):
        with pytest.raises(TooManyAttempts):
            await open_repair_link(running.services, guess, "198.51.100.9")
    assert (await open_repair_link(running.services, good, HOME)).account == "ada"


async def test_nothing_that_works_has_a_link(running: Running) -> None:
    connection_id = await running.connect()
    with pytest.raises(Conflict) as refused:
        await make_repair_link(running.services, connection_id, running.owner)
    assert refused.value.code == "NothingToRepair"


async def test_a_key_nobody_names_is_taken_from_a_link_only_where_its_maker_vouched(running: Running) -> None:
    connection_id = await running.connect("sample_shipping", api_key="ada-key-1001")
    store = running.services.store.connections
    running.service.change("key", user="ada", key="new-key")
    await verifying.test_connection(running.services, connection_id, running.owner)
    store.change(connection_id, account_name="", account_id="")
    parameters = {"api_key": "new-key"}
    unsure = await link_to(running, connection_id)

    asked = await repair_by_link(running.services, unsure, parameters, HOME)
    assert (asked.is_kept, asked.code) == (False, "ConfirmationNeeded")

    vouched = await link_to(running, connection_id, confirmed=True)
    assert (await repair_by_link(running.services, vouched, parameters, HOME)).is_kept


# -- in the browser --


async def test_a_link_lets_its_owner_sign_in_at_the_provider(running: Running) -> None:
    connection_id = await revoked(running)
    secret = await link_to(running, connection_id)
    query = await answered(await begun(running, secret))

    with pytest.raises(NotAllowed) as refused:
        await finish_consent(running.services, query, "another browser")
    assert refused.value.code == "ConsentNotOurs"

    query = await answered(await begun(running, secret))
    assert (await finish_consent(running.services, query, BROWSER)).is_kept
    await refusal(running, secret)


async def test_a_sign_in_begun_with_a_link_that_was_used_meanwhile_changes_nothing(running: Running) -> None:
    connection_id = await revoked(running)
    secret = await link_to(running, connection_id)
    queries = [await answered(await begun(running, secret)) for _ in range(2)]
    assert (await finish_consent(running.services, queries[0], BROWSER)).is_kept
    before = running.connection(connection_id).credential_version

    with pytest.raises(NotAllowed) as refused:
        await finish_consent(running.services, queries[1], BROWSER)

    assert refused.value.code == "LinkNotGood"
    assert running.connection(connection_id).credential_version == before


async def test_another_account_at_the_provider_is_refused_and_the_link_stays_good(running: Running) -> None:
    connection_id = await revoked(running)
    secret = await link_to(running, connection_id)
    query = await answered(
        await begun(running, secret), {"decision": "allow", "user": "ben", "password": "quiet-forest"}
    )

    with pytest.raises(AskedWrongly) as refused:
        await finish_consent(running.services, query, BROWSER)

    assert refused.value.code == "AnotherAccount"
    assert (await open_repair_link(running.services, secret, HOME)).connection_id == connection_id


async def revoked(running: Running) -> str:
    connection_id = await unfinished(running)
    await consent(running, connection_id, ADA)
    running.service.change("revoke")
    await verifying.test_connection(running.services, connection_id, running.owner)
    assert running.connection(connection_id).health is HealthState.BROKEN
    return connection_id


async def begun(running: Running, secret: str) -> str:
    link = link_for_consent(running.services, secret, HOME)
    return await begin_consent(
        running.services, link.connection_id, link.created_by, BROWSER, "", confirmed=link.is_confirmed, link=link
    )


async def test_what_an_owner_enters_by_a_link_goes_nowhere_else_than_the_link_says(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    sent: dict[str, list[str]] = {"good": [], "evil": []}

    async def good(request: web.Request) -> web.Response:
        sent["good"].append(request.headers.get("Authorization", ""))
        is_right = sent["good"][-1] == f"Basic {base64.b64encode(b'ada:new-password').decode()}"
        return web.json_response({} if is_right else {"error": "wrong password"}, status=200 if is_right else 401)

    async def evil(request: web.Request) -> web.Response:
        sent["evil"].append(request.headers.get("Authorization", ""))
        return web.json_response({})

    home, elsewhere = await local_server(good), await local_server(evil)
    running = await open_flowmend(
        allowed_private_hosts=frozenset(one.removeprefix("http://") for one in (home, elsewhere))
    )
    basic = {"type": "Basic", "username": "ada", "password": "@parameters('secret')"}
    file = document({"Call": http("GET", home, authentication=basic)}, parameters={"secret": {"type": "SecureString"}})
    written = json.dumps(file | {"parameters": {"secret": {"value": "old-password"}}}).encode()
    (imported,) = (await import_package(running.services, written, "f.json", ImportChoices(), running.owner)).flows
    await turn_on(running.services, imported.flow_id, running.owner)
    await running.ended((await running.call(imported.flow_id)).run_name)
    (row,) = running.services.store.connections.list(connector_id="http")
    assert row.health is HealthState.BROKEN
    secret = await link_to(running, row.connection_id, confirmed=True)
    edited = open_for_editing(running.services, imported.flow_id)
    text = edited.text.replace(home, elsewhere)
    await save_text(running.services, imported.flow_id, text, edited.base_version, running.owner)

    plan = await open_repair_link(running.services, secret, HOME)
    result = await repair_by_link(running.services, secret, {"password": "new-password"}, HOME)

    assert result.is_proven
    assert plan.host == urlsplit(home).netloc
    assert running.connection(row.connection_id).allowed_origins == [home]
    await running.ended((await running.call(imported.flow_id)).run_name)
    assert sent["evil"] == []
