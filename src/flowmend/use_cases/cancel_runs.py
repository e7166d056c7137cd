"""Cancel every run of a flow that has not ended: asked for once, carried out little by little, over restarts too.

What is asked for stands in the flow's row, `{"cancelling": {"before", "by", "runs", "asked_at"}}`, until it is done. Runs are
taken a block at a time, so that a hundred thousand at rest come to memory no more than a few at once and keep nobody waiting.
"""

import asyncio
from datetime import datetime

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.run import CancelRequested
from flowmend.core.run.naming import run_name
from flowmend.store.rows import FlowRow
from flowmend.store.run_filter import RunFilter
from flowmend.store.tables import UNFINISHED
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.ports import Services

_SETTING = "cancelling"
_BLOCK = 100
_TOLD_EVERY = 10_000
_LOOK_AGAIN_SECONDS = 0.01


class Cancelling(msgspec.Struct, frozen=True, kw_only=True):
    """before: the name that the first run to go on would have; those before it are cancelled. runs: how many there were.

    left: how many of them have not ended.
    """

    flow_id: str
    before: str
    by: str
    asked_at: datetime
    runs: int
    left: int


def cancel_all_runs(services: Services, flow_id: str, person_id: str) -> Cancelling:
    """Ask for the end of every run of this flow that is under way or at rest; those that begin later go on.

    The answer says how many they are; `read_cancelling` how many are left. Errors: NotFound.
    """
    row = flow_row(services, flow_id)
    before, now = run_name(services.clock.ticks(), 0.0), services.clock.now
    count = services.store.runs.count_unfinished(flow_id, before)
    asked = Cancelling(flow_id=flow_id, before=before, by=person_id, asked_at=now, runs=count, left=count)
    if count:
        _write(services, row, {"before": before, "by": person_id, "runs": count, "asked_at": now.isoformat()})
        services.changes.publish("cancel", flow_id=flow_id)
    services.store.audit.note(person_id, "cancel_all", flow_id, {"runs": count}, at=now)
    return asked


def count_cancellable(services: Services, flow_id: str) -> int:
    """How many runs `cancel_all_runs` would cancel now."""
    return services.store.runs.count_unfinished(flow_id, run_name(services.clock.ticks(), 0.0))


def read_cancelling(services: Services, flow_id: str) -> Cancelling | None:
    """How far it has come, None where nothing is asked for. Errors: NotFound."""
    return _read(services, flow_row(services, flow_id))


def flows_to_carry_on(services: Services) -> list[str]:
    """The flows some of whose runs are still to be cancelled."""
    return [row.flow_id for row in services.store.flows.list() if _SETTING in (row.settings or {})]


async def carry_on(services: Services, flow_id: str) -> None:
    """Cancel what is left of a flow's runs. Errors: StoreUnavailable; then the rest is cancelled later."""
    asked = read_cancelling(services, flow_id)
    if asked is None:
        return
    wanted, cursor, told = RunFilter(flow_id=flow_id, statuses=tuple(UNFINISHED)), asked.before, 0
    while True:
        rows, following = services.store.runs.list(wanted, limit=_BLOCK, cursor=cursor)
        await services.dispatch.send_block([row.run_name for row in rows], CancelRequested(by=asked.by))
        # What is not durable yet stays in memory; so no more than a block is.
        while any(services.dispatch.is_active(row.run_name) for row in rows):  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        told += len(rows)
        if told >= _TOLD_EVERY:
            _note(services, asked, "cancelling")
            told = 0
        if not following:
            break
        cursor = following
    _note(services, asked, "cancelled_all")
    now = read_cancelling(services, flow_id)
    if now is not None and now.before == asked.before:  # else somebody asked once more meanwhile
        _write(services, flow_row(services, flow_id), None)


def _note(services: Services, asked: Cancelling, verb: str) -> None:
    left = services.store.runs.count_unfinished(asked.flow_id, asked.before)
    details = {"cancelled": max(asked.runs - left, 0), "left": left}
    services.store.audit.note(asked.by, verb, asked.flow_id, details, at=services.clock.now)


def _read(services: Services, row: FlowRow) -> Cancelling | None:
    asked = (row.settings or {}).get(_SETTING)
    if not isinstance(asked, dict):
        return None
    return Cancelling(
        flow_id=row.flow_id,
        before=asked["before"],
        by=asked["by"],
        asked_at=datetime.fromisoformat(asked["asked_at"]),
        runs=asked["runs"],
        left=services.store.runs.count_unfinished(row.flow_id, asked["before"]),
    )


def _write(services: Services, row: FlowRow, asked: Json) -> None:
    settings = {name: value for name, value in (row.settings or {}).items() if name != _SETTING}
    services.store.flows.change(row.flow_id, settings=settings if asked is None else {**settings, _SETTING: asked})
    services.changes.publish("flow", flow_id=row.flow_id, state=row.state.value)
