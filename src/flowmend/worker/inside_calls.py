"""Calls that stay inside: child runs and messages to batches."""

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.outcome import Outcome
from flowmend.core.run import (
    AnswerAwaited,
    BatchCall,
    CallFinished,
    CallOperation,
    ChildCall,
    Event,
)
from flowmend.core.run.record import ParentAction
from flowmend.use_cases.batches import send_to_batch
from flowmend.use_cases.child_flows import start_child
from flowmend.use_cases.ports import Services
from flowmend.worker.active_run import ActiveRun


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
    except StoreUnavailable:
        raise
    except FlowmendError:
        if not command.is_repeat:
            raise
        outcome = None  # the child may well be under way; it is asked for again
    if outcome is None:
        return AnswerAwaited(command.key)
    return CallFinished(command.key, outcome, started_at, services.clock.now)
