"""The line of a whole recovery: things of many flows in one order of arrival, lane by lane, the lanes side by side."""

import heapq
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_Thing = TypeVar("_Thing")
_Lane = tuple[str, str]


class Line(Generic[_Thing]):
    """Of each lane the first alone is offered, and only while its lane is free; what has no key is in no lane.

    is_free: whether nothing of a flow and key is under way.
    """

    def __init__(self, is_free: Callable[[str, str], bool]) -> None:
        self._is_free = is_free
        self._offered: list[tuple[int, _Lane, _Thing]] = []
        self._behind: dict[_Lane, deque[tuple[int, _Thing]]] = {}
        self._with_offer: set[_Lane] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def has_offer(self) -> bool:
        """Whether something may begin now."""
        return bool(self._offered)

    def add(self, place: int, flow_id: str, key: str, thing: _Thing) -> None:
        """Put one in line. place: in the order of arrival, each its own."""
        self._count += 1
        lane = (flow_id, key)
        if not key:
            heapq.heappush(self._offered, (place, lane, thing))
            return
        self._behind.setdefault(lane, deque()).append((place, thing))
        self._offer(lane)

    def take(self) -> _Thing | None:
        """The first that may begin, which leaves the line; None where none may now. Whoever takes it begins it at once, or
        says `freed`.
        """
        if not self._offered:
            return None
        _, lane, thing = heapq.heappop(self._offered)
        self._with_offer.discard(lane)
        self._count -= 1
        return thing

    def put_back(self, place: int, flow_id: str, key: str, thing: _Thing) -> None:
        """What was taken and did not begin stands where it stood."""
        self._count += 1
        if key:
            self._with_offer.add((flow_id, key))
        heapq.heappush(self._offered, (place, (flow_id, key), thing))

    def freed(self, flow_id: str, key: str) -> None:
        """Something of this lane ended, or was taken and did not begin: the next one is offered."""
        if key:
            self._offer((flow_id, key))

    def _offer(self, lane: _Lane) -> None:
        waiting = self._behind.get(lane)
        if not waiting or lane in self._with_offer or not self._is_free(*lane):
            return
        place, thing = waiting.popleft()
        if not waiting:
            del self._behind[lane]
        self._with_offer.add(lane)
        heapq.heappush(self._offered, (place, lane, thing))
