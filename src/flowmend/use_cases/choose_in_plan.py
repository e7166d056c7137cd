"""Choose what of a repair plan is to be done, and how: leave groups out, resubmit what would be resumed, or the reverse."""

from collections.abc import Collection, Mapping
from typing import Any

from flowmend.core.errors import AskedWrongly
from flowmend.store.repair_rows import ItemMode
from flowmend.use_cases.plan_items import Way, changed, ways_of
from flowmend.use_cases.plan_view import PlanGroup, PlanView
from flowmend.use_cases.ports import Services
from flowmend.use_cases.read_plan import read_plan
from flowmend.use_cases.repair_plan import CHANGEABLE, plan_changed, tell_progress, under_way


async def choose_groups(
    services: Services, plan_id: str, version: int, *, begun: Collection[str], person_id: str
) -> PlanView:
    """Do these groups and leave the others out; the plan has a new version then.

    Errors: NotFound; AskedWrongly `GroupNotFound`; Conflict `PlanChanged`, `PlanUnderWay`.
    """
    view = await _changeable(services, plan_id, version)
    if not services.store.repair_plans.choose(view.row, left_out(view, begun), at=services.clock.now):
        raise under_way(plan_id)
    services.store.audit.note(person_id, "choose_in_plan", plan_id, {"groups": sorted(begun)}, at=services.clock.now)
    tell_progress(services, plan_id)
    return await read_plan(services, plan_id)


async def choose_mode(
    services: Services,
    plan_id: str,
    version: int,
    group_id: str,
    mode: ItemMode,
    *,
    person_id: str,
    latest: bool | None = None,
) -> PlanView:
    """Do a group another way; the plan has a new version then, and shows what would happen twice.

    mode: its own, or one of those it offers. latest: with the latest definition; None as usual for the mode. Runs that cannot be
    done that way become a group of their own that says why.
    Errors: NotFound; AskedWrongly `GroupNotFound`, `ModeNotOffered`; Conflict `PlanChanged`, `PlanUnderWay`.
    """
    view = await _changeable(services, plan_id, version)
    group = next((one for one in view.groups if one.group_id == group_id), None)
    if group is None:
        raise _no_group(group_id)
    if mode not in (*group.modes, group.mode) or mode not in (ItemMode.RESUME, ItemMode.RESUBMIT):
        raise AskedWrongly(
            f"These runs of {group.flow_name!r} cannot be done by {mode.value}.", code="ModeNotOffered", target=group_id
        )
    items = services.store.repair_plans.of_group(plan_id, columns_of(group))
    ways = await ways_of(services, {one.subject: Way(mode=mode, latest=latest) for one in items})
    done = [changed(one, ways[one.subject]) for one in items]
    if not services.store.repair_plans.replace(plan_id, version, done, at=services.clock.now):
        raise under_way(plan_id)
    details = {"flow": group.flow_id, "mode": mode.value, "count": len(done)}
    services.store.audit.note(person_id, "choose_in_plan", plan_id, details, at=services.clock.now)
    tell_progress(services, plan_id)
    return await read_plan(services, plan_id)


def left_out(view: PlanView, begun: Collection[str]) -> list[Mapping[str, Any]]:
    """The groups that are left out where these alone are begun, by column. Errors: AskedWrongly `GroupNotFound`."""
    known = {one.group_id for one in view.groups}
    unknown = next((one for one in begun if one not in known), None)
    if unknown is not None:
        raise _no_group(unknown)
    return [columns_of(one) for one in view.groups if one.can_be_done and one.group_id not in begun]


def columns_of(group: PlanGroup) -> dict[str, Any]:
    """What the items of a group have in common, by column."""
    return {
        "flow_id": group.flow_id,
        "kind": group.kind,
        "mode": group.mode,
        "from_action": group.from_action,
        "flow_version": group.version,
        "reason": group.reason,
    }


async def _changeable(services: Services, plan_id: str, version: int) -> PlanView:
    view = await read_plan(services, plan_id)
    if view.row.state not in CHANGEABLE:
        raise under_way(plan_id)
    if view.row.version != version:
        raise plan_changed(plan_id)
    return view


def _no_group(group_id: str) -> AskedWrongly:
    return AskedWrongly(f"The plan has no group {group_id}.", code="GroupNotFound", target=group_id)
