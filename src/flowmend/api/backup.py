"""Backups: when the last one was made, and what goes on after a restore. They are made on the command line, beside the server."""

import asyncio
from datetime import datetime

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation
from flowmend.api.request_reading import person_of
from flowmend.use_cases.after_restore import backup_state, go_on_after_restore
from flowmend.use_cases.ports import Services


class StandingFlowShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that was on when the backup was made, and is off since it was restored."""

    id: str
    name: str


class BackupStateShape(msgspec.Struct, frozen=True, kw_only=True):
    """last_made_at: null where no backup was made. restored_at: null where this Flowmend was never restored. flows, runs: what
    stands still since. events: how many these flows hold, which may have run after the backup.
    """

    last_made_at: datetime | None
    last_path: str
    last_bytes: int
    restored_at: datetime | None
    restored_from: datetime | None
    flows: list[StandingFlowShape]
    runs: int
    events: int


class StaysOffShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that could not be turned on, and why."""

    name: str
    message: str


class WentOnShape(msgspec.Struct, frozen=True, kw_only=True):
    """flows: how many were turned on. runs: how many go on."""

    flows: int
    runs: int
    stay_off: list[StaysOffShape]


async def get_backup(services: Services, _request: Request) -> JsonAnswer:
    state = await asyncio.to_thread(backup_state, services)
    return JsonAnswer(
        BackupStateShape(
            last_made_at=state.last_made_at,
            last_path=state.last_path,
            last_bytes=state.last_bytes,
            restored_at=state.restored_at,
            restored_from=state.restored_from,
            flows=[StandingFlowShape(id=flow_id, name=name) for flow_id, name in state.flows],
            runs=state.runs,
            events=state.events,
        )
    )


async def go_on(services: Services, request: Request) -> JsonAnswer:
    went_on = await go_on_after_restore(services, person_of(request).person_id)
    stay_off = [StaysOffShape(name=name, message=why) for name, why in went_on.stay_off]
    return JsonAnswer(WentOnShape(flows=went_on.flows, runs=went_on.runs, stay_off=stay_off))


_TAG = "backup"

BACKUP_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/backup",
        handler=get_backup,
        summary="When the last backup was made, and what stands still since a restore",
        tag=_TAG,
        gives=BackupStateShape,
    ),
    Operation(
        method="POST",
        path="/backup/go-on",
        handler=go_on,
        summary="After a restore: turn the flows on that were on, and let the runs go on that were under way",
        tag=_TAG,
        gives=WentOnShape,
    ),
)
