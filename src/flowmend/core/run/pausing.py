"""The Wait action: a length of time, or until a moment."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from flowmend.core.definition.durations import UNITS
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import WaitUntil
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.state import Repetition
from flowmend.core.run.turn import Turn

_DONE = Finish(code="OK")


def start_wait(turn: Turn, node: Node, repetition: Repetition, started_at: datetime) -> None:
    """Waits, or ends at once where the moment is past. No outputs (wdl.md §4). Errors: ExpressionError."""
    inputs = node.template("inputs", node.action.inputs).evaluate(turn.scope(node, repetition))
    until = _until(inputs, started_at)
    if until is None:
        message = f"The action '{node.name}' says neither an interval, such as 5 minutes, nor a timestamp to wait for."
        turn.finish(node, repetition, failed("InvalidWaitInputs", message, inputs=inputs), started_at)
        return
    if until <= started_at:
        turn.finish(node, repetition, Finish(code="OK", inputs=inputs), started_at)
        return
    begun = ActionRecord(
        name=node.name,
        repetition=repetition,
        status=Status.WAITING,
        started_at=started_at,
        inputs=inputs,
        wake_at=until,
    )
    turn.emit(begun if not node.secured else replace(begun, details={"secure": list(node.secured)}))
    resume_wait(turn, node, begun)


def resume_wait(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """Ends the wait where its time has come, else has the engine called then."""
    if begun.wake_at is None or begun.wake_at <= turn.moment.now:
        turn.finish_begun(node, begun, _DONE)
    else:
        turn.commands.append(WaitUntil((node.name, begun.repetition), begun.wake_at))


def _until(inputs: Json, now: datetime) -> datetime | None:
    if not isinstance(inputs, dict):
        return None
    until, interval = inputs.get("until"), inputs.get("interval")
    try:
        if isinstance(until, dict):
            at = datetime.fromisoformat(str(until.get("timestamp")))
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(interval, dict):
            return _later(now, interval)
    except (ValueError, OverflowError):
        return None
    return None


def _later(now: datetime, interval: Mapping[str, Json]) -> datetime | None:
    count, unit = interval.get("count"), str(interval.get("unit", "")).lower().removesuffix("s")
    if isinstance(count, str):
        count = float(count)
    if isinstance(count, bool) or not isinstance(count, int | float):
        return None
    length = UNITS.get(unit)
    if length is not None:
        return now + length * count
    if unit == "month":
        months = now.month - 1 + int(count)
        year, month = now.year + months // 12, months % 12 + 1
        return now.replace(year=year, month=month, day=min(now.day, monthrange(year, month)[1]))
    return None
