"""What every use case is given: the parts that `assembly` joins, and the small interfaces the worker fills."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.run import Event, SendResponse
from flowmend.settings import Settings
from flowmend.store import Store
from flowmend.transport import HttpTransport, Protocols
from flowmend.use_cases.arrivals import Arrivals
from flowmend.use_cases.call_turns import CallTurns
from flowmend.use_cases.held_flows import HeldFlows
from flowmend.use_cases.known_health import KnownHealth
from flowmend.use_cases.loaded_connectors import LoadedConnectors
from flowmend.use_cases.loaded_flows import LoadedFlows
from flowmend.use_cases.new_run import NewRun
from flowmend.use_cases.pending_consents import PendingConsents
from flowmend.use_cases.public_proofs import PublicProofs
from flowmend.use_cases.recent_counts import RecentCounts
from flowmend.use_cases.run_journals import RunJournals
from flowmend.use_cases.secret_uses import SecretUses
from flowmend.vault import Vault

if TYPE_CHECKING:  # it is a use case itself and reads this module
    from flowmend.use_cases.call_operation import CallOperations


class Clock(Protocol):
    """Time, chance and names; the system's in production, chosen in tests."""

    @property
    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def guid(self) -> UUID: ...

    def draw(self) -> float:
        """In [0, 1)."""
        ...

    def ticks(self) -> int:
        """Counts down and never gives the same number twice (`core.run.naming`)."""
        ...


class Dispatch(Protocol):
    """Says which worker advances a run; in this process for now."""

    def begin(self, new_run: NewRun) -> Begun:
        """Store a new run with its trigger event and start to advance it."""
        ...

    def is_active(self, run_name: str) -> bool:
        """Whether a run of this name is in memory, perhaps not yet stored."""
        ...

    def unfinished_of(self, flow_id: str) -> frozenset[str]:
        """Names of a flow's runs that are under way or at rest, stored or not."""
        ...

    async def send(self, run_name: str, event: Event) -> bool:
        """Give an event to a run; False where the run is finished or unknown."""
        ...

    async def send_block(self, run_names: Sequence[str], event: Event) -> None:
        """Give the same event to several runs, as far as they have not ended, and wait until that is durable.

        All are in memory at once, so a caller with many gives them block by block. Errors: StoreUnavailable.
        """
        ...

    def schedule_changed(self) -> None:
        """A trigger's next time, or a run's, may have changed: look again."""
        ...


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A run under way. durable: done once the run cannot be lost. response: the synchronous answer, None
    where the run ended without one; only there for runs that a caller waits for.
    """

    durable: Awaitable[None] | None
    response: Awaitable[SendResponse | None] | None


class Changes(Protocol):
    """Tells open pages and caches of this process that something changed."""

    def publish(self, topic: str, **facts: Json) -> None:
        """topic: `run`, `event`, `flow`, `connection`, `connector`, `incident`, `repair` or `approval`, and for the worker
        alone `polls`, `poke` and `subscriptions`; facts: ids and status, never payloads.
        """
        ...

    def subscribe(self) -> AsyncIterator[dict[str, Json]]:
        """News from now on, `{"topic": …, "facts": {…}}`."""
        ...

    @property
    def count(self) -> int:
        """How many changes this process has told: a page that was made before the latest is old."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts a use case works with.

    new_account_attempts: refusals of accounts without a connection. repair_door: what was tried at repair links, by address.
    """

    settings: Settings
    store: Store
    vault: Vault
    http: HttpTransport
    protocols: Protocols
    clock: Clock
    dispatch: Dispatch
    changes: Changes
    flows: LoadedFlows
    connectors: LoadedConnectors
    health: KnownHealth
    held: HeldFlows
    operations: CallOperations
    consents: PendingConsents
    secret_uses: SecretUses
    new_account_attempts: RecentCounts
    repair_door: RecentCounts
    arrivals: Arrivals = field(default_factory=Arrivals)
    public_proofs: PublicProofs = field(default_factory=PublicProofs)
    turns: CallTurns = field(default_factory=CallTurns)
    journals: RunJournals = field(default_factory=RunJournals)
