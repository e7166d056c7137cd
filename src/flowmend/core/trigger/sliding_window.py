"""The windows of a SlidingWindow trigger: every one has its run, late ones too (wdl.md §3).

A window ends where the next one begins; its run is due when it has ended, plus the trigger's delay. What was missed is
made up for, one window after the other.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from flowmend.core.definition.durations import parse_duration
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Trigger
from flowmend.core.definition.recurrence import read_recurrence
from flowmend.core.json_value import Json
from flowmend.core.trigger.recurrence import next_occurrence


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """start, end: of the window, UTC. due_at: when its run may begin."""

    start: datetime
    end: datetime
    due_at: datetime


def window_from(trigger: Trigger, *, started_at: datetime, start: datetime | None) -> Window | None:
    """The window that begins at `start`, which is another one's end; the first one for None. None where it never ends.

    started_at: when the flow was turned on, the first window's start where the recurrence gives none.
    Errors: InvalidDocument for a recurrence or delay that does not read.
    """
    if start is None:
        read = read_recurrence(trigger.recurrence, "", Findings())
        start = (read.starts_at if read is not None else None) or started_at
    start = start.astimezone(UTC)
    end = next_occurrence(trigger.recurrence, after=start, started_at=started_at, last=start)
    return None if end is None else Window(start=start, end=end, due_at=end + delay_of(trigger))


def delay_of(trigger: Trigger) -> timedelta:
    """How long after a window's end its run begins. Errors: InvalidDocument."""
    inputs = trigger.inputs if isinstance(trigger.inputs, Mapping) else {}
    delay = inputs.get("delay")
    return parse_duration(delay) if isinstance(delay, str) and delay else timedelta()


def window_outputs(start: str, end: str) -> dict[str, Json]:
    """The trigger's outputs of one window, its times as texts."""
    return {"body": {"windowStartTime": start, "windowEndTime": end}}
