"""Who may begin: of what waits for a repair, everything about one thing goes one after another, the rest side by side.

A lane is a flow's events and runs of one business key. What has no key is in no lane: it begins in order of arrival and
waits for nobody, as it would have when it arrived.
"""

from collections import Counter
from typing import TypeVar

_Lane = tuple[str, str]
_Counted = TypeVar("_Counted", str, _Lane)


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
        self._awake: Counter[_Lane] = Counter()
        self._awake_of_flow: Counter[str] = Counter()

    def __contains__(self, name: str) -> bool:
        return name in self._lanes

    @property
    def is_empty(self) -> bool:
        return not self._lanes

    @property
    def has_room(self) -> bool:
        """Whether one more may be under way, whatever its key."""
        return len(self._lanes) - len(self._resting) < self._most_at_once

    def lane_of(self, name: str) -> _Lane | None:
        """(flow id, key) of what was begun, None where it was not."""
        return self._lanes.get(name)

    def awake(self) -> list[tuple[str, str, str]]:
        """(name, flow id, key) of what is under way and not at rest."""
        return [(name, *lane) for name, lane in self._lanes.items() if name not in self._resting]

    def is_free(self, flow_id: str, key: str) -> bool:
        """Whether nothing of this lane is under way; always so without a key."""
        return not key or (flow_id, key) not in self._busy

    def has_awake_keys(self, flow_id: str) -> bool:
        """Whether a lane of this flow is in use just now: else nobody needs to know an event's key."""
        return flow_id in self._awake_of_flow

    def is_awake(self, flow_id: str, key: str) -> bool:
        """Whether something of this lane is under way and not at rest."""
        return bool(key) and (flow_id, key) in self._awake

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
            self._awake[flow_id, key] += 1
            self._awake_of_flow[flow_id] += 1

    def rests(self, name: str) -> bool:
        """It waits for long, for a time or a person: it takes nobody's place, but its lane stays closed. Whether it is ours."""
        if name not in self._lanes:
            return False
        if name not in self._resting:
            self._resting.add(name)
            self._falls_asleep(self._lanes[name])
        return True

    def ended(self, name: str) -> bool:
        """It ended, however. Whether it was ours."""
        lane = self._lanes.pop(name, None)
        if lane is None:
            return False
        if name in self._resting:
            self._resting.discard(name)
        else:
            self._falls_asleep(lane)
        if lane[1]:
            _count_down(self._busy, lane)
        return True

    def _falls_asleep(self, lane: _Lane) -> None:
        if lane[1]:
            _count_down(self._awake, lane)
            _count_down(self._awake_of_flow, lane[0])


def _count_down(counts: Counter[_Counted], one: _Counted) -> None:
    counts[one] -= 1
    if not counts[one]:
        del counts[one]
