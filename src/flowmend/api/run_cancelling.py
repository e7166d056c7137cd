"""Cancelling every run of a flow: asked for by one request, looked at by another."""

from datetime import datetime

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation
from flowmend.api.request_reading import person_of
from flowmend.use_cases.cancel_runs import Cancelling, cancel_all_runs, read_cancelling
from flowmend.use_cases.ports import Services


class CancellingShape(msgspec.Struct, frozen=True, kw_only=True):
    """runs: how many were under way when it was asked for. left: how many of them have not ended."""

    runs: int = 0
    left: int = 0
    asked_at: datetime | None = None


async def cancel_runs(services: Services, request: Request) -> JsonAnswer:
    asked = cancel_all_runs(services, str(request.path_params["flow_id"]), person_of(request).person_id)
    return JsonAnswer(_shape(asked), status_code=202)


async def get_cancelling(services: Services, request: Request) -> JsonAnswer:
    asked = read_cancelling(services, str(request.path_params["flow_id"]))
    return JsonAnswer(CancellingShape() if asked is None else _shape(asked))


def _shape(asked: Cancelling) -> CancellingShape:
    return CancellingShape(runs=asked.runs, left=asked.left, asked_at=asked.asked_at)


_TAG = "runs"

RUN_CANCELLING_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/flows/{flow_id}/cancel_runs",
        handler=cancel_runs,
        summary="Cancel every run of a flow that has not ended, little by little",
        tag=_TAG,
        gives=CancellingShape,
        status=202,
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/cancel_runs",
        handler=get_cancelling,
        summary="How far the cancelling of a flow's runs has come; no runs where none is asked for",
        tag=_TAG,
        gives=CancellingShape,
    ),
)
