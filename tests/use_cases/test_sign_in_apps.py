"""Sign-in apps: what is kept of them, whose secret goes where, and one new secret that mends all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authorization_server import CLIENT, CLIENT_SECRET, Provider, connector_documents
from flowmend.core.connection.health import HealthState
from flowmend.core.connector import OAuthSettings, TokenEndpointAuth
from flowmend.core.errors import AskedWrongly, Conflict, NotFound, TooManyAttempts
from flowmend.store.rows import SignInAppRow
from flowmend.use_cases.app_proofs import provider_of
from flowmend.use_cases.app_settings import AppSettings, Proof, settings_column
from flowmend.use_cases.connections import delete_connection, install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.opened_connections import OpenedConnection, OpenedConnections
from flowmend.use_cases.replace_app_secret import ProofResult, replace_app_secret
from flowmend.use_cases.secret_uses import list_uses
from flowmend.use_cases.sign_in_apps import (
    app_choices,
    change_sign_in_app,
    create_sign_in_app,
    delete_sign_in_app,
    list_sign_in_apps,
    read_sign_in_app,
)
from flowmend.use_cases.sign_in_connection import give_client_secret
from flowmend.use_cases.swap_credential import mark_connected
from flowmend.use_cases.verify_connection import test_connection as try_connection
from made_certificates import make
from providers import answered, host_of, opened_at, provider, sign_in_again, signed_in, unfinished
from running import Open, Running

__all__ = ["provider"]

pytestmark = pytest.mark.anyio

NEW_SECRET = "second-client-secret-77aa"


@pytest.fixture
async def at_provider(open_flowmend: Open, provider: Provider) -> Running:
    return await opened_at(open_flowmend, provider)


async def new_app(running: Running, **more: Any) -> str:
    values: dict[str, Any] = {"display_name": "Our app", "client_id": CLIENT, "client_secret": CLIENT_SECRET} | more
    view = await create_sign_in_app(running.services, "provider", **values, person_id=running.owner)
    return view.row.app_id


def opened(running: Running, connection_id: str) -> OpenedConnection:
    found = OpenedConnections().get(running.services, connection_id)
    assert found is not None
    return found


async def as_the_app(running: Running, **more: str) -> str:
    """The id of a connection that its app signs in to by itself."""
    values = more or {"client_id": CLIENT, "client_secret": CLIENT_SECRET}
    view = await create_connection(
        running.services, "provider", "As the app", values, running.owner, parameter_set="app"
    )
    return view.row.connection_id


async def test_an_app_shows_what_to_register_and_who_acts_as_it(at_provider: Running) -> None:
    app_id = await new_app(at_provider)
    connection_id = await signed_in(at_provider, app_id=app_id)
    view = await read_sign_in_app(at_provider.services, app_id)
    assert view.redirect_url == "http://127.0.0.1:8080/oauth/callback"
    assert [row.connection_id for row in view.connections] == [connection_id]
    assert view.settings.proof is Proof.SECRET
    assert (await list_sign_in_apps(at_provider.services)) == [view]
    assert CLIENT_SECRET not in repr(view)


async def test_what_the_provider_says_of_itself_is_kept_with_the_app(at_provider: Running, provider: Provider) -> None:
    app_id = await new_app(at_provider)
    await signed_in(at_provider, app_id=app_id)
    settings = (await read_sign_in_app(at_provider.services, app_id)).settings
    assert (settings.issuer, settings.issuer_is_required) == (provider.url, True)
    assert settings.device_authorization_url == f"{provider.url}/device_authorization"


async def test_an_answer_that_does_not_name_the_provider_is_refused(at_provider: Running) -> None:
    from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent

    connection_id = await unfinished(at_provider)
    for iss in ("", "http://other.example"):
        query = await answered(await begin_consent(at_provider.services, connection_id, at_provider.owner, "b", ""))
        with pytest.raises(AskedWrongly) as refused:
            await finish_consent(at_provider.services, {**query, "iss": iss}, "b")
        assert "another provider" in refused.value.message


async def test_an_app_signs_in_as_itself_and_renews_by_itself(at_provider: Running, provider: Provider) -> None:
    connection_id = await as_the_app(at_provider)
    row = at_provider.connection(connection_id)
    assert (row.health, row.account_name) == (HealthState.CONNECTED, CLIENT)
    provider.expire_access_tokens()
    at_provider.clock.move(hours=2)
    result = await try_connection(at_provider.services, connection_id, at_provider.owner)
    assert result.is_proven, result
    assert (at_provider.connection(connection_id).refreshed_at or row.created_at) > row.created_at


async def test_a_refused_secret_keeps_nothing(at_provider: Running) -> None:
    with pytest.raises(AskedWrongly) as refused:
        await as_the_app(at_provider, client_id=CLIENT, client_secret="wrong")
    assert refused.value.code == "CredentialRefused"
    assert await list_sign_in_apps(at_provider.services) == []


async def test_a_certificate_proves_the_app(at_provider: Running, provider: Provider) -> None:
    made = make("our app", rsa_key=True, days=20)
    public = made.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    provider.client.public_key_pem = public.decode()
    app_id = await new_app(at_provider, client_secret="", certificate=made.pem)
    view = await read_sign_in_app(at_provider.services, app_id)
    assert view.settings.proof is Proof.CERTIFICATE
    assert view.row.secret_expires_at == made.certificate.not_valid_after_utc
    made_view = await create_connection(
        at_provider.services, "provider", "By certificate", {}, at_provider.owner, parameter_set="app", app_id=app_id
    )
    assert made_view.row.health is HealthState.CONNECTED
    with pytest.raises(AskedWrongly) as refused:
        await change_sign_in_app(
            at_provider.services, app_id, secret_expires_at=at_provider.clock.now, person_id=at_provider.owner
        )
    assert refused.value.code == "CertificateSaysIt"


async def test_a_secret_goes_only_where_it_was_given_for(at_provider: Running) -> None:
    app_id = await new_app(at_provider)
    definition, properties = connector_documents("http://evil.example")
    await install_connector_documents(at_provider.services, "evil", definition, properties, at_provider.owner)
    with pytest.raises(AskedWrongly) as refused:
        await create_connection(
            at_provider.services, "evil", "Evil", {}, at_provider.owner, parameter_set="app", app_id=app_id
        )
    assert refused.value.code == "AppNotForThisAddress"


async def test_what_an_app_gets_for_itself_goes_to_no_other_connectors_hosts(
    at_provider: Running, provider: Provider
) -> None:
    app_id = await new_app(at_provider)
    definition, properties = connector_documents(provider.url)
    for name, host in (("beside", definition["host"]), ("evil", "evil.example")):
        await install_connector_documents(
            at_provider.services, name, {**definition, "host": host}, properties, at_provider.owner
        )
    made = await create_connection(
        at_provider.services, "beside", "Beside", {}, at_provider.owner, parameter_set="app", app_id=app_id
    )
    assert made.row.health is HealthState.CONNECTED
    with pytest.raises(AskedWrongly) as refused:
        await create_connection(
            at_provider.services, "evil", "Evil", {}, at_provider.owner, parameter_set="app", app_id=app_id
        )
    assert refused.value.code == "AppNotForThisAddress"
    assert "evil.example" in refused.value.message


async def test_where_and_how_often_an_apps_secret_went_is_noted(at_provider: Running, provider: Provider) -> None:
    connection_id = await as_the_app(at_provider)
    app_id = at_provider.connection(connection_id).app_id
    await replace_app_secret(at_provider.services, app_id, client_secret=CLIENT_SECRET, person_id=at_provider.owner)
    noted = [
        (one.purpose, one.outcome, one.host) for one in (await list_uses(at_provider.services, connection_id)).rows
    ]
    host = host_of(provider)
    assert noted[::-1] == [("verify", "OK", host), ("verify", "OK", host), ("refresh", "OK", host)]


async def test_tokens_given_back_are_noted(at_provider: Running) -> None:
    connection_id = await signed_in(at_provider)
    await delete_connection(at_provider.services, connection_id, at_provider.owner)
    newest = (await list_uses(at_provider.services, connection_id)).rows[0]
    assert (newest.purpose, newest.outcome) == ("revoke", "OK")


async def test_a_client_secret_given_anew_forgets_when_the_old_one_ended(at_provider: Running) -> None:
    app_id = await new_app(at_provider, secret_expires_at=at_provider.clock.now)
    connection_id = await signed_in(at_provider, app_id=app_id)
    await give_client_secret(at_provider.services, connection_id, CLIENT_SECRET, at_provider.owner)
    view = await read_sign_in_app(at_provider.services, app_id)
    assert view.row.secret_expires_at is None
    assert view.settings.is_discovered
    assert (await sign_in_again(at_provider, connection_id)).is_proven


async def test_what_the_connector_says_of_the_token_endpoint_stands() -> None:
    settings = OAuthSettings(
        identity_provider="oauth2",
        authorization_url="https://p.example/a",
        token_url="https://p.example/t",
        refresh_url="https://p.example/t",
        token_endpoint_auth=TokenEndpointAuth.BASIC,
    )
    app = SignInAppRow(
        app_id="app",
        connector_id="x",
        client_id="c",
        settings=settings_column(AppSettings(is_discovered=True)),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert provider_of(settings, app).token_endpoint_auth is TokenEndpointAuth.BASIC


async def test_an_outage_of_the_provider_is_no_refusal_of_the_secret(at_provider: Running, provider: Provider) -> None:
    app_id = await new_app(at_provider)
    await signed_in(at_provider, app_id=app_id)
    provider.stop()
    for _ in range(4):
        repair = await replace_app_secret(
            at_provider.services, app_id, client_secret=NEW_SECRET, person_id=at_provider.owner
        )
        assert (repair.is_kept, repair.attempts_left) == (False, 3)
    provider.start_again()


async def test_one_new_secret_mends_every_connection_of_its_app(at_provider: Running, provider: Provider) -> None:
    app_id = await new_app(at_provider)
    connections = [
        await signed_in(at_provider, user, app_id=app_id, name=f"Connection {number} of {user}")
        for user in ("ada", "ben")
        for number in range(6)
    ]
    provider.replace_secret(NEW_SECRET)
    provider.expire_access_tokens()
    at_provider.clock.move(hours=2)
    for connection_id in connections:
        result = await try_connection(at_provider.services, connection_id, at_provider.owner)
        assert result.category == "client_secret_expired", result
    assert len((await read_sign_in_app(at_provider.services, app_id)).broken) == 12

    repair = await replace_app_secret(
        at_provider.services, app_id, client_secret=NEW_SECRET, person_id=at_provider.owner
    )

    assert (repair.result, repair.is_kept) == (ProofResult.PROVEN, True)
    assert sorted(repair.mended) == sorted(connections)
    assert repair.still_broken == ()
    assert {at_provider.connection(one).health for one in connections} == {HealthState.CONNECTED}
    assert (provider.burnt, provider.refreshes) == (0, 12)


async def test_a_renewal_says_nothing_of_a_sign_in_that_was_given_meanwhile(
    at_provider: Running, provider: Provider
) -> None:
    services, store = at_provider.services, at_provider.services.store.connections
    connection_id = await signed_in(at_provider)
    stale = opened(at_provider, connection_id)
    first = await services.operations.refresher.refreshed(services, stale)
    second = await services.operations.refresher.refreshed(services, opened(at_provider, connection_id))
    assert isinstance(first, OpenedConnection)
    assert isinstance(second, OpenedConnection)
    store.change(connection_id, health=HealthState.BROKEN)
    assert mark_connected(services, first)  # renewed once more since, which is the same sign-in
    assert at_provider.connection(connection_id).health is HealthState.CONNECTED

    await sign_in_again(at_provider, connection_id, "ada")
    store.change(connection_id, health=HealthState.BROKEN)
    assert not mark_connected(services, second)
    assert at_provider.connection(connection_id).health is HealthState.BROKEN


async def test_a_secret_that_is_refused_replaces_nothing(at_provider: Running, provider: Provider) -> None:
    app_id = await new_app(at_provider)
    connection_id = await signed_in(at_provider, app_id=app_id)
    for left in (2, 1, 0):
        repair = await replace_app_secret(
            at_provider.services, app_id, client_secret="wrong", person_id=at_provider.owner
        )
        assert (repair.result, repair.is_kept, repair.attempts_left) == (ProofResult.REFUSED, False, left)
        assert "wrong" not in repair.message
    with pytest.raises(TooManyAttempts):
        await replace_app_secret(at_provider.services, app_id, client_secret=CLIENT_SECRET, person_id=at_provider.owner)
    assert (await try_connection(at_provider.services, connection_id, at_provider.owner)).is_proven
    assert provider.burnt == 0
    at_provider.clock.move(minutes=16)
    repair = await replace_app_secret(
        at_provider.services, app_id, client_secret=CLIENT_SECRET, person_id=at_provider.owner
    )
    assert repair.is_kept


async def test_a_provider_that_is_down_leaves_the_old_secret(at_provider: Running, provider: Provider) -> None:
    app_id = await new_app(at_provider)
    await signed_in(at_provider, app_id=app_id)
    before = at_provider.services.store.connections.get_sign_in_app(app_id)
    provider.stop()
    repair = await replace_app_secret(
        at_provider.services, app_id, client_secret=NEW_SECRET, person_id=at_provider.owner
    )
    assert not repair.is_kept
    after = at_provider.services.store.connections.get_sign_in_app(app_id)
    assert after is not None
    assert before is not None
    assert after.sealed_secret == before.sealed_secret
    provider.start_again()


async def test_a_grant_that_was_withdrawn_stays_broken_beside_the_mended(
    at_provider: Running, provider: Provider
) -> None:
    app_id = await new_app(at_provider)
    ada, ben = [await signed_in(at_provider, user, app_id=app_id, name=user) for user in ("ada", "ben")]
    provider.replace_secret(NEW_SECRET)
    provider.expire_access_tokens()
    provider.revoke("ben")
    at_provider.clock.move(hours=2)
    for one in (ada, ben):
        await try_connection(at_provider.services, one, at_provider.owner)
    repair = await replace_app_secret(
        at_provider.services, app_id, client_secret=NEW_SECRET, person_id=at_provider.owner
    )
    assert (repair.mended, repair.still_broken) == ((ada,), (ben,))
    assert (await sign_in_again(at_provider, ben, "ben")).is_proven


async def test_a_date_and_a_name_can_be_noted(at_provider: Running) -> None:
    app_id = await new_app(at_provider)
    ends = at_provider.clock.now + timedelta(days=90)
    view = await change_sign_in_app(
        at_provider.services, app_id, display_name="  The  app ", secret_expires_at=ends, person_id=at_provider.owner
    )
    assert (view.name, view.row.secret_expires_at) == ("The app", ends)
    view = await change_sign_in_app(at_provider.services, app_id, forgets_expiry=True, person_id=at_provider.owner)
    assert view.row.secret_expires_at is None


async def test_an_app_in_use_stays_and_one_made_for_itself_outlives_its_connections(at_provider: Running) -> None:
    app_id = await new_app(at_provider)
    connection_id = await unfinished(at_provider, app_id=app_id)
    with pytest.raises(Conflict) as refused:
        await delete_sign_in_app(at_provider.services, app_id, at_provider.owner)
    assert refused.value.code == "SignInAppInUse"
    await delete_connection(at_provider.services, connection_id, at_provider.owner)
    await delete_sign_in_app(at_provider.services, app_id, at_provider.owner)
    with pytest.raises(NotFound):
        await read_sign_in_app(at_provider.services, app_id)


async def test_an_app_made_with_a_connection_goes_with_it(at_provider: Running) -> None:
    connection_id = await unfinished(at_provider)
    await delete_connection(at_provider.services, connection_id, at_provider.owner)
    assert await list_sign_in_apps(at_provider.services) == []


async def test_the_last_connection_of_an_account_gives_its_tokens_back(
    at_provider: Running, provider: Provider
) -> None:
    app_id = await new_app(at_provider)
    first, second = [await signed_in(at_provider, app_id=app_id, name=name) for name in ("one", "two")]
    await delete_connection(at_provider.services, first, at_provider.owner)
    assert provider.live_tokens("ada") == 2
    await delete_connection(at_provider.services, second, at_provider.owner)
    assert provider.live_tokens("ada") == 1


async def test_a_provider_that_is_down_does_not_hinder_deleting(at_provider: Running, provider: Provider) -> None:
    connection_id = await signed_in(at_provider)
    provider.stop()
    await delete_connection(at_provider.services, connection_id, at_provider.owner)
    provider.start_again()


async def test_connectors_that_sign_in_by_an_app_can_be_chosen(at_provider: Running) -> None:
    assert "provider" in {choice.connector_id for choice in app_choices(at_provider.services)}
    with pytest.raises(AskedWrongly):
        await create_sign_in_app(
            at_provider.services, "provider", display_name="", client_id=" ", person_id=at_provider.owner
        )
