"""One task that keeps history small: packs the journals of runs that have ended, and lets go of what is too old."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from flowmend.core.errors import StoreUnavailable
from flowmend.use_cases.history import forget_deleted, forget_history, pack_journals
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
_FORGETS_EVERY = timedelta(hours=1)


class HistoryKeeping:
    """Begins a while after the start, when runs are recovered."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._task: asyncio.Task[None] | None = None
        self._forgot_at: datetime | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="history keeping")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def tend(self) -> None:
        """Let go of what deleted flows left, pack what ended a while ago, and once an hour let go of what is too old.

        Errors: StoreUnavailable.
        """
        services = self._services()
        now = services.clock.now
        if gone := await forget_deleted(services):
            _log.info("Let go of %d runs and trigger events of deleted flows", gone)
        await pack_journals(services, now)
        if self._forgot_at is None or now - self._forgot_at >= _FORGETS_EVERY or now < self._forgot_at:
            gone = await forget_history(services, now)
            self._forgot_at = now
            if gone:
                _log.info("Let go of %d runs and trigger events older than their flows keep them", gone)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.tend()
            except StoreUnavailable as error:
                _log.warning("History could not be tended: %s", error)
            except Exception:  # noqa: BLE001  # our own defect must not end the tending for good
                _log.exception("Tending history failed; it is tried again")
