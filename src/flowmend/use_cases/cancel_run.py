"""Cancel a run that has not finished."""

from flowmend.core.errors import Conflict, NotFound
from flowmend.core.outcome import Status
from flowmend.core.run import CancelRequested
from flowmend.use_cases.ports import Services


async def cancel_run(services: Services, run_name: str, person_id: str, *, is_audited: bool = True) -> None:
    """Ask the run to stop; actions under way are cancelled. is_audited: False where it is one of many noted together.

    Errors: NotFound; Conflict where it has finished.
    """
    row = services.store.runs.get(run_name)
    if row is None:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    if Status(row.status).is_terminal or not await services.dispatch.send(run_name, CancelRequested(by=person_id)):
        raise Conflict(f"The run has already finished ({row.status}).", code="WorkflowRunFinished", target=run_name)
    if is_audited:
        services.store.audit.note(person_id, "cancel", run_name, None, at=services.clock.now)
