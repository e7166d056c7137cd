"""What of one flow waits to begin, in order of arrival."""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush

from flowmend.core.repair.lanes import Lanes


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Waiting:
    """An event or a run in the line. position: in order of arrival. connection_id: of a run, whose wait for it ends; "" of an event."""

    position: int
    name: str
    key: str
    connection_id: str = ""


class Backlog:
    """Gives out the first whose lane is free. Of each key one alone stands in front; the others stand behind it, so that
    thousands of one key cost nothing while they wait.
    """

    def __init__(self, flow_id: str, lanes: Lanes) -> None:
        self._flow_id = flow_id
        self._lanes = lanes
        self._front: list[Waiting] = []
        self._behind: dict[str, deque[Waiting]] = {}
        self._count = 0
        self._arrived = 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: str, key: str, connection_id: str = "") -> None:
        """One more at the end of the line."""
        waiting = Waiting(position=self._arrived, name=name, key=key, connection_id=connection_id)
        self._arrived += 1
        self._count += 1
        if not key:
            heappush(self._front, waiting)
        elif key in self._behind:
            self._behind[key].append(waiting)
        else:
            self._behind[key] = deque()
            heappush(self._front, waiting)

    def take(self) -> Waiting | None:
        """The first that may begin, None where none may. Whoever takes it begins it at once, or says `freed`."""
        while self._front and self._lanes.has_room_for(self._flow_id):
            waiting = heappop(self._front)
            if self._lanes.is_free(self._flow_id, waiting.key):
                self._count -= 1
                return waiting
            self._behind.setdefault(waiting.key, deque()).appendleft(waiting)
        return None

    def put_back(self, waiting: Waiting) -> None:
        """It was taken and could not begin: it stands where it stood."""
        self._count += 1
        heappush(self._front, waiting)

    def freed(self, key: str) -> None:
        """What was of this key has ended, or did not begin: the next one steps in front."""
        if key not in self._behind or not self._lanes.is_free(self._flow_id, key):
            return
        if self._behind[key]:
            heappush(self._front, self._behind[key].popleft())
        else:
            del self._behind[key]
