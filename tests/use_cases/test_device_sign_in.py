"""Signing in with a code on another device, against a real authorization server."""

import pytest

from authorization_server import Provider
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.device_sign_in import begin_device, device_progress
from flowmend.use_cases.verify_connection import Verification
from providers import opened_at, provider, signed_in, unfinished
from running import Open, Running

__all__ = ["provider"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def at_provider(open_flowmend: Open, provider: Provider) -> Running:
    return await opened_at(open_flowmend, provider)


async def progress(running: Running, connection_id: str) -> Verification | None:
    running.clock.move(seconds=10)
    return (await device_progress(running.services, connection_id, running.owner)).result


async def test_somebody_enters_the_code_elsewhere(at_provider: Running, provider: Provider) -> None:
    connection_id = await unfinished(at_provider)
    begun = await begin_device(at_provider.services, connection_id, at_provider.owner)
    assert begun.verification_url == f"{provider.url}/device"
    assert await progress(at_provider, connection_id) is None
    provider.answer_device(begun.user_code, "ada")
    result = await progress(at_provider, connection_id)
    assert result is not None
    assert result.is_proven
    row = at_provider.connection(connection_id)
    assert (row.health, row.account_name) == (HealthState.CONNECTED, "ada")


async def test_the_provider_is_asked_no_more_often_than_it_allows(at_provider: Running, provider: Provider) -> None:
    provider.device_interval = 5
    connection_id = await unfinished(at_provider)
    begun = await begin_device(at_provider.services, connection_id, at_provider.owner)
    provider.answer_device(begun.user_code, "ada")
    for _ in range(3):
        shown = await device_progress(at_provider.services, connection_id, at_provider.owner)
        assert shown.begun == begun


async def test_who_declines_leaves_everything_as_it_was(at_provider: Running, provider: Provider) -> None:
    connection_id = await signed_in(at_provider)
    begun = await begin_device(at_provider.services, connection_id, at_provider.owner)
    provider.answer_device(begun.user_code, "ada", allowed=False)
    with pytest.raises(AskedWrongly) as refused:
        await progress(at_provider, connection_id)
    assert refused.value.code == "ConsentRefused"
    assert at_provider.connection(connection_id).health is HealthState.CONNECTED
    with pytest.raises(AskedWrongly) as over:
        await progress(at_provider, connection_id)
    assert over.value.code == "NoSignInUnderWay"


async def test_another_account_is_refused(at_provider: Running, provider: Provider) -> None:
    connection_id = await signed_in(at_provider, "ada")
    begun = await begin_device(at_provider.services, connection_id, at_provider.owner)
    provider.answer_device(begun.user_code, "ben")
    with pytest.raises(AskedWrongly) as refused:
        await progress(at_provider, connection_id)
    assert refused.value.code == "AnotherAccount"


async def test_a_code_that_ran_out_is_told(at_provider: Running) -> None:
    connection_id = await unfinished(at_provider)
    await begin_device(at_provider.services, connection_id, at_provider.owner)
    at_provider.clock.move(hours=1)
    with pytest.raises(AskedWrongly) as refused:
        await progress(at_provider, connection_id)
    assert "expired_token" in refused.value.message


async def test_only_who_began_it_may_ask(at_provider: Running) -> None:
    connection_id = await unfinished(at_provider)
    await begin_device(at_provider.services, connection_id, at_provider.owner)
    with pytest.raises(AskedWrongly) as refused:
        await device_progress(at_provider.services, connection_id, "somebody else")
    assert refused.value.code == "NoSignInUnderWay"
