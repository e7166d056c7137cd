"""The subscriptions of a flow that somebody turns on, begun while they look."""

import asyncio
import logging
from collections.abc import Collection

from flowmend.core.errors import FlowmendError
from flowmend.store.rows import FlowState
from flowmend.use_cases.carry_subscription import carry_subscription
from flowmend.use_cases.ports import Services
from flowmend.use_cases.schedule_triggers import schedule_triggers
from flowmend.use_cases.unreadable import CANNOT_BE_READ

_log = logging.getLogger(__name__)

_WAITS_SECONDS = 15.0


async def begin_subscriptions(services: Services, subscription_ids: Collection[str]) -> list[str]:
    """Begin these, and say as sentences what did not work yet; that is tried again until it does."""
    return [told for one in subscription_ids if (told := await _begin(services, one))]


async def follow_connection(services: Services, flow_id: str) -> None:
    """Let the triggers of a flow that is on ask by the connections it uses now. One that no longer reads is left alone."""
    try:
        loaded = services.flows.latest(flow_id)
        if loaded.row.state is FlowState.ON:
            await begin_subscriptions(services, schedule_triggers(services, loaded))
    except CANNOT_BE_READ as error:
        _log.error("The triggers of flow %s stay as they were: %s", flow_id, error)


async def _begin(services: Services, subscription_id: str) -> str:
    try:
        async with asyncio.timeout(_WAITS_SECONDS):
            row = await carry_subscription(services, subscription_id)
    except TimeoutError:
        return "The service has not answered the request to call back yet; it is asked again."
    except FlowmendError as error:
        return f"The service could not be asked to call back: {error.message}"
    if row is None or not row.code:
        return ""
    return f"The service could not be asked to call back yet: {row.message} It is tried again until it works."
