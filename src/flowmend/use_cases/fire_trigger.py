"""What a trigger's event leads to: a run, one run for each item, or an event held, skipped or refused."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from datetime import datetime
from typing import NoReturn

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import ExpressionError, TheyFailed, TooManyAttempts
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import CallerGone, RunStart, SendResponse, new_state
from flowmend.core.run.naming import run_name
from flowmend.core.run.scope import RunScope
from flowmend.core.run.views import timestamp
from flowmend.core.trigger import are_met
from flowmend.store.journal import HoldEvent
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.later_responses import later_response
from flowmend.use_cases.loaded_flows import FAIL, HOLD_EVENTS, LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_limits import TOO_MANY_WAIT, WAITS_FOR_TURN, has_turn, limit_of
from flowmend.use_cases.split_on import item_outputs, split_items, tracking_expression, tracking_id
from flowmend.use_cases.start_run import (
    NEEDS_REPAIR,
    NO_CAUSE,
    Cause,
    begin_run,
    broken_connection,
    hold_event,
    must_wait,
    new_event,
    new_start,
    workflow_headers,
)


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger event that is durable.

    run_name: "" while held or skipped. response: the synchronous answer; None means 202. workflow_headers: rest-api §7.
    """

    run_name: str
    event_name: str
    client_tracking_id: str
    workflow_headers: dict[str, str]
    response: SendResponse | None = None
    held: bool = False


async def accept(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    outputs: Json,
    client_tracking_id: str,
    *,
    scheduled_at: datetime | None = None,
    cause: Cause = NO_CAUSE,
) -> Accepted:
    """A trigger event as one run, as one for each item its trigger splits it into, or held, skipped or refused.

    Errors: TooManyAttempts where too many wait for their turn; TheyFailed where an answer cannot be had while a connection
    needs repair.
    """
    if trigger.split_on is None:
        return await _accept_one(
            services, loaded, trigger, outputs, client_tracking_id, scheduled_at=scheduled_at, cause=cause
        )
    return await _accept_items(services, loaded, trigger, outputs, client_tracking_id, cause=cause)


async def _accept_items(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    outputs: Json,
    client_tracking_id: str,
    *,
    cause: Cause,
) -> Accepted:
    """One run for each item, in order; all of them are durable. An event without items leaves a Skipped one in the history."""
    whole = start_of_event(services, loaded, trigger, outputs, client_tracking_id, name=cause.event_name)
    scope = RunScope(new_state(loaded.compiled, whole), services.clock, (), ())
    headers = workflow_headers(loaded, whole.run_name, whole.client_tracking_id, whole.trigger["trackingId"])
    accepted = Accepted(
        run_name="", event_name=whole.run_name, client_tracking_id=whole.client_tracking_id, workflow_headers=headers
    )
    try:
        items = split_items(trigger, scope) or []
    except ExpressionError as error:
        await _note_unfired(services, loaded, whole, Status.FAILED, error.code, cause=cause, message=error.message)
        return accepted
    if not items:
        await _note_unfired(services, loaded, whole, Status.SKIPPED, "SplitOnWithoutItems", cause=cause)
    last = msgspec.structs.replace(cause, may_queue=True)
    each = msgspec.structs.replace(last, together_with=())  # what goes with the event is written with the last of it
    first = each if len(items) > 1 else last
    last, each = (msgspec.structs.replace(one, event_name="") for one in (last, each))
    for position, (part, name) in enumerate(
        tracked_items(services, loaded, trigger, whole, outputs=outputs, items=items)
    ):
        one = await _accept_one(
            services,
            loaded,
            trigger,
            part,
            name or client_tracking_id,
            cause=first if position == 0 else last if position == len(items) - 1 else each,
        )
        accepted = one if position == 0 else accepted
    return accepted


def tracked_items(
    services: Services, loaded: LoadedFlow, trigger: Trigger, whole: RunStart, *, outputs: Json, items: Iterable[Json]
) -> Iterator[tuple[Json, str]]:
    """(trigger outputs, client tracking id) for each item of an event; the id is "" where the trigger computes none."""
    expression = tracking_expression(trigger)
    for item in items:
        part, name = item_outputs(outputs, item), ""
        if expression is not None:
            seen = msgspec.structs.replace(whole, trigger={**whole.trigger, "outputs": part})
            name = tracking_id(expression, RunScope(new_state(loaded.compiled, seen), services.clock, (), ()))
        yield part, name


