"""Calls that stay inside: child runs, messages to batches, and what a child says to the run that waits for it."""

import logging

from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import Outcome
from flowmend.core.run import (
    AnswerArrived,
    AnswerAwaited,
    BatchCall,
    CallFinished,
    CallOperation,
    ChildCall,
    Event,
    SendResponse,
    Unsubscribe,
)
from flowmend.core.run.record import ParentAction
from flowmend.use_cases.action_callbacks import with_real_callback
from flowmend.use_cases.batches import send_to_batch
from flowmend.use_cases.child_flows import child_answer, child_without_answer, start_child
from flowmend.use_cases.held_events import release_events
from flowmend.use_cases.ports import Services
from flowmend.worker.active_run import ActiveRun

_log = logging.getLogger(__name__)


def is_inside(command: CallOperation) -> bool:
    """Whether a call is to another flow of this Flowmend."""
    return isinstance(command.call, ChildCall | BatchCall)


async def perform_inside(services: Services, run: ActiveRun, command: CallOperation) -> Event:
    """Make a call to another flow. Its intent is durable already."""
    started_at = services.clock.now
    outcome: Outcome | None
    try:
        if isinstance(command.call, BatchCall):
            outcome = await send_to_batch(
                services, command.call, sender=run.state.start, client_request_id=command.client_request_id
            )
        elif isinstance(command.call, ChildCall):
            name, repetition = command.key
            outcome = await start_child(
                services,
                command.call,
                parent=ParentAction(run_name=run.name, action=name, repetition=repetition),
                parent_start=run.state.start,
                client_request_id=command.client_request_id,
            )
        else:
            raise TypeError(f"{type(command.call).__name__} is no call to another flow.")
    except FlowmendError:
        if not command.is_repeat:
            raise
        outcome = None  # the child may well be under way; it is asked for again
    if outcome is None:
        return AnswerAwaited(command.key)
    return CallFinished(command.key, outcome, started_at, services.clock.now)


async def tell_parent(services: Services, run: ActiveRun, response: SendResponse | None) -> None:
    """Bring a child's answer, or that there is none, to the action that waits for it.

    Should this get lost, the waiting run asks for it by itself before long.
    """
    parent = run.state.start.parent
    if parent is None:
        return
    if response is None:
        outcome = child_without_answer(run.loaded)
    else:
        outcome = child_answer(response.status_code, response.headers, response.body)
    try:
        await services.dispatch.send(parent.run_name, AnswerArrived(parent.key, outcome))
    except FlowmendError as error:
        _log.warning("Run %s could not tell run %s its answer: %s", run.name, parent.run_name, error)


async def unsubscribe(services: Services, run: ActiveRun, command: Unsubscribe) -> None:
    """End a subscription nobody waits for any more."""
    call = with_real_callback(services, run.loaded, run.name, command.key, command.call)
    try:
        outcome = await services.operations.call(
            call,
            flow_id=run.flow_id,
            mappings=services.flows.version(run.flow_id, run.loaded.version).mappings,
            client_request_id=command.client_request_id,
            trace_headers={},
            attempt=1,
        )
    except FlowmendError as error:
        _log.warning("Run %s could not unsubscribe %s: %s", run.name, command.key[0], error)
    else:
        _log.info("Run %s unsubscribed %s: %s", run.name, command.key[0], outcome.code)


async def let_next_begin(services: Services, run: ActiveRun) -> None:
    """Start what waited for the end of this run."""
    try:
        await release_events(services, run.flow_id)
    except FlowmendError as error:
        _log.warning("The next event of flow %s could not begin: %s", run.flow_id, error)
