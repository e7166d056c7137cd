"""How often something happened lately, in the memory of this process: for limits on what has no row to count it in."""

from collections import deque
from datetime import datetime, timedelta

_MOST_KEYS = 10_000


class RecentCounts:
    """Counts by key within a sliding window. most: so many are allowed within it."""

    def __init__(self, *, most: int, within: timedelta) -> None:
        self._most = most
        self._within = within
        self._times: dict[str, deque[datetime]] = {}

    def left(self, key: str, now: datetime) -> int:
        """How many more are allowed now."""
        return self._most - len(self._recent(key, now))

    def free_at(self, key: str, now: datetime) -> datetime | None:
        """When the next one is allowed, None for now."""
        times = self._recent(key, now)
        return times[-self._most] + self._within if len(times) >= self._most else None

    def add(self, key: str, now: datetime) -> None:
        """Count one."""
        if key not in self._times and len(self._times) >= _MOST_KEYS:
            self._make_room(now)
        self._times.setdefault(key, deque(maxlen=self._most)).append(now)

    def forget(self, key: str, at: datetime) -> None:
        """Take one back."""
        times = self._times.get(key)
        if times is not None and at in times:
            times.remove(at)

    def _recent(self, key: str, now: datetime) -> deque[datetime]:
        times = self._times.get(key)
        if times is None:
            return deque()
        while times and times[0] <= now - self._within:
            times.popleft()
        if not times:
            del self._times[key]
        return times

    def _make_room(self, now: datetime) -> None:
        for key in list(self._times):
            self._recent(key, now)
        while len(self._times) >= _MOST_KEYS:  # all are recent: the oldest key goes
            del self._times[next(iter(self._times))]
