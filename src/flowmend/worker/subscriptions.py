"""Begins, renews and ends subscriptions from their rows, each as often as it takes: none is lost and none is left behind."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from flowmend.core.errors import FlowmendError
from flowmend.core.json_value import Json
from flowmend.use_cases.carry_subscription import carry_subscription
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=20)
#: What failed for a reason of ours is left alone this long.
_AFTER_TROUBLE = timedelta(minutes=5)
_MOST_AT_ONCE = 16


class SubscriptionKeeper:
    """One task that sleeps until something is to be done for a subscription."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._told_of: set[str] = set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="subscriptions")

    async def stop(self) -> None:
        """Let go of what is under way; its row says that it was sent, and it is taken up after the next start."""
        tasks = [*self._under_way.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: something is to be ended or begun, a connection works again."""
        if topic == "connection":
            self._told_of.add(facts["connection_id"])
        if topic in {"subscriptions", "connection"}:
            self._changed.set()

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            wait = _LOOK_AGAIN
            try:
                wait = self._look()
            except FlowmendError as error:
                _log.warning("Subscriptions could not look at the store: %s", error)
            except Exception:  # noqa: BLE001  # our own defect must not stop every subscription
                _log.exception("Subscriptions failed; they look again")
            # Not wait_for: in Python 3.11 it loses a cancellation that comes in the moment the event is set.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.total_seconds()):
                    await self._changed.wait()

    def _look(self) -> timedelta:
        services = self._services()
        now = services.clock.now
        while self._told_of:
            connection_id = self._told_of.pop()
            if not services.health.first_broken((connection_id,)):
                services.store.subscriptions.wake(connection_id, now)
        for row in services.store.subscriptions.due(now, _MOST_AT_ONCE + len(self._under_way)):
            if len(self._under_way) >= _MOST_AT_ONCE:
                break
            if row.subscription_id not in self._under_way:
                self._begin(services, row.subscription_id)
        next_at = services.store.subscriptions.next_due(now)
        if next_at is None:
            return _LOOK_AGAIN
        return min(_LOOK_AGAIN, max(_SOONEST, next_at - services.clock.now))

    def _begin(self, services: Services, subscription_id: str) -> None:
        task = asyncio.get_running_loop().create_task(_carry(services, subscription_id))
        self._under_way[subscription_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._under_way[subscription_id]
            self._changed.set()

        task.add_done_callback(ended)


async def _carry(services: Services, subscription_id: str) -> None:
    try:
        await carry_subscription(services, subscription_id)
    except FlowmendError as error:
        _log.warning("Subscription %s could not be carried on: %s", subscription_id, error)
    except Exception:  # noqa: BLE001  # our own defect stops this one for a while, and no other
        _log.exception("Subscription %s could not be carried on", subscription_id)
    else:
        return
    with suppress(FlowmendError):
        services.store.subscriptions.change(subscription_id, next_at=services.clock.now + _AFTER_TROUBLE)
