"""What a run leaves behind for others: its answer to a parent, a subscription's end, the next one's turn."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from flowmend.core.errors import FlowmendError
from flowmend.core.run import AnswerArrived, SendResponse, Unsubscribe
from flowmend.use_cases.action_callbacks import with_real_callback
from flowmend.use_cases.child_flows import child_answer, child_without_answer
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_limits import most_runs
from flowmend.worker.active_run import ActiveRun

_log = logging.getLogger(__name__)


class Errands:
    """Tasks nobody waits for, and stopping does not either. Whatever gets lost is made up for by who waits for it."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def answered(self, run: ActiveRun, response: SendResponse) -> None:
        """A durable answer: a parent waits for it."""
        if run.state.start.parent is not None:
            self._begin(_tell_parent(self._services(), run, response))

    def ended(self, run: ActiveRun) -> None:
        """A durable end: a parent may still wait, and where a flow runs only so many at once it is the next one's turn."""
        if run.state.start.parent is not None and not run.state.has_responded:
            self._begin(_tell_parent(self._services(), run, None))
        if most_runs(run.loaded) is not None:
            self._services().held.wake(run.flow_id)

    def unsubscribe(self, run: ActiveRun, command: Unsubscribe) -> None:
        """End a subscription nobody waits for any more."""
        self._begin(_unsubscribe(self._services(), run, command))

    def stop(self) -> None:
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()

    def _begin(self, errand: Coroutine[None, None, None]) -> None:
        if self._is_stopping:
            errand.close()
            return
        task = asyncio.get_running_loop().create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _tell_parent(services: Services, run: ActiveRun, response: SendResponse | None) -> None:
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


async def _unsubscribe(services: Services, run: ActiveRun, command: Unsubscribe) -> None:
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
