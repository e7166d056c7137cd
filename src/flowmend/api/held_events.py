"""Held events: listed, counted, discarded; and the settings that say what is held and for how long."""

from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.flows import PAGING
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import list_answer, next_link, person_of, query_limit, query_text, read_body
from flowmend.api.shapes.held_event import (
    Discard,
    DiscardAll,
    Discarded,
    FlowSettingsShape,
    HeldEventShape,
    HoldingFlowShape,
    flow_settings_shape,
    held_event_shape,
    holding_flow_shape,
)
from flowmend.api.shapes.trigger_history import TriggerHistory, trigger_history
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.flow_settings import read_settings
from flowmend.use_cases.held_events import discard_all_events, discard_event, discard_events, list_held_events
from flowmend.use_cases.held_lists import holding_flows, list_held
from flowmend.use_cases.ports import Services


async def list_held_of_all(services: Services, request: Request) -> JsonAnswer:
    page = await list_held(
        services,
        flow_id=query_text(request, "flow") or "",
        limit=query_limit(request),
        cursor=query_text(request, "cursor") or "",
    )
    return list_answer(
        [held_event_shape(view) for view in page.events], next_link=next_link(services.settings, request, page.cursor)
    )


async def list_holding_flows(services: Services, _request: Request) -> JsonAnswer:
    return list_answer([holding_flow_shape(flow) for flow in holding_flows(services)])


async def discard_chosen(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, Discard)
    if not wanted.events:
        raise AskedWrongly("Name the events to discard.", code="InvalidRequestContent", target="events")
    gone = await discard_events(services, wanted.events, person_of(request).person_id)
    return JsonAnswer(Discarded(discarded=gone))


async def list_flow_held_events(services: Services, request: Request) -> JsonAnswer:
    events = await list_held_events(services, _flow_id(request), limit=query_limit(request))
    return list_answer([trigger_history(event) for event in events])


async def discard_held_event(services: Services, request: Request) -> JsonAnswer:
    event_name = str(request.path_params["event_name"])
    await discard_event(services, _flow_id(request), event_name, person_of(request).person_id)
    return JsonAnswer({})


async def discard_all_of_flow(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, DiscardAll)
    before = wanted.arrived_before
    if before is not None and before.tzinfo is None:
        raise AskedWrongly("The time names no zone.", code="InvalidRequestContent", target="arrived_before")
    person = person_of(request).person_id
    gone = await discard_all_events(services, _flow_id(request), person, arrived_before=before)
    return JsonAnswer(Discarded(discarded=gone))


async def read_flow_settings(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer(flow_settings_shape(read_settings(services, _flow_id(request))))


def _flow_id(request: Request) -> str:
    return str(request.path_params["flow_id"])


_TAG = "held events"

HELD_EVENT_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/held_events",
        handler=list_held_of_all,
        summary="The events that flows hold, oldest first",
        tag=_TAG,
        gives=HeldEventShape,
        is_list=True,
        query=(QueryParameter(name="flow", description="Only those of this flow."), *PAGING),
    ),
    Operation(
        method="GET",
        path="/held_events/flows",
        handler=list_holding_flows,
        summary="The flows that hold events, how many and why",
        tag=_TAG,
        gives=HoldingFlowShape,
        is_list=True,
    ),
    Operation(
        method="POST",
        path="/held_events/discard",
        handler=discard_chosen,
        summary="Let held events go for good; their records stay",
        tag=_TAG,
        takes=Discard,
        gives=Discarded,
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/held_events",
        handler=list_flow_held_events,
        summary="The first events a flow holds until its connection is repaired, oldest first",
        tag=_TAG,
        gives=TriggerHistory,
        is_list=True,
        query=PAGING[:1],
    ),
    Operation(
        method="POST",
        path="/flows/{flow_id}/held_events/{event_name}/discard",
        handler=discard_held_event,
        summary="Let a held event go for good; its record stays",
        tag=_TAG,
    ),
    Operation(
        method="POST",
        path="/flows/{flow_id}/held_events/discard_all",
        handler=discard_all_of_flow,
        summary="Let everything go that a flow holds; the records stay",
        tag=_TAG,
        takes=DiscardAll,
        gives=Discarded,
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/settings",
        handler=read_flow_settings,
        summary="What a flow does while a connection is broken, and how long it holds and keeps things",
        tag=_TAG,
        gives=FlowSettingsShape,
    ),
)
