"""How long history is kept, and what becomes of it: journals are packed a while after their run ended, and what is older
than its flow keeps is let go of. A little at a time, with longer pauses than work, so that nobody waits for it.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from flowmend.core.outcome import Status
from flowmend.store.history import Forgotten
from flowmend.store.rows import FlowRow
from flowmend.use_cases.ports import Services

T = TypeVar("T")

HISTORY_DAYS = "history_days"
MOST_DAYS = 36_500

#: A run that ended just now is still looked at, and a callback may come late.
_PACKED_AFTER = timedelta(minutes=10)
_IN_A_BLOCK = 100
#: After a block of work so many times its duration nothing is done.
_REST = 4.0
_LEAST_REST_SECONDS = 0.01


def history_days(services: Services, flow: FlowRow) -> int:
    """For how many days a flow's history is kept, 0 for ever."""
    chosen = chosen_days(flow)
    return services.settings.history_days if chosen is None else chosen


def chosen_days(flow: FlowRow) -> int | None:
    """What was chosen for this flow, None where the setting of all flows holds."""
    chosen = flow.settings.get(HISTORY_DAYS) if isinstance(flow.settings, dict) else None
    return chosen if isinstance(chosen, int) else None


async def pack_journals(services: Services, now: datetime) -> int:
    """Pack the journals of runs that ended a while ago; of how many. Errors: StoreUnavailable."""
    packed = 0
    while some := await _at_leisure(partial(services.store.history.pack, now - _PACKED_AFTER, _IN_A_BLOCK)):
        packed += some
    return packed


async def forget_history(services: Services, now: datetime) -> int:
    """Remove runs and trigger events older than their flow keeps them; how many there were. Errors: StoreUnavailable."""
    gone = 0
    for flow in services.store.flows.list():
        days = history_days(services, flow)
        if days:
            gone += await _forget(services, flow.flow_id, now - timedelta(days=days))
    return gone


async def _forget(services: Services, flow_id: str, before: datetime) -> int:
    history, gone = services.store.history, 0
    for status in Status:
        if status.is_terminal:
            gone += await _step_by_step(partial(history.forget_runs, flow_id, status, before, _IN_A_BLOCK))
    return gone + await _step_by_step(partial(history.forget_events, flow_id, before, _IN_A_BLOCK))


async def _step_by_step(forget: Callable[[str], Forgotten]) -> int:
    """forget: given the cursor of the step before, "" at first."""
    gone, cursor = 0, ""
    while True:
        step = await _at_leisure(partial(forget, cursor))
        gone, cursor = gone + step.count, step.cursor
        if not cursor:
            return gone


async def _at_leisure(work: Callable[[], T]) -> T:
    began = time.monotonic()
    done = await asyncio.to_thread(work)
    await asyncio.sleep(max(_LEAST_REST_SECONDS, _REST * (time.monotonic() - began)))
    return done
