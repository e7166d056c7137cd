"""The owner says what became of a call whose answer was never seen."""

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.core.outcome import Status
from flowmend.core.run import ActionKey, DoubtAnswered
from flowmend.core.run.calls import IN_DOUBT
from flowmend.core.run.history import latest_records
from flowmend.store.after_restore import refuse_standing_still
from flowmend.use_cases.ports import Services
from flowmend.use_cases.runs import run_entries

ANSWERS = ("happened", "send_again", "fail")


async def answer_doubt(services: Services, run_name: str, key: ActionKey, answer: str, person_id: str) -> None:
    """Go on with an action in doubt. answer: one of `ANSWERS`.

    Errors: AskedWrongly for another answer; NotFound; Conflict where the action is not in doubt, or the run stands still.
    """
    if answer not in ANSWERS:
        raise AskedWrongly(f"The answer must be one of {', '.join(ANSWERS)}.", code="InvalidAnswer", target=answer)
    row = services.store.runs.get(run_name)
    if row is None:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    refuse_standing_still(row)
    record = latest_records(await run_entries(services, run_name)).get(key)
    if record is None or record.code != IN_DOUBT or record.status is not Status.WAITING:
        raise Conflict(f"The action {key[0]!r} of this run is not in doubt.", code="ActionNotInDoubt", target=key[0])
    if not await services.dispatch.send(run_name, DoubtAnswered(key, answer, by=person_id)):
        raise Conflict("The run has already finished.", code="WorkflowRunFinished", target=run_name)
    services.store.audit.note(person_id, f"answer_{answer}", run_name, {"action": key[0]}, at=services.clock.now)
