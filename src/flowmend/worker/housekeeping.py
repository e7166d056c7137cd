"""What is kept for a time only goes once the time is over, a little at a time."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from flowmend.core.errors import Conflict, StoreUnavailable
from flowmend.use_cases.held_days import expire_held
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import CHANGEABLE
from flowmend.use_cases.repeated_events import KNOWN_FOR
from flowmend.use_cases.secret_uses import forget_old_uses
from flowmend.use_cases.stop_plan import dismiss_plan

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 6 * 3600.0
#: Not in the first moments, when runs are recovered.
_FIRST_AFTER_SECONDS = 60.0
#: A link that ended is kept a while, so that the page of its connection can tell what became of it.
_LINKS_KEPT = timedelta(days=30)
#: As long as the uses of secrets by default: what a repair did can be read for a year.
_PLANS_KEPT = timedelta(days=400)
#: A draft or a stopped plan that nobody has touched for so long is given up: until then its runs are kept, and its events held.
_PLANS_WAIT = timedelta(days=30)


class Housekeeping:
    """One task that tidies up now and then."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch(), name="housekeeping")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        wait = _FIRST_AFTER_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = _EVERY_SECONDS
            try:
                await tidy_up(self._services())
            except StoreUnavailable as error:
                _log.warning("What is too old could not be removed: %s", error)
            except Exception:  # noqa: BLE001  # our own defect must not end the tidying for good
                _log.exception("Tidying up failed; it is tried again")


async def tidy_up(services: Services) -> None:
    """Remove what is older than it is kept. Errors: StoreUnavailable."""
    now = services.clock.now
    services.store.repair_links.forget_expired(now - _LINKS_KEPT)
    for plan in services.store.repair_plans.under_way():
        if plan.state in CHANGEABLE and plan.changed_at < now - _PLANS_WAIT:
            with suppress(Conflict):  # somebody has started it in this very moment
                await dismiss_plan(services, plan.plan_id, person_id="")
    services.store.repair_plans.forget_ended(now - _PLANS_KEPT)
    if expired := await expire_held(services, now):
        _log.info("Let go of %d events that were held for longer than their flows want", expired)
    while services.store.received_events.forget(now - KNOWN_FOR):  # noqa: ASYNC110  # others get their turn
        await asyncio.sleep(0)
    gone = await forget_old_uses(services, now)
    if gone:
        _log.info("Removed %d uses of secrets older than %d days", gone, services.settings.secret_uses_days)
