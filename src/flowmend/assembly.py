"""The one place where parts are joined into a running Flowmend."""

import asyncio
from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from flowmend.api.health import health_routes
from flowmend.api.invoke import SignedEntrance, invoke_routes
from flowmend.api.public_address import public_address_routes
from flowmend.api.routes import api_routes
from flowmend.api.security import secure_app
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import StoreUnavailable
from flowmend.portal.mail_text import mail_writer
from flowmend.portal.routes import portal_routes
from flowmend.settings import Settings
from flowmend.store import Store, open_store
from flowmend.transport import HttpTransport, Protocols
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.approvals import make_good
from flowmend.use_cases.attempts import new_account_attempts
from flowmend.use_cases.call_operation import CallOperations
from flowmend.use_cases.held_flows import HeldFlows
from flowmend.use_cases.incident_watch import make_consistent
from flowmend.use_cases.known_health import KnownHealth
from flowmend.use_cases.loaded_connectors import LoadedConnectors
from flowmend.use_cases.loaded_flows import LoadedFlows
from flowmend.use_cases.operator_rules import use_operator_rules
from flowmend.use_cases.pending_consents import PendingConsents
from flowmend.use_cases.ports import Clock, Services
from flowmend.use_cases.repair_links import repair_door
from flowmend.use_cases.repair_plan import keep_back_again
from flowmend.use_cases.secret_uses import SecretUses
from flowmend.use_cases.start_run import NEEDS_REPAIR
from flowmend.vault import Vault, open_vault
from flowmend.worker.broadcast import Broadcast
from flowmend.worker.cancellations import Cancellations
from flowmend.worker.health_watch import HealthWatch
from flowmend.worker.held_release import HeldRelease
from flowmend.worker.history_keeping import HistoryKeeping
from flowmend.worker.housekeeping import Housekeeping
from flowmend.worker.messages import Messages
from flowmend.worker.polls import Polls
from flowmend.worker.recovery import Recovery
from flowmend.worker.run_loop import RunLoop
from flowmend.worker.subscriptions import SubscriptionKeeper
from flowmend.worker.system_clock import SystemClock
from flowmend.worker.timers import Timers

#: How long a refresh of tokens under way gets to be kept when the server stops.
_TOKENS_WITHIN_SECONDS = 3.0
#: How long a server that ends, or was killed just now, gets to let go of the database.
_OTHERS_END_WITHIN_SECONDS = 3.0


def database_url(settings: Settings) -> str:
    """The SQLAlchemy URL: the setting's, or SQLite in the data folder."""
    return settings.database_url or f"sqlite:///{settings.data / 'flowmend.db'}"


def make_data_folder(settings: Settings) -> None:
    """The folder for what is kept, closed to others where it is new. Errors: StoreUnavailable."""
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"The data folder {settings.data} cannot be made: {error.strerror}.") from error


def open_services(settings: Settings, *, clock: Clock | None = None) -> "Application":
    """A Flowmend on its data folder, not started: enough for the CLI to work without a server. clock: None is the system's."""
    use_operator_rules(settings.diagnosis_rules)
    make_data_folder(settings)
    store = open_store(database_url(settings))
    vault = open_vault(settings.data, settings.master_key)
    return Application(settings=settings, store=store, vault=vault, clock=clock or SystemClock())


