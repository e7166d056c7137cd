"""Runs as lists: filtered, as CSV, and what is to be done with all that match."""

from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

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
from flowmend.api.run_reading import listed_runs
from flowmend.api.shapes.repair_plan import RepairPlanDetailShape, plan_detail_shape
from flowmend.api.shapes.run import Run
from flowmend.core.errors import AskedWrongly
from flowmend.store.repair_rows import ItemMode
from flowmend.use_cases.export_runs import export_runs
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.ports import Services
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.run_choices import RunChoice, filter_of, list_chosen
from flowmend.use_cases.run_columns import MOST_COLUMNS, read_columns


class ForAllMatching(msgspec.Struct, frozen=True, kw_only=True):
    """mode: `resubmit`, `resume` or `cancel`; null for what repeats the least."""

    mode: ItemMode | None = None


async def list_all_runs(services: Services, request: Request) -> JsonAnswer:
    return await _list(services, request, query_text(request, "flow_id") or "")


async def list_flow_runs(services: Services, request: Request) -> JsonAnswer:
    return await _list(services, request, flow_row(services, request.path_params["flow_id"]).flow_id)


async def export_all_runs(services: Services, request: Request) -> StreamingResponse:
    choice = _choice(request, query_text(request, "flow_id") or "")
    asked = request.query_params.getlist("column")
    columns = read_columns(asked)
    if len(columns) != len(set(asked)):
        raise AskedWrongly(
            f"A column is value:NAME or output:PATH, and there are at most {MOST_COLUMNS}.",
            code="InvalidQuery",
            target="column",
        )
    filter_of(services, choice)  # what is wrong is said before anything is sent
    return csv_answer(export_runs(services, choice, columns))


async def plan_for_all(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, ForAllMatching)
    choice = _choice(request, query_text(request, "flow_id") or "").until(services.clock.now)
    plan = await make_plan(
        services,
        person_id=person_of(request).person_id,
        wanted=filter_of(services, choice),
        mode=wanted.mode,
    )
    return JsonAnswer(plan_detail_shape(await read_plan(services, plan.plan_id)), status_code=201)


def csv_answer(content: AsyncIterator[bytes]) -> StreamingResponse:
    """A table to be kept as a file, sent as it is written."""
    headers = {"content-disposition": 'attachment; filename="runs.csv"', "cache-control": "no-store"}
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=headers)


async def _list(services: Services, request: Request, flow_id: str) -> JsonAnswer:
    found = await list_chosen(
        services,
        _choice(request, flow_id),
        limit=query_limit(request),
        cursor=query_text(request, "cursor") or "",
    )
    link = next_link(services.settings, request, found.next_cursor)
    return list_answer(listed_runs(services, found.rows), next_link=link)


def _choice(request: Request, flow_id: str) -> RunChoice:
    name, value = _tracked(request)
    return RunChoice(
        flow_id=flow_id,
        status=query_text(request, "status") or "",
        connection_id=query_text(request, "connection_id") or "",
        incident_id=query_text(request, "incident_id") or "",
        category=query_text(request, "diagnosis_category") or "",
        client_tracking_id=query_text(request, "client_tracking_id") or "",
        tracked_name=name,
        tracked_value=value,
        text=query_text(request, "text") or "",
        started_from=query_time(request, "started_from"),
        started_to=query_time(request, "started_to"),
    )


def _tracked(request: Request) -> tuple[str, str]:
    text = query_text(request, "tracked")
    if text is None:
        return "", ""
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise AskedWrongly("The query value tracked must be name=value.", code="InvalidQuery", target="tracked")
    return name, value


_TAG = "runs"

_FILTERS = (
    QueryParameter(name="status", description="Only runs of this status, e.g. Failed"),
    QueryParameter(name="connection_id", description="Only runs that this connection failed"),
    QueryParameter(name="incident_id", description="Only runs that this incident failed"),
    QueryParameter(name="diagnosis_category", description="Only runs that failed for this, e.g. expired"),
    QueryParameter(
        name="tracked", description="Only runs with this tracked value, name=value, or =value under any name"
    ),
    QueryParameter(name="started_from", description="Only runs that began at this time or later"),
    QueryParameter(name="started_to", description="Only runs that began before this time"),
    QueryParameter(name="client_tracking_id", description="Only the run of this correlation"),
    QueryParameter(
        name="text",
        description="Only runs with this as tracked value, id or name; or, of the newest, as a part of these or of the error",
    ),
)
_OF_A_FLOW = QueryParameter(name="flow_id", description="Only runs of this flow")
_PAGES = (
    QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
    QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
)

RUN_LIST_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/runs",
        handler=list_all_runs,
        summary="Runs of all flows, newest first",
        tag=_TAG,
        gives=Run,
        is_list=True,
        query=(_OF_A_FLOW, *_FILTERS, *_PAGES),
    ),
    Operation(
        method="GET",
        path="/runs.csv",
        handler=export_all_runs,
        summary="All runs that match, as CSV",
        tag=_TAG,
        gives_file=True,
        query=(
            _OF_A_FLOW,
            *_FILTERS,
            QueryParameter(name="column", description="A further column, value:NAME or output:PATH; may be repeated"),
        ),
    ),
    Operation(
        method="POST",
        path="/runs/plan",
        handler=plan_for_all,
        summary="A repair plan for all runs that match now, however many; nothing begins until it is started",
        tag=_TAG,
        takes=ForAllMatching,
        gives=RepairPlanDetailShape,
        status=201,
        query=(_OF_A_FLOW, *_FILTERS),
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/runs",
        handler=list_flow_runs,
        summary="Runs of a flow, newest first",
        tag=_TAG,
        gives=Run,
        is_list=True,
        query=(*_FILTERS, *_PAGES),
    ),
)
