"""What arrives at a trigger: accept it as a run, hold it, skip it or refuse it."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.core.trigger import generate_from_schema
from flowmend.core.trigger.callback_url import verify_callback
from flowmend.core.trigger.request import accept_request, checks_body
from flowmend.store.journal import Write
from flowmend.store.rows import FlowState
from flowmend.use_cases.fire_trigger import Accepted, accept
from flowmend.use_cases.heavy_work import beside_the_loop
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.receive_notification import Notification, is_notified, receive_notification
from flowmend.use_cases.repeated_events import accept_once
from flowmend.use_cases.start_run import Cause


class TriggerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller sent to a Request trigger. has_body: False tells an empty body from null."""

    method: str = "POST"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    queries: dict[str, str] = msgspec.field(default_factory=dict)
    relative_path: str = ""
    body: Json = None
    has_body: bool = False
    client_tracking_id: str = ""


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
    subscribed = _named(loaded, trigger_name)
    key = loaded.access_key if subscribed is not None and is_notified(subscribed) else loaded.request_key
    verify_callback(flow_id, trigger_name, path_signature, key=key, now=services.clock.now)
    return loaded


async def invoke_authorised(
    services: Services, loaded: LoadedFlow, trigger_name: str, request: TriggerRequest
) -> Accepted:
    """Start a flow by its Request trigger, or take what a service sends that it subscribed to.

    Errors: AskedWrongly `WorkflowTriggerIsNotEnabled`, `TriggerInputSchemaMismatch`; Conflict where an answer cannot be
    had while a connection needs repair.
    """
    trigger = _trigger(loaded, trigger_name)
    if is_notified(trigger):
        notification = Notification(
            method=request.method,
            headers=request.headers,
            queries=request.queries,
            body=request.body,
            has_body=request.has_body,
            client_tracking_id=request.client_tracking_id,
        )
        return await receive_notification(services, loaded, trigger, notification)
    if loaded.row.state is not FlowState.ON:
        raise AskedWrongly(
            f"The flow {loaded.row.name!r} is turned off. Turn it on, then send the request again.",
            code="WorkflowTriggerIsNotEnabled",
            target=loaded.row.flow_id,
        )
    read = partial(
        accept_request,
        trigger,
        method=request.method,
        headers=request.headers,
        queries=request.queries,
        relative_path=request.relative_path,
        body=request.body,
        has_body=request.has_body,
    )
    outputs = await beside_the_loop(read) if checks_body(trigger) else read()

    async def take(cause: Cause) -> Accepted:
        return await accept(services, loaded, trigger, outputs, request.client_tracking_id, cause=cause)

    return await accept_once(
        services,
        loaded,
        trigger,
        take,
        headers=request.headers,
        body=request.body,
        method=request.method,
        relative_path=request.relative_path,
        queries=request.queries,
    )


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
        read = partial(
            accept_request,
            trigger,
            method="",
            headers={"Content-Type": "application/json; charset=utf-8"},
            queries={},
            relative_path="",
            body=value,
            has_body=value is not None,
        )
        outputs = await beside_the_loop(read) if checks_body(trigger) else read()
    elif body is not None:
        outputs = {"body": body}
    accepted = await accept(services, loaded, trigger, outputs, client_tracking_id)
    services.store.audit.note(person_id, "run", flow_id, {"run": accepted.event_name}, at=services.clock.now)
    return accepted


async def start_scheduled(
    services: Services,
    flow_id: str,
    trigger_name: str,
    scheduled_at: datetime,
    outputs: Json = None,
    *,
    together_with: tuple[Write, ...] = (),
) -> Accepted:
    """A run of a Recurrence or SlidingWindow trigger.

    together_with: what else is written in the transaction that keeps the event. Errors: NotFound; those of
    `together_with`. Then neither is kept.
    """
    loaded = services.flows.latest(flow_id)
    trigger = _trigger(loaded, trigger_name)
    cause = Cause(together_with=together_with)
    return await accept(services, loaded, trigger, outputs, "", scheduled_at=scheduled_at, cause=cause)


def _named(loaded: LoadedFlow, name: str) -> Trigger | None:
    triggers = loaded.flow.definition.triggers
    return triggers.get(name) or next((one for key, one in triggers.items() if key.lower() == name.lower()), None)


def _trigger(loaded: LoadedFlow, name: str) -> Trigger:
    found = _named(loaded, name)
    if found is None:
        raise NotFound(f"The flow {loaded.row.name!r} has no trigger {name!r}.", code="TriggerNotFound", target=name)
    return found