class Application:
    """A Flowmend that can be started and stopped. services: what its entrances are given."""

    def __init__(self, *, settings: Settings, store: Store, vault: Vault, clock: Clock) -> None:
        changes = Broadcast()
        health = KnownHealth()
        flows = LoadedFlows(store, vault)
        connectors = LoadedConnectors(store)
        http = HttpTransport(settings.allowed_private_hosts)
        self.timers = Timers(lambda: self.services, lambda: self.run_loop)
        self.run_loop = RunLoop(lambda: self.services, self.timers.schedule_changed)
        operations = CallOperations(lambda: self.services)
        self.housekeeping = Housekeeping(lambda: self.services)
        self.history_keeping = HistoryKeeping(lambda: self.services)
        self.health_watch = HealthWatch(lambda: self.services)
        self.held_release = HeldRelease(lambda: self.services)
        changes.listen(self.held_release.heard)
        self.recovery = Recovery(lambda: self.services)
        changes.listen(self.recovery.heard)
        changes.listen(flows.heard)
        changes.listen(connectors.heard)
        changes.listen(health.heard)
        changes.listen(operations.heard)
        self.polls = Polls(lambda: self.services)
        changes.listen(self.health_watch.heard)
        self.subscriptions = SubscriptionKeeper(lambda: self.services)
        self.messages = Messages(lambda: self.services, mail_writer(settings, clock))
        changes.listen(self.messages.heard)
        changes.listen(self.polls.heard)
        changes.listen(self.subscriptions.heard)
        self.cancellations = Cancellations(lambda: self.services)
        changes.listen(self.cancellations.heard)
        self.services: Services = Services(
            settings=settings,
            store=store,
            vault=vault,
            http=http,
            protocols=Protocols(settings.allowed_private_hosts, http=http, files_roots=settings.files_roots),
            clock=clock,
            dispatch=self.run_loop,
            changes=changes,
            flows=flows,
            connectors=connectors,
            health=health,
            held=HeldFlows(),
            operations=operations,
            consents=PendingConsents(),
            secret_uses=SecretUses(store),
            new_account_attempts=new_account_attempts(),
            repair_door=repair_door(),
        )
        self.broadcast = changes
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Open the network, recover what was under way, and begin to watch the clock.

        Errors: Conflict `DatabaseInUse` where another server runs on the database; StoreUnavailable.
        """
        services = self.services
        await asyncio.to_thread(services.store.sole_server.claim, _OTHERS_END_WITHIN_SECONDS)
        await ensure_owner(services)
        services.store.access.forget_expired(services.clock.now)
        for row in services.store.connections.list():
            if row.health is HealthState.REPAIRING:  # the test was cut off; what it would have shown is unknown
                services.store.connections.change(row.connection_id, health=HealthState.BROKEN)
            services.health.note(row.connection_id, row.health)
        await make_consistent(services)
        services.held.rebuild(services.store.held.counts(NEEDS_REPAIR))
        keep_back_again(services)
        await services.http.start()
        self._running.push_async_callback(services.http.close)
        self._running.callback(services.protocols.close)
        self._running.push_async_callback(services.operations.refresher.finish, _TOKENS_WITHIN_SECONDS)
        self._running.push_async_callback(self.run_loop.stop)
        await self.run_loop.recover()
        await make_good(services)
        self.held_release.start()
        self._running.push_async_callback(self.held_release.stop)
        self.recovery.start()
        self._running.push_async_callback(self.recovery.stop)
        self.timers.start()
        self._running.push_async_callback(self.timers.stop)
        self.polls.start()
        self._running.push_async_callback(self.polls.stop)
        self.subscriptions.start()
        self._running.push_async_callback(self.subscriptions.stop)
        self.cancellations.start()
        self._running.push_async_callback(self.cancellations.stop)
        self.housekeeping.start()
        self._running.push_async_callback(self.housekeeping.stop)
        self.history_keeping.start()
        self._running.push_async_callback(self.history_keeping.stop)
        self.health_watch.start()
        self._running.push_async_callback(self.health_watch.stop)
        self.messages.start()
        self._running.push_async_callback(self.messages.stop)

    async def stop(self) -> None:
        """Stop in the opposite order; runs under way are recovered at the next start."""
        await self._running.aclose()
        self.services.store.close()

    def asgi(self) -> ASGIApp:
        """Portal, API and signed URLs behind one door."""
        services = self.services
        signed = SignedEntrance(services)
        routes = [
            *health_routes(services),
            *public_address_routes(services),
            *invoke_routes(services),
            *api_routes(services),
            *portal_routes(services),
        ]
        pages = Starlette(routes=routes)

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            # The busiest path goes past the routing table, which would cost it a tenth of its time.
            is_signed = scope["type"] == "http" and scope["path"].startswith("/workflows/")
            await (signed if is_signed else pages)(scope, receive, send)

        return secure_app(services, application)
