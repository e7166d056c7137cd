"""Performs the calls of runs: intent before effect, and nothing sent twice that may not be."""

import asyncio
from datetime import datetime

from msgspec.structs import replace

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.run import CallFinished, CallInDoubt, CallOperation, Event
from flowmend.use_cases.action_callbacks import with_real_callback
from flowmend.use_cases.ports import Services
from flowmend.use_cases.secret_uses import used_for
from flowmend.worker.active_run import ActiveRun
from flowmend.worker.inside_calls import is_inside, perform_inside
from flowmend.worker.run_writing import RunWriting
from flowmend.worker.traces import outgoing_headers

_STORE_TRIED_AGAIN_SECONDS = 1.0


async def perform(services: Services, run: ActiveRun, command: CallOperation, writing: RunWriting) -> Event:
    """Make a call, once it is durable that it is about to be made; where the store fails meanwhile, again when it answers.

    Errors: any FlowmendError, and what a defect raises; StoreUnavailable only of a call that may not be made twice.
    """
    while True:
        try:
            async with services.turns.turn(run.name):
                return await _perform_once(services, run, command, writing)
        except StoreUnavailable:
            if not run.is_stored or not _may_be_made_again(services, run, command):
                raise
        await asyncio.sleep(_STORE_TRIED_AGAIN_SECONDS)
        command = replace(command, is_repeat=True)


def _may_be_made_again(services: Services, run: ActiveRun, command: CallOperation) -> bool:
    """What stays inside is known by its id."""
    if is_inside(command):
        return True
    facts = services.operations.facts(command.call, services.flows.version(run.flow_id, run.loaded.version).mappings)
    return facts.is_read or facts.honours_key


async def _perform_once(services: Services, run: ActiveRun, command: CallOperation, writing: RunWriting) -> Event:
    # Asked anew: another connection may have been chosen while the run waited.
    mappings = services.flows.version(run.flow_id, run.loaded.version).mappings
    facts = services.operations.facts(command.call, mappings)
    if command.is_repeat and not facts.is_read and not facts.honours_key and command.on_interruption != "repeat":
        if command.on_interruption == "fail":
            now = services.clock.now
            outcome = Outcome(
                status=Status.FAILED,
                code="ActionInterrupted",
                error=ErrorDetail("ActionInterrupted", "The call was sent, then interrupted; its answer is not known."),
            )
            return CallFinished(command.key, outcome, now, now)
        return CallInDoubt(command.key)
    if not facts.is_read:
        await writing.written(run)  # intent before effect
    if is_inside(command):
        return await perform_inside(services, run, command)
    started_at = services.clock.now
    call = command.call
    if run.loaded.compiled.nodes[command.key[0]].is_webhook:
        call = with_real_callback(services, run.loaded, run.name, command.key, call)
    with used_for(run_name=run.name, action=command.key[0]):
        outcome = await services.operations.call(
            call,
            flow_id=run.flow_id,
            mappings=mappings,
            client_request_id=command.client_request_id,
            trace_headers=outgoing_headers(run, command.key),
            attempt=command.attempt,
        )
    return CallFinished(command.key, outcome, started_at, services.clock.now)


def failed(command: CallOperation, error: Exception, now: datetime) -> CallFinished:
    """The outcome of a call that could not be made."""
    code = error.code if isinstance(error, FlowmendError) else "InternalError"
    text = error.message if isinstance(error, FlowmendError) else "Flowmend could not make this call; its log says why."
    return CallFinished(command.key, Outcome(status=Status.FAILED, code=code, error=ErrorDetail(code, text)), now, now)