def start_of_event(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    outputs: Json,
    client_tracking_id: str,
    *,
    name: str = "",
) -> RunStart:
    """What a run of an event would start with, for what is asked of the event before there are runs. name: "" makes one."""
    name = name or run_name(services.clock.ticks(), services.clock.draw())
    view = trigger_view(
        services,
        trigger,
        outputs,
        name=name,
        client_tracking_id=client_tracking_id or name,
        tracking_id=str(services.clock.guid()),
        scheduled_at=None,
    )
    return new_start(services, loaded, trigger=view, name=name, client_tracking_id=client_tracking_id or name)


async def _accept_one(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    outputs: Json,
    client_tracking_id: str,
    *,
    scheduled_at: datetime | None = None,
    cause: Cause = NO_CAUSE,
) -> Accepted:
    name = cause.event_name or run_name(services.clock.ticks(), services.clock.draw())
    guid = str(services.clock.guid())
    view = trigger_view(
        services,
        trigger,
        outputs,
        name=name,
        client_tracking_id=client_tracking_id or name,
        tracking_id=guid,
        scheduled_at=scheduled_at,
    )
    # Many runs of one event cannot answer its one caller, who hears 202 instead (wdl.md §3).
    has_caller = loaded.answers_caller and trigger.type == "Request" and trigger.split_on is None
    is_patient = cause.parent is not None or loaded.answers_later
    waits = has_caller and not is_patient
    start = new_start(
        services,
        loaded,
        trigger=view,
        name=name,
        client_tracking_id=client_tracking_id or name,
        is_synchronous=has_caller,
        is_patient=is_patient,
        cause=cause,
    )
    if not client_tracking_id and trigger.correlation:
        start = with_own_tracking_id(services, loaded, trigger, start)
    headers = workflow_headers(loaded, name, start.client_tracking_id, guid)
    if trigger.conditions and not await _conditions_met(services, loaded, trigger, start, cause):
        return Accepted(
            run_name="", event_name=name, client_tracking_id=start.client_tracking_id, workflow_headers=headers
        )
    broken = broken_connection(services, loaded)
    if broken and loaded.on_broken_connection == HOLD_EVENTS:
        return await _held(services, loaded, start, headers, cause)
    if broken and waits and loaded.on_broken_connection == FAIL:
        await _refuse_while_broken(services, loaded, start, broken)
    is_awaited = waits or cause.parent is not None
    if not is_awaited and must_wait(services, loaded, start, broken=broken):
        return await _held(services, loaded, start, headers, cause)
    limit = limit_of(trigger)
    if limit is not None and not has_turn(services, loaded):
        count = services.store.trigger_events.count_held(loaded.row.flow_id)
        is_full = count >= limit.waiting and not cause.may_queue
        if scheduled_at is not None and is_full:
            await _note_unfired(services, loaded, start, Status.SKIPPED, WAITS_FOR_TURN, cause=cause)
            return Accepted(
                run_name="", event_name=name, client_tracking_id=start.client_tracking_id, workflow_headers=headers
            )
        if is_full or waits:
            raise TooManyAttempts(
                f"The flow {loaded.row.name!r} has {limit.runs} runs under way, which is its limit, and "
                f"{count} events wait. Send the request again later.",
                code=TOO_MANY_WAIT,
                target=loaded.row.flow_id,
            )
        return await _held(services, loaded, start, headers, cause, code=WAITS_FOR_TURN)
    begun = begin_run(
        services,
        loaded,
        start,
        awaits_response=waits,
        client_request_id=cause.client_request_id,
        together_with=cause.together_with,
    )
    response = None
    if begun.response is not None:
        response = await _answer_of(services, name, begun.response)
    elif begun.durable is not None:
        await begun.durable
    if has_caller and loaded.answers_later and cause.parent is None:
        response = later_response(services, loaded, name)
    return Accepted(
        run_name=name,
        event_name=name,
        client_tracking_id=start.client_tracking_id,
        workflow_headers=headers,
        response=response,
    )


def with_own_tracking_id(services: Services, loaded: LoadedFlow, trigger: Trigger, start: RunStart) -> RunStart:
    """The event under the tracking id its trigger's `correlation` computes, where the caller gave it none."""
    scope = RunScope(new_state(loaded.compiled, start), services.clock, (), ())
    own = tracking_id(trigger.correlation.get("clientTrackingId"), scope)
    if not own:
        return start
    return msgspec.structs.replace(start, client_tracking_id=own, trigger={**start.trigger, "clientTrackingId": own})


