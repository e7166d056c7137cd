"""When triggers with a clock are due: the first time when a flow is turned on, and the time after each."""

from datetime import datetime

import msgspec

from flowmend.core.definition.flow import EMPTY, Trigger
from flowmend.core.json_value import Json
from flowmend.core.run.views import timestamp
from flowmend.core.trigger.recurrence import next_occurrence
from flowmend.core.trigger.sliding_window import Window, window_from, window_outputs
from flowmend.store.rows import TriggerStateRow
from flowmend.use_cases.batches import release_recurrence


def clock_of(trigger: Trigger) -> dict[str, Json]:
    """The recurrence by which a trigger is due, empty for one without a clock."""
    if trigger.type == "Batch":
        return dict(release_recurrence(trigger) or EMPTY)
    return dict(trigger.recurrence) if trigger.type in {"Recurrence", "SlidingWindow"} else {}


def first_state(flow_id: str, trigger: Trigger, now: datetime) -> TriggerStateRow:
    """Where a trigger stands that is scheduled now. Errors: InvalidDocument."""
    memory: dict[str, Json] = {"started_at": now.isoformat(), "recurrence": clock_of(trigger)}
    if trigger.type == "SlidingWindow":
        window = window_from(trigger, started_at=now, start=None)
        return _at_window(
            TriggerStateRow(flow_id=flow_id, trigger_name=trigger.name, next_at=None, memory=memory), window
        )
    # What a batch gathers is released after a while, never at once.
    last = now if trigger.type == "Batch" else None
    due_at = next_occurrence(clock_of(trigger), after=now, started_at=now, last=last)
    return TriggerStateRow(flow_id=flow_id, trigger_name=trigger.name, next_at=due_at, memory=memory)


def following_state(trigger: Trigger, state: TriggerStateRow, now: datetime) -> TriggerStateRow:
    """Where a trigger stands that fires now. Errors: InvalidDocument."""
    due_at = state.next_at or now
    started_at = datetime.fromisoformat(state.memory["started_at"])
    if trigger.type == "SlidingWindow":
        start = datetime.fromisoformat(state.memory["window_end"])
        window = window_from(trigger, started_at=started_at, start=start)
        return _at_window(msgspec.structs.replace(state, last_at=due_at), window)
    following = next_occurrence(clock_of(trigger), after=now, started_at=started_at, last=due_at)
    return msgspec.structs.replace(state, next_at=following, last_at=due_at)


def outputs_of(state: TriggerStateRow) -> Json:
    """The trigger's outputs when it fires by this state: a window's times, else none."""
    memory = state.memory or {}
    if "window_start" not in memory:
        return None
    times = (timestamp(datetime.fromisoformat(memory[name])) for name in ("window_start", "window_end"))
    return window_outputs(*times)


def _at_window(state: TriggerStateRow, window: Window | None) -> TriggerStateRow:
    if window is None:
        return msgspec.structs.replace(state, next_at=None)
    memory = {**state.memory, "window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    return msgspec.structs.replace(state, next_at=window.due_at, memory=memory)
