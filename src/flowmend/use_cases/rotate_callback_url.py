"""A new callback URL for a flow whose old one must no longer start it.

The flow's key stays: answers that runs wait for and contents that people follow are signed with it too, and live on. What
signs the URL is derived from it anew with each rotation, whose count stands in the flow's row.
"""

from collections.abc import Mapping

from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.core.trigger.callback_url import CallbackUrl
from flowmend.use_cases.flows import callback_url
from flowmend.use_cases.loaded_flows import ROTATIONS
from flowmend.use_cases.ports import Services


async def rotate_callback_url(services: Services, flow_id: str, person_id: str) -> CallbackUrl:
    """The new URL; from now on every earlier one is refused, whenever it was given out and however long it was good for.

    Errors: NotFound; AskedWrongly `TriggerNotRequest`.
    """
    loaded = services.flows.latest(flow_id)
    if callback_url(services, loaded) is None:
        raise AskedWrongly(
            f"The flow {loaded.row.name!r} is not started by a request, so it has no callback URL.",
            code="TriggerNotRequest",
            target=flow_id,
        )
    row = services.store.flows.get(flow_id) or loaded.row
    settings: Mapping[str, Json] = row.settings or {}
    count = int(settings.get(ROTATIONS) or 0) + 1
    services.store.flows.change(flow_id, settings={**settings, ROTATIONS: count})
    services.store.audit.note(person_id, "rotate_callback_url", flow_id, {"count": count}, at=services.clock.now)
    services.changes.publish("flow", flow_id=flow_id, state=row.state.value)
    made = callback_url(services, services.flows.latest(flow_id))
    if made is None:  # its trigger was changed in this moment
        raise AskedWrongly("The flow is no longer started by a request.", code="TriggerNotRequest", target=flow_id)
    return made
