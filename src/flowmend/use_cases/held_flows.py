"""Which flows catch up: what arrives for them queues behind what is held already, so that order holds.

Kept in memory, for every event asks. The rows are the truth: at the start it is made from them again.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from flowmend.core.repair import Lanes

#: How many drained events and woken runs are under way at once; of one flow no more than 64.
MOST_AT_ONCE = 96


class HeldFlows:
    """lanes: what the drain has begun and has not ended."""

    def __init__(self) -> None:
        self.lanes = Lanes(most_at_once=MOST_AT_ONCE)
        self._waiting: set[str] = set()
        self._arriving: Counter[str] = Counter()
        self._kept_back: dict[str, tuple[frozenset[str], datetime | None]] = {}
        self._woken: set[str] = set()
        self._arrived: set[str] = set()
        self._taken_out: set[str] = set()
        self._wake: Callable[[], None] = lambda: None

    # -- what waits --

    def rebuild(self, flow_ids: Iterable[str]) -> None:
        """At the start. flow_ids: those that hold events for a repair."""
        self._waiting = set(flow_ids)
        self._woken |= self._waiting

    def has_waiting(self, flow_id: str) -> bool:
        """Whether events of this flow wait for a repair, or to go on after one."""
        return flow_id in self._waiting

    @contextmanager
    def arriving(self, flow_id: str) -> Iterator[None]:
        """While an event is on its way to its row: from now on what arrives later queues behind it."""
        self._waiting.add(flow_id)
        self._arriving[flow_id] += 1
        try:
            yield
        finally:
            self._arriving[flow_id] -= 1
            if not self._arriving[flow_id]:
                del self._arriving[flow_id]

    def caught_up(self, flow_id: str) -> bool:
        """The store holds no event of this flow any more; False where one is on its way to it."""
        if flow_id in self._arriving:
            return False
        self._waiting.discard(flow_id)
        return True

    def must_queue(self, flow_id: str, now: datetime, key: Callable[[], str]) -> bool:
        """Whether an event that arrives now has to wait for its turn. key: its business key, asked for only if that matters."""
        if flow_id in self._waiting or (self._kept_back and self.is_kept_back(flow_id, now)):
            return True
        return self.lanes.has_awake_keys(flow_id) and self.lanes.is_awake(flow_id, key())

    # -- what a repair plan keeps back --

    def keep_back(self, flow_ids: Collection[str], plan_id: str, until: datetime | None) -> None:
        """The plan says when what these flows hold goes on; replaces what the plan kept back before.

        until: then it goes on by itself, None for never.
        """
        before, _ = self._kept_back.get(plan_id, (frozenset(), None))
        self._kept_back[plan_id] = (frozenset(flow_ids), until)
        self.wake(*before.difference(flow_ids))
        self._wake()

    def let_go(self, plan_id: str) -> None:
        """The plan keeps nothing back any more; what is held goes on."""
        before, _ = self._kept_back.pop(plan_id, (frozenset(), None))
        self.wake(*before)

    def is_kept_back(self, flow_id: str, now: datetime) -> bool:
        return self.kept_back_by(flow_id, now) is not None

    def kept_back_by(self, flow_id: str, now: datetime) -> tuple[str, datetime | None] | None:
        """(plan id, until when, None for until it ends), None where no plan keeps back what this flow holds."""
        return next(
            ((plan_id, until) for plan_id, (flow_ids, until) in self._kept_back.items()
             if flow_id in flow_ids and (until is None or now < until)), None,
        )  # fmt: skip

    def kept_back_until(self, now: datetime) -> datetime | None:
        """When the next flows are kept back no longer; those whose time has come are woken."""
        over = [plan_id for plan_id, (_, until) in self._kept_back.items() if until is not None and until <= now]
        for plan_id in over:
            self.let_go(plan_id)
        return min((until for _, until in self._kept_back.values() if until is not None), default=None)

    # -- the drain --

    def wake(self, *flow_ids: str) -> None:
        """What these flows hold may go on now: the drain looks whether it does."""
        self._woken.update(flow_ids)
        if flow_ids:
            self._wake()

    def arrived(self, flow_id: str) -> None:
        """One more event of this flow is held now; where nothing keeps it, its turn may have come."""
        self._arrived.add(flow_id)
        self._wake()

    def taken_out(self, flow_id: str) -> None:
        """Events of this flow were discarded or expired: its line is to be made anew."""
        self._taken_out.add(flow_id)
        self.wake(flow_id)

    def take_woken(self) -> tuple[set[str], set[str], set[str]]:
        """(flows of which anything may go on, those where only events arrived, those of the first whose line is made anew),
        each told once.
        """
        woken, self._woken = self._woken, set()
        arrived, self._arrived = self._arrived - woken, set()
        taken_out, self._taken_out = self._taken_out, set()
        return woken, arrived, taken_out

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Whom to tell: the drain."""
        self._wake = wake
