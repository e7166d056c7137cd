"""An event that arrives again is the same event: it has the same answer, and no second run.

A sender that did not get our answer sends again. Which name counts, `core.trigger.event_identity` says; it counts for a day.
The name is written in the transaction that makes the event durable, so a crash leaves both or neither.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import Conflict
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import SendResponse
from flowmend.core.run.naming import run_name
from flowmend.core.trigger.event_identity import EventIdentity, content_digest, event_identity
from flowmend.store.received_events import EVENT_RECEIVED, ReceivedEventRow, ReusedName, note_received
from flowmend.use_cases.fire_trigger import Accepted, no_answer
from flowmend.use_cases.heavy_work import beside_the_loop
from flowmend.use_cases.later_responses import journalled_response, later_response
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import NO_CAUSE, Cause, workflow_headers

#: How long a name counts.
KNOWN_FOR = timedelta(hours=24)
_REUSED = "ClientRequestIdReused"
_LOOK_AGAIN_SECONDS = 0.1

Take = Callable[[Cause], Awaitable[Accepted]]


async def accept_once(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    take: Take,
    *,
    headers: Mapping[str, str],
    body: Json,
    method: str = "",
    relative_path: str = "",
    queries: Mapping[str, str] | None = None,
) -> Accepted:
    """What becomes of an event, or became of it when it arrived before.

    take: accepts it, with a cause that names it. Errors: those of `take`.
    """
    identity = event_identity(headers, body)
    if identity is None:
        return await take(NO_CAUSE)
    content = ""
    if identity.names_request:
        content = await beside_the_loop(partial(content_digest, method, relative_path, queries or {}, body))
    key = hashlib.sha256(f"{trigger.name}\n{identity.key}".encode()).hexdigest()
    accepting = partial(_accept, services, loaded, trigger, identity, take, key=key, content=content)
    return await services.arrivals.once((loaded.row.flow_id, key, content), accepting)


async def _accept(
    services: Services,
    loaded: LoadedFlow,
    trigger: Trigger,
    identity: EventIdentity,
    take: Take,
    *,
    key: str,
    content: str,
) -> Accepted:
    now = services.clock.now
    flow_id, since = loaded.row.flow_id, now - KNOWN_FOR
    known = services.store.received_events.named(flow_id, key, since)
    if (same := _same(known, content)) is not None:
        return await _as_before(services, loaded, trigger, same)
    name = run_name(services.clock.ticks(), services.clock.draw())
    received = ReceivedEventRow(
        flow_id=flow_id,
        identity=key,
        content=content,
        trigger_name=trigger.name,
        event_name=name,
        received_at=now,
    )
    reused = _warning(known[0]) if known and identity.names_request else None
    noted = note_received(received, forgotten_before=since, reused=reused)
    try:
        return await take(Cause(event_name=name, together_with=(noted,)))
    except Conflict as error:
        # It came to another process at the same moment, whose event was written first: that one answers for both.
        same = _same(services.store.received_events.named(flow_id, key, since), content)
        if error.code != EVENT_RECEIVED or same is None:
            raise
        return await _as_before(services, loaded, trigger, same)


def _same(known: Sequence[ReceivedEventRow], content: str) -> ReceivedEventRow | None:
    return next((row for row in known if row.content == content), None)


def _warning(before: ReceivedEventRow) -> ReusedName:
    return ReusedName(
        code=_REUSED,
        message="The caller sent something else under the request id that it gave to event "
        f"{before.event_name} before; so this is taken as another event. Let the caller name each request anew.",
    )


async def _as_before(services: Services, loaded: LoadedFlow, trigger: Trigger, received: ReceivedEventRow) -> Accepted:
    """The answer that the event had, as far as the history still knows it."""
    name = received.event_name
    event = services.store.trigger_events.get(name)
    tracking_id, client_tracking_id = (event.tracking_id, event.client_tracking_id) if event else (name, name)
    response = None
    if event is not None and event.run_name and loaded.answers_caller and trigger.type == "Request":
        response = await _response(services, loaded, trigger, event.run_name)
    return Accepted(
        run_name=event.run_name if event else "",
        event_name=name,
        client_tracking_id=client_tracking_id,
        workflow_headers=workflow_headers(loaded, name, client_tracking_id, tracking_id),
        response=response,
        held=event is not None and event.status == Status.WAITING,
    )


async def _response(services: Services, loaded: LoadedFlow, trigger: Trigger, name: str) -> SendResponse | None:
    """What the run answered, waited for as its first caller waits; None for a run that answers 202 alone."""
    if trigger.split_on is not None:
        return None
    if loaded.answers_later:
        return later_response(services, loaded, name)
    with_patience = asyncio.timeout(services.settings.caller_waits_seconds)
    try:
        async with with_patience:
            while True:
                answer = journalled_response(services, name)
                if answer is not None:
                    return answer
                row = services.store.runs.get(name)
                if row is None or Status(row.status).is_terminal:
                    return no_answer(502, "NoResponse", f"The run {name} ended without an answer: see its history.")
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    except TimeoutError:
        return no_answer(504, "ActionResponseTimedOut", f"The run {name} goes on, but has not answered yet.")
