"""Refresh an OAuth connection's tokens: once at a time per connection, kept sealed before they are used."""

import asyncio
from collections import defaultdict
from datetime import timedelta

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.sign_in import SignIn, SignInApp, SignInRefusal, refresh
from flowmend.core.connector import HttpResponse, TransportFailure
from flowmend.core.errors import Conflict
from flowmend.store.rows import ConnectionRow
from flowmend.transport import HttpTransport
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_app_secret, open_credential, seal_credential

_TOKEN_SECONDS = timedelta(seconds=30)
_LARGEST_TOKEN_ANSWER = 1024 * 1024


class TokenRefresher:
    """Refreshes one connection at a time; whoever waited finds the work done."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[OpenedConnection | SignInRefusal]] = set()

    async def refreshed(self, services: Services, stale: OpenedConnection) -> OpenedConnection | SignInRefusal:
        """The connection with tokens newer than those of `stale`, or why there are none.

        Whoever asked may be cancelled: the refresh goes on, for it may have spent the only token there was.
        Errors: Conflict and SecretUnreadable where the stored credential cannot be opened.
        """
        task = asyncio.get_running_loop().create_task(self._refreshed(services, stale))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def finish(self, within_seconds: float) -> None:
        """Wait for refreshes under way, before the network is closed."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=within_seconds)

    def _done(self, task: "asyncio.Task[OpenedConnection | SignInRefusal]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone

    async def _refreshed(self, services: Services, stale: OpenedConnection) -> OpenedConnection | SignInRefusal:
        async with self._locks[stale.holder.connection_id]:
            newer = _newer(services, stale)
            if newer is not None:
                return newer
            row, credential, settings = stale.holder, stale.oauth, stale.method.oauth
            if credential is None or settings is None:
                raise Conflict(f"{row.display_name!r} has nothing to refresh.", code="NothingToRefresh")
            app = sign_in_app(services, row)
            steps = refresh(settings, app, credential, now=services.clock.now, parameters=row.parameters or {})
            tokens = await carry_out(services.http, steps, origins=frozenset(row.allowed_origins or ()))
            if isinstance(tokens, SignInRefusal):
                # Another process may have spent the same rotating token and stored the new one.
                return _newer(services, stale) or tokens
            return await _kept(services, stale, tokens)


async def carry_out(
    http: HttpTransport, steps: SignIn, *, origins: frozenset[str] | None = None
) -> OAuthCredential | SignInRefusal:
    """Perform the requests of a sign-in. origins: where its secrets may go; None does not ask.

    Errors: Conflict `OriginNotAllowed` before anything is sent elsewhere.
    """
    answer: HttpResponse | TransportFailure | None = None
    while True:
        try:
            request = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            result: OAuthCredential | SignInRefusal = end.value
            return result
        if origins is not None and request.origin not in origins:
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


def sign_in_app(services: Services, row: ConnectionRow) -> SignInApp:
    """The provider's client a connection acts as: its own sign-in app, or the one its connector brings.

    Errors: SecretUnreadable.
    """
    app = services.store.connections.get_sign_in_app(row.app_id) if row.app_id else None
    if app is not None:
        return SignInApp(
            client_id=app.client_id, client_secret=open_app_secret(services.vault, app.app_id, app.sealed_secret)
        )
    settings = services.connectors.get(row.connector_id).method_named(row.parameter_set).oauth
    return SignInApp(client_id=settings.client_id if settings is not None else "")


def _newer(services: Services, stale: OpenedConnection) -> OpenedConnection | None:
    """The stored credential, where somebody replaced the stale one."""
    row = services.store.connections.get(stale.row.connection_id)
    holder = credential_holder(services, row) if row is not None else None
    if row is None or holder is None or holder.credential_version == stale.holder.credential_version:
        return None
    return open_connection(row, stale.connector, open_credential(services.vault, holder), holder=holder)


async def _kept(services: Services, stale: OpenedConnection, tokens: OAuthCredential) -> OpenedConnection:
    row = stale.holder
    sealed = seal_credential(services.vault, row, tokens)
    try:
        await asyncio.to_thread(
            services.store.connections.swap_credential,
            row.connection_id,
            row.credential_version,
            sealed,
            expires_at=tokens.expires_at,
        )
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
