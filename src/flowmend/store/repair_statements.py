"""How an item of a repair plan begins and ends, to be written together with its run.

An item begins in the transaction that stores its run, and only while it is planned, its plan goes on, and nobody has tried its
run again since the plan was started: so of two who begin it one alone does, be it by another plan or by hand, and whatever
ends the server, either both are there or neither.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update

from flowmend.core.errors import Conflict
from flowmend.store.journal_writes import Statement
from flowmend.store.repair_rows import EndedItem, ItemState, PlanState
from flowmend.store.repair_subjects import NOT_IN_HAND
from flowmend.store.repair_tables import repair_items, repair_plans
from flowmend.store.tables import HAS_ORIGIN, runs

items = repair_items.c
_GOES_ON = (PlanState.CANARY, PlanState.RUNNING)

_IS_IT = (items.plan_id == bindparam("of_plan"), items.position == bindparam("at_position"))
_PLAN_GOES_ON = (
    select(repair_plans.c.plan_id)
    .where(repair_plans.c.plan_id == bindparam("of_plan"), repair_plans.c.state.in_(_GOES_ON))
    .exists()
)
#: Another attempt that goes on or went well. One from before the start was seen by whoever started the plan.
_TRIED_AGAIN = (
    select(runs.c.run_name)
    .where(HAS_ORIGIN, runs.c.origin_run == items.subject, runs.c.run_name != bindparam("becomes"))
    .where(runs.c.status.not_in(NOT_IN_HAND))
    .where(
        runs.c.started_at
        >= select(repair_plans.c.started_at).where(repair_plans.c.plan_id == bindparam("of_plan")).scalar_subquery()
    )
    .exists()
)
_IS_PLANNED = select(items.position).where(*_IS_IT, items.state == ItemState.PLANNED, _PLAN_GOES_ON)
_BEGIN = (
    update(repair_items)
    .where(*_IS_IT, items.state == ItemState.PLANNED, _PLAN_GOES_ON, ~_TRIED_AGAIN)
    .values(state=ItemState.BEGUN, new_run=bindparam("becomes"), begun_at=bindparam("at"))
)
_END = (
    update(repair_items)
    .where(*_IS_IT)
    .where(or_(items.state == ItemState.PLANNED, items.state == ItemState.BEGUN))
    .values(state=bindparam("end_state"), ended_at=bindparam("end_at"), error_code=bindparam("code"))
)


def begin_item(plan_id: str, position: int, new_run: str, at: datetime) -> Statement:
    """To be written together with the run it becomes. It fails with Conflict `ItemNotPlanned` where it began, was left out, or
    its plan does not go on; `AlreadyTriedAgain` where somebody else has tried it again since the plan was started.
    """
    values = {"of_plan": plan_id, "at_position": position, "becomes": new_run, "at": at}

    def carry_out(connection: Connection) -> None:
        if connection.execute(_BEGIN, values).rowcount == 0:
            if connection.execute(_IS_PLANNED, values).first() is not None:
                raise Conflict("Somebody has tried it again meanwhile.", code="AlreadyTriedAgain", target=new_run)
            raise Conflict("The item of the repair plan is planned no longer.", code="ItemNotPlanned", target=new_run)

    return Statement(carry_out)


def end_items(plan_id: str, ended: Sequence[EndedItem]) -> Statement:
    """Note how items ended, those of them that have not."""
    rows = [
        {
            "of_plan": plan_id,
            "at_position": one.position,
            "end_state": one.state,
            "end_at": one.ended_at,
            "code": one.error_code,
        }
        for one in ended
    ]
    return Statement(lambda connection: connection.execute(_END, rows) if rows else None)
