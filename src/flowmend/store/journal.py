"""The journal: one thread writes for all runs of a process, many submissions in one transaction.

Theory of operation
-------------------
A commit costs a disk flush, whatever it holds. So nobody commits for himself: everyone submits, and the writer thread
takes all that is waiting (up to a bound), commits it as one group, and tells everyone. While it commits, the next group
gathers; no artificial delay is needed, and a lone submission is written at once.

A submission is atomic. Submissions of one run keep their order. A page is written only if the run still has the epoch
its writer knows (`runs.take` raises it, which fences off the worker that had the run before) and only if the page before
it is there, so a journal has no holes: after a failed page every later one fails too, until the failed one is repeated.

A group fails as a whole: the database rolls it back. If the database itself is in trouble (full, locked, away), all of it
fails with StoreUnavailable, and the writer goes on with what comes next. Otherwise one of the submissions is at fault, and
the group is bisected: each half is tried alone, down to the guilty one, so only that one fails.

Some writes only ride along: nobody waits for them, so they cause no group of their own and go with the next one. As the
page that tells of a call is submitted after the note of its secret's use, the note is there whenever the page is.

The event loop is woken once per group, not once per run.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeAlias

import msgspec

from flowmend.core.errors import StoreUnavailable
from flowmend.store.database import Database
from flowmend.store.failures import is_general, our_error
from flowmend.store.journal_group import JournalGroup, JournalStatements
from flowmend.store.journal_writes import (
    AddSecretUse,
    AddTracked,
    AppendPage,
    ChangeEvent,
    ChangeRun,
    HoldEvent,
    StartRun,
    Statement,
    Write,
)

__all__ = [
    "AddSecretUse",
    "AddTracked",
    "AppendPage",
    "ChangeEvent",
    "ChangeRun",
    "HoldEvent",
    "Journal",
    "JournalStatistics",
    "StartRun",
    "Statement",
    "Write",
]

_log = logging.getLogger(__name__)

#: Submissions in one transaction. More would save little and let everyone wait longer.
_MOST_IN_A_GROUP = 512

#: Writes that ride along and could not be written yet: beyond these, the oldest are let go.
_MOST_RIDERS = 50_000

#: Called with None after the commit, or with what kept it from happening.
Done: TypeAlias = Callable[[BaseException | None], None]


class JournalStatistics(msgspec.Struct):
    """What the journal has done since it was opened. commits: groups, and parts of bisected ones."""

    commits: int = 0
    submissions: int = 0
    writes: int = 0
    failed: int = 0


class _Submission(msgspec.Struct, frozen=True, gc=False):
    """loop: where `done` is to be called; None is the writer thread itself."""

    writes: Sequence[Write]
    done: Done
    loop: asyncio.AbstractEventLoop | None = None


class Journal:
    """Takes writes from any thread. Errors reach whoever submitted: StoreUnavailable, Fenced, Conflict."""

    def __init__(self, database: Database) -> None:
        self.statistics = JournalStatistics()
        self._database = database
        self._statements = JournalStatements(is_sqlite=database.is_sqlite)
        self._queue: SimpleQueue[_Submission | None] = SimpleQueue()
        self._riders: deque[Write] = deque(maxlen=_MOST_RIDERS)
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._opening = threading.Lock()

    def submit(self, writes: Sequence[Write], done: Done) -> None:
        """Hand writes over; `done` is called on the writer thread once they are durable or have failed.

        Errors: StoreUnavailable after `close`.
        """
        self._put(_Submission(writes, done))

    def hand_over(self, writes: Sequence[Write], done: Done) -> None:
        """As `submit`, but `done` is called by the running event loop. Errors: StoreUnavailable after `close`."""
        self._put(_Submission(writes, done, asyncio.get_running_loop()))

    def enqueue(self, writes: Sequence[Write]) -> "asyncio.Future[None]":
        """Hand writes over; the future, of the running event loop, resolves once they are durable or have failed.

        A failure that nobody asks the future about is logged by the event loop. Errors: StoreUnavailable after `close`.
        """
        future = asyncio.get_running_loop().create_future()
        self.hand_over(writes, partial(_resolve, future))
        return future

    async def write(self, writes: Sequence[Write]) -> None:
        """Hand writes over and wait until they are durable."""
        await self.enqueue(writes)

    def ride_along(self, write: Write) -> None:
        """Let a write go with the next group, whoever submits it. Kept and tried again where the database is away."""
        self._riders.append(write)

    @property
    def has_riders(self) -> bool:
        return bool(self._riders)

    def submit_riders(self) -> None:
        """Make a group for what rides along, should none come of itself. Nothing after `close`."""
        with suppress(StoreUnavailable):
            self.submit((), _nobody_waits)

    def close(self) -> None:
        """Write what was submitted or rides along, then stop; may be called twice."""
        if self._riders:
            self.submit_riders()
        with self._opening:
            thread, self._thread = self._thread, None
            self._is_closed = True
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    def _put(self, submission: _Submission) -> None:
        with self._opening:
            if self._is_closed:
                raise StoreUnavailable("The store is closed.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            self._queue.put(submission)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            group, is_last = self._next_group()
            if group:
                group += self._boarded()
                settled: list[tuple[_Submission, BaseException | None]] = []
                self._commit(group, settled)
                _tell(settled)
                self._count(settled)

    def _boarded(self) -> list[_Submission]:
        """What rides along with this group, as a submission of its own: it must not fail those who wait."""
        riders: list[Write] = []
        while self._riders:
            riders.append(self._riders.popleft())
        return [_Submission(riders, partial(self._arrived, riders))] if riders else []

    def _arrived(self, riders: list[Write], error: BaseException | None) -> None:
        if isinstance(error, StoreUnavailable) and len(self._riders) + len(riders) <= _MOST_RIDERS:
            self._riders.extendleft(reversed(riders))
        elif error is not None:
            _log.error("%d notes could not be written: %s", len(riders), error)

    def _next_group(self) -> tuple[list[_Submission], bool]:
        """What is waiting, at least one, and whether it is the last."""
        group: list[_Submission] = []
        submission = self._queue.get()
        while submission is not None:
            group.append(submission)
            if len(group) == _MOST_IN_A_GROUP:
                return group, False
            try:
                submission = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _commit(
        self, submissions: Sequence[_Submission], settled: list[tuple[_Submission, BaseException | None]]
    ) -> None:
        try:
            self._carry_out(submissions)
        except BaseException as error:  # noqa: BLE001  # whatever it is, those who wait must hear of it
            if len(submissions) == 1 or is_general(error):
                ours = our_error(error)
                if ours is not error:
                    ours.__cause__ = error
                settled.extend((submission, ours) for submission in submissions)
            else:
                middle = len(submissions) // 2
                self._commit(submissions[:middle], settled)
                self._commit(submissions[middle:], settled)
        else:
            self.statistics.commits += 1
            settled.extend((submission, None) for submission in submissions)

    def _carry_out(self, submissions: Sequence[_Submission]) -> None:
        group = JournalGroup(self._statements)
        for submission in submissions:
            group.add(submission.writes)
        with self._database.transaction() as connection:
            group.carry_out(connection)

    def _count(self, settled: Sequence[tuple[_Submission, BaseException | None]]) -> None:
        statistics = self.statistics
        statistics.submissions += len(settled)
        statistics.failed += sum(error is not None for _, error in settled)
        statistics.writes += sum(len(submission.writes) for submission, error in settled if error is None)


def _nobody_waits(_error: BaseException | None) -> None:
    """For a submission that is only there to make a group."""


def _tell(settled: Sequence[tuple[_Submission, BaseException | None]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Done, BaseException | None]]] = {}
    here: list[tuple[Done, BaseException | None]] = []
    for submission, error in settled:
        waiting = here if submission.loop is None else by_loop.setdefault(submission.loop, [])
        waiting.append((submission.done, error))
    for loop, theirs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_call, theirs)
        except RuntimeError:
            _log.debug("An event loop was closed before its writes were done.")
    _call(here)


def _call(waiting: Sequence[tuple[Done, BaseException | None]]) -> None:
    for done, error in waiting:
        try:
            done(error)
        except Exception:  # noqa: BLE001  # one listener must not silence the next
            _log.exception("A listener to the journal failed.")


def _resolve(future: "asyncio.Future[None]", error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
