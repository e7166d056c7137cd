"""Advances runs: hands events to `decide`, writes what it decided, and carries out its commands.

Theory of operation. A run in memory is an `ActiveRun`; each event (a call ended, a timer fired, somebody cancels) is
handed to `decide` at once, on this thread. The entries it returns are buffered and written as one page whenever
something must not happen before they are durable: an outside effect, an answer to a caller, a status shown. At most
one page of a run is on its way; what is decided meanwhile goes with the next one. Reads need no durability, so their
outcomes ride along; a lazy flush shows them on pages within a moment all the same.

A run that only waits for a far timer, a repair or a person leaves memory once its page is written; its row says when
it goes on, and `wake` brings it back through the same door as a restart: fold the journal, then decide `Recovered`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.run import (
    AbandonCall,
    ActionKey,
    CallFinished,
    CallInDoubt,
    CallOperation,
    Command,
    EndRun,
    Event,
    Recovered,
    SendResponse,
    Started,
    TimerFired,
    Unsubscribe,
    WaitUntil,
    decide,
    fold,
    new_state,
)
from flowmend.store.journal import AddTracked, AppendPage, ChangeRun, StartRun, Write
from flowmend.store.rows import RunRow, TrackedValueRow
from flowmend.use_cases.action_callbacks import with_real_callback
from flowmend.use_cases.journal_pages import PageWriter, decode_pages, decode_start
from flowmend.use_cases.ports import Begun, Services
from flowmend.use_cases.start_run import NewRun, workflow_headers
from flowmend.worker.active_run import ActiveRun
from flowmend.worker.errands import Errands
from flowmend.worker.inside_calls import is_inside, perform_inside

_log = logging.getLogger(__name__)

#: A wait longer than this leaves memory and is woken from its row.
AT_REST_AFTER = timedelta(seconds=60)
#: How soon outcomes that need no durability are written, for the pages.
_LAZY_FLUSH_SECONDS = 0.5
_RETRY_STORE_SECONDS = 1.0
#: How often a run is looked at that waits for nothing but a callback.
_LOOK_AT_REST = timedelta(days=1)
_STOPS_WITHIN_SECONDS = 5.0
_RECOVER_AT_ONCE = 64
#: Actions a run takes up before others have their turn, and entries that are a page of their own: both a few
#: milliseconds of work, so that a run over 100,000 items keeps nobody waiting.
_SLICE = 200
_FULL_PAGE = 1000


class RunLoop:
    """Implements `use_cases.ports.Dispatch` for the runs of this process."""

    def __init__(self, services: Callable[[], Services], schedule_changed: Callable[[], None]) -> None:
        self._services = services
        self._schedule_changed = schedule_changed
        self._active: dict[str, ActiveRun] = {}
        self._loading: dict[str, asyncio.Future[ActiveRun | None]] = {}
        self._stopping = False
        self._errands = Errands(services)

    @property
    def active_count(self) -> int:
        return len(self._active)

    def begin(self, new_run: NewRun) -> Begun:
        services = self._services()
        row, loaded = new_run.row, new_run.loaded
        run = ActiveRun(
            row.run_name,
            loaded,
            new_state(loaded.compiled, new_run.start),
            PageWriter(row.run_name, services.vault),
            epoch=row.epoch,
            sequence=0,
        )
        run.is_stored = False
        run.writes.append(StartRun(row, new_run.event))
        run.writes.extend(new_run.together_with)
        self._active[run.name] = run
        services.changes.publish("run", run_name=run.name, flow_id=run.flow_id, status=Status.RUNNING.value)
        if new_run.awaits_response:
            run.response = asyncio.get_running_loop().create_future()
            response = run.response
            self._handle(run, Started())
            return Begun(durable=None, response=response)
        durable = self._make_durable(run)
        self._handle(run, Started())
        return Begun(durable=durable, response=None)

    def is_active(self, run_name: str) -> bool:
        return run_name in self._active

    def unfinished_of(self, flow_id: str) -> frozenset[str]:
        mine = {run.name: run for run in self._active.values() if run.flow_id == flow_id}
        names = {*self._services().store.runs.unfinished_of(flow_id), *mine}
        return frozenset(name for name in names if name not in mine or mine[name].ended is None)

    async def send(self, run_name: str, event: Event) -> bool:
        run = self._active.get(run_name) or await self._load(run_name)
        if run is None or run.ended is not None:
            return False
        self._handle(run, event)
        await asyncio.shield(self._make_durable(run))
        return True

    def schedule_changed(self) -> None:
        self._schedule_changed()

    async def recover(self) -> int:
        """Go on with every run that was under way when the process ended; how many there were."""
        services = self._services()
        names = [row.run_name for row in services.store.runs.unfinished() if not _is_at_rest(row, services.clock.now)]
        for position in range(0, len(names), _RECOVER_AT_ONCE):
            await asyncio.gather(*(self._load(name) for name in names[position : position + _RECOVER_AT_ONCE]))
        return len(names)

    async def wake(self, run_name: str) -> None:
        """Bring a run at rest back to memory; its timers that are due fire."""
        if run_name not in self._active:
            await self._load(run_name)

    async def stop(self) -> None:
        """Stop advancing; what is under way is recovered at the next start."""
        self._stopping = True
        self._errands.stop()
        for run in list(self._active.values()):
            for _, handle in run.timers.values():
                handle.cancel()
            for task in run.calls.values():
                task.cancel()
        unwritten = [run for run in self._active.values() if run.entries or run.writes or run.flushing is not None]
        if unwritten:
            await asyncio.wait([self._make_durable(run) for run in unwritten], timeout=_STOPS_WITHIN_SECONDS)

    # -- loading --

    async def _load(self, run_name: str) -> ActiveRun | None:
        """The run from the store, recovered; None where it is finished or unknown."""
        if (loading := self._loading.get(run_name)) is not None:
            return await loading
        future = self._loading[run_name] = asyncio.get_running_loop().create_future()
        try:
            run = self._read(run_name)
        except FlowmendError as error:
            _log.error("Run %s cannot go on: %s", run_name, error)
            run = None
        finally:
            del self._loading[run_name]
        future.set_result(run)
        if run is not None:
            self._handle(run, Recovered())
        return run

    def _read(self, run_name: str) -> ActiveRun | None:
        services = self._services()
        row = services.store.runs.get(run_name)
        if row is None or Status(row.status).is_terminal:
            return None
        loaded = services.flows.version(row.flow_id, row.version)
        epoch = services.store.runs.take(run_name)
        pages = services.store.runs.pages(run_name)
        entries = decode_pages(run_name, (page for _, page in pages), services.vault)
        start = decode_start(row.start, services.vault, loaded.parameters)
        state = fold(loaded.compiled, start, entries)
        sequence = pages[-1][0] if pages else 0
        run = ActiveRun(
            run_name, loaded, state, PageWriter(run_name, services.vault, entries), epoch=epoch, sequence=sequence
        )
        run.shown_status = Status(row.status)
        if row.wake_at is not None:  # it is awake now: the timers need not look at it again
            run.writes.append(ChangeRun(run_name, epoch, {"wake_at": None}))
        for entry in entries:
            run.note(entry)
        self._active[run_name] = run
        return run

    # -- deciding --

    def _handle(self, run: ActiveRun, event: Event) -> None:
        if run.ended is not None or self._stopping:
            return
        services = self._services()
        decision = decide(run.loaded.compiled, run.state, event, services.clock, budget=_SLICE)
        for entry in decision.entries:
            run.note(entry)
            run.entries.append(entry)
            self._track(run, entry)
        for command in decision.commands:
            self._carry_out(run, command)
        if decision.more:
            if len(run.entries) >= _FULL_PAGE:
                self._make_durable(run)
            asyncio.get_running_loop().call_soon(self._handle, run, Started())
        else:
            self._settle(run)

    def _track(self, run: ActiveRun, entry: object) -> None:
        tracked = getattr(entry, "tracked_properties", None)
        if isinstance(tracked, dict):
            for name, value in tracked.items():
                text = value if isinstance(value, str) else str(value)
                run.writes.append(
                    AddTracked(TrackedValueRow(run_name=run.name, flow_id=run.flow_id, name=name, value=text))
                )

    def _carry_out(self, run: ActiveRun, command: Command) -> None:
        match command:
            case CallOperation():
                run.calls[command.key] = asyncio.get_running_loop().create_task(self._call(run, command))
            case WaitUntil():
                self._arm(run, command.key, command.at)
            case AbandonCall():
                if (task := run.calls.pop(command.key, None)) is not None:
                    task.cancel()
                self._disarm(run, command.key)
            case Unsubscribe():
                self._errands.unsubscribe(run, command)
            case SendResponse():
                self._make_durable(run).add_done_callback(lambda done: self._answer(run, command, done))
            case EndRun():
                self._end(run)

    def _settle(self, run: ActiveRun) -> None:
        """After a decision: write soon, or leave memory where nothing is under way."""
        if run.ended is not None:
            return
        if run.calls:
            if run.entries and run.durable is None and run.flushing is None:
                asyncio.get_running_loop().call_later(_LAZY_FLUSH_SECONDS, self._flush_lazily, run)
            return
        wake_at = run.next_wake_at()
        now = self._services().clock.now
        caller_waits = run.state.has_caller and not run.state.has_responded and not run.state.start.is_patient
        if caller_waits or (wake_at is not None and wake_at - now <= AT_REST_AFTER):
            self._make_durable(run)
            return
        if wake_at is None and not run.person_waits:
            wake_at = now + _LOOK_AT_REST  # it waits for a callback; so it need not be read at every start
        if wake_at is not None:
            run.writes.append(ChangeRun(run.name, run.epoch, {"wake_at": wake_at}))
        self._make_durable(run).add_done_callback(lambda _done: self._leave(run))

    def _leave(self, run: ActiveRun) -> None:
        """Drop a run at rest from memory, unless something came up meanwhile."""
        if run.calls or run.durable is not None or run.flushing is not None or run.entries:
            return
        wake_at = run.next_wake_at()
        if wake_at is not None and wake_at - self._services().clock.now <= AT_REST_AFTER:
            return
        self._drop(run)
        if wake_at is not None:
            self._schedule_changed()

    def _drop(self, run: ActiveRun) -> None:
        for key in list(run.timers):
            self._disarm(run, key)
        for task in run.calls.values():
            task.cancel()
        run.calls.clear()
        if self._active.get(run.name) is run:
            del self._active[run.name]

    def _end(self, run: ActiveRun) -> None:
        self._make_durable(run).add_done_callback(lambda done: self._ended(run, done))

    def _ended(self, run: ActiveRun, done: "asyncio.Future[None]") -> None:
        if run.response is not None and not run.response.done():
            if done.cancelled() or done.exception() is None:
                run.response.set_result(None)
            else:
                run.response.set_exception(done.exception() or StoreUnavailable("The run could not be stored."))
        self._drop(run)
        if not done.cancelled() and done.exception() is None:
            self._errands.ended(run)

    def _answer(self, run: ActiveRun, response: SendResponse, done: "asyncio.Future[None]") -> None:
        """An answer that is durable, to whoever waits for it."""
        if done.cancelled() or done.exception() is not None:
            return
        if run.response is not None and not run.response.done():
            run.response.set_result(response)
        self._errands.answered(run, response)

    # -- timers --

    def _arm(self, run: ActiveRun, key: ActionKey, at: datetime) -> None:
        self._disarm(run, key)
        delay = max(0.0, (at - self._services().clock.now).total_seconds())
        handle = asyncio.get_running_loop().call_later(min(delay, 86_400.0), self._fire, run, key)
        run.timers[key] = (at, handle)

    def _disarm(self, run: ActiveRun, key: ActionKey) -> None:
        if (armed := run.timers.pop(key, None)) is not None:
            armed[1].cancel()

    def _fire(self, run: ActiveRun, key: ActionKey) -> None:
        at, _ = run.timers.pop(key)
        if at > self._services().clock.now:  # a long wait, or a clock set back
            self._arm(run, key, at)
        else:
            self._handle(run, TimerFired(key))

    # -- calls --

    async def _call(self, run: ActiveRun, command: CallOperation) -> None:
        services = self._services()
        try:
            event = await self._perform(services, run, command)
        except FlowmendError as error:
            event = self._failed(command, error, services.clock.now)
        except Exception as error:  # noqa: BLE001  # our own defect fails this action, not the whole server
            _log.exception("Run %s: the call of %s broke", run.name, command.key[0])
            event = self._failed(command, error, services.clock.now)
        if run.calls.get(command.key) is asyncio.current_task():
            del run.calls[command.key]
            self._handle(run, event)

    async def _perform(self, services: Services, run: ActiveRun, command: CallOperation) -> Event:
        facts = services.operations.facts(command.call, run.loaded.mappings)
        if command.is_repeat and not facts.is_read and not facts.honours_key and command.on_interruption != "repeat":
            if command.on_interruption == "fail":
                now = services.clock.now
                outcome = Outcome(
                    status=Status.FAILED,
                    code="ActionInterrupted",
                    error=ErrorDetail(
                        "ActionInterrupted", "The call was sent, then interrupted; its answer is not known."
                    ),
                )
                return CallFinished(command.key, outcome, now, now)
            return CallInDoubt(command.key)
        if not facts.is_read:
            await asyncio.shield(self._make_durable(run))  # intent before effect; others wait for this page too
        if is_inside(command):
            return await perform_inside(services, run, command)
        if run.trace_headers is None:
            run.trace_headers = workflow_headers(run.loaded, run.name, "", command.client_request_id)
        started_at = services.clock.now
        call = command.call
        if run.loaded.compiled.nodes[command.key[0]].is_webhook:
            call = with_real_callback(services, run.loaded, run.name, command.key, call)
        outcome = await services.operations.call(
            call,
            flow_id=run.flow_id,
            mappings=run.loaded.mappings,
            client_request_id=command.client_request_id,
            trace_headers={"x-ms-workflow-operation-name": command.key[0]},
            attempt=command.attempt,
        )
        return CallFinished(command.key, outcome, started_at, services.clock.now)

    def _failed(self, command: CallOperation, error: Exception, now: datetime) -> CallFinished:
        code = error.code if isinstance(error, FlowmendError) else "InternalError"
        text = (
            error.message
            if isinstance(error, FlowmendError)
            else "Flowmend could not make this call; its log says why."
        )
        return CallFinished(
            command.key, Outcome(status=Status.FAILED, code=code, error=ErrorDetail(code, text)), now, now
        )

    # -- writing --

    def _flush_lazily(self, run: ActiveRun) -> None:
        if run.entries and self._active.get(run.name) is run:
            self._make_durable(run)

    def _make_durable(self, run: ActiveRun) -> "asyncio.Future[None]":
        """A future that resolves once everything decided so far is written."""
        if run.durable is None:
            run.durable = asyncio.get_running_loop().create_future()
            if run.flushing is None:
                # Not now but after this decision: what it still decides then shares the page.
                asyncio.get_running_loop().call_soon(self._start_flush, run)
        return run.durable

    def _start_flush(self, run: ActiveRun) -> None:
        if run.flushing is not None or run.durable is None:
            return
        services = self._services()
        run.flushing, run.durable = run.durable, None
        writes = [*run.retry_writes, *self._collect(run)]
        run.retry_writes = []
        if not writes:
            self._flushed(run, writes, None)
            return
        written = services.store.journal.enqueue(writes)
        written.add_done_callback(lambda done: self._flushed(run, writes, done.exception()))

    def _collect(self, run: ActiveRun) -> list[Write]:
        writes, entries = run.writes, run.entries
        run.writes, run.entries = [], []
        if entries:
            run.sequence += 1
            page = run.pages.encode(entries)
            writes.append(AppendPage(run.name, run.epoch, run.sequence, page))
        changes = run.row_changes()
        if changes is not None:
            writes.append(ChangeRun(run.name, run.epoch, changes))
        return writes

    def _flushed(self, run: ActiveRun, writes: list[Write], error: BaseException | None) -> None:
        flushing, run.flushing = run.flushing, None
        if error is None:
            run.is_stored = True
            if flushing is not None and not flushing.done():
                flushing.set_result(None)
            if writes:
                self._tell(run)
            if run.durable is not None:
                self._start_flush(run)
        elif isinstance(error, StoreUnavailable) and run.is_stored and not self._stopping:
            # The run is safe up to here; it goes on when the store answers again.
            _log.warning("Run %s waits for the store: %s", run.name, error)
            run.retry_writes = writes
            if run.durable is not None and flushing is not None:
                flushing.add_done_callback(_passing_on(run.durable))
            run.durable = flushing
            asyncio.get_running_loop().call_later(_RETRY_STORE_SECONDS, self._start_flush, run)
        else:
            if not isinstance(error, StoreUnavailable):
                _log.error("Run %s is no longer advanced here: %s", run.name, error)
            self._drop(run)
            for waiting in (flushing, run.durable, run.response):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(error)
                    waiting.exception()  # a waiter may be gone; the log has it

    def _tell(self, run: ActiveRun) -> None:
        status = run.ended.status if run.ended is not None else run.shown_status
        self._services().changes.publish("run", run_name=run.name, flow_id=run.flow_id, status=status.value)


def _passing_on(waiting: "asyncio.Future[None]") -> "Callable[[asyncio.Future[None]], None]":
    def pass_on(done: "asyncio.Future[None]") -> None:
        if waiting.done() or done.cancelled():
            return
        error = done.exception()
        waiting.set_exception(error) if error else waiting.set_result(None)

    return pass_on


def _is_at_rest(row: RunRow, now: datetime) -> bool:
    """Held, in doubt, or waiting for a later time."""
    return row.status == Status.WAITING or (row.wake_at is not None and row.wake_at > now)
