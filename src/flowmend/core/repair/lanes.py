"""Who may begin: of what waits for a repair, everything about one thing goes one after another, the rest side by side.

A lane is a flow's events and runs of one business key. What has no key is in no lane: it begins in order of arrival and
waits for nobody, as it would have when it arrived.
"""

from collections import Counter

_Lane = tuple[str, str]


class Lanes:
    """What was begun and has not ended. Whoever begins things asks in order of arrival, lane by lane.

    most_at_once: how many may be under way and not at rest. What was under way already is told by `begun` too, even where
    that is more.
    """

    def __init__(self, *, most_at_once: int) -> None:
        self._most_at_once = most_at_once
        self._lanes: dict[str, _Lane] = {}
        self._resting: set[str] = set()
        self._busy: Counter[_Lane] = Counter()

    @property
    def is_empty(self) -> bool:
        return not self._lanes

    @property
    def has_room(self) -> bool:
        """Whether one more may be under way, whatever its key."""
        return len(self._lanes) - len(self._resting) < self._most_at_once

    def is_free(self, flow_id: str, key: str) -> bool:
        """Whether nothing of this lane is under way; always so without a key."""
        return not key or (flow_id, key) not in self._busy

    def may_begin(self, flow_id: str, key: str) -> bool:
        """Whether one more may begin now. key: "" for none."""
        return self.has_room and self.is_free(flow_id, key)

    def begun(self, name: str, flow_id: str, key: str) -> None:
        """Something is under way. name: of its run; told twice, it counts once."""
        if name in self._lanes:
            return
        self._lanes[name] = (flow_id, key)
        if key:
            self._busy[flow_id, key] += 1

    def rests(self, name: str) -> bool:
        """It waits for long, for a time or a person: it takes nobody's place, but its lane stays closed. Whether it is ours."""
        if name in self._lanes:
            self._resting.add(name)
        return name in self._lanes

    def ended(self, name: str) -> bool:
        """It ended, however. Whether it was ours."""
        lane = self._lanes.pop(name, None)
        if lane is None:
            return False
        self._resting.discard(name)
        if lane[1]:
            self._busy[lane] -= 1
            if not self._busy[lane]:
                del self._busy[lane]
        return True
