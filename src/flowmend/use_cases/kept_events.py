"""What a poll brought as rows: each event that is to start a run, waiting for its turn, and those that are to start none.

They are written first, all together and with the poll's new place; runs begin from the rows, so a crash in between loses
nothing and repeats nothing.
"""

import asyncio

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import RunStart, new_state
from flowmend.core.run.scope import RunScope
from flowmend.core.trigger import are_met
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.fire_trigger import start_of_event, tracked_items, unfired_event, with_own_tracking_id
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_limits import WAITS_FOR_TURN
from flowmend.use_cases.split_on import split_items
from flowmend.use_cases.start_run import NEEDS_REPAIR, broken_connection, held_event, must_wait

#: Others get their turn after so many items.
_BREATHES_AFTER = 100


async def kept_events(
    services: Services, loaded: LoadedFlow, trigger: Trigger, outputs: Json, *, is_item: bool = False
) -> list[TriggerEventRow]:
    """The rows of one event in order, one for each item its trigger splits it into.

    is_item: the connector split already what it found; a `splitOn` that finds no list in an item has nothing left to do.

    Errors: AskedWrongly where a parameter of the flow has no value.
    """
    if trigger.split_on is None:
        return [_row(services, loaded, trigger, _start(services, loaded, trigger, outputs, ""))]
    whole = start_of_event(services, loaded, trigger, outputs, "")
    scope = RunScope(new_state(loaded.compiled, whole), services.clock, (), ())
    try:
        items = split_items(trigger, scope)
    except ExpressionError as error:
        return [unfired_event(whole, Status.FAILED, error.code, message=error.message)]
    if items is None and is_item:
        return [_row(services, loaded, trigger, _start(services, loaded, trigger, outputs, ""))]
    if not items:
        return [unfired_event(whole, Status.SKIPPED, "SplitOnWithoutItems")]
    rows: list[TriggerEventRow] = []
    for part, name in tracked_items(services, loaded, trigger, whole, outputs=outputs, items=items):
        rows.append(_row(services, loaded, trigger, _start(services, loaded, trigger, part, name)))
        if len(rows) % _BREATHES_AFTER == 0:
            await asyncio.sleep(0)
    return rows


def _start(
    services: Services, loaded: LoadedFlow, trigger: Trigger, outputs: Json, client_tracking_id: str
) -> RunStart:
    start = start_of_event(services, loaded, trigger, outputs, client_tracking_id)
    if not client_tracking_id and trigger.correlation:
        return with_own_tracking_id(services, loaded, trigger, start)
    return start


def _row(services: Services, loaded: LoadedFlow, trigger: Trigger, start: RunStart) -> TriggerEventRow:
    try:
        scope = RunScope(new_state(loaded.compiled, start), services.clock, (), ())
        if trigger.conditions and not are_met(trigger.conditions, scope):
            return unfired_event(start, Status.SKIPPED, "TriggerConditionNotMet")
    except ExpressionError as error:
        return unfired_event(start, Status.FAILED, error.code, message=error.message)
    broken = broken_connection(services, loaded)
    is_stopped = must_wait(services, loaded, start, broken=broken)
    return held_event(services, loaded, start, code=NEEDS_REPAIR if is_stopped else WAITS_FOR_TURN)
