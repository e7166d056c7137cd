"""Pause, stop or dismiss a repair plan. Whatever runs, runs to its end; nothing is lost."""

from flowmend.core.errors import Conflict
from flowmend.store.repair_rows import PlanState, RepairPlanRow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import CHANGEABLE, GOING_ON, OVER, plan_row, tell_progress


async def pause_plan(services: Services, plan_id: str, *, person_id: str) -> RepairPlanRow:
    """Begin nothing more until it goes on; what it keeps back stays so. Errors: NotFound; Conflict `PlanNotRunning`."""
    return await _change(services, plan_id, PlanState.PAUSED, GOING_ON, by=(person_id, "pause_plan"))


async def stop_plan(services: Services, plan_id: str, *, person_id: str) -> RepairPlanRow:
    """Begin nothing more until somebody starts it again, whereupon it is made anew. What it keeps back stays so.

    Errors: NotFound; Conflict `PlanNotRunning`.
    """
    return await _change(
        services, plan_id, PlanState.STOPPED, (*GOING_ON, PlanState.PAUSED), by=(person_id, "stop_plan")
    )


async def dismiss_plan(services: Services, plan_id: str, *, person_id: str) -> RepairPlanRow:
    """Give up what has not begun: held events go on by themselves, failed runs stay as they are.

    Errors: NotFound; Conflict `PlanUnderWay` while it runs, `PlanOver` where it is done or dismissed.
    """
    row = plan_row(services, plan_id)
    if row.state in OVER:
        raise Conflict("The repair plan is over already.", code="PlanOver", target=plan_id)
    now = services.clock.now
    states = (*CHANGEABLE, PlanState.PAUSED)
    if not services.store.repair_plans.change(
        plan_id, states, state=PlanState.DISMISSED, changed_at=now, ended_at=now, keeps_back_until=None
    ):
        raise Conflict("The repair plan is running. Stop it first.", code="PlanUnderWay", target=plan_id)
    services.store.audit.note(person_id, "dismiss_plan", plan_id, None, at=now)
    services.held.let_go(plan_id)
    tell_progress(services, plan_id)
    return plan_row(services, plan_id)


async def _change(
    services: Services, plan_id: str, state: PlanState, states: tuple[PlanState, ...], *, by: tuple[str, str]
) -> RepairPlanRow:
    plan_row(services, plan_id)
    now = services.clock.now
    changed = services.store.repair_plans.change(
        plan_id,
        states,
        state=state,
        world="",  # unknown, so it is made anew before it starts again
        changed_at=now,
        stop_code="",
        stop_message="",
    )
    if not changed:
        raise Conflict("The repair plan is not running.", code="PlanNotRunning", target=plan_id)
    services.store.audit.note(*by, plan_id, None, at=now)
    tell_progress(services, plan_id)
    return plan_row(services, plan_id)
