"""Signing in to a connection in the browser: bound to that browser, taken once, tested before it counts."""

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, Conflict, NotAllowed, NotFound
from flowmend.use_cases.connection_views import list_connections
from flowmend.use_cases.connections import delete_connection, install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent, give_client_secret
from flowmend.use_cases.verify_connection import Verification, verify_connection
from running import Open, Running, RunningOrderService, call_orders

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]

BROWSER = "the secret of this browser's session"
ADA = {"decision": "allow", "user": "ada", "password": "sunny-harbour"}


async def unfinished(running: Running) -> str:
    """A connection nobody has signed in to yet."""
    values = {"token:HostUrl": running.service.url, "client_secret": "sample-application-secret"}
    return await running.connect("sample_customers", **values)


async def begin(running: Running, connection_id: str, return_to: str = "") -> str:
    return await begin_consent(running.services, connection_id, running.owner, BROWSER, return_to)


async def answered(address: str, form: Mapping[str, str] = ADA) -> dict[str, str]:
    """The query of the redirect after somebody has answered the provider's page."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=form, allow_redirects=False) as answer,
    ):
        assert answer.status == 303, await answer.text()
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


async def signed_in(running: Running, connection_id: str) -> Verification:
    query = await answered(await begin(running, connection_id))
    return await finish_consent(running.services, query, BROWSER)


async def test_a_new_connection_waits_for_its_sign_in_and_then_works(running: Running) -> None:
    connection_id = await unfinished(running)
    assert running.connection(connection_id).health is HealthState.PENDING_CONSENT
    flow_id = await running.add_flow({"Get": _customers()})
    assert (await running.call(flow_id)).held

    query = await answered(await begin(running, connection_id, "/runs/1"))
    result = await finish_consent(running.services, query, BROWSER)

    assert (result.is_proven, result.is_kept, result.health) == (True, True, "connected")
    assert (result.released, result.return_to) == (1, "/runs/1")
    row = running.connection(connection_id)
    assert row.expires_at is not None
    (run,) = await running.reached_count(flow_id, 1)
    assert (await running.ended(run.run_name)).status == "Succeeded"


def _customers() -> dict[str, object]:
    action = call_orders("ListCustomers")
    action["inputs"]["host"] |= {"connectionName": "shared_sample_customers", "apiId": "/apis/shared_sample_customers"}
    return action


async def test_the_providers_page_is_asked_with_pkce_and_a_state(running: Running) -> None:
    connection_id = await unfinished(running)
    addresses = [await begin(running, connection_id) for _ in range(2)]
    queries = [dict(parse_qsl(urlsplit(address).query)) for address in addresses]
    assert {query["code_challenge_method"] for query in queries} == {"S256"}
    assert len({query["state"] for query in queries}) == 2
    assert len({query["code_challenge"] for query in queries}) == 2
    assert {query["redirect_uri"] for query in queries} == {"http://127.0.0.1:8080/oauth/callback"}
    assert not any("client_secret" in query for query in queries)


async def test_a_revoked_grant_breaks_the_connection_and_a_new_sign_in_mends_it(running: Running) -> None:
    connection_id = await unfinished(running)
    await signed_in(running, connection_id)
    flow_id = await running.add_flow({"Get": _customers()})
    running.service.change("revoke")

    accepted = await running.call(flow_id)

    assert (await running.ended(accepted.run_name)).status == "Failed"
    assert running.connection(connection_id).health is HealthState.BROKEN
    assert (await running.call(flow_id)).held
    result = await signed_in(running, connection_id)
    assert (result.health, result.released) == ("connected", 1)


async def test_an_answer_is_taken_once(running: Running) -> None:
    connection_id = await unfinished(running)
    query = await answered(await begin(running, connection_id))
    results = await asyncio.gather(
        *(finish_consent(running.services, query, BROWSER) for _ in range(3)), return_exceptions=True
    )
    assert sum(isinstance(result, Verification) for result in results) == 1
    assert sum(isinstance(result, NotAllowed) for result in results) == 2


async def test_an_answer_in_another_browser_is_refused(running: Running) -> None:
    connection_id = await unfinished(running)
    query = await answered(await begin(running, connection_id))
    for binding in ("", "another browser"):
        with pytest.raises(NotAllowed) as refused:
            await finish_consent(running.services, query, binding)
        assert refused.value.code == "ConsentNotOurs"
    assert running.connection(connection_id).health is HealthState.PENDING_CONSENT


async def test_an_answer_that_comes_late_is_refused(running: Running) -> None:
    connection_id = await unfinished(running)
    query = await answered(await begin(running, connection_id))
    running.clock.move(minutes=16)
    with pytest.raises(NotAllowed):
        await finish_consent(running.services, query, BROWSER)


@pytest.mark.parametrize("query", [{}, {"state": ""}, {"state": "made-up", "code": "x"}])
async def test_an_answer_nobody_asked_for_is_refused(running: Running, query: dict[str, str]) -> None:
    with pytest.raises(NotAllowed):
        await finish_consent(running.services, query, BROWSER)


async def test_declining_changes_nothing_and_says_what_the_provider_said(running: Running) -> None:
    connection_id = await unfinished(running)
    await signed_in(running, connection_id)
    before = running.connection(connection_id)
    query = await answered(await begin(running, connection_id), {"decision": "deny"})
    with pytest.raises(AskedWrongly) as refused:
        await finish_consent(running.services, query, BROWSER)
    assert refused.value.code == "ConsentRefused"
    assert "access_denied" in refused.value.message
    assert running.connection(connection_id) == before


async def test_a_made_up_code_is_refused_by_the_provider(running: Running) -> None:
    connection_id = await unfinished(running)
    query = await answered(await begin(running, connection_id))
    with pytest.raises(AskedWrongly) as refused:
        await finish_consent(running.services, {**query, "code": "made-up"}, BROWSER)
    assert refused.value.code == "ConsentRefused"
    assert running.connection(connection_id).health is HealthState.PENDING_CONSENT


async def test_each_kind_of_sign_in_refuses_the_others_way(running: Running) -> None:
    by_browser = await unfinished(running)
    by_password = await running.connect()
    with pytest.raises(AskedWrongly) as refused:
        await verify_connection(running.services, by_browser, {"password": "x"}, person_id=running.owner)
    assert refused.value.code == "SignInInBrowser"
    with pytest.raises(AskedWrongly) as refused:
        await begin(running, by_password)
    assert refused.value.code == "NoBrowserSignIn"
    with pytest.raises(NotFound):
        await begin(running, "nobody")


async def test_with_another_token_host_the_client_secret_is_given_anew_before_signing_in(
    open_flowmend: Open, service: RunningOrderService
) -> None:
    private = frozenset({f"127.0.0.1:{service.port}"})
    running = await open_flowmend(allowed_private_hosts=private)
    connection_id = await unfinished(running)
    assert (await signed_in(running, connection_id)).is_kept
    elsewhere = f"http://127.0.0.1:{running.service.port}"
    row = running.services.store.connectors.get("sample_customers")
    assert row is not None
    properties = json.loads(json.dumps(row.properties).replace("{HostUrl}/oauth/token", f"{elsewhere}/oauth/token"))
    await install_connector_documents(running.services, "sample_customers", row.definition, properties, running.owner)

    with pytest.raises(AskedWrongly) as refused:
        await begin(running, connection_id)
    (view,) = await list_connections(running.services)
    assert (refused.value.code, view.new_hosts) == ("ClientSecretNeeded", (elsewhere,))
    assert elsewhere in refused.value.message
    with pytest.raises(AskedWrongly, match="Client secret is missing"):
        await give_client_secret(running.services, connection_id, "", running.owner)

    await give_client_secret(running.services, connection_id, "sample-application-secret", running.owner)

    assert (await signed_in(running, connection_id)).is_kept
    assert elsewhere in running.connection(connection_id).allowed_origins
    (view,) = await list_connections(running.services)
    assert (view.new_hosts, view.row.health) == ((), HealthState.CONNECTED)


async def test_a_sign_in_app_comes_and_goes_with_its_connection(running: Running) -> None:
    connection_id = await unfinished(running)
    store = running.services.store
    (app,) = store.connections.sign_in_apps()
    values = {"token:HostUrl": running.service.url, "client_secret": "another-secret"}

    with pytest.raises(Conflict):
        await create_connection(
            running.services, "sample_customers", "Again", values, running.owner, connection_id=connection_id
        )

    assert store.connections.sign_in_apps() == [app]
    await delete_connection(running.services, connection_id, running.owner)
    assert store.connections.sign_in_apps() == []


async def test_what_a_service_wants_of_the_next_sign_in_is_brought_along(running: Running) -> None:
    connection_id = await unfinished(running)
    claims = '{"access_token":{"acrs":{"value":"c1"}}}'
    running.services.consents.note_claims(connection_id, claims)
    address = await begin(running, connection_id)
    assert dict(parse_qsl(urlsplit(address).query))["claims"] == claims
    await finish_consent(running.services, await answered(address), BROWSER)
    assert "claims" not in dict(parse_qsl(urlsplit(await begin(running, connection_id)).query))
