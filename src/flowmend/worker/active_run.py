"""A run while it is in memory: its state, what waits to be written, and what it waits for."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run import (
    ActionKey,
    ActionRecord,
    Decision,
    EndRecord,
    EndRun,
    Entry,
    RunState,
    SendResponse,
)
from flowmend.store.journal import ChangeRun, Write
from flowmend.use_cases.journal_pages import PageWriter
from flowmend.use_cases.loaded_flows import LoadedFlow

#: Told once something is durable, or why it is not.
Waiter = Callable[[BaseException | None], None]

#: A timer in memory looks at the clock this often: clocks are set, and computers sleep.
LOOK_AT_CLOCK_SECONDS = 10.0

#: Codes of waits that only a person or a repair ends; the run shows as Waiting with the code.
PERSON_WAITS = ("ConnectionNeedsRepair", "ActionInDoubt")

#: What is said of a run that our own defect keeps from going on.
CANNOT_GO_ON = ErrorDetail("InternalError", "Flowmend could not go on with this run; its log says why.")

#: What a run's row says of a failure while there is none.
_NO_FAILURE: dict[str, Json] = {
    "error_code": "", "error_message": "", "failed_action": "", "diagnosis_category": "", "connection_id": "",
}  # fmt: skip


_FAILURES = (Status.FAILED, Status.TIMED_OUT)
#: The code of a container that failed by what is in it: not the failure people look for.
_BY_ITS_ACTIONS = "ActionFailed"


class ActiveRun:
    """Owned by the run loop and touched on its thread only.

    entries: decided, not yet written. writes: other rows to write with them. awaiting: who waits until these are
    durable. flushing: who waits for the group on its way, None where there is none. retry_writes: a group the store
    could not take, to be tried again. person_waits: {action: (code, connection id)}. is_at_rest: whether its row says
    when it goes on, so that a restart leaves it alone until then.
    """

    __slots__ = (
        "awaiting", "calls", "ended", "entries", "epoch", "failure", "flow_id", "flushing", "is_at_rest", "is_stored",
        "loaded", "name", "pages", "person_waits", "response", "retry_writes", "sequence", "shown_status", "state", "timers", "traces",
        "writes",
    )  # fmt: skip

    def __init__(
        self, name: str, loaded: LoadedFlow, state: RunState, pages: PageWriter, *, epoch: int, sequence: int
    ) -> None:
        self.name = name
        self.flow_id = loaded.row.flow_id
        self.loaded = loaded
        self.state = state
        self.pages = pages
        self.epoch = epoch
        self.sequence = sequence
        self.is_stored = True
        self.is_at_rest = False
        self.entries: list[Entry] = []
        self.writes: list[Write] = []
        self.retry_writes: list[Write] = []
        self.awaiting: list[Waiter] = []
        self.flushing: list[Waiter] | None = None
        self.calls: dict[ActionKey, asyncio.Task[None]] = {}
        self.timers: dict[ActionKey, tuple[datetime, asyncio.TimerHandle]] = {}
        self.traces: dict[str, str] | None = None
        self.response: asyncio.Future[SendResponse | None] | None = None
        self.ended: EndRecord | None = None
        self.failure: ActionRecord | None = None
        self.person_waits: dict[ActionKey, tuple[str, str]] = {}
        self.shown_status = Status.RUNNING

    @property
    def is_being_written(self) -> bool:
        """Whether what was decided is on its way to the store, or about to be."""
        return self.flushing is not None or bool(self.awaiting)

    def rests_until(self, wake_at: datetime | None) -> None:
        """Let the row say, with what is written next, when the run goes on; None while it is awake."""
        self.is_at_rest = wake_at is not None
        self.writes.append(ChangeRun(self.name, self.epoch, {"wake_at": wake_at}))

    def note(self, entry: Entry) -> None:
        """Remember what lists and pages show of the run."""
        if type(entry) is ActionRecord:
            if entry.status is Status.WAITING:
                if entry.code in PERSON_WAITS:
                    self.person_waits[entry.name, entry.repetition] = (entry.code, entry.connection_id)
                    self.failure = self.failure or entry
            else:
                if (entry.name, entry.repetition) in self.person_waits:
                    del self.person_waits[entry.name, entry.repetition]
                    self._forget_wait(entry)
                if entry.status in _FAILURES and entry.code != _BY_ITS_ACTIONS and not _names_sign_in(self.failure):
                    self.failure = entry
        elif type(entry) is EndRecord:
            self.ended = entry

    def row_changes(self) -> dict[str, Json] | None:
        """What the run's row must say now, None where it already does."""
        if self.ended is not None:
            return self._ending(self.ended)
        if self.person_waits and not self.calls:
            code, connection_id = next(iter(self.person_waits.values()))
            self.shown_status = Status.WAITING
            # With its timers, which a restart must not forget because somebody is waited for too.
            waits: dict[str, Json] = {
                "status": Status.WAITING.value, "code": code, "wake_at": self.next_wake_at(),
            }  # fmt: skip
            # By this connection the run is found once it works, whatever failed before.
            return {**self._failure(), **waits, "connection_id": connection_id}
        if self.shown_status is not Status.RUNNING:
            self.shown_status, self.is_at_rest = Status.RUNNING, False
            return {"status": Status.RUNNING.value, "code": "", "wake_at": None, **_NO_FAILURE, **self._failure()}
        return None

    def _forget_wait(self, entry: ActionRecord) -> None:
        """The wait of this action is over: what it waited for is no failure of the run."""
        failed = self.failure
        if failed is not None and (failed.name, failed.repetition) == (entry.name, entry.repetition):
            self.failure = None

    def next_wake_at(self) -> datetime | None:
        """The earliest time at which the run goes on by itself, or is ended."""
        times = [at for at, _ in self.timers.values()]
        if self.state.start.ends_by is not None:
            times.append(self.state.start.ends_by)
        return min(times, default=None)

    def _ending(self, ended: EndRecord) -> dict[str, Json]:
        changes: dict[str, Json] = {
            "status": ended.status.value,
            "code": ended.code,
            "ended_at": ended.at,
            "wake_at": None,
        }
        if self.shown_status is Status.WAITING:
            changes |= _NO_FAILURE
        if ended.error is not None:
            changes |= {"error_code": ended.error.code, "error_message": ended.error.message}
        if ended.status in {Status.FAILED, Status.CANCELLED}:
            changes |= self._failure()
        elif ended.status is Status.TIMED_OUT:  # what went wrong in it before is not why it ended
            changes = {**self._failure(), **changes}
        return changes

    def _failure(self) -> dict[str, Json]:
        failed = self.failure
        if failed is None:
            return {}
        changes: dict[str, Json] = {"failed_action": failed.name, "connection_id": failed.connection_id}
        if failed.diagnosis is not None:
            changes["diagnosis_category"] = failed.diagnosis.category.value
        said = failed.error or failed.diagnosis
        changes |= {
            "error_code": failed.code or (said.code if said else ""),
            "error_message": said.message if said else "",
        }
        return changes


def _names_sign_in(failure: ActionRecord | None) -> bool:
    """Whether a failure found earlier already says that signing in went wrong: the first of these is shown, else the
    latest of all, because earlier ones may have been handled.
    """
    return failure is not None and failure.diagnosis is not None and failure.diagnosis.is_auth_failure


def given_up(now: datetime) -> Decision:
    """The end of a run that our own defect keeps from going on."""
    end = EndRecord(status=Status.FAILED, code=CANNOT_GO_ON.code, error=CANNOT_GO_ON, at=now)
    return Decision([end], [EndRun(status=end.status, code=end.code, error=end.error)])
