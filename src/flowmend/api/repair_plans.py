"""Repair plans: make one, look at it, choose, start, pause, go on, stop, dismiss."""

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
from flowmend.api.shapes.repair_plan import (
    PlanItemShape,
    RepairPlanDetailShape,
    RepairPlanShape,
    item_shape,
    plan_detail_shape,
    plan_shape,
)
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.store.repair_rows import ItemMode
from flowmend.use_cases.choose_in_plan import choose_groups, choose_mode
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.ports import Services
from flowmend.use_cases.read_plan import list_items, list_plans, read_plan
from flowmend.use_cases.repair_plan import read_plan_settings
from flowmend.use_cases.start_plan import go_on_with_plan, start_plan
from flowmend.use_cases.stop_plan import dismiss_plan, pause_plan, stop_plan


class NewPlan(msgspec.Struct, frozen=True, kw_only=True):
    """incident: what to repair; or runs: the names of runs to put right. mode: of these, resume, resubmit or cancel; null for what
    repeats the least.
    """

    incident: str = ""
    runs: list[str] = []
    mode: ItemMode | None = None


class PlanStart(msgspec.Struct, frozen=True, kw_only=True):
    """version: as it was seen. settings: null for those it has; groups: the ids of those to begin, null for all not left out."""

    version: int
    settings: dict[str, Json] | None = None
    groups: list[str] | None = None


class GroupChoice(msgspec.Struct, frozen=True, kw_only=True):
    """version: as it was seen. groups: the ids of those to do, the others are left out."""

    version: int
    groups: list[str]


class ModeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """version: as it was seen. mode: resume or resubmit. latest: with the latest definition; null as usual for the mode."""

    version: int
    mode: ItemMode
    latest: bool | None = None


async def make_repair_plan(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewPlan)
    plan = await make_plan(
        services,
        person_id=person_of(request).person_id,
        incident_id=wanted.incident,
        run_names=wanted.runs,
        mode=wanted.mode,
    )
    return JsonAnswer(plan_detail_shape(await read_plan(services, plan.plan_id)), status_code=201)


async def list_repair_plans(services: Services, request: Request) -> JsonAnswer:
    found = await list_plans(
        services,
        incident_id=query_text(request, "incident") or "",
        limit=query_limit(request),
        cursor=query_text(request, "cursor") or "",
    )
    link = next_link(services.settings, request, found.next_cursor)
    return list_answer([plan_shape(one) for one in found.plans], next_link=link)


async def get_repair_plan(services: Services, request: Request) -> JsonAnswer:
    return await _plan(services, _plan_id(request))


async def list_repair_plan_items(services: Services, request: Request) -> JsonAnswer:
    cursor, limit = query_text(request, "cursor") or "", query_limit(request)
    if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):  # as large as the store's numbers
        raise AskedWrongly("The cursor is not one of ours.", code="InvalidCursor", target="cursor")
    found, last = await list_items(
        services, _plan_id(request), after=int(cursor or -1), limit=limit, group_id=query_text(request, "group") or ""
    )
    link = next_link(services.settings, request, "" if last is None else str(last))
    return list_answer([item_shape(one) for one in found], next_link=link)


async def choose_repair_plan_groups(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, GroupChoice)
    view = await choose_groups(
        services, _plan_id(request), wanted.version, begun=wanted.groups, person_id=person_of(request).person_id
    )
    return JsonAnswer(plan_detail_shape(view))


async def change_repair_plan_mode(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, ModeChoice)
    view = await choose_mode(
        services,
        _plan_id(request),
        wanted.version,
        str(request.path_params["group_id"]),
        wanted.mode,
        person_id=person_of(request).person_id,
        latest=wanted.latest,
    )
    return JsonAnswer(plan_detail_shape(view))


