"""What arrives at a trigger: accept it as a run, hold it, skip it or refuse it."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime
from functools import partial
from typing import NoReturn

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import AskedWrongly, ExpressionError, NotFound, TheyFailed
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import CallerGone, RunStart, SendResponse, new_state
from flowmend.core.run.naming import run_name
from flowmend.core.run.scope import RunScope
from flowmend.core.run.views import timestamp
from flowmend.core.trigger import are_met, generate_from_schema
from flowmend.core.trigger.callback_url import verify_callback
from flowmend.core.trigger.request import accept_request, checks_body
from flowmend.store.journal import HoldEvent, Write
from flowmend.store.rows import FlowState
from flowmend.use_cases.heavy_work import beside_the_loop
from flowmend.use_cases.loaded_flows import FAIL, HOLD_EVENTS, LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import (
    NEEDS_REPAIR,
    begin_run,
    broken_connection,
    hold_event,
    new_event,
    new_start,
    workflow_headers,
)


class TriggerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller sent to a Request trigger. has_body: False tells an empty body from null."""

    method: str = "POST"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    queries: dict[str, str] = msgspec.field(default_factory=dict)
    relative_path: str = ""
    body: Json = None
    has_body: bool = False
    client_tracking_id: str = ""
    client_request_id: str = ""


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


async def invoke_trigger(
    services: Services,
    flow_id: str,
    trigger_name: str,
    request: TriggerRequest,
    *,
    path_signature: Mapping[str, str],
) -> Accepted:
    """A call of a signed callback URL. Errors: as `authorised_flow` and `invoke_authorised`."""
    loaded = authorised_flow(services, flow_id, trigger_name, path_signature)
    return await invoke_authorised(services, loaded, trigger_name, request)


def authorised_flow(
    services: Services, flow_id: str, trigger_name: str, path_signature: Mapping[str, str]
) -> LoadedFlow:
    """The flow that a signed callback URL may start; asked before anything is made of what the caller sent.

    Errors: NotAllowed for a missing, wrong or expired signature, before anything else is said.
    """
    try:
        loaded = services.flows.latest(flow_id)
    except AskedWrongly:
        # Without a valid signature nobody learns which flows exist, not even of one that no longer reads.
        verify_callback(flow_id, trigger_name, path_signature, key=b"", now=services.clock.now)
        raise
    verify_callback(flow_id, trigger_name, path_signature, key=loaded.access_key, now=services.clock.now)
    return loaded


async def invoke_authorised(
    services: Services, loaded: LoadedFlow, trigger_name: str, request: TriggerRequest
) -> Accepted:
    """Start a flow by its Request trigger.

    Errors: AskedWrongly `WorkflowTriggerIsNotEnabled`, `TriggerInputSchemaMismatch`; Conflict where an answer cannot be
    had while a connection needs repair.
    """
    trigger = _trigger(loaded, trigger_name)
    if loaded.row.state is not FlowState.ON:
        raise AskedWrongly(
            f"The flow {loaded.row.name!r} is turned off. Turn it on, then send the request again.",
            code="WorkflowTriggerIsNotEnabled",
            target=loaded.row.flow_id,
        )
    accept = partial(
        accept_request,
        trigger,
        method=request.method,
        headers=request.headers,
        queries=request.queries,
        relative_path=request.relative_path,
        body=request.body,
        has_body=request.has_body,
    )
    outputs = await beside_the_loop(accept) if checks_body(trigger) else accept()
    return await _accept(services, loaded, trigger, outputs, request.client_tracking_id)


async def run_now(
    services: Services, flow_id: str, body: Json, person_id: str, *, client_tracking_id: str = ""
) -> Accepted:
    """A run started by hand, whatever the trigger's type.

    body: the trigger's body; None makes one from a Request trigger's schema only where that needs nothing.
    Errors: NotFound; AskedWrongly where the flow is off.
    """
    loaded = services.flows.latest(flow_id)
    trigger = next(iter(loaded.flow.definition.triggers.values()), None)
    if trigger is None:
        raise AskedWrongly(f"The flow {loaded.row.name!r} has no trigger.", code="TriggerNotFound", target=flow_id)
    if loaded.row.state is not FlowState.ON:
        raise AskedWrongly(
            f"The flow {loaded.row.name!r} is turned off. Turn it on, then run it.",
            code="WorkflowTriggerIsNotEnabled",
            target=flow_id,
        )
    outputs: Json = None
    if trigger.type == "Request":
        schema = trigger.inputs.get("schema") if isinstance(trigger.inputs, dict) else None
        value = generate_from_schema(schema) if body is None and isinstance(schema, dict) else body
        accept = partial(
            accept_request,
            trigger,
            method="",
            headers={"Content-Type": "application/json; charset=utf-8"},
            queries={},
            relative_path="",
            body=value,
            has_body=value is not None,
        )
        outputs = await beside_the_loop(accept) if checks_body(trigger) else accept()
    elif body is not None:
        outputs = {"body": body}
    accepted = await _accept(services, loaded, trigger, outputs, client_tracking_id)
    services.store.audit.note(person_id, "run", flow_id, {"run": accepted.event_name}, at=services.clock.now)
    return accepted


