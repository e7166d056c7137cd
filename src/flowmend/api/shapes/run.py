"""Run in the spelling of the REST surface (rest-api.md §4)."""

from datetime import datetime

import msgspec

from flowmend.api.shapes.action import place_of
from flowmend.api.shapes.content_link import ContentLink, Contents, content_link
from flowmend.api.shapes.references import (
    WORKFLOW_TYPE,
    Correlation,
    Failure,
    RecordedTime,
    Reference,
    failure,
    or_none,
    recorded_time,
    row_failure,
    run_address,
    version_reference,
)
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.record import ActionRecord, EndRecord, RunStart
from flowmend.store.rows import RunRow, TriggerEventRow

RUN_TYPE = f"{WORKFLOW_TYPE}/runs"


class RunTrigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What started a run; also the form of the answer it gave (`response`)."""

    name: str
    status: str
    code: str | None = None
    start_time: RecordedTime
    end_time: RecordedTime
    scheduled_time: RecordedTime | None = None
    tracking_id: str | None = None
    correlation: Correlation | None = None
    origin_history_name: str | None = None
    source_history_name: str | None = None
    error: Failure | None = None
    inputs_link: ContentLink | None = None
    outputs_link: ContentLink | None = None


class RunProperties(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One execution of a flow version. outputs: `{name: {type, value}}`.

    The last seven are ours: begun_time is when it began where that was later than its event came (start_time), from when its
    duration counts; origin_run is the run this one resubmits or resumes; failed_action, connection and
    diagnosis_category are of its first refused call; of one run, not in lists: attempt, from 1, and resumed_from, the run it resumes.
    """

    start_time: datetime
    end_time: datetime | None = None
    status: str
    code: str | None = None
    error: Failure | None = None
    correlation: Correlation
    workflow: Reference
    trigger: RunTrigger
    outputs: dict[str, Json]
    response: RunTrigger | None = None
    begun_time: datetime | None = None
    origin_run: str | None = None
    failed_action: str | None = None
    connection: str | None = None
    diagnosis_category: str | None = None
    attempt: int | None = None
    resumed_from: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run."""

    id: str
    name: str
    type: str
    properties: RunProperties


def run_resource(
    row: RunRow,
    start: RunStart,
    *,
    contents: Contents,
    end: EndRecord | None = None,
    response: ActionRecord | None = None,
) -> Run:
    """A run. end: of its journal; response: the record of the Response action that answered; None while there is none."""
    return _resource(
        row,
        run_trigger(start, contents),
        end=end,
        response=None if response is None else _response(response, row.client_tracking_id, contents),
        start=start,
    )


def listed_run(row: RunRow, event: TriggerEventRow | None, outputs_link: ContentLink | None) -> Run:
    """A run as lists show it: what its row and its trigger event say, which are small. event: None where it is gone."""
    began = recorded_time(row.started_at)
    trigger = RunTrigger(
        name=row.trigger_name,
        status=event.status if event else Status.SUCCEEDED.value,
        code=or_none(event.code) if event else None,
        start_time=began,
        end_time=recorded_time(event.ended_at) if event and event.ended_at else began,
        scheduled_time=recorded_time(event.scheduled_at) if event and event.scheduled_at else None,
        tracking_id=event.tracking_id if event else None,
        correlation=Correlation(client_tracking_id=row.client_tracking_id),
        origin_history_name=row.origin_run or row.run_name,
        source_history_name=or_none(row.origin_run),
        outputs_link=outputs_link,
    )
    return _resource(row, trigger)


def _resource(
    row: RunRow,
    trigger: RunTrigger,
    *,
    end: EndRecord | None = None,
    response: RunTrigger | None = None,
    start: RunStart | None = None,
) -> Run:
    properties = RunProperties(
        start_time=row.started_at,
        end_time=row.ended_at,
        status=row.status,
        code=or_none(row.code),
        error=row_failure(row) or failure(end.error if end else None),
        correlation=Correlation(client_tracking_id=row.client_tracking_id),
        workflow=version_reference(row.flow_id, row.version),
        trigger=trigger,
        outputs=end.outputs if end and end.outputs else {},
        response=response,
        begun_time=row.begun_at,
        origin_run=or_none(row.origin_run),
        failed_action=or_none(row.failed_action),
        connection=or_none(row.connection_id),
        diagnosis_category=or_none(row.diagnosis_category),
        attempt=start.attempt if start else None,
        resumed_from=or_none(start.resumed_from) if start else None,
    )
    return Run(id=run_address(row.flow_id, row.run_name), name=row.run_name, type=RUN_TYPE, properties=properties)


def run_trigger(start: RunStart, contents: Contents) -> RunTrigger:
    """What started the run, from the `trigger()` view it keeps."""
    view = start.trigger
    began = recorded_time(start.started_at)
    trigger = RunTrigger(
        name=view["name"],
        status=view.get("status", Status.SUCCEEDED.value),
        code=view.get("code"),
        start_time=view.get("startTime", began),
        end_time=view.get("endTime", began),
        scheduled_time=view.get("scheduledTime"),
        tracking_id=view.get("trackingId"),
        correlation=Correlation(client_tracking_id=start.client_tracking_id),
        origin_history_name=view.get("originHistoryName"),
        source_history_name=view.get("sourceHistoryName"),
    )
    return _with_contents(
        trigger, contents, place="", kind="Trigger", inputs=view.get("inputs"), outputs=view.get("outputs")
    )


def _response(record: ActionRecord, client_tracking_id: str, contents: Contents) -> RunTrigger:
    began = record.started_at or record.ended_at
    answered = RunTrigger(
        name=record.name,
        status=record.status.value,
        code=or_none(record.code),
        start_time=recorded_time(began) if began else "",
        end_time=recorded_time(record.ended_at) if record.ended_at else "",
        tracking_id=or_none(record.tracking_id),
        correlation=Correlation(client_tracking_id=client_tracking_id),
        error=failure(record.error),
    )
    return _with_contents(
        answered, contents, place=place_of(record), kind="Action", inputs=record.inputs, outputs=record.outputs
    )


def _with_contents(
    shown: RunTrigger, contents: Contents, *, place: str, kind: str, inputs: Json, outputs: Json
) -> RunTrigger:
    return msgspec.structs.replace(
        shown,
        inputs_link=content_link(contents, place, f"{kind}Inputs", inputs),
        outputs_link=content_link(contents, place, f"{kind}Outputs", outputs),
    )
