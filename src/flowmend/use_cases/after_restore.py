"""What stands still since a restore, and letting it go on."""

import asyncio
from datetime import datetime

import msgspec

from flowmend.core.errors import FlowmendError
from flowmend.store.after_restore import MADE, RESTORED
from flowmend.store.rows import AuditRow, FlowState
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.ports import Services


class BackupState(msgspec.Struct, frozen=True, kw_only=True):
    """last_made_at, last_path, last_bytes: of the last backup, None and "" where none was made. restored_at: None where this
    Flowmend was never restored. restored_from: when that backup was made. flows: [(id, name)] that were on then, and are off
    since: not by anybody's hand. runs: how many that were under way then wait. events: how many
    these flows hold, which may have run after the backup.
    """

    last_made_at: datetime | None = None
    last_path: str = ""
    last_bytes: int = 0
    restored_at: datetime | None = None
    restored_from: datetime | None = None
    flows: list[tuple[str, str]] = []
    runs: int = 0
    events: int = 0

    @property
    def stands_still(self) -> bool:
        return bool(self.flows or self.runs)


class WentOn(msgspec.Struct, frozen=True, kw_only=True):
    """flows: how many were turned on. runs: how many go on. stay_off: (name, why) of flows that cannot be turned on."""

    flows: int
    runs: int
    stay_off: list[tuple[str, str]]


class _Made(msgspec.Struct, frozen=True):
    path: str = ""
    bytes: int = 0


class _Restored(msgspec.Struct, frozen=True):
    made_at: datetime | None = None
    flows: list[str] = []


def backup_state(services: Services) -> BackupState:
    """When the last backup was made, and what stands still since a restore. Errors: StoreUnavailable."""
    made, restored = _last(services, MADE), _last(services, RESTORED)
    last = msgspec.convert(made.details, _Made) if made is not None else _Made()
    before = msgspec.convert(restored.details, _Restored) if restored is not None else _Restored()
    rows = (services.store.flows.get(flow_id) for flow_id in before.flows)
    off = [row for row in rows if row is not None and row.state is FlowState.OFF]
    counts = services.store.held.counts() if off else {}
    turned = services.store.after_restore.turned_since([row.flow_id for row in off])
    still = [row for row in off if row.flow_id not in turned]
    return BackupState(
        last_made_at=made.at if made is not None else None,
        last_path=last.path,
        last_bytes=last.bytes,
        restored_at=restored.at if restored is not None else None,
        restored_from=before.made_at,
        flows=[(row.flow_id, row.name) for row in still],
        runs=services.store.after_restore.waiting() if restored is not None else 0,
        events=sum(counts.get(row.flow_id, 0) for row in still),
    )


async def go_on_after_restore(services: Services, person_id: str) -> WentOn:
    """Turn the flows on that were on, and let the runs go on that were under way; one flow's fault stops no other.

    A run goes on as after a crash: a call whose answer is not known is repeated with its key, or asks. Errors:
    StoreUnavailable.
    """
    still = backup_state(services)
    runs = await asyncio.to_thread(services.store.after_restore.let_go_on, services.clock.now)
    services.dispatch.schedule_changed()
    turned_on, stay_off = 0, []
    for flow_id, name in still.flows:
        try:
            await turn_on(services, flow_id, person_id)
            turned_on += 1
        except FlowmendError as error:
            stay_off.append((name, error.message))
    if runs or still.flows:
        details = {"flows": turned_on, "runs": runs}
        services.store.audit.note(person_id, "go_on_after_restore", "", details, at=services.clock.now)
    return WentOn(flows=turned_on, runs=runs, stay_off=stay_off)


def _last(services: Services, target: str) -> AuditRow | None:
    found, _ = services.store.audit.list(target, limit=1)
    return found[0] if found else None
