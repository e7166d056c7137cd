"""What every watcher of rows does alike: look, sleep until more is due or something changed, and look again."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

#: What is due waits no longer than this once the store works again.
_STORE_TRIED_AGAIN = timedelta(seconds=2)


class RowWatch(ABC):
    """One task, driven by rows. name: of the task, and in the log.

    look_again: a look at the store at least this often, for the clock may be set and another process may have changed a
    row. soonest: the shortest sleep between two looks.
    """

    def __init__(
        self, services: Callable[[], Services], *, name: str, look_again: timedelta, soonest: timedelta
    ) -> None:
        self._services = services
        self._name = name
        self._look_again = look_again
        self._soonest = soonest
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch(), name=self._name)

    async def stop(self) -> None:
        """Let go of what is under way: its row still says that it is to be done."""
        tasks = [*self._under_way(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @abstractmethod
    async def _look(self) -> timedelta:
        """Begin what is due and may be begun; how long nothing more is to be done."""

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        """What was begun and has not ended."""
        return ()

    def _until(self, next_at: datetime | None) -> timedelta:
        """How long to sleep. next_at: when the next row is due, None where none is."""
        if next_at is None:
            return self._look_again
        return min(self._look_again, max(self._soonest, next_at - self._services().clock.now))

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            wait = self._look_again
            try:
                wait = await self._look()
            except StoreUnavailable as error:
                wait = min(self._look_again, _STORE_TRIED_AGAIN)
                level = self._services().store.condition.log_level
                _log.log(level, "The watch of %s could not look at the store: %s", self._name, error)
            except FlowmendError as error:
                _log.warning("The watch of %s could not look at the store: %s", self._name, error)
            except Exception:  # noqa: BLE001  # our own defect must not stop all that is watched
                _log.exception("The watch of %s failed; it looks again", self._name)
            # Not wait_for: in Python 3.11 it loses a cancellation that comes in the moment the event is set.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.total_seconds()):
                    await self._changed.wait()
