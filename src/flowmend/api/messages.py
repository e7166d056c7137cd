"""Messages: what people were told, where it goes, trying that out, and how mail leaves."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import list_answer, next_link, person_of, query_limit, query_text, read_body
from flowmend.api.shapes.message import (
    MessageRouteShape,
    MessageSettingsShape,
    MessageShape,
    message_settings_shape,
    message_shape,
    new_route_shape,
    route_shape,
)
from flowmend.use_cases import message_routes
from flowmend.use_cases.message_settings import change_message_settings
from flowmend.use_cases.ports import Services


class NewMessageRoute(msgspec.Struct, frozen=True, kw_only=True):
    """address: a mail address, or a webhook's `https://` address. language: "" for the owner's."""

    address: str
    after_minutes: int = 0
    kinds: list[str] = []
    language: str = ""


class MessageRouteChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out stays."""

    is_on: bool | None = None
    after_minutes: int | None = None
    kinds: list[str] | None = None
    language: str | None = None


class MessageSettingsChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out stays. digest: off, hour or day."""

    mail_connection: str | None = None
    digest: str | None = None
    owner_email: str | None = None
    owner_language: str | None = None


class MessagesRead(msgspec.Struct, frozen=True, kw_only=True):
    """id: of the one that was read; "" for all."""

    id: str = ""


async def list_messages(services: Services, request: Request) -> JsonAnswer:
    found = await message_routes.list_notices(
        services, limit=query_limit(request), cursor=query_text(request, "cursor") or ""
    )
    link = next_link(services.settings, request, found.next_cursor)
    shapes = [message_shape(one, found.deliveries.get(one.notice_id, [])) for one in found.notices]
    return list_answer(shapes, next_link=link)


async def mark_read(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, MessagesRead)
    return JsonAnswer({"read": await message_routes.mark_read(services, wanted.id)})


async def send_again(services: Services, request: Request) -> JsonAnswer:
    notice_id, route_id = (str(request.path_params[name]) for name in ("message_id", "route_id"))
    await message_routes.send_again(services, notice_id, route_id, person_of(request).person_id)
    return JsonAnswer({}, status_code=202)


async def list_routes(services: Services, _request: Request) -> JsonAnswer:
    view = await message_routes.read_messages(services)
    return list_answer([route_shape(one) for one in view.routes])


async def make_route(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewMessageRoute)
    made = await message_routes.add_route(
        services,
        wanted.address,
        after_minutes=wanted.after_minutes,
        kinds=wanted.kinds,
        language=wanted.language,
        person_id=person_of(request).person_id,
    )
    return JsonAnswer(new_route_shape(made), status_code=201)


async def change_route(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, MessageRouteChanges)
    row = await message_routes.change_route(
        services,
        _route_id(request),
        is_on=wanted.is_on,
        after_minutes=wanted.after_minutes,
        kinds=wanted.kinds,
        language=wanted.language,
        person_id=person_of(request).person_id,
    )
    view = await message_routes.read_messages(services)
    return JsonAnswer(route_shape(next(one for one in view.routes if one.row.route_id == row.route_id)))


async def delete_route(services: Services, request: Request) -> JsonAnswer:
    await message_routes.remove_route(services, _route_id(request), person_of(request).person_id)
    return JsonAnswer({})


async def try_route(services: Services, request: Request) -> JsonAnswer:
    notice = await message_routes.send_test(services, _route_id(request), person_of(request))
    return JsonAnswer(message_shape(notice, []), status_code=202)


async def get_settings(services: Services, _request: Request) -> JsonAnswer:
    return JsonAnswer(message_settings_shape(await message_routes.read_messages(services)))


async def change_settings(services: Services, request: Request) -> JsonAnswer:
    wanted, person_id = await read_body(request, MessageSettingsChanges), person_of(request).person_id
    await message_routes.change_owner(
        services, email=wanted.owner_email, language=wanted.owner_language, person_id=person_id
    )
    if wanted.mail_connection is not None or wanted.digest is not None:
        change_message_settings(
            services, mail_connection=wanted.mail_connection, digest=wanted.digest, person_id=person_id
        )
    return await get_settings(services, request)


def _route_id(request: Request) -> str:
    return str(request.path_params["route_id"])


_TAG = "messages"

MESSAGE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/messages",
        handler=list_messages,
        summary="What people were told, the latest first, with what became of each message",
        tag=_TAG,
        gives=MessageShape,
        is_list=True,
        query=(
            QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
            QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
        ),
    ),
    Operation(
        method="POST",
        path="/messages/read",
        handler=mark_read,
        summary="Mark one message, or all, as read in the portal",
        tag=_TAG,
        takes=MessagesRead,
        gives=dict[str, int],
    ),
    Operation(
        method="POST",
        path="/messages/{message_id}/deliveries/{route_id}/again",
        handler=send_again,
        summary="Send once more what was given up or may not have arrived",
        tag=_TAG,
        gives=dict[str, str],
        status=202,
    ),
    Operation(
        method="GET",
        path="/message_routes",
        handler=list_routes,
        summary="Where messages go, those told at once first",
        tag=_TAG,
        gives=MessageRouteShape,
        is_list=True,
    ),
    Operation(
        method="POST",
        path="/message_routes",
        handler=make_route,
        summary="Tell a mail address or webhook too; the answer holds a webhook's secret, this once",
        tag=_TAG,
        takes=NewMessageRoute,
        gives=MessageRouteShape,
        status=201,
    ),
    Operation(
        method="PATCH",
        path="/message_routes/{route_id}",
        handler=change_route,
        summary="Turn a route on or off, or change when and what it is told",
        tag=_TAG,
        takes=MessageRouteChanges,
        gives=MessageRouteShape,
    ),
    Operation(
        method="DELETE",
        path="/message_routes/{route_id}",
        handler=delete_route,
        summary="Tell a route nothing any more; the owner's can only be turned off",
        tag=_TAG,
        gives=dict[str, str],
    ),
    Operation(
        method="POST",
        path="/message_routes/{route_id}/test",
        handler=try_route,
        summary="Send a test message there, 5 in ten minutes at most",
        tag=_TAG,
        gives=MessageShape,
        status=202,
    ),
    Operation(
        method="GET",
        path="/message_settings",
        handler=get_settings,
        summary="How mail leaves, how often failed runs are summed up, and where the owner is told",
        tag=_TAG,
        gives=MessageSettingsShape,
    ),
    Operation(
        method="PATCH",
        path="/message_settings",
        handler=change_settings,
        summary="Change how mail leaves, how often failed runs are summed up, or where the owner is told",
        tag=_TAG,
        takes=MessageSettingsChanges,
        gives=MessageSettingsShape,
    ),
)
