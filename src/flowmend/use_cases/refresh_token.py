"""Refresh an OAuth connection's tokens: once at a time per credential, in this process and across all, kept sealed before
they are used.

A rotating refresh token is good once, so two processes that spend the same one at the same time burn it, and often the
whole grant. Hence the lease in the connection's row: whoever holds it refreshes, the others wait and then find the work
done. A holder that died lets go when its lease is over.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.token_endpoint import Answer, SignInApp, SignInRefusal, endpoint_host
from flowmend.core.connection.token_grants import renew
from flowmend.core.connector import HttpRequest, HttpResponse, TransportFailure
from flowmend.core.errors import Conflict, StoreUnavailable
from flowmend.store.rows import ConnectionRow
from flowmend.transport import HttpTransport
from flowmend.use_cases.app_proofs import acting_app, app_of, proof_may_go_to, provider_of
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.credential_lifetimes import lifetime_columns
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential, seal_credential
from flowmend.use_cases.secret_uses import Purpose, note_sign_in

_log = logging.getLogger(__name__)

Result = TypeVar("Result")

_TOKEN_SECONDS = timedelta(seconds=30)
_LARGEST_TOKEN_ANSWER = 1024 * 1024
#: Longer than a refresh can take, its one repeat and the writing included.
_LEASE = timedelta(seconds=90)
_LOOK_AGAIN_SECONDS = (0.02, 0.5)
#: The old token may be spent, so that the new one must not get lost because the store is away for a moment.
_WRITE_AGAIN_SECONDS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)


class TokenRefresher:
    """Refreshes one credential at a time; whoever waited finds the work done."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[OpenedConnection | SignInRefusal]] = set()
        self._holder = uuid4().hex

    async def refreshed(
        self, services: Services, stale: OpenedConnection, *, acting: SignInApp | None = None
    ) -> OpenedConnection | SignInRefusal:
        """The connection with tokens newer than those of `stale`, or why there are none.

        acting: the sign-in app with a proof to be tried, None for its own. Then newer tokens that another has got are
        no answer: the proof itself is asked for.

        Whoever asked may be cancelled: the refresh goes on, for it may have spent the only token there was.
        Errors: Conflict and SecretUnreadable where the stored credential cannot be opened.
        """
        task = asyncio.get_running_loop().create_task(self._refreshed(services, stale, acting))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    @asynccontextmanager
    async def at_rest(self, services: Services, row: ConnectionRow) -> AsyncIterator[None]:
        """Nobody renews this connection's tokens meanwhile: for what moves them elsewhere. Errors: Conflict `RefreshUnderWay`."""
        async with self._locks[row.connection_id]:
            await self._lease_or(services, row, lambda: None)
            try:
                yield
            finally:
                await self._end_lease(services, row.connection_id)

    async def finish(self, within_seconds: float) -> None:
        """Wait for refreshes under way, before the network is closed."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=within_seconds)

    def _done(self, task: "asyncio.Task[OpenedConnection | SignInRefusal]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone

    async def _refreshed(
        self, services: Services, stale: OpenedConnection, acting: SignInApp | None
    ) -> OpenedConnection | SignInRefusal:
        holder_id = stale.holder.connection_id
        async with self._locks[holder_id]:
            while (newer := await self._lease_or(services, stale.holder, partial(_newer, services, stale))) is not None:
                if acting is None:
                    return newer
                stale = newer
            try:
                return await _renewed(services, stale, acting)
            finally:
                await self._end_lease(services, holder_id)

    async def _lease_or(
        self, services: Services, holder: ConnectionRow, newer_ones: Callable[[], OpenedConnection | None]
    ) -> OpenedConnection | None:
        """Newer tokens that another has got meanwhile; None once the lease is ours and there are none."""
        store, holder_id = services.store.connections, holder.connection_id
        wait, longest = _LOOK_AGAIN_SECONDS
        # The lease ends by the clock of the machine; how long to wait for it is measured by one that nobody sets.
        deadline = time.monotonic() + 2 * _LEASE.total_seconds()
        while True:
            now = services.clock.now
            is_ours = await asyncio.to_thread(store.take_lease, holder_id, self._holder, now, now + _LEASE)
            newer = newer_ones()  # read after the lease: what was written before it was given is seen
            if newer is not None:
                if is_ours:
                    await self._end_lease(services, holder_id)
                return newer
            if is_ours:
                return None
            if time.monotonic() > deadline or store.get(holder_id) is None:
                raise Conflict(
                    f"The tokens of {holder.display_name!r} are being renewed by another process. Try again.",
                    code="RefreshUnderWay",
                    target=holder_id,
                )
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  so that those who wait do not ask together
            wait = min(wait * 2, longest)

    async def _end_lease(self, services: Services, holder_id: str) -> None:
        """Let the others go on. What came of the work stands even where the store is away: then the lease ends by itself."""
        try:
            await asyncio.to_thread(services.store.connections.end_lease, holder_id, self._holder)
        except StoreUnavailable as error:
            _log.warning("The lease of connection %s ends by its time only: %s", holder_id, error)


async def _renewed(
    services: Services, stale: OpenedConnection, acting: SignInApp | None
) -> OpenedConnection | SignInRefusal:
    row, method = stale.holder, stale.method
    if method.oauth is None:
        raise Conflict(f"{row.display_name!r} has nothing to refresh.", code="NothingToRefresh")
    settings = provider_of(method.oauth, app_of(services, row))
    app, parameters = acting or acting_app(services, row), row.parameters or {}
    steps = renew(replace(method, oauth=settings), app, stale.oauth, now=services.clock.now, parameters=parameters)
    tokens = await carry_out(services.http, steps, origins=proof_may_go_to(services, row))
    host = endpoint_host(settings.refresh_url, settings, app, parameters)
    note_sign_in(services, row, Purpose.REFRESH, tokens, host=host)
    if isinstance(tokens, SignInRefusal):
        services.consents.note_claims(stale.row.connection_id, tokens.claims)
        # A process whose lease had run out may have spent the same rotating token and stored the new one.
        return tokens if acting is not None else _newer(services, stale) or tokens
    return await _kept(services, stale, tokens)


async def carry_out(
    http: HttpTransport, steps: Generator[HttpRequest, Answer, Result], *, origins: frozenset[str]
) -> Result:
    """What a step of a sign-in comes to, its requests performed. origins: where its secrets may go.

    Errors: Conflict `OriginNotAllowed` before anything is sent elsewhere.
    """
    answer: Answer | None = None
    while True:
        try:
            request = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result
        if request.origin not in origins:
            steps.close()
            raise Conflict(
                f"The sign-in's endpoint {request.origin or '(no address)'} is not among the addresses this connection's "
                "credential is bound to. Sign in to the connection again.",
                code="OriginNotAllowed",
            )
        answer = await http.send(request, timeout=_TOKEN_SECONDS, max_response_bytes=_LARGEST_TOKEN_ANSWER)
        if isinstance(answer, HttpResponse) and 300 <= answer.status < 400:
            answer = TransportFailure(
                code="RedirectRefused", message="The token endpoint redirects.", was_sent=True, is_retryable=False
            )


def _newer(services: Services, stale: OpenedConnection) -> OpenedConnection | None:
    """The stored credential, where somebody replaced the stale one."""
    row = services.store.connections.get(stale.row.connection_id)
    holder = credential_holder(services, row) if row is not None else None
    if row is None or holder is None or holder.credential_version == stale.holder.credential_version:
        return None
    return open_connection(row, stale.connector, open_credential(services.vault, holder), holder=holder)


async def _kept(services: Services, stale: OpenedConnection, tokens: OAuthCredential) -> OpenedConnection:
    row = stale.holder
    try:
        await _written(services, row, tokens)
    except Conflict:
        newer = _newer(services, stale)
        if newer is None:
            raise
        return newer
    stored = services.store.connections.get(stale.row.connection_id)
    if stored is None:
        raise Conflict(f"The connection {stale.row.display_name!r} was deleted meanwhile.", code="ConnectionNotFound")
    services.changes.publish("connection", connection_id=row.connection_id)
    return open_connection(stored, stale.connector, tokens, holder=credential_holder(services, stored))


async def _written(services: Services, row: ConnectionRow, tokens: OAuthCredential) -> None:
    sealed, refreshed_at = seal_credential(services.vault, row, tokens), services.clock.now
    for wait in (*_WRITE_AGAIN_SECONDS, None):
        try:
            await asyncio.to_thread(
                services.store.connections.swap_credential,
                row.connection_id,
                row.credential_version,
                sealed,
                refreshed_at=refreshed_at,
                **lifetime_columns(row, tokens),
            )
        except StoreUnavailable:
            if wait is None:
                raise
            await asyncio.sleep(wait)
        else:
            return
