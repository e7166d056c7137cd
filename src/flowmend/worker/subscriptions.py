"""Begins, renews and ends subscriptions from their rows, each as often as it takes: none is lost and none is left behind."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

from flowmend.core.errors import FlowmendError
from flowmend.core.json_value import Json
from flowmend.use_cases.carry_subscription import carry_subscription
from flowmend.use_cases.ports import Services
from flowmend.worker.row_watch import RowWatch
from flowmend.worker.set_back import SetBack

_log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=30)
_SOONEST = timedelta(milliseconds=20)
#: What failed for a reason of ours is left alone this long.
_AFTER_TROUBLE = timedelta(minutes=5)
_MOST_AT_ONCE = 16


class SubscriptionKeeper(RowWatch):
    """One task that sleeps until something is to be done for a subscription."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, name="subscriptions", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._carried: dict[str, asyncio.Task[None]] = {}
        self._told_of: set[str] = set()
        self._set_back = SetBack()

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: something is to be ended or begun, a connection works again."""
        if topic == "connection":
            self._told_of.add(facts["connection_id"])
        if topic in {"subscriptions", "connection"}:
            self._changed.set()

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        return self._carried.values()

    async def _look(self) -> timedelta:
        services = self._services()
        now = services.clock.now
        if set_back := self._set_back.since_last(now):
            services.store.subscriptions.carry_all_sooner(now, set_back)
        while self._told_of:
            connection_id = self._told_of.pop()
            if not services.health.first_broken((connection_id,)):
                services.store.subscriptions.wake(connection_id, now)
        for row in services.store.subscriptions.due(now, _MOST_AT_ONCE + len(self._carried)):
            if len(self._carried) >= _MOST_AT_ONCE:
                break
            if row.subscription_id not in self._carried:
                self._begin(services, row.subscription_id)
        return self._until(services.store.subscriptions.next_due(now))

    def _begin(self, services: Services, subscription_id: str) -> None:
        task = asyncio.get_running_loop().create_task(_carry(services, subscription_id))
        self._carried[subscription_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._carried[subscription_id]
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