async def _held(
    services: Services,
    loaded: LoadedFlow,
    start: RunStart,
    headers: dict[str, str],
    cause: Cause,
    *,
    code: str = NEEDS_REPAIR,
) -> Accepted:
    await hold_event(
        services,
        loaded,
        start,
        code=code,
        client_request_id=cause.client_request_id,
        together_with=cause.together_with,
    )
    return Accepted(
        run_name="",
        event_name=start.run_name,
        client_tracking_id=start.client_tracking_id,
        workflow_headers=headers,
        held=True,
    )


async def _answer_of(services: Services, run_name: str, response: Awaitable[SendResponse | None]) -> SendResponse:
    """What a waiting caller hears: the flow's answer, or that there is none (wdl.md §4, Response)."""
    try:
        async with asyncio.timeout(services.settings.caller_waits_seconds):
            answer = await response
    except TimeoutError:
        await services.dispatch.send(run_name, CallerGone())
        waited = services.settings.caller_waits_seconds
        message = f"The run {run_name} goes on, but did not answer within {waited:.0f} seconds."
        return no_answer(504, "ActionResponseTimedOut", message)
    return answer or no_answer(502, "NoResponse", f"The run {run_name} ended without an answer: see its history.")


def no_answer(status_code: int, code: str, message: str) -> SendResponse:
    """What a caller hears that waits for an answer in vain."""
    return SendResponse(status_code=status_code, headers={}, body={"error": {"code": code, "message": message}})


async def _refuse_while_broken(services: Services, loaded: LoadedFlow, start: RunStart, connection_id: str) -> NoReturn:
    """The prompt, honest answer for a caller who waits while the flow cannot work; the history keeps it."""
    message = f"The flow {loaded.row.name!r} cannot answer now: a connection it uses needs repair."
    event = msgspec.structs.replace(
        new_event(start, start.trigger["name"], fired=False),
        run_name="",
        status=Status.FAILED,
        code=NEEDS_REPAIR,
        error_code=NEEDS_REPAIR,
        error_message=message,
    )
    await services.store.journal.write([HoldEvent(event)])
    services.changes.publish("event", flow_id=loaded.row.flow_id, event_name=start.run_name, status=event.status)
    raise TheyFailed(message, code=NEEDS_REPAIR, target=connection_id)


async def _conditions_met(
    services: Services, loaded: LoadedFlow, trigger: Trigger, start: RunStart, cause: Cause
) -> bool:
    """Whether every trigger condition is true; where not, the history says Skipped, or Failed with the reason."""
    failure: ExpressionError | None = None
    try:
        if are_met(trigger.conditions, RunScope(new_state(loaded.compiled, start), services.clock, (), ())):
            return True
    except ExpressionError as error:
        failure = error
    if failure is None:
        await _note_unfired(services, loaded, start, Status.SKIPPED, "TriggerConditionNotMet", cause=cause)
    else:
        await _note_unfired(services, loaded, start, Status.FAILED, failure.code, cause=cause, message=failure.message)
    return False


async def _note_unfired(
    services: Services,
    loaded: LoadedFlow,
    start: RunStart,
    status: Status,
    code: str,
    *,
    cause: Cause,
    message: str = "",
) -> None:
    """The history entry of an event that starts no run. message: of a failure."""
    event = unfired_event(start, status, code, message=message)
    await services.store.journal.write([HoldEvent(event), *cause.together_with])
    services.changes.publish("event", flow_id=loaded.row.flow_id, event_name=start.run_name, status=event.status)


def unfired_event(start: RunStart, status: Status, code: str, *, message: str = "") -> TriggerEventRow:
    """The row of an event or a check that starts no run. message: of a failure."""
    return msgspec.structs.replace(
        new_event(start, start.trigger["name"], fired=False),
        run_name="",
        status=status,
        code=code,
        error_code=code if message else "",
        error_message=message,
    )


def trigger_view(
    services: Services,
    trigger: Trigger,
    outputs: Json,
    *,
    name: str,
    client_tracking_id: str,
    tracking_id: str,
    scheduled_at: datetime | None,
) -> dict[str, Json]:
    """What a run sees of its trigger."""
    now = timestamp(services.clock.now)
    view: dict[str, Json] = {
        "name": trigger.name,
        "startTime": now,
        "endTime": now,
        "trackingId": tracking_id,
        "clientTrackingId": client_tracking_id,
        "originHistoryName": name,
        "status": Status.SUCCEEDED.value,
    }
    if scheduled_at is not None:
        view["scheduledTime"] = timestamp(scheduled_at)
    if outputs is not None:
        view["outputs"] = outputs
    return view
