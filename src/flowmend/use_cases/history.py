"""How long history is kept, and what becomes of it: journals are packed a while after their run ended, and what is older
than its flow keeps, or of a deleted flow, is let go of. A little at a time, with longer pauses than work, so that nobody waits for it.
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
#: A block of what is let go of grows or shrinks until it takes about so long: whoever writes waits no longer than that.
_SHORT_SECONDS, _LONG_SECONDS = 0.03, 0.08
_LEAST_IN_A_BLOCK, _MOST_IN_A_BLOCK = 20, 800
#: After a block of work so many times its duration nothing is done.
_REST = 4.0
_SHORT_REST = 1.0
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
    pack = partial(services.store.history.pack, now - _PACKED_AFTER, _IN_A_BLOCK)
    while some := (await _at_leisure(pack))[0]:
        packed += some
    return packed


async def forget_deleted(services: Services) -> int:
    """Remove what is still kept of deleted flows; how many runs and trigger events there were. Errors: StoreUnavailable."""
    gone = 0
    for flow_id in services.store.flows.deleted():
        gone += await forget_deleted_flow(services, flow_id, rest=_REST)
    return gone


async def forget_deleted_flow(services: Services, flow_id: str, *, rest: float = _SHORT_REST) -> int:
    """As `forget_deleted`, of one flow that somebody wants to bring back now."""

    def forget(most: int, _cursor: str) -> Forgotten:
        return services.store.history.forget_flow(flow_id, most)

    return await _step_by_step(forget, rest=rest)


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
            gone += await _step_by_step(partial(history.forget_runs, flow_id, status, before))
    return gone + await _step_by_step(partial(history.forget_events, flow_id, before))


async def _step_by_step(forget: Callable[[int, str], Forgotten], *, rest: float = _REST) -> int:
    """forget: given how many to look at, and the cursor of the step before, "" at first."""
    gone, cursor, most = 0, "", _IN_A_BLOCK
    while True:
        step, seconds = await _at_leisure(partial(forget, most, cursor), rest=rest)
        gone, cursor, most = gone + step.count, step.cursor, next_block(most, seconds)
        if not cursor:
            return gone


def next_block(most: int, seconds: float) -> int:
    """How many to look at in the next block after one of so many that took so long."""
    if seconds > _LONG_SECONDS:
        return max(_LEAST_IN_A_BLOCK, most // 2)
    return min(_MOST_IN_A_BLOCK, most * 2) if seconds < _SHORT_SECONDS else most


async def _at_leisure(work: Callable[[], T], *, rest: float = _REST) -> tuple[T, float]:
    """What it gave, and how many seconds it took, the rest after it not counted."""
    began = time.monotonic()
    done = await asyncio.to_thread(work)
    seconds = time.monotonic() - began
    await asyncio.sleep(max(_LEAST_REST_SECONDS, rest * seconds))
    return done, seconds
