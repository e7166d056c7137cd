"""A run's journal as people and clients read it: its actions by name, repetitions apart (rest-api.md §4)."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from flowmend.core.json_value import Json
from flowmend.core.outcome import Attempt, ErrorDetail, Status
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.record import ActionKey, ActionRecord, EndRecord, Entry, ResponseRecord, RunStart
from flowmend.core.run.views import SANITIZED, timestamp, tracking_id

_GRAVITY = (
    Status.RUNNING,
    Status.WAITING,
    Status.FAILED,
    Status.TIMED_OUT,
    Status.ABORTED,
    Status.CANCELLED,
    Status.SUCCEEDED,
    Status.SKIPPED,
)


def gravity(record: ActionRecord) -> int:
    """Of several passes, an action in a loop shows the end of the one for which this is least."""
    return _GRAVITY.index(record.status) if record.status in _GRAVITY else len(_GRAVITY)


def latest_records(entries: Iterable[Entry]) -> dict[ActionKey, ActionRecord]:
    """The latest record of each action and pass, in the order they began."""
    return {(entry.name, entry.repetition): entry for entry in entries if isinstance(entry, ActionRecord)}


def iteration_counts(compiled: CompiledFlow, records: Iterable[ActionRecord]) -> dict[ActionKey, int]:
    """`{loop's key: iterations begun}` of every loop with at least one."""
    counts: dict[ActionKey, int] = {}
    for record in records:
        for depth, loop in enumerate(compiled.nodes[record.name].loops[: len(record.repetition)]):
            key = (loop.name, record.repetition[:depth])
            counts[key] = max(counts.get(key, 0), record.repetition[depth] + 1)
    return counts


def readable(record: ActionRecord) -> ActionRecord:
    """The record with `*sanitized*` for what its action marks as secure."""
    marked = record.details.get("secure", ()) if isinstance(record.details, Mapping) else ()
    hidden = {part: SANITIZED for part in marked if getattr(record, part) is not None}
    return replace(record, **hidden) if hidden else record


def run_document(compiled: CompiledFlow, start: RunStart, entries: Sequence[Entry]) -> dict[str, Json]:
    """A Run of rest-api.md §4 with everything inline: `properties.actions` by name, `outputs`, `response`."""
    end = next((entry for entry in entries if isinstance(entry, EndRecord)), None)
    trigger = start.trigger
    properties: dict[str, Json] = {
        "startTime": timestamp(start.started_at),
        "status": (end.status if end else Status.RUNNING).value,
        "correlation": {"clientTrackingId": start.client_tracking_id},
        "workflow": {"id": f"/workflows/{start.flow_id}", "name": start.version, "type": "Microsoft.Logic/workflows"},
        "trigger": {key: value for key, value in trigger.items() if value is not None},
        "actions": actions_document(compiled, start, entries),
        "outputs": (end.outputs if end else None) or {},
    }
    if end is not None:
        properties["endTime"] = properties["waitEndTime"] = timestamp(end.at)
        properties |= {"code": end.code} if end.code else {}
        properties |= {"error": _error(end.error)} if end.error else {}
    response = next((entry for entry in entries if isinstance(entry, ResponseRecord)), None)
    if response is not None:
        properties["response"] = {
            "name": response.action,
            "status": Status.SUCCEEDED.value,
            "code": "OK",
            "startTime": timestamp(response.at),
            "endTime": timestamp(response.at),
            "outputs": {"statusCode": response.status_code, "headers": response.headers, "body": response.body},
        }
    return {
        "id": f"/workflows/{start.flow_id}/runs/{start.run_name}",
        "name": start.run_name,
        "type": "Microsoft.Logic/workflows/runs",
        "properties": properties,
    }


def actions_document(compiled: CompiledFlow, start: RunStart, entries: Iterable[Entry]) -> dict[str, Json]:
    """`{action name: properties}` in definition order; an action inside a loop has its passes in `repetitions`."""
    records = latest_records(entries)
    counts = iteration_counts(compiled, records.values())
    passes: dict[str, list[ActionRecord]] = {}
    for record in records.values():
        passes.setdefault(record.name, []).append(record)
    document: dict[str, Json] = {}
    for node in compiled.walk():
        found = sorted(passes.get(node.name, ()), key=lambda record: record.repetition)
        if not found:
            continue
        if node.depth == 0:
            document[node.name] = record_properties(found[0], start, node, counts)
        else:
            document[node.name] = _repeated(found, start, node, counts)
    return document


def record_properties(
    record: ActionRecord, start: RunStart, node: Node, counts: Mapping[ActionKey, int]
) -> dict[str, Json]:
    """The Action properties of one record, values inline and absent where there are none."""
    record = readable(record)
    tracked_by = tracking_id(record, start.run_name)
    properties: dict[str, Json] = {
        "startTime": timestamp(record.started_at) if record.started_at else None,
        "endTime": timestamp(record.ended_at) if record.ended_at else None,
        "status": record.status.value,
        "code": record.code or None,
        "error": _error(record.error) if record.error else None,
        "trackingId": tracked_by,
        "correlation": {"actionTrackingId": tracked_by, "clientTrackingId": start.client_tracking_id},
        "inputs": record.inputs,
        "outputs": record.outputs,
        "trackedProperties": record.tracked_properties,
        "retryHistory": [_attempt(attempt) for attempt in record.attempts] or None,
    }
    count = counts.get((record.name, record.repetition))
    if node.type == "Foreach":
        properties["repetitionCount"] = count or 0
    elif node.type == "Until":
        properties["iterationCount"] = count or 0
    if record.repetition:
        loops = zip(node.loops, record.repetition, strict=False)
        properties["repetitionIndexes"] = [{"scopeName": loop.name, "itemIndex": index} for loop, index in loops]
    return {key: value for key, value in properties.items() if value is not None}


def repetition_name(repetition: Sequence[int]) -> str:
    """`000000`; of nested loops `000001-000000`, outermost first."""
    return "-".join(f"{index:06d}" for index in repetition)


def _repeated(
    found: Sequence[ActionRecord], start: RunStart, node: Node, counts: Mapping[ActionKey, int]
) -> dict[str, Json]:
    shown = min(found, key=gravity)
    passes = [record for record in found if len(record.repetition) == node.depth]
    properties: dict[str, Json] = {"status": shown.status.value, "repetitionCount": len(passes)}
    if shown.code:
        properties["code"] = shown.code
    if shown.error:
        properties["error"] = _error(shown.error)
    properties["correlation"] = {"clientTrackingId": start.client_tracking_id}
    properties["repetitions"] = [
        {
            "name": repetition_name(record.repetition),
            "properties": record_properties(record, start, node, counts),
        }
        for record in passes
    ]
    return properties


def _attempt(attempt: Attempt) -> dict[str, Json]:
    shown = {
        "startTime": timestamp(attempt.started_at),
        "endTime": timestamp(attempt.ended_at),
        "code": attempt.code,
        "clientRequestId": attempt.client_request_id,
        "serviceRequestId": attempt.service_request_id or None,
        "error": _error(attempt.error) if attempt.error else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _error(error: ErrorDetail) -> dict[str, Json]:
    return {"code": error.code, "message": error.message}