async def start_repair_plan(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, PlanStart)
    await start_plan(
        services,
        _plan_id(request),
        wanted.version,
        person_id=person_of(request).person_id,
        settings=read_plan_settings(wanted.settings) if wanted.settings is not None else None,
        groups=wanted.groups,
    )
    return await _plan(services, _plan_id(request))


async def pause_repair_plan(services: Services, request: Request) -> JsonAnswer:
    await pause_plan(services, _plan_id(request), person_id=person_of(request).person_id)
    return await _plan(services, _plan_id(request))


async def resume_repair_plan(services: Services, request: Request) -> JsonAnswer:
    await go_on_with_plan(services, _plan_id(request), person_id=person_of(request).person_id)
    return await _plan(services, _plan_id(request))


async def stop_repair_plan(services: Services, request: Request) -> JsonAnswer:
    await stop_plan(services, _plan_id(request), person_id=person_of(request).person_id)
    return await _plan(services, _plan_id(request))


async def dismiss_repair_plan(services: Services, request: Request) -> JsonAnswer:
    await dismiss_plan(services, _plan_id(request), person_id=person_of(request).person_id)
    return await _plan(services, _plan_id(request))


async def _plan(services: Services, plan_id: str) -> JsonAnswer:
    return JsonAnswer(plan_detail_shape(await read_plan(services, plan_id)))


def _plan_id(request: Request) -> str:
    return str(request.path_params["plan_id"])


_TAG = "repair plans"
_ONE = "/repair_plans/{plan_id}"

REPAIR_PLAN_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/repair_plans",
        handler=make_repair_plan,
        summary="Plan what would go on after a repair, or what would be done with chosen runs; nothing begins",
        tag=_TAG,
        takes=NewPlan,
        gives=RepairPlanDetailShape,
        status=201,
    ),
    Operation(
        method="GET",
        path="/repair_plans",
        handler=list_repair_plans,
        summary="Repair plans, the newest first",
        tag=_TAG,
        gives=RepairPlanShape,
        is_list=True,
        query=(
            QueryParameter(name="incident", description="Only those of this incident"),
            QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
            QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
        ),
    ),
    Operation(
        method="GET",
        path=_ONE,
        handler=get_repair_plan,
        summary="A repair plan as it stands: what would happen, happens or happened",
        tag=_TAG,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/items",
        handler=list_repair_plan_items,
        summary="Each run and held event of a repair plan, in order of arrival",
        tag=_TAG,
        gives=PlanItemShape,
        is_list=True,
        query=(
            QueryParameter(name="group", description="Only those of this group"),
            QueryParameter(name="limit", description="Entries in a page, 1 to 250; 50 if absent", type="integer"),
            QueryParameter(name="cursor", description="Where the page begins, from `nextLink`"),
        ),
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/groups",
        handler=choose_repair_plan_groups,
        summary="Do these groups and leave the others out; the plan has a new version then",
        tag=_TAG,
        takes=GroupChoice,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/groups/{{group_id}}/mode",
        handler=change_repair_plan_mode,
        summary="Resubmit a group from the start instead of resuming it, or the reverse",
        tag=_TAG,
        takes=ModeChoice,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/start",
        handler=start_repair_plan,
        summary="Begin what was seen; refused where the plan changed since",
        tag=_TAG,
        takes=PlanStart,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/pause",
        handler=pause_repair_plan,
        summary="Begin nothing more until it goes on; what runs, runs to its end",
        tag=_TAG,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/resume",
        handler=resume_repair_plan,
        summary="Let a paused plan go on, or start a stopped one again",
        tag=_TAG,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/stop",
        handler=stop_repair_plan,
        summary="Begin nothing more until somebody starts it again, whereupon it is made anew",
        tag=_TAG,
        gives=RepairPlanDetailShape,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/dismiss",
        handler=dismiss_repair_plan,
        summary="Give up what has not begun: held events go on by themselves, failed runs stay as they are",
        tag=_TAG,
        gives=RepairPlanDetailShape,
    ),
)
