"""Runs: lists, one run, resubmit, cancel."""

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
    query_time,
    read_body,
)
from flowmend.api.run_reading import listed_runs, readable_run
from flowmend.api.shapes.run import Run
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.runs import list_runs


class ResubmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """original_definition: run the version the first run had, instead of the latest."""

    original_definition: bool = False


class ResubmittedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The new run. version: the definition it runs. held: it waits for its connection instead of running."""

    name: str
    version: str
    origin_run: str
    held: bool


async def list_all_runs(services: Services, request: Request) -> JsonAnswer:
    return await _list(services, request, query_text(request, "flow_id"))


async def list_flow_runs(services: Services, request: Request) -> JsonAnswer:
    flow_id = flow_row(services, request.path_params["flow_id"]).flow_id
    return await _list(services, request, flow_id)


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


async def _list(services: Services, request: Request, flow_id: str | None) -> JsonAnswer:
    found = await list_runs(
        services,
        flow_id=flow_id,
        status=query_text(request, "status"),
        connection_id=query_text(request, "connection_id"),
        incident_id=query_text(request, "incident_id"),
        tracked=_tracked(request),
        started_from=query_time(request, "started_from"),
        started_to=query_time(request, "started_to"),
        client_tracking_id=query_text(request, "client_tracking_id"),
        text=query_text(request, "text"),
        limit=query_limit(request),
        cursor=query_text(request, "cursor") or "",
    )
    return list_answer(
        listed_runs(services, found.rows),
        next_link=next_link(services.settings, request, found.next_cursor),
    )


def _tracked(request: Request) -> tuple[str, str] | None:
    text = query_text(request, "tracked")
    if text is None:
        return None
    name, equals, value = text.partition("=")
    if not equals:
        raise AskedWrongly("The query value tracked must be name=value.", code="InvalidQuery", target="tracked")
    return name, value


_TAG = "runs"

_FILTERS = (
    QueryParameter(name="status", description="Only runs of this status, e.g. Failed"),
    QueryParameter(name="connection_id", description="Only runs that this connection failed"),
    QueryParameter(name="incident_id", description="Only runs that this incident failed"),
    QueryParameter(name="tracked", description="Only runs with this tracked value, name=value"),
    QueryParameter(name="started_from", description="Only runs that began at this time or later"),
    QueryParameter(name="started_to", description="Only runs that began before this time"),
    QueryParameter(name="client_tracking_id", description="Only the run of this correlation"),
    QueryParameter(name="text", description="Only runs with this text in a tracked value, id or error"),
    QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
    QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
)

RUN_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/runs",
        handler=list_all_runs,
        summary="Runs of all flows, newest first",
        tag=_TAG,
        gives=Run,
        is_list=True,
        query=(QueryParameter(name="flow_id", description="Only runs of this flow"), *_FILTERS),
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/runs",
        handler=list_flow_runs,
        summary="Runs of a flow, newest first",
        tag=_TAG,
        gives=Run,
        is_list=True,
        query=_FILTERS,
    ),
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
