"""What a flow's trigger did: fired, skipped, failed, held."""

from flowmend.core.errors import NotFound
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.ports import Services


async def list_trigger_histories(
    services: Services, flow_id: str, *, limit: int = 50, cursor: str = ""
) -> tuple[list[TriggerEventRow], str]:
    """(rows newest first, next cursor or ""). Errors: NotFound."""
    if services.store.flows.get(flow_id) is None:
        raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
    rows, next_cursor = services.store.trigger_events.list(flow_id, limit, cursor)
    return list(rows), next_cursor
