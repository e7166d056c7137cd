"""When people were told of an incident, and how."""

from datetime import datetime

from flowmend.store.notice_rows import DeliveryState, NoticeKind
from flowmend.use_cases.ports import Services

_ARRIVED = (DeliveryState.SENT, DeliveryState.UNKNOWN)


def told_of_break(services: Services, incident_id: str) -> tuple[datetime, tuple[str, ...]] | None:
    """(when, by which channels besides the portal: `mail`, `webhook`) of the one message of a break; None before it."""
    notice = services.store.notices.of_subject(NoticeKind.BROKEN, incident_id)
    if notice is None:
        return None
    channels = {
        route.channel.value
        for one in services.store.deliveries.of_notices([notice.notice_id]).get(notice.notice_id, ())
        if one.state in _ARRIVED and (route := services.store.message_routes.get(one.route_id)) is not None
    }
    return notice.at, tuple(sorted(channels))
