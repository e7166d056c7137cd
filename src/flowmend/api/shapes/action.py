"""Action and Repetition in the spelling of the REST surface (rest-api.md §4, wdl.md §7)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from flowmend.api.shapes.content_link import ContentLink, Contents, content_link
from flowmend.api.shapes.references import WORKFLOW_TYPE, Correlation, Failure, failure, or_none
from flowmend.core.json_value import Json
from flowmend.core.outcome import Attempt, Status
from flowmend.core.run.history import gravity, repetition_name
from flowmend.core.run.record import ActionRecord, RunStart
from flowmend.core.run.views import tracking_id

ACTION_TYPE = f"{WORKFLOW_TYPE}/runs/actions"
REPETITION_TYPE = f"{ACTION_TYPE}/repetitions"


class Retry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One try of a call, of `retryHistory`."""

    start_time: datetime
    end_time: datetime
    code: str
    client_request_id: str
    service_request_id: str | None = None
    error: Failure | None = None


class RepetitionIndex(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which pass of which loop."""

    scope_name: str
    item_index: int


class ActionProperties(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What happened to an action, or to one pass of it inside a loop.

    repetition_count: of a Foreach, how many items it took up; of an action inside a loop, how often it ran there.
    iteration_count: of an Until. A link is absent where there is nothing to read. from_run is ours: the run whose finished action
    this one was taken over from.
    """

    status: Status
    code: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    error: Failure | None = None
    tracking_id: str | None = None
    correlation: Correlation | None = None
    inputs_link: ContentLink | None = None
    outputs_link: ContentLink | None = None
    tracked_properties: Json = msgspec.UNSET
    retry_history: list[Retry] | None = None
    repetition_count: int | None = None
    iteration_count: int | None = None
    repetition_indexes: list[RepetitionIndex] | None = None
    from_run: str | None = None


class ActionResource(msgspec.Struct, frozen=True, kw_only=True):
    """An Action or a Repetition."""

    id: str
    name: str
    type: str
    properties: ActionProperties


def place_of(record: ActionRecord) -> str:
    """Where the contents of a record stand below its run; a slash within a name is encoded."""
    name = record.name.replace("%", "%25").replace("/", "%2F")
    place = f"actions/{name}"
    return f"{place}/repetitions/{repetition_name(record.repetition)}" if record.repetition else place


def action_properties(
    record: ActionRecord,
    start: RunStart,
    contents: Contents,
    *,
    loops: Sequence[str] = (),
    repetition_count: int | None = None,
    iteration_count: int | None = None,
) -> ActionProperties:
    """The properties of one record. loops: names of the enclosing loops, outermost first."""
    tracked_by = tracking_id(record, start.run_name)
    indexes = [
        RepetitionIndex(scope_name=loop, item_index=index)
        for loop, index in zip(loops, record.repetition, strict=False)
    ]
    return ActionProperties(
        status=record.status,
        code=or_none(record.code),
        start_time=record.started_at,
        end_time=record.ended_at,
        error=failure(record.error),
        tracking_id=tracked_by,
        correlation=Correlation(client_tracking_id=start.client_tracking_id, action_tracking_id=tracked_by),
        inputs_link=content_link(contents, place_of(record), "ActionInputs", record.inputs),
        outputs_link=content_link(contents, place_of(record), "ActionOutputs", record.outputs),
        tracked_properties=msgspec.UNSET if record.tracked_properties is None else record.tracked_properties,
        retry_history=[_retry(attempt) for attempt in record.attempts] or None,
        repetition_count=repetition_count,
        iteration_count=iteration_count,
        repetition_indexes=indexes or None,
        from_run=or_none(record.from_run),
    )


def looped_action_properties(records: Sequence[ActionRecord], start: RunStart) -> ActionProperties:
    """An action inside a loop as the flat list shows it: its values stand in its repetitions.

    records: its passes in order, at least one; the gravest of their ends is shown.
    """
    shown = min(records, key=gravity)
    began = [record.started_at for record in records if record.started_at is not None]
    ended = [record.ended_at for record in records if record.ended_at is not None]
    return ActionProperties(
        status=shown.status,
        code=or_none(shown.code),
        start_time=min(began, default=None),
        end_time=max(ended) if len(ended) == len(records) else None,
        error=failure(shown.error),
        correlation=Correlation(client_tracking_id=start.client_tracking_id),
        repetition_count=sum(1 for record in records if record.repetition),
    )


def action_resource(run_id: str, name: str, properties: ActionProperties) -> ActionResource:
    return ActionResource(id=f"{run_id}/actions/{name}", name=name, type=ACTION_TYPE, properties=properties)


def repetition_resource(run_id: str, record: ActionRecord, properties: ActionProperties) -> ActionResource:
    name = repetition_name(record.repetition)
    return ActionResource(
        id=f"{run_id}/actions/{record.name}/repetitions/{name}", name=name, type=REPETITION_TYPE, properties=properties
    )


def _retry(attempt: Attempt) -> Retry:
    return Retry(
        start_time=attempt.started_at,
        end_time=attempt.ended_at,
        code=attempt.code,
        client_request_id=attempt.client_request_id,
        service_request_id=or_none(attempt.service_request_id),
        error=failure(attempt.error),
    )
