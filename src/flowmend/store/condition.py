"""Whether the database takes writes: said once when it stops, and once when it takes them again."""

import logging
import threading
import time
from collections.abc import Callable

from flowmend.core.errors import StoreUnavailable

_log = logging.getLogger(__name__)

#: A full database still takes a small write now and then: the trouble is over once nothing was refused for so long.
_QUIET_SECONDS = 3.0


class StoreCondition:
    """What the last writes showed; told from any thread. seconds: a clock that never goes back."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._trouble: StoreUnavailable | None = None
        self._began = self._last = 0.0
        self._refused = 0

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why writes are refused, None where they are taken as far as is known."""
        trouble = self._trouble
        return None if trouble is None or self._seconds() - self._last > _QUIET_SECONDS else trouble

    @property
    def log_level(self) -> int:
        """Of what follows from a refused write: no warning of its own while the trouble is told already."""
        return logging.WARNING if self.trouble is None else logging.DEBUG

    def refused(self, why: StoreUnavailable) -> None:
        """A write failed, and not for what was to be written."""
        with self._lock:
            is_new = self.trouble is None
            self._last = self._seconds()
            if is_new:
                self._began, self._refused = self._last, 0
            self._refused += 1
            self._trouble = why
        if is_new:
            _log.error("Nothing can be written: %s", why.message)

    def taken(self) -> None:
        """A write was taken."""
        if self._trouble is None:
            return
        with self._lock:
            if self.trouble is not None:
                return
            over, self._trouble = self._trouble, None
            lasted, refused = self._last - self._began, self._refused
        if over is not None:  # else another thread has said so
            _log.warning("The database takes writes again; for %.0f s it refused %d.", lasted, refused)
