"""Begin one item of a repair plan, in the transaction that notes that it has begun."""

from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.core.outcome import Status
from flowmend.core.run.naming import run_name
from flowmend.store.journal import Statement
from flowmend.store.repair_rows import ItemMode, LaneItem, RepairPlanRow
from flowmend.store.repair_statements import begin_item
from flowmend.store.rows import FlowState
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.resume_run import resume_run
from flowmend.use_cases.start_run import start_held_event


def new_name_of(services: Services, item: LaneItem) -> str:
    """The run an item becomes: known before it begins. An event's run has the event's name; what is cancelled keeps its own."""
    if item.mode in (ItemMode.START, ItemMode.CANCEL):
        return item.subject
    return run_name(services.clock.ticks(), services.clock.draw())


async def begin_planned(
    services: Services, plan: RepairPlanRow, item: LaneItem, name: str, version_before: str
) -> None:
    """Begin it; done once that is durable. name: as `new_name_of`. version_before: of the definition a run had.

    Errors: Conflict `ItemNotPlanned` where somebody else began it or its plan goes on no more; StoreUnavailable; and what keeps
    it from beginning.
    """
    noted = begin_item(plan.plan_id, item.position, name, services.clock.now)
    if item.mode is ItemMode.CANCEL:
        # Noted after it: cut off in between, it is cancelled already, and nothing happens twice.
        await cancel_run(services, item.subject, plan.started_by, is_audited=False)
        await services.store.journal.write([noted])
        return
    if item.mode is ItemMode.START:
        await _start(services, item, noted)
        return
    begin = resume_run if item.mode is ItemMode.RESUME else resubmit_run
    made = await begin(
        services,
        item.subject,
        person_id=plan.started_by,
        original_definition=item.flow_version == version_before,
        together_with=(noted,),
        new_run=name,
        is_audited=False,
    )
    if made.run_name != name:
        raise Conflict("Its resubmission is held already.", code="ResubmissionHeld", target=item.subject)


async def _start(services: Services, item: LaneItem, noted: Statement) -> None:
    event = services.store.trigger_events.get(item.subject)
    if event is None or event.status != Status.WAITING or services.dispatch.is_active(item.subject):
        raise Conflict("The event is held no longer.", code="EventNotHeld", target=item.subject)
    if services.flows.latest(item.flow_id).row.state is not FlowState.ON:
        raise AskedWrongly(
            "The flow is turned off. Turn it on, then start the plan again.",
            code="WorkflowTriggerIsNotEnabled",
            target=item.subject,
        )
    begun = start_held_event(services, event, together_with=(noted,))
    if begun.durable is not None:
        await begun.durable
