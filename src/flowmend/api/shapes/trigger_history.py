"""TriggerHistory in the spelling of the REST surface (rest-api.md §3)."""

from datetime import datetime

import msgspec

from flowmend.api.shapes.content_link import ContentLink, Contents, content_link
from flowmend.api.shapes.references import (
    WORKFLOW_TYPE,
    Correlation,
    Failure,
    Reference,
    flow_address,
    or_none,
    run_reference,
)
from flowmend.core.json_value import Json
from flowmend.store.rows import TriggerEventRow


class TriggerHistoryProperties(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One firing, or check, of a trigger. fired: whether it became a run; held ones are Waiting and have not.

    checks: how many checks of the same result in a row this one entry tells of, left out for one.
    """

    start_time: datetime
    end_time: datetime | None = None
    scheduled_time: datetime | None = None
    status: str
    code: str | None = None
    error: Failure | None = None
    tracking_id: str
    correlation: Correlation
    inputs_link: ContentLink | None = None
    outputs_link: ContentLink | None = None
    fired: bool
    run: Reference | None = None
    origin_history_name: str | None = None
    checks: int = 1


class TriggerHistory(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a trigger's history; its name is that of the run, if it fired."""

    id: str
    name: str
    type: str
    properties: TriggerHistoryProperties


def trigger_history(
    row: TriggerEventRow, *, contents: Contents | None = None, inputs: Json = None, outputs: Json = None
) -> TriggerHistory:
    """A history entry; without `contents` it has no links (an event without a run has no address for them)."""
    properties = TriggerHistoryProperties(
        start_time=row.started_at,
        end_time=row.ended_at,
        scheduled_time=row.scheduled_at,
        status=row.status,
        code=or_none(row.code),
        error=Failure(code=row.error_code, message=row.error_message) if row.error_code else None,
        tracking_id=row.tracking_id,
        correlation=Correlation(client_tracking_id=row.client_tracking_id),
        inputs_link=content_link(contents, "", "TriggerInputs", inputs) if contents else None,
        outputs_link=content_link(contents, "", "TriggerOutputs", outputs) if contents else None,
        fired=row.fired,
        run=run_reference(row.flow_id, row.run_name) if row.run_name else None,
        origin_history_name=or_none(row.origin_event),
        checks=row.checks,
    )
    trigger = f"{flow_address(row.flow_id)}/triggers/{row.trigger_name}"
    return TriggerHistory(
        id=f"{trigger}/histories/{row.event_name}",
        name=row.event_name,
        type=f"{WORKFLOW_TYPE}/triggers/histories",
        properties=properties,
    )
