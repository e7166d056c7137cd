"""How a record looks to an expression, `actions('X')`, and the identifiers derived for it."""

import hashlib
from datetime import datetime
from uuid import UUID

from flowmend.core.json_value import Json
from flowmend.core.run.record import ActionRecord, RunStart

#: The namespace of every identifier derived from a run's name.
RUN_NAMESPACE = UUID("6f1c2f0e-3f0b-5c53-9d3a-1f6a5f3b7c20")

_NAMESPACE_BYTES = RUN_NAMESPACE.bytes

#: What is shown in place of a secret (wdl.md §7).
SANITIZED = "*sanitized*"

#: The code that views leave out (wdl.md §7).
NOT_SPECIFIED = "NotSpecified"


def action_view(record: ActionRecord, start: RunStart) -> dict[str, Json]:
    """`{name, inputs?, outputs?, startTime, endTime?, trackingId, clientTrackingId, code?, status, error?}`."""
    view: dict[str, Json] = {"name": record.name}
    if record.inputs is not None:
        view["inputs"] = record.inputs
    if record.outputs is not None:
        view["outputs"] = record.outputs
    if record.started_at is not None:
        view["startTime"] = timestamp(record.started_at)
    if record.ended_at is not None:
        view["endTime"] = timestamp(record.ended_at)
    view["trackingId"] = tracking_id(record, start.run_name)
    view["clientTrackingId"] = start.client_tracking_id
    if record.code and record.code != NOT_SPECIFIED:
        view["code"] = record.code
    view["status"] = record.status.value
    if record.error is not None:
        view["error"] = {"code": record.error.code, "message": record.error.message}
    return view


def tracking_id(record: ActionRecord, run_name: str) -> str:
    """The action's tracking id; derived, so that the journal need not hold one per record."""
    return record.tracking_id or action_tracking_id(run_name, record.name, record.repetition)


def action_tracking_id(run_name: str, name: str, repetition: tuple[int, ...]) -> str:
    """The tracking id of one action or pass of it, before it has a record."""
    return _derived(f"tracking/{_place(run_name, name, repetition)}")


def client_request_id(run_name: str, name: str, repetition: tuple[int, ...]) -> str:
    """The id every attempt and repeat of one call carries (`Idempotency-Key`, `x-ms-client-request-id`)."""
    return _derived(f"call/{_place(run_name, name, repetition)}")


def _place(run_name: str, name: str, repetition: tuple[int, ...]) -> str:
    return f"{run_name}/{name}/{'-'.join(map(str, repetition))}"


def _derived(name: str) -> str:
    """The UUID of version 5 of a name (RFC 9562 §5.5), written; the library's own takes five times as long."""
    digest = bytearray(hashlib.sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def timestamp(at: datetime) -> str:
    """`2026-01-02T03:04:05.1234560Z`: the service writes seven digits."""
    return f"{at.isoformat(timespec='microseconds')[:26]}0Z"
