"""Incidents: the list, and one with everything it broke."""

from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import list_answer, next_link, query_limit, query_text
from flowmend.api.shapes.incident import IncidentDetailShape, IncidentShape, incident_detail_shape, incident_shape
from flowmend.core.errors import AskedWrongly
from flowmend.store.incident_rows import IncidentState
from flowmend.use_cases import incidents
from flowmend.use_cases.ports import Services

_STATES = (IncidentState.OPEN.value, IncidentState.CLOSED.value)


async def list_incidents(services: Services, request: Request) -> JsonAnswer:
    state = query_text(request, "state") or ""
    if state and state not in _STATES:
        raise AskedWrongly("The query value state must be open or closed.", code="InvalidQuery", target="state")
    found = await incidents.list_incidents(
        services,
        state=state,
        connection_id=query_text(request, "connection_id") or "",
        limit=query_limit(request),
        cursor=query_text(request, "cursor") or "",
    )
    link = next_link(services.settings, request, found.next_cursor)
    return list_answer([incident_shape(one) for one in found.incidents], next_link=link)


async def get_incident(services: Services, request: Request) -> JsonAnswer:
    view = await incidents.read_incident(services, str(request.path_params["incident_id"]))
    return JsonAnswer(incident_detail_shape(view))


_TAG = "incidents"

INCIDENT_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/incidents",
        handler=list_incidents,
        summary="Incidents, open ones first, then the latest",
        tag=_TAG,
        gives=IncidentShape,
        is_list=True,
        query=(
            QueryParameter(name="state", description="Only those that are open, or closed"),
            QueryParameter(name="connection_id", description="Only those that this connection was part of"),
            QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
            QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
        ),
    ),
    Operation(
        method="GET",
        path="/incidents/{incident_id}",
        handler=get_incident,
        summary="One incident with what it broke; of one that was part of another, that one",
        tag=_TAG,
        gives=IncidentDetailShape,
    ),
)
