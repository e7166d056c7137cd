"""One run: read, resubmit, cancel. Lists are in `run_lists`."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation
from flowmend.api.request_reading import (
    person_of,
    read_body,
)
from flowmend.api.run_reading import readable_run
from flowmend.api.shapes.run import Run
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resubmit_runs import resubmit_run


class ResubmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """original_definition: run the version the first run had, instead of the latest."""

    original_definition: bool = False


class ResubmittedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The new run. version: the definition it runs. held: it waits for its connection instead of running."""

    name: str
    version: str
    origin_run: str
    held: bool


async def get_run(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer((await readable_run(services, request.path_params["run_name"])).resource())


async def resubmit(services: Services, request: Request) -> JsonAnswer:
    run_name = request.path_params["run_name"]
    wanted = await read_body(request, ResubmitRequest)
    made = await resubmit_run(
        services,
        run_name,
        person_id=person_of(request).person_id,
        request_id=request.headers.get("x-ms-client-request-id", ""),
        original_definition=wanted.original_definition,
    )
    return JsonAnswer(
        ResubmittedShape(name=made.run_name, version=made.version, origin_run=run_name, held=made.held),
        status_code=202,
        headers={
            "x-ms-workflow-run-id": made.run_name,
            "x-ms-trigger-history-name": made.run_name,
            "x-ms-workflow-version": made.version,
        },
    )


async def cancel(services: Services, request: Request) -> JsonAnswer:
    await cancel_run(services, request.path_params["run_name"], person_of(request).person_id)
    return JsonAnswer({})


_TAG = "runs"

RUN_OPERATIONS: tuple[Operation, ...] = (
    Operation(method="GET", path="/runs/{run_name}", handler=get_run, summary="One run", tag=_TAG, gives=Run),
    Operation(
        method="POST",
        path="/runs/{run_name}/resubmit",
        handler=resubmit,
        summary="A new run for the same trigger event; send x-ms-client-request-id to make repeats harmless",
        tag=_TAG,
        takes=ResubmitRequest,
        gives=ResubmittedShape,
        status=202,
    ),
    Operation(
        method="POST",
        path="/runs/{run_name}/cancel",
        handler=cancel,
        summary="Cancel a run that has not finished",
        tag=_TAG,
    ),
)
