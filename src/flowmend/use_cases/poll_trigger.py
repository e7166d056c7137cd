"""One poll of a trigger: ask, read the answer, keep its events and the new place together, and begin their runs.

A connection that needs repair stops the polls of its triggers, never the flow; the place stays, and after the repair the
poll asks from there. A failed check is diagnosed as an action's call is, for it is the same call.
"""

import logging
from contextlib import nullcontext
from datetime import datetime

import msgspec

from flowmend.core.connector.trigger_facts import PLAIN_POLL, PollFacts
from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import Conflict, ExpressionError, FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.run import Call, ConnectorCall, FollowUp, HttpCall
from flowmend.core.run.naming import run_name
from flowmend.core.trigger.polling import Asked, Polled, read_poll, what_to_ask
from flowmend.core.trigger.recurrence import next_occurrence
from flowmend.store.journal import ChangeEvent, HoldEvent, Write
from flowmend.store.rows import FlowState, TriggerEventRow, TriggerStateRow
from flowmend.store.triggers import note_polled
from flowmend.use_cases.kept_events import kept_events
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.poll_states import recurrence_of
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_limits import WAITS_FOR_TURN, has_room, limit_of
from flowmend.use_cases.start_run import NEEDS_REPAIR
from flowmend.use_cases.trigger_calls import polling_call

_log = logging.getLogger(__name__)

_STATUS_IS_ASKED_FOR = "statuscode"


async def poll_trigger(services: Services, state: TriggerStateRow) -> None:
    """Carry out a poll that is due. state: as listed.

    Errors: StoreUnavailable, then the poll is due still; NotFound and InvalidDocument for a flow that does not read.
    """
    loaded = services.flows.latest(state.flow_id)
    trigger = loaded.flow.definition.triggers.get(state.trigger_name)
    if trigger is None or loaded.row.state is not FlowState.ON:
        services.store.triggers.change(state.flow_id, state.trigger_name, poll_at=None)
        return
    memory = (state.memory or {}).get("poll") or {}
    regular_at = _regular_time(services, trigger, state)
    facts, connection_id = PLAIN_POLL, ""
    if _has_no_place(services, loaded, trigger):
        polled = Polled(memory=memory, next_at=regular_at, status=Status.SKIPPED, code=WAITS_FOR_TURN)
    else:
        facts, outcome = await _asked(services, loaded, trigger, memory)
        connection_id = outcome.connection_id
        polled = read_poll(
            facts,
            outcome,
            memory,
            now=services.clock.now,
            regular_at=regular_at,
            draw=services.clock.draw(),
            any_status=any(_STATUS_IS_ASKED_FOR in str(one).lower() for one in trigger.conditions),
        )
    rows: list[TriggerEventRow] = []
    for outputs in polled.events:
        rows += await kept_events(services, loaded, trigger, outputs, is_item=facts.is_single)
    is_held = any(row.code == NEEDS_REPAIR for row in rows)
    with services.held.arriving(state.flow_id) if is_held else nullcontext():
        await _write(services, state, polled, rows, connection_id)
    if any(row.status == Status.WAITING for row in rows):
        services.held.arrived(state.flow_id)


async def _asked(
    services: Services, loaded: LoadedFlow, trigger: Trigger, memory: dict[str, Json]
) -> tuple[PollFacts, Outcome]:
    """How a poll ended, also where it could not be sent."""
    facts = PLAIN_POLL
    try:
        call = polling_call(services, loaded, trigger)
        known = services.operations.facts(call, loaded.mappings)
        facts = known.operation.poll if known.operation is not None else PLAIN_POLL
        outcome = await services.operations.call(
            _with_place(call, what_to_ask(facts, memory), is_http=known.protocol == "http"),
            flow_id=loaded.row.flow_id,
            mappings=loaded.mappings,
            client_request_id=str(services.clock.guid()),
            trace_headers={},
            attempt=1,
        )
    except StoreUnavailable:
        raise
    except ExpressionError as error:
        return facts, _unsent(error.code, error.message)
    except FlowmendError as error:
        return facts, _unsent(error.code, error.message)
    return facts, outcome


def _with_place(call: Call, asked: Asked, *, is_http: bool) -> Call:
    """The trigger's request, asking for what is new."""
    if isinstance(call, HttpCall):
        return FollowUp(call=call, method="GET", location=asked.location) if asked.location else call
    if not isinstance(call, ConnectorCall):
        return call
    if not is_http:
        return msgspec.structs.replace(call, parameters={**(call.parameters or {}), **asked.parameters})
    if asked.headers:
        call = msgspec.structs.replace(call, headers={**(call.headers or {}), **asked.headers})
    if asked.location:
        # A page: with its sign-in it goes to the connector's own origin alone.
        return FollowUp(call=call, method="GET", location=asked.location, is_page=True)
    if not asked.queries:
        return call
    return msgspec.structs.replace(call, queries=_together(call, asked.queries))


