"""The small objects that several resources share in the REST surface's spelling (rest-api.md §3, §4)."""

from datetime import datetime
from typing import Annotated

import msgspec

from flowmend.core.outcome import ErrorDetail
from flowmend.store.rows import RunRow

#: A time as a run's records keep it: ISO 8601, UTC, seven digits.
RecordedTime = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]

WORKFLOW_TYPE = "Microsoft.Logic/workflows"


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A pointer to another resource."""

    id: str
    name: str
    type: str


class Correlation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What ties a record to its caller's."""

    client_tracking_id: str
    action_tracking_id: str | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """The `error` of a run, action or try."""

    code: str
    message: str


def flow_address(flow_id: str) -> str:
    """The `id` under which a flow's own resources stand."""
    return f"/workflows/{flow_id}"


def run_address(flow_id: str, run_name: str) -> str:
    return f"{flow_address(flow_id)}/runs/{run_name}"


def version_reference(flow_id: str, version: str) -> Reference:
    """A run's `workflow`: the version it runs."""
    return Reference(id=f"{flow_address(flow_id)}/versions/{version}", name=version, type=f"{WORKFLOW_TYPE}/versions")


def run_reference(flow_id: str, run_name: str) -> Reference:
    return Reference(id=run_address(flow_id, run_name), name=run_name, type=f"{WORKFLOW_TYPE}/runs")


def failure(error: ErrorDetail | None) -> Failure | None:
    return None if error is None else Failure(code=error.code, message=error.message)


def row_failure(row: RunRow) -> Failure | None:
    """The error columns of a run's row."""
    return Failure(code=row.error_code, message=row.error_message) if row.error_code else None


def or_none(text: str) -> str | None:
    """An empty column is an absent field."""
    return text or None


def recorded_time(moment: datetime) -> RecordedTime:
    """`2026-01-02T03:04:05.1234560Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}0Z"
