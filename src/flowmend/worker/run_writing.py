"""Writes what runs decide.

At most one group of a run's writes is on its way; what is decided meanwhile goes with the next one. Whoever must not go
on before everything decided so far is durable says so and is called back; nobody else is waited for, so outcomes of
reads ride along with the next group, or go a moment later by themselves for the pages that show them.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.store.journal import AppendPage, ChangeRun, Write
from flowmend.use_cases.ports import Services
from flowmend.worker.active_run import CANNOT_GO_ON, ActiveRun, Waiter, given_up

_log = logging.getLogger(__name__)

#: How soon outcomes that need no durability are written, for the pages.
_LAZILY_SECONDS = 0.5
_RETRY_STORE_SECONDS = 1.0
#: When it is looked up whether a new run was stored; no longer, for its caller waits. A first moment is left to a
#: database that still commits what its lost client asked for.
_LOOK_AFTER_SECONDS = (0.1, 0.4, 1.0, 1.0, 1.0)


class RunWriting:
    """Owned by the run loop. lost: told of a run that can no longer be written here, before those who wait for it."""

    def __init__(self, services: Callable[[], Services], lost: Callable[[ActiveRun], None]) -> None:
        self._services = services
        self._lost = lost
        #: {run: when it is written though nobody waits}, in the order of these times
        self._lazy: dict[ActiveRun, float] = {}
        self._lazy_timer: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._looking: set[asyncio.Task[None]] = set()

    def stop_retrying(self) -> None:
        """From now on a store that cannot be reached is a failure."""
        self._is_stopping = True

    def go_on(self, run: ActiveRun) -> None:
        """Write what `run.awaiting` waits for, unless a group is on its way already."""
        if run.awaiting and run.flushing is None and not run.retry_writes:
            self._flush(run)

    def when_written(self, run: ActiveRun, waiter: Waiter) -> None:
        """Call `waiter` once everything decided so far is durable, or with the error that keeps it from being so."""
        if run.flushing is not None and not run.entries and not run.writes:
            run.flushing.append(waiter)
        else:
            run.awaiting.append(waiter)
            self.go_on(run)

    def written(self, run: ActiveRun) -> "asyncio.Future[None]":
        """A future of the caller's own that resolves once everything decided so far is durable."""
        future = asyncio.get_running_loop().create_future()
        self.when_written(run, partial(_resolve, future))
        return future

    def write(self, run: ActiveRun) -> None:
        """Write what was decided so far; nobody waits for it."""
        self.when_written(run, _nobody)

    def write_lazily(self, run: ActiveRun) -> None:
        """Write what was decided so far within a moment."""
        if not run.entries or run.awaiting:
            return
        loop = asyncio.get_running_loop()
        self._lazy.setdefault(run, loop.time() + _LAZILY_SECONDS)
        if self._lazy_timer is None:
            self._lazy_timer = loop.call_later(_LAZILY_SECONDS, self._write_lazy)

    def _write_lazy(self) -> None:
        loop = asyncio.get_running_loop()
        for run in [run for run, at in self._lazy.items() if at <= loop.time()]:
            del self._lazy[run]
            self.write(run)
        next_at = next(iter(self._lazy.values()), None)
        self._lazy_timer = None if next_at is None else loop.call_at(next_at, self._write_lazy)

    def _flush(self, run: ActiveRun) -> None:
        if run.flushing is not None:
            return
        waiting, run.awaiting = run.awaiting, []
        try:
            writes = [*run.retry_writes, *_collect(run)]
        except Exception:  # noqa: BLE001  # values that no page can hold end this run, with its reason, and no other
            _log.exception("Run %s: what it decided cannot be written", run.name)
            writes = [*run.retry_writes, *self._end(run, waiting)]
            waiting = [partial(self._given_up, run)]
        run.flushing, run.retry_writes = waiting, []
        self._lazy.pop(run, None)
        if not writes:
            self._flushed(run, writes, None)
            return
        flushed = partial(self._flushed, run, writes)
        try:
            self._services().store.journal.hand_over(writes, flushed)
        except StoreUnavailable as error:
            asyncio.get_running_loop().call_soon(flushed, error)

    def _flushed(self, run: ActiveRun, writes: list[Write], error: BaseException | None) -> None:
        waiting, run.flushing = run.flushing or [], None
        if error is None:
            run.is_stored = True
            if writes:
                self._tell(run)
            for waiter in waiting:
                waiter(None)
            if run.awaiting:
                self._flush(run)
        elif isinstance(error, StoreUnavailable) and run.is_stored and not self._is_stopping:
            # The run is safe up to here; it goes on when the store answers again.
            _log.log(self._services().store.condition.log_level, "Run %s waits for the store: %s", run.name, error)
            run.retry_writes = writes
            run.awaiting[:0] = waiting
            asyncio.get_running_loop().call_later(_RETRY_STORE_SECONDS, self._flush, run)
        elif isinstance(error, StoreUnavailable) and not self._is_stopping:
            run.flushing = waiting  # the group is on its way until its fate is known
            looking = asyncio.get_running_loop().create_task(self._look_up(run, writes, error))
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)
        else:
            self._give_up(run, waiting, error)

    async def _look_up(self, run: ActiveRun, writes: list[Write], error: StoreUnavailable) -> None:
        """Go on with a new run that was stored though the answer to its commit was lost; give up any other."""
        is_there = False
        for seconds in _LOOK_AFTER_SECONDS:
            await asyncio.sleep(seconds)
            if self._is_stopping:
                break
            try:
                is_there = await asyncio.to_thread(self._services().store.runs.has, run.name)
            except StoreUnavailable:
                continue
            break
        if is_there:
            _log.warning("Run %s was stored though its commit was not answered: %s", run.name, error)
            self._flushed(run, writes, None)
        else:
            waiting, run.flushing = run.flushing or [], None
            self._give_up(run, waiting, error)

    def _give_up(self, run: ActiveRun, waiting: list[Waiter], error: BaseException) -> None:
        if not isinstance(error, StoreUnavailable):
            _log.error("Run %s is no longer advanced here: %s", run.name, error)
        self._lazy.pop(run, None)
        self._lost(run)
        waiting += run.awaiting
        run.awaiting = []
        for waiter in waiting:
            waiter(error)
        if run.response is not None and not run.response.done():
            _resolve(run.response, error)

    def _end(self, run: ActiveRun, waiting: list[Waiter]) -> list[Write]:
        """The end of a run in place of what it decided. Who waited for that to be durable must not go on."""
        run.entries = []
        for entry in given_up(self._services().clock.now).entries:
            run.note(entry)
            run.entries.append(entry)
        writes = _collect(run)
        for waiter in waiting:
            waiter(FlowmendError(CANNOT_GO_ON.message, code=CANNOT_GO_ON.code))
        return writes

    def _given_up(self, run: ActiveRun, _error: BaseException | None) -> None:
        self._lost(run)
        if run.response is not None and not run.response.done():
            run.response.set_result(None)

    def _tell(self, run: ActiveRun) -> None:
        status = run.ended.status if run.ended is not None else run.shown_status
        self._services().changes.publish("run", run_name=run.name, flow_id=run.flow_id, status=status.value)


def _collect(run: ActiveRun) -> list[Write]:
    page = run.pages.encode(run.entries) if run.entries else None  # first: where it fails, nothing has changed
    writes = run.writes
    run.writes, run.entries = [], []
    if page is not None:
        run.sequence += 1
        writes.append(AppendPage(run.name, run.epoch, run.sequence, page))
    changes = run.row_changes()
    if changes is not None:
        writes.append(ChangeRun(run.name, run.epoch, changes))
    return writes


def _resolve(future: "asyncio.Future[Any]", error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        future.exception()  # a waiter may be gone; the log has it


def _nobody(_error: BaseException | None) -> None:
    """Waits for a page that only has to be written."""
