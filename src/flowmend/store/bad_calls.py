"""Bad calls counted in memory: a broken connection that flows lean on is refused many times a second."""

import threading
from datetime import datetime

#: {connection id: (number of calls, when the last was)}
Counted = dict[str, tuple[int, datetime]]


class BadCalls:
    """May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counted = {}

    @property
    def has_any(self) -> bool:
        return bool(self._counted)

    def note(self, connection_id: str, at: datetime) -> bool:
        """Count one call; True where nothing else waits to be taken."""
        with self._lock:
            is_first = not self._counted
            count, last_at = self._counted.get(connection_id, (0, at))
            self._counted[connection_id] = (count + 1, max(last_at, at))
        return is_first

    def taken(self) -> Counted:
        """What was counted since this was last asked."""
        with self._lock:
            counted, self._counted = self._counted, {}
        return counted
