"""Notices that the system's clock was set back, by a clock that nobody can set."""

import time
from datetime import datetime, timedelta

#: Clocks that are kept in step move by less.
_NOTICED_FROM = timedelta(seconds=5)


class SetBack:
    """Remembers when it was asked last, by both clocks."""

    def __init__(self) -> None:
        self._before: tuple[datetime, float] | None = None

    def since_last(self, now: datetime) -> timedelta:
        """How far the clock was set back since this was asked last; nothing where it was not, or was set forward.

        What is planned for a span from now would else wait until the clock is there again. A time that people chose, such
        as a schedule's or that of a delay, is kept by the clock on the wall, whatever becomes of it.
        """
        passed = time.monotonic()
        before, self._before = self._before, (now, passed)
        if before is None:
            return timedelta()
        back = before[0] + timedelta(seconds=passed - before[1]) - now
        return back if back >= _NOTICED_FROM else timedelta()