async def start_scheduled(
    services: Services,
    flow_id: str,
    trigger_name: str,
    scheduled_at: datetime,
    *,
    together_with: tuple[Write, ...] = (),
) -> Accepted:
    """A run of a Recurrence trigger. together_with: what else is written in the transaction that keeps the event.

    Errors: NotFound; those of `together_with`. Then neither is kept.
    """
    loaded = services.flows.latest(flow_id)
    trigger = _trigger(loaded, trigger_name)
    return await _accept(services, loaded, trigger, None, "", scheduled_at=scheduled_at, together_with=together_with)


async def _accept(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    outputs: Json,
    client_tracking_id: str,
    *,
    scheduled_at: datetime | None = None,
    together_with: tuple[Write, ...] = (),
) -> Accepted:
    name = run_name(services.clock.ticks(), services.clock.draw())
    tracking_id = str(services.clock.guid())
    view = _trigger_view(
        services,
        trigger,
        outputs,
        name=name,
        client_tracking_id=client_tracking_id or name,
        tracking_id=tracking_id,
        scheduled_at=scheduled_at,
    )
    waits = loaded.answers_caller and trigger.type == "Request"
    start = new_start(
        services,
        loaded,
        trigger=view,
        name=name,
        client_tracking_id=client_tracking_id or name,
        is_synchronous=waits,
    )
    headers = workflow_headers(loaded, name, start.client_tracking_id, tracking_id)
    if trigger.conditions and not await _conditions_met(services, loaded, trigger, start, together_with):
        return Accepted(
            run_name="", event_name=name, client_tracking_id=start.client_tracking_id, workflow_headers=headers
        )
    broken = broken_connection(services, loaded)
    if broken and loaded.on_broken_connection == HOLD_EVENTS:
        await hold_event(services, loaded, start, together_with=together_with)
        return Accepted(
            run_name="",
            event_name=name,
            client_tracking_id=start.client_tracking_id,
            workflow_headers=headers,
            held=True,
        )
    if broken and waits and loaded.on_broken_connection == FAIL:
        await _refuse_while_broken(services, loaded, start, broken)
    begun = begin_run(services, loaded, start, awaits_response=waits, together_with=together_with)
    response = None
    if begun.response is not None:
        response = await _answer_of(services, name, begun.response)
    elif begun.durable is not None:
        await begun.durable
    return Accepted(
        run_name=name,
        event_name=name,
        client_tracking_id=start.client_tracking_id,
        workflow_headers=headers,
        response=response,
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
        return _no_answer(504, "ActionResponseTimedOut", message)
    return answer or _no_answer(502, "NoResponse", f"The run {run_name} ended without an answer: see its history.")


def _no_answer(status_code: int, code: str, message: str) -> SendResponse:
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
    services: Services, loaded: LoadedFlow, trigger: Trigger, start: RunStart, together_with: tuple[Write, ...]
) -> bool:
    """Whether every trigger condition is true; where not, the history says Skipped, or Failed with the reason."""
    failure: ExpressionError | None = None
    try:
        if are_met(trigger.conditions, RunScope(new_state(loaded.compiled, start), services.clock, (), ())):
            return True
    except ExpressionError as error:
        failure = error
    event = msgspec.structs.replace(
        new_event(start, trigger.name, fired=False),
        run_name="",
        status=Status.FAILED if failure else Status.SKIPPED,
        code=failure.code if failure else "TriggerConditionNotMet",
        error_code=failure.code if failure else "",
        error_message=failure.message if failure else "",
    )
    await services.store.journal.write([HoldEvent(event), *together_with])
    services.changes.publish("event", flow_id=loaded.row.flow_id, event_name=start.run_name, status=event.status)
    return False


def _trigger(loaded: LoadedFlow, name: str) -> Trigger:
    found = loaded.flow.definition.triggers.get(name)
    if found is None:
        found = next((one for key, one in loaded.flow.definition.triggers.items() if key.lower() == name.lower()), None)
    if found is None:
        raise NotFound(f"The flow {loaded.row.name!r} has no trigger {name!r}.", code="TriggerNotFound", target=name)
    return found


def _trigger_view(
    services: Services,
    trigger: Trigger,
    outputs: Json,
    *,
    name: str,
    client_tracking_id: str,
    tracking_id: str,
    scheduled_at: datetime | None,
) -> dict[str, Json]:
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
