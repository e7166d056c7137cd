"""Who may enter: links good once for ten minutes, sessions, tokens; the store keeps digests only."""

import asyncio
import hashlib

import pytest

from flowmend.core.errors import NotAllowed
from flowmend.use_cases.access import (
    ensure_owner,
    issue_login_link,
    issue_token,
    login_link_is_good,
    person_of_session,
    person_of_token,
    sign_out,
    use_login_link,
)
from running import Open, Running

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def link_secret(running: Running) -> str:
    link, _ = await issue_login_link(running.services)
    address, _, secret = link.partition("/login?link=")
    assert address == running.services.settings.base_url
    return secret


async def test_there_is_one_owner(running: Running) -> None:
    owners = {(await ensure_owner(running.services)).person_id for _ in range(3)}
    assert owners == {running.owner}


async def test_a_link_is_good_for_one_sign_in(running: Running) -> None:
    secret = await link_secret(running)
    assert await login_link_is_good(running.services, secret)
    assert await login_link_is_good(running.services, secret)  # looking uses nothing up

    cookie, session = await use_login_link(running.services, secret)

    assert session.person_id == running.owner
    person = await person_of_session(running.services, cookie)
    assert person is not None
    assert person.person_id == running.owner
    assert not await login_link_is_good(running.services, secret)
    with pytest.raises(NotAllowed):
        await use_login_link(running.services, secret)


async def test_a_link_used_twice_at_once_opens_one_session(running: Running) -> None:
    secret = await link_secret(running)
    results = await asyncio.gather(
        *(use_login_link(running.services, secret) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, NotAllowed) for result in results) == 3


async def test_a_link_ends_after_ten_minutes(running: Running) -> None:
    secret = await link_secret(running)
    running.clock.move(minutes=10, seconds=1)
    assert not await login_link_is_good(running.services, secret)
    with pytest.raises(NotAllowed):
        await use_login_link(running.services, secret)


@pytest.mark.parametrize("secret", ["", "nobody", "x" * 10_000, "\0"])
async def test_what_was_never_issued_opens_nothing(running: Running, secret: str) -> None:
    assert not await login_link_is_good(running.services, secret)
    assert await person_of_session(running.services, secret) is None
    assert await person_of_token(running.services, secret) is None
    with pytest.raises(NotAllowed):
        await use_login_link(running.services, secret)


async def test_a_session_ends_by_time_and_by_signing_out(running: Running) -> None:
    first, _ = await use_login_link(running.services, await link_secret(running))
    second, _ = await use_login_link(running.services, await link_secret(running))
    await sign_out(running.services, first)
    assert await person_of_session(running.services, first) is None
    assert await person_of_session(running.services, second) is not None
    running.clock.move(days=14, seconds=1)
    assert await person_of_session(running.services, second) is None


async def test_a_token_stands_for_the_owner_and_is_no_session(running: Running) -> None:
    token = await issue_token(running.services, "script")
    assert token.startswith("fm_")
    person = await person_of_token(running.services, token)
    assert person is not None
    assert person.person_id == running.owner
    assert await person_of_session(running.services, token) is None
    assert await person_of_token(running.services, token[:-1]) is None


async def test_the_use_of_a_token_is_noted_now_and_then(running: Running) -> None:
    token = await issue_token(running.services, "script")
    digest = hashlib.sha256(token.encode()).digest()
    await person_of_token(running.services, token)
    row = running.services.store.access.token(digest)
    assert row is not None
    first = row.last_used_at
    assert first is not None
    running.clock.move(minutes=1)
    await person_of_token(running.services, token)
    row = running.services.store.access.token(digest)
    assert row is not None
    assert row.last_used_at == first
    running.clock.move(minutes=5)
    await person_of_token(running.services, token)
    row = running.services.store.access.token(digest)
    assert row is not None
    assert row.last_used_at is not None
    assert row.last_used_at > first


async def test_what_has_ended_is_gone_after_the_next_start(open_flowmend: Open) -> None:
    first = await open_flowmend()
    secret = await link_secret(first)
    await first.stop()
    first.clock.move(minutes=11)

    second = await open_flowmend(clock=first.clock)

    assert second.services.store.access.login_link(hashlib.sha256(secret.encode()).digest()) is None
