"""The attempts of one trigger event: each run of it, who began it and how, and what a plan is about to do."""

from dataclasses import dataclass

from flowmend.core.outcome import Status
from flowmend.store.rows import RunRow
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.ports import Services

#: Of a long line, the first and the latest are shown.
_MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """number: from 1. is_resumed: it took over what another had finished. by: the person, "" where none did it by hand.

    plan_id: of the plan that began it. planned_in: of the plan that is to run its event once more.
    """

    number: int
    row: RunRow
    is_resumed: bool = False
    by: str = ""
    plan_id: str = ""
    planned_in: str = ""


def attempt_lines(services: Services, attempts: tuple[RunRow, ...]) -> tuple[AttemptLine, ...]:
    """Lines for the runs of one trigger event, oldest first."""
    numbered = list(enumerate(attempts, start=1))
    shown = numbered if len(numbered) <= _MOST_ATTEMPTS else [numbered[0], *numbered[1 - _MOST_ATTEMPTS :]]
    names = [row.run_name for _, row in shown]
    begun_in = services.store.repair_plans.plans_of_runs(names)
    starts = services.store.runs.starts([row.run_name for _, row in shown if row.origin_run])
    resumed = {name for name, start in starts.items() if decode_start(start, services.vault).resumed_from}
    planned_in = services.store.repair_plans.taken(
        [row.run_name for _, row in shown if Status(row.status).is_terminal and row.status != Status.SUCCEEDED]
    )
    people = {person.person_id: person.name for person in services.store.access.people()}
    return tuple(
        AttemptLine(
            number=number,
            row=row,
            is_resumed=row.run_name in resumed,
            by=people.get(row.resubmitted_by, ""),
            plan_id=begun_in.get(row.run_name, ""),
            planned_in="" if row.run_name in {one.origin_run for one in attempts} else planned_in.get(row.run_name, ""),
        )
        for number, row in shown
    )