def _together(call: ConnectorCall, asked: dict[str, str]) -> dict[str, Json]:
    """The queries of both; two filters must both be met."""
    given = {**(call.parameters or {}), **(call.queries or {})}
    queries = dict(call.queries or {})
    for name, text in asked.items():
        own = given.get(name)
        both = name.lower() == "$filter" and isinstance(own, str) and own.strip()
        queries[name] = f"({own}) and ({text})" if both else text
    return queries


async def _write(
    services: Services,
    state: TriggerStateRow,
    polled: Polled,
    rows: list[TriggerEventRow],
    connection_id: str,
) -> None:
    """Keep what a poll came to: events and place in one transaction, or neither."""
    now = services.clock.now
    if not rows:
        rows = [_check(services, state, polled)]
    is_quiet = len(rows) == 1 and rows[0].status in {Status.SKIPPED, Status.FAILED}
    memory: dict[str, Json] = {**(state.memory or {}), "poll": polled.memory}
    if connection_id:
        memory["source"] = connection_id
    stopped = services.health.first_broken((connection_id,)) if polled.status is Status.FAILED else ""
    known = memory.pop("problem", None)
    if polled.status is Status.FAILED:
        since = known["since"] if isinstance(known, dict) else now.isoformat()
        message = polled.error.message if polled.error is not None else ""
        memory["problem"] = {"message": message, "since": since, "connection_id": connection_id}
    before = memory.pop("quiet", None)
    writes: list[Write] = [HoldEvent(row) for row in rows]
    if is_quiet:
        writes, memory["quiet"] = _folded(before, rows[0], now)
    after = msgspec.structs.replace(
        state,
        poll_at=None if stopped else polled.next_at,
        last_at=now,
        memory=memory,
        problem=polled.code if polled.status is Status.FAILED else "",
    )
    noted = note_polled(after, due_at=state.poll_at or now)
    try:
        await services.store.journal.write([*writes, noted])
    except Conflict as conflict:
        if conflict.code == "TriggerChanged" or not is_quiet:
            _log.info("What trigger %s of flow %s found was not kept.", state.trigger_name, state.flow_id)
            return
        # The entry of the checks before was deleted with the history.
        memory["quiet"] = _quiet(rows[0], 1)
        await services.store.journal.write([HoldEvent(rows[0]), noted])
    _tell(services, state, after, rows)


def _folded(before: Json, row: TriggerEventRow, now: datetime) -> tuple[list[Write], Json]:
    """A check like the one before makes that entry longer, so that a quiet year costs no row each minute."""
    if isinstance(before, dict) and (before.get("status"), before.get("code")) == (str(row.status), row.code):
        checks = int(before["checks"]) + 1
        changes = {"ended_at": now, "checks": checks, "error_message": row.error_message}
        return [ChangeEvent(before["event"], changes)], {**before, "checks": checks}
    return [HoldEvent(row)], _quiet(row, 1)


def _quiet(row: TriggerEventRow, checks: int) -> dict[str, Json]:
    return {"event": row.event_name, "status": str(row.status), "code": row.code, "checks": checks}


def _check(services: Services, state: TriggerStateRow, polled: Polled) -> TriggerEventRow:
    """The history entry of a check that found nothing, or failed."""
    name, now = run_name(services.clock.ticks(), services.clock.draw()), services.clock.now
    error = polled.error or ErrorDetail("", "")
    return TriggerEventRow(
        event_name=name,
        flow_id=state.flow_id,
        trigger_name=state.trigger_name,
        status=polled.status,
        code=polled.code,
        fired=False,
        started_at=now,
        ended_at=now,
        tracking_id=str(services.clock.guid()),
        client_tracking_id=name,
        error_code=error.code,
        error_message=error.message,
    )


def _tell(services: Services, before: TriggerStateRow, after: TriggerStateRow, rows: list[TriggerEventRow]) -> None:
    flow_id = after.flow_id
    for row in rows:
        if row.status == Status.WAITING:
            services.changes.publish("event", flow_id=flow_id, event_name=row.event_name, status=str(row.status))
    if before.problem != after.problem:
        services.changes.publish("event", flow_id=flow_id, event_name=rows[0].event_name, status=str(rows[0].status))


def _regular_time(services: Services, trigger: Trigger, state: TriggerStateRow) -> datetime | None:
    started_at = datetime.fromisoformat(state.memory["started_at"])
    return next_occurrence(recurrence_of(trigger), after=services.clock.now, started_at=started_at, last=state.poll_at)


def _has_no_place(services: Services, loaded: LoadedFlow, trigger: Trigger) -> bool:
    """Whether as many events wait as may: nothing is asked for until there is room (wdl.md §3, Concurrency)."""
    limit = limit_of(trigger)
    if limit is None or has_room(services, loaded):
        return False
    return services.store.trigger_events.count_held(loaded.row.flow_id) >= limit.waiting


def _unsent(code: str, message: str) -> Outcome:
    return Outcome(status=Status.FAILED, code=code, error=ErrorDetail(code, message))
