"""The runs in memory that take longer than they may."""

from collections.abc import Callable, Mapping
from datetime import datetime

from flowmend.core.run import RunOverdue
from flowmend.worker.active_run import ActiveRun


class OverdueRuns:
    """Ends runs whose time is over. Asked whenever the timers look, so it remembers a time before which no run's is.

    active: the runs in memory, by name; those at rest say in their row when they are to be woken. handle: gives a run an
    event.
    """

    def __init__(self, active: Mapping[str, ActiveRun], handle: Callable[[ActiveRun, RunOverdue], None]) -> None:
        self._active = active
        self._handle = handle
        self._none_before: datetime | None = None

    def expect(self, run: ActiveRun) -> None:
        """A run came into memory."""
        ends_by = run.state.start.ends_by
        if ends_by is not None and (self._none_before is None or ends_by < self._none_before):
            self._none_before = ends_by

    def end(self, now: datetime) -> datetime | None:
        """End what is overdue, and say when to ask again; None while no run in memory has a limit."""
        if self._none_before is None or now < self._none_before:
            return self._none_before
        self._none_before = None
        for run in list(self._active.values()):
            ends_by = run.state.start.ends_by
            if ends_by is None or run.ended is not None:
                continue
            if ends_by <= now:
                self._handle(run, RunOverdue())
            else:
                self.expect(run)
        return self._none_before
