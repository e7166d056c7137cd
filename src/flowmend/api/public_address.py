"""Whether this Flowmend is reached from outside: the check, what depends on it, and the door it knocks at."""

from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowmend.api.answers import JsonAnswer, error_answer
from flowmend.api.operation import Operation
from flowmend.api.request_reading import list_answer, person_of
from flowmend.core.errors import NotFound
from flowmend.use_cases.ports import Services
from flowmend.use_cases.public_address import (
    PATH,
    OutsideTrigger,
    Verdict,
    answer_proof,
    check_public_address,
    outside_triggers,
)


class AddressCheckShape(msgspec.Struct, frozen=True, kw_only=True):
    """verdict: `Reachable`, or what is wrong. detail: what is known besides."""

    address: str
    verdict: Verdict
    reachable: bool
    detail: str
    checked_at: datetime


class OutsideTriggerShape(msgspec.Struct, frozen=True, kw_only=True):
    """needs_address: a service was told the public address; otherwise whoever has the flow's URL calls it."""

    flow_id: str
    flow_name: str
    trigger: str
    type: str
    is_on: bool
    needs_address: bool


def public_address_routes(services: Services) -> list[BaseRoute]:
    """One route, open to everybody: it answers a token that this very server made a moment ago, once."""

    async def answer_token(request: Request) -> Response:
        try:
            answer = answer_proof(services, request.path_params["token"])
        except NotFound as error:
            return error_answer(error)
        return JsonAnswer({"flowmend": answer, "host": request.headers.get("host", "")})

    return [Route(f"{PATH}/{{token}}", answer_token)]


async def check_address(services: Services, request: Request) -> JsonAnswer:
    found = await check_public_address(services, person_of(request).person_id)
    return JsonAnswer(
        AddressCheckShape(
            address=found.address,
            verdict=found.verdict,
            reachable=found.is_reachable,
            detail=found.detail,
            checked_at=found.checked_at,
        )
    )


async def list_outside_triggers(services: Services, _request: Request) -> JsonAnswer:
    return list_answer([_shape(one) for one in outside_triggers(services)])


def _shape(trigger: OutsideTrigger) -> OutsideTriggerShape:
    return OutsideTriggerShape(
        flow_id=trigger.flow_id,
        flow_name=trigger.flow_name,
        trigger=trigger.trigger_name,
        type=trigger.trigger_type,
        is_on=trigger.is_on,
        needs_address=trigger.is_subscribed,
    )


_TAG = "public address"

PUBLIC_ADDRESS_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/public_address/check",
        handler=check_address,
        summary="Ask this Flowmend's own public address whether it leads back here",
        tag=_TAG,
        gives=AddressCheckShape,
    ),
    Operation(
        method="GET",
        path="/public_address/triggers",
        handler=list_outside_triggers,
        summary="The triggers that are called from outside",
        tag=_TAG,
        gives=OutsideTriggerShape,
        is_list=True,
    ),
)
