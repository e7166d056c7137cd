"""For how long held events are kept. For ever, unless a setting says otherwise: then they are let go, with a record."""

import asyncio
from datetime import datetime, timedelta

from flowmend.core.outcome import Status
from flowmend.store.held import let_go
from flowmend.store.rows import FlowRow
from flowmend.use_cases.held_events import may_all_go_on
from flowmend.use_cases.ports import Services

HELD_DAYS = "held_days"
EXPIRED = "Expired"

_IN_A_BLOCK = 200
#: Others get their turn after each block.
_REST_SECONDS = 0.02


def held_days(services: Services, flow: FlowRow) -> int:
    """For how many days events of this flow are held, 0 for ever."""
    chosen = chosen_held_days(flow)
    return services.settings.held_days if chosen is None else chosen


def chosen_held_days(flow: FlowRow) -> int | None:
    """What was chosen for this flow, None where the setting of all flows holds."""
    chosen = flow.settings.get(HELD_DAYS) if isinstance(flow.settings, dict) else None
    return chosen if isinstance(chosen, int) else None


async def expire_held(services: Services, now: datetime) -> int:
    """Let go of what was held for longer than its flow wants; how many there were. Their history says Expired.

    What a repair plan keeps back is not touched, nor what only waits for its turn: it was repaired in time. Errors:
    StoreUnavailable.
    """
    gone = 0
    for flow_id, oldest_at in services.store.held.oldest().items():
        flow = services.store.flows.get(flow_id)
        days = held_days(services, flow) if flow is not None else 0
        before = now - timedelta(days=days)
        is_over = bool(days) and oldest_at < before and not services.held.is_kept_back(flow_id, now)
        if is_over and not may_all_go_on(services, flow_id):
            gone += await _expire(services, flow_id, before, now, days)
    return gone


async def _expire(services: Services, flow_id: str, before: datetime, now: datetime, days: int) -> int:
    message = f"It was held for longer than {days} day{'s' if days > 1 else ''}, which is this flow's setting."
    gone = 0
    while True:
        rows, _ = services.store.held.list_events([flow_id], _IN_A_BLOCK, arrived_before=before)
        names = [row.event_name for row in rows]
        if not names:
            break
        counts: list[int] = []
        expired = let_go(names, code=EXPIRED, at=now, message=message, told=counts.append)
        await services.store.journal.write([expired])
        gone += counts[-1]
        if not counts[-1]:
            break  # each was begun meanwhile
        await asyncio.sleep(_REST_SECONDS)
    if gone:
        services.held.taken_out(flow_id)
        services.changes.publish("event", flow_id=flow_id, event_name="", status=Status.CANCELLED.value)
    return gone
