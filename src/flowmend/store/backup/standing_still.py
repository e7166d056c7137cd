"""What a restored database does at first: nothing.

Nobody knows what happened between the backup and now. So flows that were on are off, as if somebody had turned them off,
plans that ran are paused, and runs that were under way wait with a code of their own, until somebody lets them go on.
Messages that were to be sent then are sent no more: they were, or what they say is old.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from flowmend.store.after_restore import RESTORED, RESTORED_CODE
from flowmend.store.notice_rows import DeliveryState
from flowmend.store.notice_tables import deliveries
from flowmend.store.repair_rows import PlanState
from flowmend.store.repair_tables import repair_plans
from flowmend.store.rows import FlowState
from flowmend.store.tables import IS_HELD, IS_UNFINISHED, audit, flows, runs, trigger_events, trigger_states

_WAITING = "Waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingStill:
    """flows: ids of those that were on. runs: how many wait that were under way. events: how many are held, of any flow."""

    flows: tuple[str, ...] = ()
    runs: int = 0
    events: int = 0


def stand_still(connection: Connection) -> StandingStill:
    """Within a transaction: let nothing go on by itself. Held events do not either while their flow is off."""
    on = list(connection.execute(select(flows.c.flow_id).where(flows.c.state == FlowState.ON)).scalars())
    connection.execute(update(flows).where(flows.c.state == FlowState.ON).values(state=FlowState.OFF))
    connection.execute(delete(trigger_states).where(trigger_states.c.next_at.is_not(None)))  # a clock begins anew
    connection.execute(update(trigger_states).values(poll_at=None))  # and polls keep their place
    is_running = repair_plans.c.state.in_([PlanState.CANARY, PlanState.RUNNING])
    connection.execute(update(repair_plans).where(is_running).values(state=PlanState.PAUSED))
    unsent = deliveries.c.state.in_([DeliveryState.DUE, DeliveryState.SENDING])
    connection.execute(update(deliveries).where(unsent).values(state=DeliveryState.DROPPED, next_at=None))
    held = connection.execute(
        update(runs).where(IS_UNFINISHED).values(status=_WAITING, code=RESTORED_CODE, wake_at=None)
    ).rowcount
    events = connection.execute(select(func.count()).select_from(trigger_events).where(IS_HELD)).scalar_one()
    return StandingStill(flows=tuple(on), runs=held, events=events)


def note_restored(connection: Connection, still: StandingStill, *, made_at: datetime, at: datetime) -> None:
    """Within a transaction: say in the audit what was restored, and what stands still since."""
    connection.execute(
        insert(audit),
        {
            "at": at,
            "person_id": "",
            "verb": RESTORED,
            "target": RESTORED,
            "details": {"made_at": made_at.isoformat(), "flows": list(still.flows), "runs": still.runs},
        },
    )
