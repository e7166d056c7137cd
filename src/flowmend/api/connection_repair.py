"""What mends or replaces a connection besides verifying it, and the uses of its secret."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import (
    list_answer,
    next_link,
    person_of,
    query_limit,
    query_text,
    read_body,
)
from flowmend.api.shapes.connection import VerificationShape, verification_shape
from flowmend.api.shapes.connection_repair import (
    ConnectedFlowsShape,
    ConnectionSwapShape,
    MadeLinkShape,
    RepairLinkShape,
    SecretUseShape,
    connected_flows_shape,
    connection_swap_shape,
    made_link_shape,
    repair_link_shape,
    secret_use_shape,
)
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.ports import Services
from flowmend.use_cases.put_back import put_back
from flowmend.use_cases.repair_links import list_repair_links, make_repair_link, revoke_repair_links
from flowmend.use_cases.secret_uses import list_uses
from flowmend.use_cases.swap_connection import plan_swap, swap_connection
from flowmend.use_cases.unconnected_flows import connect_flows, plan_connecting


class NewRepairLink(msgspec.Struct, frozen=True, kw_only=True):
    """confirmed: whoever makes the link knows that the person it goes to holds the connection's account."""

    confirmed: bool = False


class WantedSwap(msgspec.Struct, frozen=True, kw_only=True):
    """to: the connection to use instead. flows: only these, null for all. dry_run: say what would change.

    references: exactly these pairs of flow id and reference, the way back of an earlier swap. confirmed: the flows may act
    as another account; asked for by the code `ConfirmationNeeded`.
    """

    to: str
    flows: list[str] | None = None
    references: list[tuple[str, str]] | None = None
    dry_run: bool = False
    confirmed: bool = False


class WantedConnecting(msgspec.Struct, frozen=True, kw_only=True):
    """flows: only these, null for all that lack a connection of its connector. dry_run: say what would change."""

    flows: list[str] | None = None
    dry_run: bool = False


async def make_link(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewRepairLink)
    made = await make_repair_link(
        services, _connection_id(request), person_of(request).person_id, confirmed=wanted.confirmed
    )
    return JsonAnswer(made_link_shape(made), status_code=201)


async def list_links(services: Services, request: Request) -> JsonAnswer:
    links = await list_repair_links(services, _connection_id(request))
    return list_answer([repair_link_shape(one) for one in links])


async def revoke_links(services: Services, request: Request) -> JsonAnswer:
    count = await revoke_repair_links(services, _connection_id(request), person_of(request).person_id)
    return JsonAnswer({"revoked": count})


async def put_old_back(services: Services, request: Request) -> JsonAnswer:
    verification = await put_back(services, _connection_id(request), person_id=person_of(request).person_id)
    return JsonAnswer(verification_shape(verification))


async def swap(services: Services, request: Request) -> JsonAnswer:
    wanted, old_id = await read_body(request, WantedSwap), _connection_id(request)
    if wanted.dry_run:
        plan = await plan_swap(services, old_id, wanted.to, wanted.flows)
        return JsonAnswer(connection_swap_shape(plan, is_made=False))
    made = await swap_connection(
        services,
        old_id,
        wanted.to,
        person_id=person_of(request).person_id,
        flow_ids=wanted.flows,
        references=wanted.references,
        confirmed=wanted.confirmed,
    )
    return JsonAnswer(connection_swap_shape(made, is_made=True))


async def connect(services: Services, request: Request) -> JsonAnswer:
    wanted, connection_id = await read_body(request, WantedConnecting), _connection_id(request)
    if wanted.dry_run:
        plan = await plan_connecting(services, connection_id, wanted.flows)
        return JsonAnswer(connected_flows_shape(plan, is_made=False))
    made = await connect_flows(services, connection_id, person_of(request).person_id, wanted.flows)
    return JsonAnswer(connected_flows_shape(made, is_made=True))


async def uses(services: Services, request: Request) -> JsonAnswer:
    connection_id, limit = _connection_id(request), query_limit(request)
    cursor = query_text(request, "cursor") or "0"
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):  # as large as the store's numbers
        raise AskedWrongly("The cursor is not one of ours.", code="InvalidCursor", target="cursor")
    connection_row(services, connection_id)
    page = await list_uses(
        services,
        connection_id,
        purpose=query_text(request, "purpose") or "",
        outcome=query_text(request, "outcome") or "",
        limit=limit,
        cursor=int(cursor),
    )
    following = next_link(services.settings, request, str(page.cursor) if page.cursor else "")
    return list_answer([secret_use_shape(one) for one in page.rows], next_link=following)


def _connection_id(request: Request) -> str:
    return str(request.path_params["connection_id"])


_TAG = "connections"

CONNECTION_REPAIR_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/connections/{connection_id}/repair_links",
        handler=make_link,
        summary="Make a link with which the owner of a broken connection's account mends it",
        tag=_TAG,
        takes=NewRepairLink,
        gives=MadeLinkShape,
        status=201,
    ),
    Operation(
        method="GET",
        path="/connections/{connection_id}/repair_links",
        handler=list_links,
        summary="The repair links of a connection, without their secrets",
        tag=_TAG,
        gives=RepairLinkShape,
        is_list=True,
    ),
    Operation(
        method="DELETE",
        path="/connections/{connection_id}/repair_links",
        handler=revoke_links,
        summary="End the unused repair links of a connection",
        tag=_TAG,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/put_back",
        handler=put_old_back,
        summary="Test the credential that was replaced last, and put it back unless it is refused",
        tag=_TAG,
        gives=VerificationShape,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/swap",
        handler=swap,
        summary="Let flows use another connection instead; no definition is edited",
        tag=_TAG,
        takes=WantedSwap,
        gives=ConnectionSwapShape,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/connect_flows",
        handler=connect,
        summary="Choose the connection in every flow that lacks one of its connector; no definition is edited",
        tag=_TAG,
        takes=WantedConnecting,
        gives=ConnectedFlowsShape,
    ),
    Operation(
        method="GET",
        path="/connections/{connection_id}/uses",
        handler=uses,
        summary="Every use of a connection's secret, newest first",
        tag=_TAG,
        gives=SecretUseShape,
        is_list=True,
        query=(
            QueryParameter(name="purpose", description="Only uses for this: call, refresh, probe, verify, …"),
            QueryParameter(name="outcome", description="Only uses that ended with this code; OK for a good end"),
            QueryParameter(name="limit", description="At most so many", type="integer"),
            QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
        ),
    ),
)
