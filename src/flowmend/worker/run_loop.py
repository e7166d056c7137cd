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
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run import (
    AbandonCall,
    ActionKey,
    ActionRecord,
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
)
from flowmend.store.journal import AddTracked, StartRun
from flowmend.store.rows import TrackedValueRow
from flowmend.use_cases.journal_pages import PageWriter, decode_pages, decode_start
from flowmend.use_cases.new_run import NewRun
from flowmend.use_cases.ports import Begun, Services
from flowmend.worker.active_run import CANNOT_GO_ON, LOOK_AT_CLOCK_SECONDS, ActiveRun, given_up
from flowmend.worker.errands import Errands
from flowmend.worker.overdue_runs import OverdueRuns
from flowmend.worker.performing import failed, perform
from flowmend.worker.run_writing import RunWriting
from flowmend.worker.setting_aside import set_aside

_log = logging.getLogger(__name__)

#: A wait longer than this leaves memory and is woken from its row.
AT_REST_AFTER = timedelta(seconds=60)
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
        self._writing = RunWriting(services, self._drop)
        self._overdue = OverdueRuns(self._active, self._handle)

    @property
    def active_count(self) -> int:
        return len(self._active)

    def begin(self, new_run: NewRun) -> Begun:
        services = self._services()
        row, loaded = new_run.row, new_run.loaded
        run = ActiveRun(
            row.run_name,
            loaded,
            fold(loaded.compiled, new_run.start, new_run.taken_over),
            PageWriter(row.run_name, services.vault),
            epoch=row.epoch,
            sequence=0,
        )
        run.is_stored = False
        run.writes += (StartRun(row, new_run.event), *new_run.together_with)
        run.entries += new_run.taken_over
        for entry in new_run.taken_over:
            run.note(entry)
            if entry.tracked_properties is not None:
                _track(run, entry.tracked_properties)
        # What it took over may be under way: containers with a time-out, a call its service is still busy with.
        first: Event = Recovered() if new_run.taken_over else Started()
        self._active[run.name] = run
        self._overdue.expect(run)
        services.changes.publish("run", run_name=run.name, flow_id=run.flow_id, status=Status.RUNNING.value)
        if new_run.start.ends_by is not None and new_run.start.ends_by - services.clock.now <= AT_REST_AFTER:
            self._schedule_changed()
        if new_run.awaits_response:
            run.response = asyncio.get_running_loop().create_future()
            response = run.response
            self._handle(run, first)
            return Begun(durable=None, response=response)
        self._handle(run, first)
        return Begun(durable=self._writing.written(run), response=None)

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
        await self._writing.written(run)
        return True

    async def send_block(self, run_names: Sequence[str], event: Event) -> None:
        runs = await self._load_block(run_names, event)
        # Why one cannot be written, its log says; the others are not to suffer for it.
        await asyncio.gather(*(self._writing.written(run) for run in runs), return_exceptions=True)

    def schedule_changed(self) -> None:
        self._schedule_changed()

    async def recover(self) -> int:
        """Go on with every run that was under way when the process ended; how many there were.

        Those at rest that are due by now are left to the timers: there may be tens of thousands.
        """
        names = self._services().store.runs.under_way()
        for position in range(0, len(names), _RECOVER_AT_ONCE):
            await self._load_block(names[position : position + _RECOVER_AT_ONCE])
        return len(names)

    async def wake(self, run_name: str) -> None:
        """Go on with a run whose row says that it is time: brought back to memory where it is at rest."""
        if self._stopping:  # its row wakes it at the next start
            return
        run = self._active.get(run_name)
        if run is None:
            await self._load(run_name)
        elif run.ended is None and not run.is_being_written:
            self._fire_due(run)
            run.rests_until(None)  # or the timers look at it for ever
            self._writing.write(run)

    def end_overdue(self) -> datetime | None:
        """End the runs in memory whose time is over, and say when to look again."""
        return self._overdue.end(self._services().clock.now)

    async def stop(self) -> None:
        """Stop advancing; what is under way is recovered at the next start."""
        self._stopping = True
        self._writing.stop_retrying()
        self._errands.stop()
        for run in list(self._active.values()):
            for _, handle in run.timers.values():
                handle.cancel()
            for task in run.calls.values():
                task.cancel()
        unwritten = [run for run in self._active.values() if run.entries or run.writes or run.flushing is not None]
        if unwritten:
            await asyncio.wait([self._writing.written(run) for run in unwritten], timeout=_STOPS_WITHIN_SECONDS)

    # -- loading --

    async def _load_block(self, run_names: Sequence[str], event: Event | None = None) -> list[ActiveRun]:
        """Those of these runs that have not ended, the ones at rest taken in one transaction. event: for each of them."""
        at_rest = [name for name in run_names if name not in self._active]
        epochs = self._services().store.runs.take_block(at_rest) if at_rest else {}
        found = []
        for name in run_names:
            run = self._active.get(name) or await self._load(name, epochs.get(name))
            if run is not None and run.ended is None:
                found.append(run)
                if event is not None:  # at once: it may be about to leave memory again
                    self._handle(run, event)
            await asyncio.sleep(0)
        return found

    async def _load(self, run_name: str, epoch: int | None = None) -> ActiveRun | None:
        """The run from the store, recovered; None where it is finished or unknown. epoch: by which it is taken already."""
        if (loading := self._loading.get(run_name)) is not None:
            return await loading
        future = self._loading[run_name] = asyncio.get_running_loop().create_future()
        run: ActiveRun | None = None
        try:
            run = self._read(run_name, epoch)
        except FlowmendError as error:
            if isinstance(error, StoreUnavailable) and self._services().store.condition.trouble is not None:
                future.set_exception(error)  # nothing is wrong with the run; whoever wants it asks again
                future.exception()
                raise
            _log.error("Run %s cannot go on: %s", run_name, error)
            set_aside(self._services(), run_name, ErrorDetail(error.code, error.message))
        except Exception:  # noqa: BLE001  # our own defect must keep neither the others nor the start from going on
            _log.exception("Run %s cannot be read", run_name)
            set_aside(self._services(), run_name, CANNOT_GO_ON)
        finally:
            del self._loading[run_name]
        future.set_result(run)
        if run is not None:
            self._handle(run, Recovered())
        return run

    def _read(self, run_name: str, epoch: int | None) -> ActiveRun | None:
        services = self._services()
        row = services.store.runs.get(run_name)
        if row is None or Status(row.status).is_terminal:
            return None
        loaded = services.flows.version(row.flow_id, row.version)
        if epoch is None or epoch != row.epoch:  # another took it meanwhile
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
            run.rests_until(None)
        for entry in entries:
            run.note(entry)
        self._active[run_name] = run
        self._overdue.expect(run)
        return run

    # -- deciding --

    def _handle(self, run: ActiveRun, event: Event) -> None:
        if run.ended is not None or self._stopping:
            return
        services = self._services()
        try:
            decision = decide(run.loaded.compiled, run.state, event, services.clock, budget=_SLICE)
        except Exception:  # noqa: BLE001  # our own defect ends this run, with its reason, and no other
            _log.exception("Run %s cannot be decided", run.name)
            decision = given_up(services.clock.now)
        run.entries += decision.entries
        for entry in decision.entries:
            run.note(entry)
            if type(entry) is ActionRecord and entry.tracked_properties is not None:
                _track(run, entry.tracked_properties)
        for command in decision.commands:
            self._carry_out(run, command)
        if decision.more:
            if len(run.entries) >= _FULL_PAGE:
                self._writing.write(run)
            asyncio.get_running_loop().call_soon(self._handle, run, Started())
        else:
            self._settle(run)
        self._writing.go_on(run)  # after all commands: what they lead to shares the page

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
                run.awaiting.append(partial(self._answer, run, command))
            case EndRun():
                run.awaiting.append(partial(self._ended, run))

    def _settle(self, run: ActiveRun) -> None:
        """After a decision: write soon, or leave memory where nothing is under way."""
        if run.ended is not None:
            return
        if run.calls:
            self._keep_awake(run)
            self._writing.write_lazily(run)
            return
        wake_at = run.next_wake_at()
        now = self._services().clock.now
        caller_waits = run.state.has_caller and not run.state.has_responded and not run.state.start.is_patient
        if caller_waits or (wake_at is not None and wake_at - now <= AT_REST_AFTER):
            self._keep_awake(run)
            self._writing.write(run)
            return
        if wake_at is None and not run.person_waits:
            wake_at = now + _LOOK_AT_REST  # it waits for a callback; so it need not be read at every start
        if wake_at is not None:
            run.rests_until(wake_at)
        self._writing.when_written(run, lambda _error: self._leave(run))

    def _keep_awake(self, run: ActiveRun) -> None:
        """A run that something came up for on its way out of memory: a restart must not take it for one at rest."""
        if run.is_at_rest:
            run.rests_until(None)

    def _leave(self, run: ActiveRun) -> None:
        """Drop a run at rest from memory, unless something came up meanwhile."""
        if run.calls or run.entries or run.is_being_written:
            return
        wake_at = run.next_wake_at()
        if wake_at is not None and wake_at - self._services().clock.now <= AT_REST_AFTER:
            return
        is_timed = bool(run.timers)
        self._drop(run)
        if is_timed:
            self._schedule_changed()

    def _drop(self, run: ActiveRun) -> None:
        for key in list(run.timers):
            self._disarm(run, key)
        for task in run.calls.values():
            task.cancel()
        run.calls.clear()
        if self._active.get(run.name) is run:
            del self._active[run.name]

    def _ended(self, run: ActiveRun, error: BaseException | None) -> None:
        if error is None and run.response is not None and not run.response.done():
            run.response.set_result(None)
        self._drop(run)
        if error is None:
            self._errands.ended(run)

    def _answer(self, run: ActiveRun, response: SendResponse, error: BaseException | None) -> None:
        """An answer that is durable, to whoever waits for it."""
        if error is not None:
            return
        if run.response is not None and not run.response.done():
            run.response.set_result(response)
        self._errands.answered(run, response)

    # -- timers --

    def _arm(self, run: ActiveRun, key: ActionKey, at: datetime) -> None:
        self._disarm(run, key)
        delay = max(0.0, (at - self._services().clock.now).total_seconds())
        handle = asyncio.get_running_loop().call_later(min(delay, LOOK_AT_CLOCK_SECONDS), self._fire, run, key)
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

    def _fire_due(self, run: ActiveRun) -> None:
        """What is due by the clock: a sleeping computer's timers are late."""
        now = self._services().clock.now
        for key in [key for key, (at, _) in run.timers.items() if at <= now]:
            if key in run.timers:  # one before it may have ended it
                run.timers[key][1].cancel()
                self._fire(run, key)

    # -- calls --

    async def _call(self, run: ActiveRun, command: CallOperation) -> None:
        services = self._services()
        try:
            event = await perform(services, run, command, self._writing)
        except FlowmendError as error:
            event = failed(command, error, services.clock.now)
        except Exception as error:  # noqa: BLE001  # our own defect fails this action, not the whole server
            _log.exception("Run %s: the call of %s broke", run.name, command.key[0])
            event = failed(command, error, services.clock.now)
        if run.calls.get(command.key) is asyncio.current_task():
            del run.calls[command.key]
            self._handle(run, event)


def _track(run: ActiveRun, tracked: Json) -> None:
    for name, value in tracked.items() if isinstance(tracked, dict) else ():
        text = value if isinstance(value, str) else str(value)
        run.writes.append(AddTracked(TrackedValueRow(run_name=run.name, flow_id=run.flow_id, name=name, value=text)))
