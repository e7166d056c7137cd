"""The end of a recovery's first part: whether the first ones have shown that the repair holds, and who decides where not."""

from datetime import timedelta

from flowmend.core.repair.stopping import StopCode
from flowmend.store.repair_rows import ItemState, PlanState
from flowmend.use_cases.ports import Services
from flowmend.worker.recovery_plan import RecoveryPlan

#: First ones that rest for longer, for a time or a person, make it ask whether the rest may go on without them.
_PATIENCE = timedelta(minutes=1)


def end_first_part(services: Services, plan: RecoveryPlan, *, has_rest: bool) -> bool:
    """Let the rest go on where the first ones went well, else ask a person. To be called while none of them is awake.

    has_rest: whether anything else is planned. Answers False while it waits for first ones that rest.
    Errors: StoreUnavailable.
    """
    states = {one.state for one in services.store.repair_plans.canaries(plan.row.plan_id)}
    now, code = services.clock.now, ""
    if ItemState.PLANNED in states or (ItemState.BEGUN in states and not plan.under_way):
        plan.is_uncertain = True  # the store failed while one of them began or ended
        return True
    if has_rest and states - {ItemState.SUCCEEDED}:
        if ItemState.BEGUN in states and plan.rests_for(now) < _PATIENCE:
            return False
        code = StopCode.UNDECIDED.value
    elif has_rest and plan.settings.ask_before_rest:
        code = StopCode.CANARY.value
    services.store.repair_plans.change(
        plan.row.plan_id,
        (PlanState.CANARY,),
        state=PlanState.PAUSED if code else PlanState.RUNNING,
        stop_code=code,
        canary_ended_at=now,
        changed_at=now,
    )
    return True


async def are_decided(services: Services, plan: RecoveryPlan) -> bool:
    """First ones that rested ended: where all went well, the rest goes on by itself; whether it does.

    Errors: StoreUnavailable.
    """
    await services.store.journal.write(())  # how items ended rides along with that
    plan_id = plan.row.plan_id
    if any(one.state is not ItemState.SUCCEEDED for one in services.store.repair_plans.canaries(plan_id)):
        return False
    asks = plan.settings.ask_before_rest
    return services.store.repair_plans.change(
        plan_id,
        (PlanState.PAUSED,),
        state=PlanState.PAUSED if asks else PlanState.RUNNING,
        stop_code=StopCode.CANARY.value if asks else "",
        changed_at=services.clock.now,
    )
